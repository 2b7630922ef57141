"""Our codecs in the comparison: learned from the training part, the test part coded as a board codes it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgetwin.bench.rate.peers import Codec
from edgetwin.bench.rate.point import Decoded, Point, reach
from edgetwin.bench.rate.signals import RateData
from edgetwin.core import Dictionary
from edgetwin.deploy.bundle import DictionaryBundle
from edgetwin.deploy.coding import tune_codec
from edgetwin.deploy.learning import LearningPlan, learn_bundle
from edgetwin.deploy.training import TrainingSet

__all__ = ["AUTO", "OURS", "ours"]

AUTO, SPARSE = "auto", "sparse"

#: Atoms at most, as `edgetwin learn` takes them, and training windows that they are learned from.
_ATOMS = 256
_WINDOWS = 20000
#: Most windows in a packet.
_BATCH = 64
_ITERATIONS = 10
#: What the search for a slope begins with is that of a quantiser with the target's error.
_SLOPE = 2 * np.log(2)


def ours(data: RateData, target_nrmse: float, codec: str) -> Point:
    """The test part in packets of `codec` ("auto", "sparse", "dct" or "dpcm") at an NRMSE of `target_nrmse`.

    Bits are of whole packets; the bundle that the board holds is the point's `dictionary_bytes`. As a peer's parameter,
    the slope that the codec works at is moved until the test part has the error.
    """
    training = TrainingSet(data.train, data.channels)
    plan = LearningPlan(
        n_components=_ATOMS if len(data.train) > 4 * _ATOMS else len(data.train) // 3,
        target_nrmse=target_nrmse,
        algorithm="aksvd",
        max_iter=_ITERATIONS,
        codec=codec,
        batch=_batch(data.run),
    )
    bundle = learn_bundle(_subset(training, plan.batch), plan).bundle
    sizes: list[int] = []

    def trial(nrmse: float) -> Decoded:
        tuned, _ = tune_codec(bundle, training, plan, slope=_SLOPE * nrmse**2)
        sizes.append(len(tuned.to_bytes()))
        return _coded(data, tuned, plan.batch)

    point = reach(data, target_nrmse, trial, target_nrmse)
    return replace(point, dictionary_bytes=max(sizes))


def _batch(run: int) -> int:
    """Windows of a packet: those of whole runs, or a part of one."""
    return _BATCH if run >= _BATCH else _BATCH // run * run


def _subset(training: TrainingSet, batch: int) -> TrainingSet:
    """Whole packets, spread over the training part, as many as are learned from."""
    packets = len(training) // batch
    kept = np.unique(np.linspace(0, packets - 1, min(packets, max(1, _WINDOWS // batch))).astype(np.intp))
    rows = (kept[:, None] * batch + np.arange(batch)).ravel()
    return replace(training, signals=training.signals[rows])


def _coded(data: RateData, bundle: DictionaryBundle, batch: int) -> Decoded:
    """The test part decoded, and the bits of its packets; none holds a part of a run and the next."""
    core = Dictionary(bundle.to_bytes())
    run = data.run if batch <= data.run else len(data.test)
    whole, rest = divmod(run, batch)
    counts = np.tile([batch] * whole + ([rest] if rest else []), len(data.test) // run)
    packets, _ = core.encode_packets(data.test, counts)
    return core.decode(packets, counts).signals, 8.0 * sum(map(len, packets))


def _codec(name: str, title: str) -> Codec:
    return Codec(name, title, lambda data, target: ours(data, target, name), small=True)


OURS = (
    _codec(AUTO, "ours, auto"),
    _codec(SPARSE, "ours, dictionary"),
    _codec("dct", "ours, DCT"),
    _codec("dpcm", "ours, DPCM"),
)
