"""How many atoms, and how many a code: the cheapest (n, s) that reaches a wanted error, found by trying."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from edgetwin.dictionary.compression import compression_of
from edgetwin.dictionary.sparse import SparseCodes, sparse_encode

__all__ = ["SearchResult", "Trial", "code_bits", "search"]

FloatArray = npt.NDArray[np.floating]
#: Learns a dictionary (n, m) from signals (N, m): learn(signals, n, s).
Learn = Callable[[FloatArray, int, int], FloatArray]

# Signals that the trials learn from: this many, or some for each atom if that is more.
LEARNED_FROM = 4096
SIGNALS_AN_ATOM = 4
# Held-out signals that a trial is judged by, at most, and the share of them that is left out for being represented
# worst: one event in the held-out part of a record can outweigh all else there (in bundled telemetry the error of three
# windows is 40 times that of the other 500), and no number of atoms learns it from the rest.
JUDGED_BY = 1024
LEFT_OUT = 0.01
MOST_ATOMS = 4096
# What is tried for each n before the steps between the last that misses the target and the first that reaches it.
SPARSITIES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)


@dataclass(frozen=True)
class Trial:
    """What a dictionary of n atoms and codes of at most s of them would give.

    nrmse : ‖Y − Ŷ‖_F / ‖Y − Ȳ‖_F of signals that the dictionary was not learned from, the worst 1 % left out
    bits : of a code, on average, as packed for the wire (device/FORMATS.md)
    compression : 1 − (m n + s N) / (m N), as the paper counts it
    """

    n: int
    s: int
    nrmse: float
    bits: float
    compression: float


@dataclass(frozen=True)
class SearchResult:
    """All trials, by n and then s, and the one that sends the fewest bits among those that reach the target."""

    target_nrmse: float
    trials: tuple[Trial, ...]
    chosen: Trial


def search(
    signals: FloatArray,
    target_nrmse: float,
    learn: Learn,
    *,
    n_candidates: Sequence[int] | None = None,
    s_candidates: Sequence[int] | None = None,
    channels: int = 1,
    coefficient_bits: int = 8,
    random_state: int | np.random.RandomState | None = None,
    n_jobs: int | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> SearchResult:
    """The (n, s) of the fewest bits a signal whose NRMSE on held-out signals is at most `target_nrmse`.

    A dictionary is learned for each n, from a random part of the signals; each s is judged on another part, without the
    1 % that is represented worst. More signals and iterations, as the final learning has them, do better, not worse.

    Parameters
    ----------
    signals : (N, m); sample i of a signal belongs to channel i mod `channels`
    learn : learns the trial dictionaries; a few iterations are enough
    n_candidates, s_candidates : what is tried; None: powers of two from m/2 up, and 1 to min(m/2, 64), down to the
        smallest s that reaches the target
    coefficient_bits : of the packed code, 4 to 16, or 32
    progress : called as progress(done, total) after each n

    Raises
    ------
    ValueError : if nothing that was tried reaches the target, with the best that was reached, or there are too few
        signals to hold some out.
    """
    if not 0 < target_nrmse < 1:
        raise ValueError(f"target_nrmse={target_nrmse} must lie between 0 and 1")
    count, m = signals.shape
    if count < 8:
        raise ValueError(f"n_samples={count} are too few to hold some out for target_nrmse: give 8 or more")
    rows = check_random_state(random_state).permutation(count)
    held_out, rest = rows[: min(JUDGED_BY, count // 4)], rows[min(JUDGED_BY, count // 4) :]
    sizes = sorted({n for n in n_candidates or _default_sizes(m, len(rest)) if n <= len(rest)})
    if not sizes:
        raise ValueError(f"n_samples={count} are too few to try {min(n_candidates or [1])} atoms and hold some out")
    dtype = signals.dtype if signals.dtype.kind == "f" else np.dtype(np.float32)
    judged = signals[np.sort(held_out)].astype(dtype)
    trials: list[Trial] = []
    for done, n in enumerate(sizes, start=1):
        sparsities = sorted({min(s, m, n) for s in s_candidates or SPARSITIES if s_candidates or s <= max(1, m // 2)})
        learned_from = signals[np.sort(rest[: max(LEARNED_FROM, SIGNALS_AN_ATOM * n)])].astype(dtype)
        # One dictionary serves every s: learned for a middle one, it is nearly as good for the others.
        atoms = np.asarray(learn(learned_from, n, sparsities[len(sparsities) // 2]), judged.dtype)

        def judge(s: int, atoms: FloatArray = atoms) -> Trial:
            codes = sparse_encode(judged, atoms, s, n_jobs=n_jobs)
            error = _nrmse(judged, codes.synthesise(atoms), channels)
            bits = code_bits(codes, s, coefficient_bits)
            return Trial(len(atoms), s, error, bits, compression_of(m, len(atoms), count, s))

        judged_here = [judge(s) for s in sparsities]
        if s_candidates is None:
            judged_here += _between(judged_here, target_nrmse, judge)
        trials += sorted(judged_here, key=lambda trial: trial.s)
        if progress is not None:
            progress(done, len(sizes))
    return SearchResult(target_nrmse, tuple(trials), _choose(trials, target_nrmse))


def code_bits(codes: SparseCodes, k: int, coefficient_bits: int) -> float:
    """Mean bits of the packed codes, most of them k atoms long (device/FORMATS.md, codec 1), without the frame."""
    index_bits = (codes.n_components - 1).bit_length()
    exponent_bits = 8 if coefficient_bits < 32 else 0
    header_bits = 4 + k.bit_length()
    used = codes.counts.astype(np.float64)
    return float(np.mean(header_bits + (used > 0) * exponent_bits + used * (index_bits + coefficient_bits)))


def _default_sizes(m: int, available: int) -> list[int]:
    """Powers of two from about m/2 up, as long as there are several signals for each atom."""
    most = max(2, min(available // SIGNALS_AN_ATOM, MOST_ATOMS))
    first = max(1, (m // 2 - 1).bit_length())
    sizes = [2**power for power in range(first, most.bit_length()) if 2**power <= most]
    return sizes or [2 ** (most.bit_length() - 1)]


def _between(trials: Sequence[Trial], target: float, judge: Callable[[int], Trial]) -> list[Trial]:
    """What bisection tries between the largest s that misses the target and the smallest that reaches it."""
    reached = [trial.s for trial in trials if trial.nrmse <= target]
    if not reached:
        return []
    high = min(reached)
    low = max((trial.s for trial in trials if trial.s < high), default=high)
    tried = []
    while high - low > 1:
        tried.append(judge((low + high) // 2))
        if tried[-1].nrmse <= target:
            high = tried[-1].s
        else:
            low = tried[-1].s
    return tried


def _choose(trials: Sequence[Trial], target: float) -> Trial:
    reached = [trial for trial in trials if trial.nrmse <= target]
    if not reached:
        best = min(trials, key=lambda trial: trial.nrmse)
        raise ValueError(
            f"target_nrmse={target:g} is out of reach: the best is {best.nrmse:.3g}, with {best.n} atoms and {best.s} "
            "a code; ask for less, or give more signals"
        )
    return min(reached, key=lambda trial: (trial.bits, trial.n))


def _nrmse(signals: FloatArray, reconstructed: FloatArray, channels: int) -> float:
    """‖Y − Ŷ‖_F / ‖Y − Ȳ‖_F, Ȳ the mean of each channel, without the worst signals; 0 for a perfect copy."""
    y = signals.astype(np.float64)
    errors = np.square(y - reconstructed).sum(axis=1)
    kept = np.argsort(errors, kind="stable")[: len(y) - round(LEFT_OUT * len(y))]
    by_channel = y[kept].reshape(-1, channels)
    spread = float(np.square(by_channel - by_channel.mean(axis=0)).sum())
    error = float(errors[kept].sum())
    return float(np.sqrt(error / spread)) if spread > 0 else (0.0 if error == 0 else float("inf"))
