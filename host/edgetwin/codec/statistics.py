"""Counts of the symbols that the C core will code, in the core's contexts, over many windows at once.

Windows come as runs (R, W, m): W windows that follow each other, as a packet holds them. Tables never decide what is
right, only what it costs: rounding that differs from the core's in a last bit does no harm here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from edgetwin.codec.tables import BUCKETS, SYMBOLS, DctTables, Parts, SparseTables, cosines, parts_of

Ints = NDArray[np.int64]
Floats = NDArray[np.floating]

_ESCAPE = SYMBOLS - 1
_SATURATED = 0x7FFF
_MOST_U16 = 0xFFFF
#: Counts that the prior of a table is worth.
_PRIOR = 4.0


def channels_of(runs: Floats, channels: int) -> Floats:
    """(R, W, C, T): the samples of each channel, from runs (R, W, m)."""
    r, w, m = runs.shape
    return runs.reshape(r, w, m // channels, channels).swapaxes(2, 3)


def dead_zone(values: Floats, rounding: int) -> Ints:
    """floor(|x| + rounding / 256) with the sign of x."""
    return (np.sign(values) * np.floor(np.abs(values) + rounding / 256)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class MeanStatistics:
    """first, next: expected magnitudes, 1/16 step; magnitudes (13, 16)."""

    first: int
    next: int
    magnitudes: Parts


def mean_statistics(means: Ints) -> MeanStatistics:
    """Of the channels' means (R, W, C) in steps."""
    start, change = np.abs(means[:, 0]), np.abs(np.diff(means, axis=1))
    first, later = _expected(start), _expected(change)
    before = np.concatenate([np.zeros_like(change[:, :1]), change[:, :-1]], axis=1)[:, : change.shape[1]]
    contexts = [np.full(start.size, first), (later + 16 * before.ravel()) // 2]
    return MeanStatistics(first, later, _magnitudes(np.concatenate(contexts), np.append(start, change)))


def sparse_tables(
    support: NDArray[np.integer], steps: Ints, n: int, k: int, weights: NDArray[np.floating]
) -> tuple[SparseTables, int]:
    """Tables and the mean expected magnitude, 1/16 step, of codes (N, k).

    support : (N, k) ascending atoms; steps : (N, k) coefficients in steps, 0 where there is none; weights : (N,)
    """
    order = np.argsort(steps == 0, axis=1, kind="stable")
    support, steps = np.take_along_axis(support, order, 1), np.take_along_axis(steps, order, 1)
    used = steps != 0
    less = np.where(used, np.abs(steps) - 1, 0)
    weight = np.broadcast_to(weights[:, None], steps.shape)[used]
    atoms = support[used].astype(np.intp)

    def by_atom(values: Any) -> NDArray[np.float64]:
        return np.asarray(np.bincount(atoms, weights=weight * values, minlength=n), np.float64)

    uses = by_atom(1.0)
    total = max(float(uses.sum()), 1e-9)
    mean = float((weight * less[used]).sum()) / total
    expected = np.minimum(np.round(16 * (by_atom(less[used]) + 2 * mean) / (uses + 2)), _SATURATED).astype(np.int64)
    negative = np.clip(np.round(256 * (by_atom(steps[used] < 0) + 1) / (uses + 2)), 1, 255).astype(np.uint8)
    sparse_mean = min(round(16 * mean), _SATURATED // 2)

    seen = np.minimum(np.cumsum(np.minimum(16 * less, _SATURATED), axis=1), _SATURATED)
    theirs = np.where(used, expected[support.astype(np.intp)], 0)
    foreseen = np.minimum(np.cumsum(theirs, axis=1), _SATURATED)
    prior = 2 * sparse_mean + 1
    before = [np.pad(sums[:, :-1], ((0, 0), (1, 0))) + prior for sums in (seen, foreseen)]
    contexts = theirs * before[0] // before[1]

    counts = np.bincount(used.sum(axis=1), weights=weights, minlength=k + 1) + 0.02
    share = (uses + 0.5) / (uses + 0.5).sum()
    left = np.maximum(1 - np.concatenate([[0.0], np.cumsum(share)]), 2.0**-30)
    survival = np.minimum(np.round(-2048 * np.log2(left)), _MOST_U16).astype(np.uint16)
    tables = SparseTables(
        _magnitudes(contexts[used], less[used], weight),
        parts_of(counts),
        np.maximum.accumulate(survival),
        expected.astype(np.uint16),
        negative,
    )
    return tables, sparse_mean


def dct_tables(values: Ints, weights: NDArray[np.floating]) -> DctTables:
    """Tables of coefficients (N, T) in steps, the mean first; weights : (N,)."""
    length = values.shape[1]
    magnitudes = np.abs(values)
    magnitudes[:, 0] = 0  # the mean is coded apart
    last = np.where(magnitudes.any(axis=1), length - 1 - np.argmax(magnitudes[:, ::-1] != 0, axis=1), 0)
    counts = np.bincount(last, weights=weights, minlength=length)
    total = max(float(weights.sum()), 1e-9)
    # Neighbouring ends are about as likely: what a short training part has not seen is not rare for that.
    smooth = np.convolve(counts, [0.05, 0.1, 0.7, 0.1, 0.05], mode="same") if length > 4 else counts
    expected = np.minimum(np.round(16 * (weights @ magnitudes) / total), _MOST_U16).astype(np.int64)
    before = np.pad(magnitudes, ((0, 0), (2, 0)))
    contexts = (expected + 11 * before[:, 1:-1] + 5 * before[:, :-2]) // 2
    coded = (np.arange(length) <= last[:, None]) & (np.arange(length) > 0)
    weight = np.broadcast_to(weights[:, None], values.shape)[coded]
    return DctTables(
        _magnitudes(contexts[coded], magnitudes[coded], weight),
        parts_of(smooth + 0.02 * total / length),
        expected.astype(np.uint16),
        cosines(length),
    )


def transform(runs: Floats, channels: int, step: float, rounding: int) -> Ints:
    """DCT coefficients (R, W, C, T) in steps of runs (R, W, m), the mean first and rounded to nearest."""
    values = dct(channels_of(runs, channels).astype(np.float64), axis=3, norm="ortho") / step
    steps = dead_zone(values, rounding)
    steps[..., 0] = np.round(values[..., 0]).astype(np.int64)
    return steps


@dataclass(frozen=True, eq=False)
class DpcmStatistics:
    """predictor (order,) in 1/4096; first, next: expected magnitudes, 1/16 step; magnitudes (13, 16)."""

    predictor: NDArray[np.int16]
    first: int
    next: int
    magnitudes: Parts


def dpcm_statistics(runs: Floats, channels: int, step: float, weights: NDArray[np.floating]) -> DpcmStatistics:
    """Of DPCM of runs (R, W, m); weights : (R, W)."""
    samples = channels_of(runs, channels)
    r, w, c, t = samples.shape
    series = np.round(samples.swapaxes(1, 2).reshape(r * c, w * t) / step).astype(np.int64)
    predictor = _best_predictor(series)
    rest = np.abs(_prediction_rest(series, predictor))
    first, later = _expected(rest[:, 0]), _expected(rest[:, 1:])
    contexts = np.empty_like(rest)
    contexts[:, 0] = first
    spread = np.full(len(rest), later)
    for at in range(1, rest.shape[1]):
        if at == t:  # the second window begins as the first went on
            spread[:] = later
        contexts[:, at] = spread
        spread = (3 * spread + 16 * rest[:, at] + 2) // 4
    weight = np.broadcast_to(weights[:, None, :, None], (r, c, w, t)).reshape(rest.shape)
    return DpcmStatistics(predictor, first, later, _magnitudes(contexts.ravel(), rest.ravel(), weight.ravel()))


#: Orders of predictor that are tried.
_ORDERS = (0, 1, 2, 4, 8)


def _best_predictor(series: Ints) -> NDArray[np.int16]:
    """The least-squares predictor whose rest takes the fewest bits, about, for its order."""
    best, least = np.zeros(0, np.int16), np.inf
    for order in _ORDERS:
        predictor = _least_squares(series, order)
        if predictor is None:
            continue
        bits = float(np.log2(1 + 2 * np.abs(_prediction_rest(series, predictor))).mean())
        if bits < 0.995 * least:
            best, least = predictor, bits
    return best


def _least_squares(series: Ints, order: int) -> NDArray[np.int16] | None:
    if order == 0:
        return np.zeros(0, np.int16)
    if series.shape[1] <= 2 * order or not series.any():
        return None
    windows = np.lib.stride_tricks.sliding_window_view(series.astype(np.float64), order + 1, axis=1)
    windows = windows.reshape(-1, order + 1)
    gram = windows.T @ windows
    lags = gram[:order, :order][::-1, ::-1] + 1e-6 * np.trace(gram) * np.eye(order) / order
    weights = np.linalg.solve(lags, gram[:order, order][::-1])
    return np.clip(np.round(4096 * weights), -32768, 32767).astype(np.int16)


def _prediction_rest(series: Ints, predictor: NDArray[np.int16]) -> Ints:
    """What the predictor leaves of series (K, L); the first sample stands for those before it."""
    order = len(predictor)
    padded = np.concatenate([np.repeat(series[:, :1], order, axis=1), series], axis=1)
    sums = np.full(series.shape, 2048, np.int64)
    for lag, weight in enumerate(predictor.tolist(), start=1):
        sums += weight * padded[:, order - lag : order - lag + series.shape[1]]
    predicted = sums >> 12
    predicted[:, 0] = 0
    return np.asarray(series - predicted)


def _expected(magnitudes: Ints) -> int:
    """Their mean in 1/16 step, as 16 bits hold it."""
    return int(min(round(16 * float(magnitudes.mean())), _MOST_U16)) if magnitudes.size else 0


def _magnitudes(expected: Ints, magnitudes: Ints, weights: NDArray[np.floating] | None = None) -> Parts:
    """The table (13, 16) of magnitudes by their expectation, 1/16 step (`device/src/magnitude.c`)."""
    octave = np.frexp(np.maximum(expected, 1).astype(np.float64))[1].astype(np.int64) - 1
    half = (expected >> np.maximum(octave - 1, 0)) & 1
    bucket = np.where(expected < 2, expected, 2 * octave + half)
    low_bits = np.where(bucket < BUCKETS, 0, (bucket - (BUCKETS - 2)) // 2)
    bucket = bucket - 2 * low_bits
    symbol = np.minimum(magnitudes >> low_bits, _ESCAPE)
    counts = np.bincount(bucket * SYMBOLS + symbol, weights=weights, minlength=BUCKETS * SYMBOLS)
    return parts_of(counts.reshape(BUCKETS, SYMBOLS) + _PRIOR * _geometric())


def _geometric() -> NDArray[np.float64]:
    """(13, 16): geometric distributions with the buckets' expectations; the last symbol has the rest."""
    bucket = np.arange(BUCKETS)
    expected = np.where(bucket < 2, bucket, 2.0 ** (bucket // 2) * (1 + bucket % 2 / 2)) * 1.2 / 16 + 0.02
    ratio = (expected / (1 + expected))[:, None]
    table = (1 - ratio) * ratio ** np.arange(SYMBOLS)
    table[:, _ESCAPE] = ratio[:, 0] ** _ESCAPE
    return np.asarray(table)
