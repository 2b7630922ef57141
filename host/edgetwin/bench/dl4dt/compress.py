"""Signals as a dictionary sees them: the training data that the experiments compare with the original ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgetwin.dictionary import DictionaryLearner, sparse_encode
from edgetwin.dictionary.compression import atoms_for
from edgetwin.errors import UserError

__all__ = ["Compressed", "Example", "Tracker", "compress", "keep_at_random", "reconstruct"]

Float32Array = npt.NDArray[np.float32]

#: Begins a stretch of so many steps under a title; what it returns is called after each step.
Tracker = Callable[[str, int], Callable[[], None]]

ALL_CORES = -1


@dataclass(frozen=True, eq=False)
class Compressed:
    """A learned dictionary and the signals that its codes stand for.

    signals : (N, m) float32, X D
    atoms : (n, m)
    error : ‖Y − X D‖_F / √(N m)
    seconds : of learning
    """

    signals: Float32Array
    atoms: Float32Array
    error: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Example:
    """Signals and what dictionaries make of them, to be drawn.

    signals : (N, m) float32
    shape : of one signal: (height, width), (samples,), or (rows, channels)
    dictionaries : by compression
    """

    name: str
    signals: Float32Array
    shape: tuple[int, ...]
    dictionaries: dict[float, Compressed]


def compress(
    signals: Float32Array,
    compression: float,
    n_nonzero_coefs: int,
    *,
    iterations: int,
    algorithm: str,
    seed: int,
    title: str,
    track: Tracker,
) -> Compressed:
    """Signals (N, m) compressed as the paper counts it, 1 − (mn + sN)/(mN), by a dictionary learned from them.

    Raises UserError where `n_nonzero_coefs` leaves no room for a dictionary.
    """
    started = time.monotonic()
    try:
        n = atoms_for(compression, signals.shape[1], len(signals), n_nonzero_coefs)
        advance = track(f"{title}: {n:,} atoms from {len(signals):,} signals", iterations)
        learner = DictionaryLearner(
            n_components=n,
            n_nonzero_coefs=n_nonzero_coefs,
            max_iter=iterations,
            algorithm=algorithm,
            random_state=seed,
            n_jobs=ALL_CORES,
            callback=lambda _: advance(),
        ).fit(signals)
    except ValueError as error:
        raise UserError(f"{title}: {error}") from error
    seconds = time.monotonic() - started
    approximation = reconstruct(signals, learner.components_, n_nonzero_coefs)
    rms = float(np.sqrt(np.mean(np.square(signals - approximation, dtype=np.float64))))
    return Compressed(approximation, learner.components_, rms, seconds)


def reconstruct(signals: Float32Array, atoms: Float32Array, n_nonzero_coefs: int) -> Float32Array:
    """What the codes of signals (N, m) over atoms (n, m) stand for."""
    codes = sparse_encode(signals, atoms, n_nonzero_coefs, n_jobs=ALL_CORES)
    return np.asarray(codes.synthesise(atoms), dtype=np.float32)


def keep_at_random(count: int, compression: float, seed: int) -> npt.NDArray[np.intp]:
    """Random compression: indices, ascending, of the share 1 − `compression` of `count` signals that is kept."""
    kept = max(1, round((1 - compression) * count))
    return np.sort(np.random.default_rng(seed).permutation(count)[:kept])
