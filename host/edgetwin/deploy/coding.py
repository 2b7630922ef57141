"""The codec of a bundle, trained by what the C core makes of real windows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from edgetwin.codec import CodecPlan, CodecTables, Measured, train_codec
from edgetwin.core import Codes, Dictionary, omp
from edgetwin.deploy.bundle import DictionaryBundle
from edgetwin.deploy.plan import DEFAULT_ATOMS, DEFAULT_NONZERO, LearningPlan
from edgetwin.deploy.training import TrainingSet
from edgetwin.errors import UserError

__all__ = ["centre", "holds_out", "is_centred", "is_held_out", "measure_packets", "tune_codec", "with_codec"]

#: Every fifth run of windows is held out where the codec is to reach an error: atoms flatter what they learned from.
_HELD_OUT = 5
#: Multiply-adds that coding the codec's training windows once may take, and their number.
_WORK = 1e9
_WINDOWS = (500, 6000)
#: Samples a channel from which on a window's means are coded apart: in shorter windows they are what atoms are for.
_LEAST_CENTRED = 8


def is_centred(m: int, channels: int) -> bool:
    """Whether atoms see windows of m samples without the means of their channels."""
    return m // channels >= _LEAST_CENTRED


def centre(signals: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
    """Signals (N, m) without the mean of each channel."""
    samples = signals.reshape(len(signals), -1, channels)
    return np.asarray(samples - samples.mean(axis=1, keepdims=True)).reshape(signals.shape)


def with_codec(
    bundle: DictionaryBundle, runs: NDArray[np.float32], plan: CodecPlan, held_out: NDArray[np.bool_]
) -> tuple[DictionaryBundle, Measured]:
    """The bundle with a codec trained on raw windows (R, W, m), W = plan.windows that follow each other.

    held_out : (R,) runs that the atoms were not learned from

    Raises UserError if no codec reaches the plan's target.
    """
    scaled = bundle.scaling.transform(runs.reshape(-1, bundle.m)).reshape(runs.shape)

    def codes(signals: NDArray[np.float32], least: float) -> Codes:
        return omp(signals, bundle.atoms, bundle.s, tolerance=bundle.tolerance, least=least, scales=bundle.scales)

    def measure(tables: CodecTables) -> Measured:
        return measure_packets(replace(bundle, tables=tables), runs)

    try:
        tables, measured = train_codec(
            plan,
            scaled,
            bundle.channels,
            bundle.n,
            min(bundle.s, bundle.m, bundle.n),
            codes,
            measure,
            centred=is_centred(bundle.m, bundle.channels) and not plan.lossless,
            held_out=held_out,
        )
    except ValueError as error:
        raise UserError(f"{error}: ask for a larger error or more bits, or give the codec another kind") from error
    return replace(bundle, tables=tables), measured


def measure_packets(bundle: DictionaryBundle, runs: NDArray[np.float32]) -> Measured:
    """What the core makes of raw windows (R, W, m) in packets of W; the error is that of the scaled signal."""
    core = Dictionary(bundle.to_bytes())
    signals = runs.reshape(-1, bundle.m)
    counts = np.full(len(runs), runs.shape[1])
    packets, status = core.encode_packets(signals, counts)
    if status.any():
        raise UserError(f"window {int(np.flatnonzero(status)[0])} cannot be coded")
    decoded = core.decode(packets, counts)
    gains = np.tile(bundle.gains, bundle.m // bundle.channels).astype(np.float64)
    errors = np.square((decoded.signals - signals) * gains).mean(axis=1)
    bits = 8.0 * np.array([len(packet) for packet in packets])
    return Measured(bits, errors.reshape(counts.size, -1), decoded.kinds.reshape(counts.size, -1))


def tune_codec(
    bundle: DictionaryBundle, training: TrainingSet, plan: LearningPlan, slope: float | None = None
) -> tuple[DictionaryBundle, Measured]:
    """The bundle with the plan's codec, trained on its signals; the atoms stay.

    slope : squared error that a bit is worth, instead of the plan's target

    Raises UserError if the codec cannot reach the plan's target.
    """
    runs, held_out = _runs(training, plan)
    codec = CodecPlan(
        kinds=plan.kinds,
        target_nrmse=plan.target_nrmse,
        target_bits=plan.target_bits,
        slope=slope,
        windows=plan.batch,
        lossless=plan.codec_name == "lossless",
    )
    return with_codec(bundle, runs, codec, held_out)


def holds_out(training: TrainingSet, plan: LearningPlan) -> bool:
    """Whether some runs are kept from the atoms: the codec aims at an error or a rate, and there are five or more."""
    aims = not plan.packed and (plan.target_nrmse is not None or plan.target_bits is not None)
    return aims and training.in_memory and len(training) >= _HELD_OUT * plan.batch


def _runs(training: TrainingSet, plan: LearningPlan) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Raw windows (R, W, m) that follow each other, which the codec is trained on, and the runs that atoms do not see.

    Without an error or a rate to reach nothing is held out, and all runs count as if they were.
    """
    length = min(plan.batch, len(training))
    n, s = plan.n_components or DEFAULT_ATOMS, plan.n_nonzero_coefs or DEFAULT_NONZERO
    windows = int(np.clip(_WORK / (training.m * n * s), *_WINDOWS))
    groups = np.arange(len(training) // length)
    apart = is_held_out(groups)
    if not holds_out(training, plan):
        apart[:] = True
    # A third of the windows, at least, are those that decide.
    kept = np.concatenate([_spread(groups[apart], windows // length // 3), _spread(groups[~apart], windows // length)])
    groups, held_out = np.sort(kept), apart[np.sort(kept)]
    rows = (groups[:, None] * length + np.arange(length)).ravel()
    signals = training.signals[rows]
    runs = np.ascontiguousarray(signals if training.in_memory else signals.compute(), dtype=np.float32)
    return runs.reshape(len(groups), length, training.m), held_out


def is_held_out(groups: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which runs of windows, by their number, are kept from the atoms."""
    return np.asarray(groups % _HELD_OUT == _HELD_OUT - 1)


def _spread(values: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """At most `count` of them, 1 or more, spread evenly."""
    if len(values) <= count:
        return values
    return values[np.linspace(0, len(values) - 1, max(1, count)).round().astype(np.intp)]
