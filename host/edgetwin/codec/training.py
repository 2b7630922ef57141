"""The codec of a dictionary: tables and steps from training windows, for an error, a rate, or a fixed number of atoms.

All kinds of window work at one slope: the squared error that one bit less may cost, λ. A uniform quantiser of step Δ
has error Δ²/12, and a bit more divides it by 4, so λ = Δ² ln 2 / 6 gives the step; an atom takes about as many bits
everywhere, so λ gives the least correlation that is worth one (entropy-constrained quantisation: Chou, Lookabaugh &
Gray 1989).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgetwin.codec.statistics import (
    MeanStatistics,
    channels_of,
    dct_tables,
    dead_zone,
    dpcm_statistics,
    mean_statistics,
    sparse_tables,
    transform,
)
from edgetwin.codec.tables import DCT, DPCM, RAW, SPARSE, CodecTables, parts_of
from edgetwin.core import KINDS, Codes

__all__ = ["CodecPlan", "Measured", "train_codec"]

_SLOPE_PER_STEP = np.log(2) / 6
#: Bits that an atom takes, about: λ times them is the energy that makes one worth it.
_BITS_AN_ATOM = 8.0
#: Rounds of coding and training again at one slope: the kinds' tables settle on the windows that choose them.
_ROUNDS = 2
#: Share of λ below and above which no search looks, to the mean energy of a sample.
_SLOPES = (1e-9, 1e2)
_SEARCH_STEPS = 16
#: A target is met from below by this share of itself.
_CLOSE = 0.005
#: Quantisation may add this to the error of a fixed number of atoms: 0.1 dB (issue: at most that).
_TRANSPARENT = 10 ** (0.09 / 10) - 1
_ROUNDING = 112
#: A window of a kind that did not take it still counts a little.
_OTHERS = 0.03
#: What a window that the atoms were not learned from counts against one that they were.
_HELD_OUT = 4.0


@dataclass(frozen=True)
class CodecPlan:
    """What the codec is to reach. Without a target the dictionary's s is what stops a code.

    kinds : of window that may be used: "sparse", "dct", "dpcm"
    target_nrmse, target_bits : of the windows, mean error and mean bits a window; one of them at most
    slope : λ itself, instead of a target
    windows : a packet has; 1: nothing is predicted from the window before
    lossless : DPCM at a step of 1 alone
    """

    kinds: tuple[str, ...] = ("sparse", "dct", "dpcm")
    target_nrmse: float | None = None
    target_bits: float | None = None
    slope: float | None = None
    windows: int = 16
    lossless: bool = False


@dataclass(frozen=True, eq=False)
class Measured:
    """What windows (R, W, m) took when the core coded them, and lost.

    bits : (R,) of each packet
    errors : (R, W) mean squared error of a sample
    kinds : (R, W)
    """

    bits: NDArray[np.float64]
    errors: NDArray[np.float64]
    kinds: NDArray[np.uint8]

    def of(self, runs: NDArray[np.bool_]) -> Measured:
        """The same for some of the runs."""
        return Measured(self.bits[runs], self.errors[runs], self.kinds[runs])

    @property
    def bits_per_window(self) -> float:
        """Mean over all windows."""
        return float(self.bits.sum() / self.kinds.size)

    @property
    def error(self) -> float:
        """Mean squared error of a sample, over all windows."""
        return float(self.errors.mean())


Omp = Callable[[NDArray[np.float32], float], Codes]
Measure = Callable[[CodecTables], Measured]


@dataclass(frozen=True, eq=False)
class _Training:
    """The windows (R, W, m), scaled; those that atoms see (N, m); and how they are coded."""

    plan: CodecPlan
    runs: NDArray[np.float32]
    channels: int
    held_out: NDArray[np.bool_]
    n: int
    k: int
    centred: bool
    omp: Omp
    measure: Measure


def train_codec(
    plan: CodecPlan,
    runs: NDArray[np.float32],
    channels: int,
    n: int,
    k: int,
    omp: Omp,
    measure: Measure,
    *,
    centred: bool,
    held_out: NDArray[np.bool_],
) -> tuple[CodecTables, Measured]:
    """The tables for a plan, and what they cost.

    runs : (R, W, m) windows, scaled as the dictionary scales them; W = plan.windows follow each other
    n, k : atoms, and most that a code may use
    omp : codes of windows (N, m) as atoms see them, for a least correlation
    measure : what the core makes of the windows with such tables, in the same packets
    centred : whether atoms see windows without their channels' means
    held_out : (R,) runs that the atoms were not learned from: a target is that of these alone
    """
    training = _Training(plan, runs, channels, held_out, n, k, centred, omp, measure)
    if plan.lossless:
        return _settle(training, _Steps((1.0, 1.0, 1.0), 0.0, 0.0))
    if plan.slope is not None:
        return _settle(training, _at_slope(plan.slope))
    if plan.target_nrmse is None and plan.target_bits is None:
        return _settle(training, _fixed(training))
    return _search(training)


def _search(training: _Training) -> tuple[CodecTables, Measured]:
    """The largest slope (for bits: the smallest) that meets the target, by bisection and secants in the logarithm."""
    plan = training.plan
    energy = _energy(training.runs[training.held_out], training.channels)
    low, high = (float(np.log(energy * bound)) for bound in _SLOPES)
    # An error of Δ²/12 to begin with; or a bit a sample.
    share = plan.target_nrmse**2 if plan.target_nrmse is not None else 0.1
    at = float(np.log(12 * _SLOPE_PER_STEP * share * energy))
    best: tuple[CodecTables, Measured] | None = None
    for _ in range(_SEARCH_STEPS):
        tables, measured = _settle(training, _at_slope(float(np.exp(at))))
        measured = measured.of(training.held_out)
        if plan.target_nrmse is not None:
            beyond = 0.5 * float(np.log(max(measured.error, 1e-30) / (share * energy)))
        else:
            beyond = float(np.log(max(float(plan.target_bits or 0), 1e-30) / max(measured.bits_per_window, 1e-30)))
        # Error and missing bits both grow with the slope; a target of bits is met where there are none to spare.
        good = beyond <= 0 if plan.target_nrmse is not None else beyond >= 0
        if good:
            best = tables, measured
        if good and abs(beyond) < _CLOSE:
            break
        low, high = (low, at) if beyond > 0 else (at, high)
        guess = at - beyond / 0.5 - (_CLOSE if plan.target_nrmse is not None else -_CLOSE)
        at = guess if low + 0.02 * (high - low) < guess < high - 0.02 * (high - low) else (low + high) / 2
        if high - low < 1e-3:
            break
    if best is None:
        raise ValueError("no step reaches the target")
    return best


@dataclass(frozen=True)
class _Steps:
    steps: tuple[float, float, float]
    least: float
    energy_per_bit: float


def _at_slope(slope: float) -> _Steps:
    step = float(np.sqrt(slope / _SLOPE_PER_STEP))
    return _Steps((step, step, step), float(np.sqrt(slope * _BITS_AN_ATOM)), slope)


def _fixed(training: _Training) -> _Steps:
    """Steps that keep what s atoms leave, and the slope at which the last of them was worth its bits."""
    codes = training.omp(_seen(training), 0.0)
    m = training.runs.shape[2]
    left = float(np.mean(codes.residual_norm.astype(np.float64) ** 2))
    count = max(1.0, float(codes.counts.mean()))
    sparse = float(np.sqrt(12 * _TRANSPARENT * max(left, 1e-9 * m) / count))
    largest = np.where(np.arange(codes.coefficients.shape[1]) < codes.counts[:, None], codes.coefficients, np.inf)
    gain = np.square(np.abs(largest).min(axis=1))
    slope = float(np.median(gain[np.isfinite(gain)])) / _BITS_AN_ATOM if np.isfinite(gain).any() else left / m
    slope = max(slope, _SLOPE_PER_STEP * sparse**2)
    others = float(np.sqrt(slope / _SLOPE_PER_STEP))
    return _Steps((sparse, others, others), 0.0, slope)


def _settle(training: _Training, steps: _Steps) -> tuple[CodecTables, Measured]:
    """Tables for these steps, trained on the windows that choose them."""
    chosen: NDArray[np.uint8] | None = None
    tables, measured = None, None
    codes = training.omp(_seen(training, steps), steps.least) if "sparse" in training.plan.kinds else None
    for _ in range(1 if len(training.plan.kinds) == 1 else _ROUNDS):
        tables = _tables(training, steps, codes, chosen)
        measured = training.measure(tables)
        chosen = measured.kinds
    assert tables is not None and measured is not None
    return tables, measured


def _tables(training: _Training, steps: _Steps, codes: Codes | None, chosen: NDArray[np.uint8] | None) -> CodecTables:
    plan, channels = training.plan, training.channels
    kinds = [KINDS.index(kind) for kind in plan.kinds]
    coefficients = transform(training.runs, channels, steps.steps[DCT], _ROUNDING)
    chained = _is_chained(coefficients[..., 0])

    def weights(kind: int) -> NDArray[np.float64]:
        unseen = np.repeat(np.where(training.held_out, _HELD_OUT, 1.0), training.runs.shape[1])
        return unseen if chosen is None else unseen * np.where(chosen.ravel() == kind, 1.0, _OTHERS)

    # What is not chained is trained as runs of one window.
    windows, m = int(np.prod(training.runs.shape[:2])), training.runs.shape[2]
    r, w = training.runs.shape[:2] if chained else (windows, 1)
    runs, coefficients = training.runs.reshape(r, w, m), coefficients.reshape(r, w, channels, -1)
    with_means = DCT in kinds or (training.centred and SPARSE in kinds)
    means = mean_statistics(coefficients[..., 0]) if with_means else MeanStatistics(0, 0, np.zeros(0, np.uint16))
    sparse, sparse_mean = None, 0
    if codes is not None:
        used = np.arange(codes.support.shape[1]) < codes.counts[:, None]
        in_steps = dead_zone(np.where(used, codes.coefficients, 0.0) / steps.steps[SPARSE], _ROUNDING)
        sparse, sparse_mean = sparse_tables(codes.support, in_steps, training.n, training.k, weights(SPARSE))
    dct = None
    if DCT in kinds:
        dct = dct_tables(coefficients.reshape(r * w * channels, -1), np.repeat(weights(DCT), channels))
    dpcm = dpcm_statistics(runs, channels, steps.steps[DPCM], weights(DPCM).reshape(r, w)) if DPCM in kinds else None
    return CodecTables(
        steps=steps.steps,
        least=steps.least,
        energy_per_bit=steps.energy_per_bit,
        rounding=_ROUNDING,
        centred=training.centred and SPARSE in kinds,
        chained=chained,
        predictor=dpcm.predictor if dpcm is not None else np.zeros(0, np.int16),
        mean_first=means.first,
        mean_next=means.next,
        dpcm_first=dpcm.first if dpcm is not None else 0,
        dpcm_next=dpcm.next if dpcm is not None else 0,
        sparse_mean=sparse_mean,
        kind_parts=_kind_parts(kinds, chosen),
        mean=means.magnitudes if with_means else None,
        sparse=sparse,
        dct=dct,
        dpcm=dpcm.magnitudes if dpcm is not None else None,
    )


def _is_chained(means: NDArray[np.int64]) -> bool:
    """Whether the window before tells more of the means (R, W, C) than that they are about 0."""
    return bool(np.abs(np.diff(means, axis=1)).mean() < np.abs(means).mean()) if means.shape[1] > 1 else False


def _kind_parts(kinds: list[int], chosen: NDArray[np.uint8] | None) -> Any:
    """(5, 4): how often each kind follows each; kinds that are not used get nothing."""
    counts = np.full((len(KINDS) + 1, len(KINDS)), -1.0)
    counts[:, kinds] = 0.5
    counts[:, RAW] = 1e-4
    if chosen is not None:
        before = np.concatenate([np.zeros_like(chosen[:, :1]), chosen[:, :-1] + 1], axis=1)
        np.add.at(counts, (before.ravel(), chosen.ravel()), 1.0)
    return parts_of(counts)


def _seen(training: _Training, steps: _Steps | None = None) -> NDArray[np.float32]:
    """The windows (N, m) as atoms see them: without their means, rounded to steps."""
    runs = training.runs
    if training.centred:
        samples = channels_of(runs, training.channels)
        means = samples.mean(axis=3, keepdims=True)
        if steps is not None:
            unit = steps.steps[DCT] / np.sqrt(samples.shape[3])
            means = np.round(means / unit) * unit
        runs = (samples - means).swapaxes(2, 3).reshape(runs.shape)
    return np.ascontiguousarray(runs.reshape(-1, runs.shape[2]), dtype=np.float32)


def _energy(runs: NDArray[np.float32], channels: int) -> float:
    """Mean square of a sample about its channel's mean."""
    samples = runs.reshape(-1, channels).astype(np.float64)
    return float(np.square(samples - samples.mean(axis=0)).mean()) or 1.0
