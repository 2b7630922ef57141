"""Section 4.3: does a dictionary learned once represent new signals well enough for the detector that came with it?"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgetwin.bench.dl4dt.budget import RepresentativityPlan, TelemetryPlan
from edgetwin.bench.dl4dt.compress import Tracker, compress, keep_at_random, reconstruct
from edgetwin.bench.dl4dt.results import ORIGINAL, RANDOM, Confusion, Representativity
from edgetwin.bench.dl4dt.server_signals import ServerSignals, train_detector
from edgetwin.deploy.bundle import DictionaryBundle
from edgetwin.signals import ChannelScaling
from edgetwin.twin import Twin
from edgetwin.twin.wire import sent_bytes

__all__ = ["OMP", "WIRE", "Sent", "send", "together"]

Float32Array = npt.NDArray[np.float32]

#: How test signals reach the detector: as codes in float32, or as a board sends them.
OMP, WIRE = "omp", "wire"
SAMPLE_BYTES = 4


@dataclass(frozen=True)
class Sent:
    """A server's test signals, sent and judged.

    tests : by the way that they came: "original", "omp", "wire", "random"
    raw_bytes, wire_bytes : of the test signals as float32, and of the frames that carry their codes
    """

    atoms: int
    m: int
    tests: dict[str, Confusion]
    raw_bytes: int
    wire_bytes: int
    seconds_learning: float
    seconds_coding: float


def send(signals: ServerSignals, plan: TelemetryPlan, *, seed: int, track: Tracker) -> Sent:
    """Learns dictionary and detector from the training signals; then test signals are only coded, sent and judged.

    For each way the threshold is set by held-out normal signals that came the same way. "random" judges the share of
    the test signals that is kept, by the threshold for original ones.
    """
    chosen = plan.representativity
    learned = compress(
        signals.train,
        chosen.compression,
        chosen.n_nonzero_coefs,
        iterations=plan.iterations,
        algorithm=plan.algorithm,
        seed=seed,
        title=f"{signals.name}: {chosen.compression:.0%}, s = {chosen.n_nonzero_coefs}",
        track=track,
    )
    advance = track(f"{signals.name}: detector to be sent codes", plan.schedule.epochs)
    detector = train_detector(learned.signals, plan, seed=seed, on_epoch=advance)

    started = time.monotonic()
    decoded = reconstruct(signals.test, learned.atoms, chosen.n_nonzero_coefs_sent)
    seconds_coding = time.monotonic() - started
    held_out = reconstruct(signals.held_out, learned.atoms, chosen.n_nonzero_coefs_sent)
    board = _twin(learned.atoms, signals.channels, chosen.n_nonzero_coefs_sent)
    received, wire_bytes = _over_the_wire(board, signals.test)
    held_out_received, _ = _over_the_wire(board, signals.held_out)

    def judge(normal: Float32Array, test: Float32Array, which: npt.NDArray[np.intp] | slice) -> Confusion:
        return Confusion.of(signals.anomalous[which], detector.calibrate(normal).predict(test[which]))

    everything = slice(None)
    kept = keep_at_random(len(signals.test), chosen.random_compression, seed)
    tests = {
        ORIGINAL: judge(signals.held_out, signals.test, everything),
        OMP: judge(held_out, decoded, everything),
        WIRE: judge(held_out_received, received, everything),
        RANDOM: judge(signals.held_out, signals.test, kept),
    }
    raw_bytes = SAMPLE_BYTES * signals.test.size
    m = signals.test.shape[1]
    return Sent(len(learned.atoms), m, tests, raw_bytes, wire_bytes, learned.seconds, seconds_coding)


def together(sent: Mapping[str, Sent], plan: RepresentativityPlan) -> Representativity:
    """All servers as one; their signals have the same m."""
    servers = list(sent.values())
    return Representativity(
        n_nonzero_coefs=plan.n_nonzero_coefs,
        n_nonzero_coefs_sent=plan.n_nonzero_coefs_sent,
        atoms={name: one.atoms for name, one in sent.items()},
        tests={way: sum((one.tests[way] for one in servers), Confusion()) for way in servers[0].tests},
        kept_at_random=1 - plan.random_compression,
        triplet_gain=1 - 3 * plan.n_nonzero_coefs_sent / servers[0].m,
        wire_gain=1 - sum(one.wire_bytes for one in servers) / sum(one.raw_bytes for one in servers),
        seconds_learning=sum(one.seconds_learning for one in servers),
        seconds_coding=sum(one.seconds_coding for one in servers),
    )


def _twin(atoms: Float32Array, channels: int, n_nonzero_coefs: int) -> Twin:
    """The dictionary as a board would hold it: int8 atoms, 8 bits a coefficient, signals as they are."""
    scaling = ChannelScaling.identity(channels)
    return Twin(DictionaryBundle.from_components(atoms, s=n_nonzero_coefs, scaling=scaling))


def _over_the_wire(board: Twin, signals: Float32Array) -> tuple[Float32Array, int]:
    """The signals (N, m) that come out of a board's codes, and the bytes of the frames that carry them."""
    codes = board.encode(signals)
    return board.reconstruct(codes).signals, sent_bytes(codes)
