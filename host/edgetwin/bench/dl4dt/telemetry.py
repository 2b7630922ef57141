"""Section 4.2 on servers' telemetry: anomaly detectors trained on original, compressed and randomly reduced signals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgetwin.bench.dl4dt.budget import TelemetryPlan
from edgetwin.bench.dl4dt.compress import Example, Tracker, compress, keep_at_random
from edgetwin.bench.dl4dt.representativity import Sent, send, together
from edgetwin.bench.dl4dt.results import DICTIONARY, ORIGINAL, RANDOM, Confusion, Detection, Telemetry
from edgetwin.bench.dl4dt.server_signals import ServerSignals, train_detector
from edgetwin.data.catalogue import LabelledTelemetry

__all__ = ["detect"]

#: A form of the training data: "original", "dictionary" or "random", and its compression.
Form = tuple[str, float]


@dataclass(frozen=True, eq=False)
class _Server:
    example: Example
    sent: Sent
    outcomes: dict[Form, Confusion] = field(default_factory=dict)


def detect(
    servers: Sequence[LabelledTelemetry], plan: TelemetryPlan, *, seed: int, track: Tracker
) -> tuple[Telemetry, Example]:
    """Every server has dictionaries and detectors of its own, as every node has in the paper.

    servers : one at least, all with the same number of channels

    Returns what was found, and the first server's signals to draw.
    """
    judged = [_judge(ServerSignals.cut(server, plan, seed), plan, seed, track) for server in servers]
    rows = []
    for training, compression in judged[0].outcomes:
        errors = {
            one.example.name: one.example.dictionaries[compression].error for one in judged if training == DICTIONARY
        }
        confusions = {one.example.name: one.outcomes[training, compression] for one in judged}
        rows.append(Detection(training, compression, confusions, errors))
    found = Telemetry(
        signals={one.example.name: len(one.example.signals) for one in judged},
        m=judged[0].example.signals.shape[1],
        n_nonzero_coefs=plan.n_nonzero_coefs,
        iterations=plan.iterations,
        percentile=plan.percentile,
        rows=tuple(rows),
        representativity=together({one.example.name: one.sent for one in judged}, plan.representativity),
    )
    return found, judged[0].example


def _judge(signals: ServerSignals, plan: TelemetryPlan, seed: int, track: Tracker) -> _Server:
    """All of a server's detectors on its original test signals, and section 4.3."""
    dictionaries = {
        compression: compress(
            signals.train,
            compression,
            plan.n_nonzero_coefs,
            iterations=plan.iterations,
            algorithm=plan.algorithm,
            seed=seed,
            title=f"{signals.name}: {compression:.0%}",
            track=track,
        )
        for compression in plan.compressions
    }
    shape = (-1, signals.channels)
    example = Example(signals.name, signals.train, shape, dictionaries)
    judged = _Server(example, send(signals, plan, seed=seed, track=track))

    def judge(form: Form, training: npt.NDArray[np.float32], title: str) -> None:
        advance = track(f"{signals.name}: detector on {title}", plan.schedule.epochs)
        detector = train_detector(training, plan, seed=seed, on_epoch=advance).calibrate(signals.held_out)
        judged.outcomes[form] = Confusion.of(signals.anomalous, detector.predict(signals.test))

    judge((ORIGINAL, 0.0), signals.train, "original data")
    for compression, learned in dictionaries.items():
        judge((DICTIONARY, compression), learned.signals, f"{compression:.0%} compressed data")
    kept = keep_at_random(len(signals.train), plan.random_compression, seed)
    judge((RANDOM, plan.random_compression), signals.train[kept], f"{len(kept)} random signals")
    return judged
