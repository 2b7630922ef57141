"""Sparse codes of many signals at once: the throughput engine of learning.

What a board sends is computed by :mod:`edgetwin.core`; tests hold the two to the same supports.
"""

from __future__ import annotations

import math
import operator
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import joblib
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from threadpoolctl import ThreadpoolController

from edgetwin import core
from edgetwin.dictionary import _engine

__all__ = ["METHODS", "Method", "SparseCodes", "sparse_encode"]

FloatArray = npt.NDArray[np.floating]

Method = Literal["batch", "cholesky", "qr", "naive"]
METHODS: tuple[Method, ...] = ("batch", "cholesky", "qr", "naive")

# Correlations of a block of signals with all atoms stay in the last cache: this many of them.
_BLOCK_CORRELATIONS = 1 << 20
_BLOCK_ROWS = 2048
# Values between this and its inverse have squares, and sums of them, that a float32 holds.
_LARGEST = 2.0**50


@dataclass(frozen=True, eq=False)
class SparseCodes:
    """Sparse codes of N signals over n atoms, at most k atoms each.

    support : (N, k) int32, atom indices, ascending in the first `counts[i]` entries of row i; the rest are 0
    coefficients : (N, k) float32 or float64, the rest are 0
    counts : (N,) int32, atoms that each code uses
    n_components : n
    """

    support: npt.NDArray[np.int32]
    coefficients: FloatArray
    counts: npt.NDArray[np.int32]
    n_components: int

    @classmethod
    def empty(cls, n_signals: int, most: int, n_components: int, dtype: npt.DTypeLike) -> SparseCodes:
        """Codes of no atom, with room for `most` atoms each."""
        return cls(
            np.zeros((n_signals, most), np.int32),
            np.zeros((n_signals, most), dtype),
            np.zeros(n_signals, np.int32),
            n_components,
        )

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, rows: slice | npt.NDArray[Any]) -> SparseCodes:
        """The codes of some signals: for a slice, a view."""
        return SparseCodes(self.support[rows], self.coefficients[rows], self.counts[rows], self.n_components)

    def to_csr(self) -> csr_array:
        """The codes as a sparse matrix (N, n)."""
        used = np.arange(self.support.shape[1]) < self.counts[:, None]
        starts = np.concatenate(([0], np.cumsum(self.counts, dtype=np.int64)))
        return csr_array((self.coefficients[used], self.support[used], starts), (len(self), self.n_components))

    def synthesise(self, atoms: FloatArray) -> FloatArray:
        """The signals (N, m) that the codes stand for over `atoms` (n, m)."""
        return np.asarray(self.to_csr() @ atoms, dtype=self.coefficients.dtype)


def sparse_encode(
    signals: npt.ArrayLike,
    dictionary: npt.ArrayLike,
    n_nonzero_coefs: int,
    *,
    tolerance: float = 0.0,
    method: Method = "batch",
    n_jobs: int | None = None,
) -> SparseCodes:
    """Sparse codes by orthogonal matching pursuit.

    Parameters
    ----------
    signals : (N, m) real, finite, of any magnitude if there is no tolerance.
    dictionary : (n, m), unit-norm atoms. Codes are float64 if both arrays are, else float32.
    n_nonzero_coefs : most atoms a code may use, s >= 1; at most min(s, m, n) are used.
    tolerance : a code ends when the norm of the residual is at most this.
    method : "batch", Rubinstein 2008 (with few signals, where its Gram matrix does not pay, "cholesky" is taken);
        "cholesky", a factor that grows by a row a step (Sturm & Christensen 2012, section 2.2); "naive", each least
        squares problem solved from scratch (DL4DT, algorithm 1); "qr", the board's own OMP-QR, in float32.
    n_jobs : threads, as in joblib. Codes do not depend on it.

    A code also ends where all correlations with the residual are rounding noise, and at an atom that depends on the
    chosen ones. Of equal correlations the lowest index is chosen.

    Raises
    ------
    ValueError : for arrays that do not fit each other, values that are not finite, s < 1, a negative tolerance, and
        coefficients that do not fit the type.
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, not {method!r}")
    y, atoms = _checked(signals, dictionary, float32=method == "qr")
    if operator.index(n_nonzero_coefs) < 1:
        raise ValueError(f"n_nonzero_coefs must be 1 or more, not {n_nonzero_coefs}")
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance must be finite and not negative, not {tolerance}")
    s = min(n_nonzero_coefs, *atoms.shape)
    if method == "batch" and len(y) * s < len(atoms):
        method = "cholesky"
    y, exponents = _within_squares(y, tolerance)
    with one_blas_thread():
        codes = Encoder(atoms, s, tolerance, method).encode(y, n_jobs)
    if exponents is not None:
        with np.errstate(over="ignore"):
            np.ldexp(codes.coefficients, exponents[:, None], out=codes.coefficients)
        if not np.isfinite(codes.coefficients).all():
            raise ValueError(f"a coefficient does not fit {atoms.dtype}: scale the data")
    return codes


class Encoder:
    """What the blocks of signals share: the dictionary and, for batch OMP, its Gram matrix.

    `atoms` (n, m) must be in C order. To be used within :func:`one_blas_thread`.
    """

    def __init__(self, atoms: FloatArray, s: int, tolerance: float = 0.0, method: Method = "batch") -> None:
        self.atoms = atoms
        self.s = s
        self.tolerance = tolerance
        self.method = method
        self.real_size = atoms.dtype.itemsize
        n, m = atoms.shape
        if method == "batch":
            lanes = _engine.PADDING // self.real_size
            self._padded = np.zeros((-(-n // lanes) * lanes, m), atoms.dtype)
            self._padded[:n] = atoms
            self._gram = _aligned((n, len(self._padded)), atoms.dtype)
            np.matmul(atoms, self._padded.T, out=self._gram)

    def replace_atom(self, atom: int, values: FloatArray) -> None:
        """Puts the unit-norm `values` (m,) in the place of an atom, in `atoms` too. For batch OMP only."""
        self.atoms[atom] = self._padded[atom] = values
        self._gram[atom] = self._padded @ self.atoms[atom]
        self._gram[:, atom] = self._gram[atom, : len(self.atoms)]

    @property
    def block_rows(self) -> int:
        """Signals of a block: fixed by the shape of the problem, so that rounding does not depend on the threads."""
        return max(64, min(_BLOCK_ROWS, _BLOCK_CORRELATIONS // len(self.atoms)))

    def encode(self, signals: FloatArray, n_jobs: int | None) -> SparseCodes:
        """Codes of signals (N, m) of the atoms' type, in C order."""
        codes = SparseCodes.empty(len(signals), self.s, len(self.atoms), self.atoms.dtype)
        in_blocks(len(signals), self.block_rows, lambda rows: self.encode_block(signals[rows], codes[rows]), n_jobs)
        return codes

    def encode_block(self, signals: FloatArray, codes: SparseCodes) -> None:
        """Writes the codes of a block of signals into `codes`."""
        out = (codes.support, codes.coefficients, codes.counts)
        (n, m), s = self.atoms.shape, self.s
        if self.method == "batch":
            correlations = _aligned((len(signals), len(self._padded)), self.atoms.dtype)
            np.matmul(signals, self._padded.T, out=correlations)
            padded = len(self._padded)
            _engine.batch_omp(
                self.real_size, m, n, padded, s, self.tolerance, signals, self.atoms, correlations, self._gram, *out
            )
        elif self.method == "qr":
            on_board = core.omp(signals, self.atoms, s, tolerance=self.tolerance)
            codes.support[:], codes.coefficients[:], codes.counts[:] = on_board[:3]
        else:
            _engine.baseline_omp(self.method, self.real_size, m, n, s, self.tolerance, signals, self.atoms, *out)


def in_blocks(n_rows: int, block_rows: int, work: Callable[[slice], None], n_jobs: int | None) -> None:
    """Calls `work` for each block of rows, on `n_jobs` threads."""
    blocks = [slice(start, min(start + block_rows, n_rows)) for start in range(0, n_rows, block_rows)]
    threads = min(joblib.effective_n_jobs(n_jobs), len(blocks))
    if threads <= 1:
        for rows in blocks:
            work(rows)
    else:
        joblib.Parallel(n_jobs=threads, require="sharedmem")(joblib.delayed(work)(rows) for rows in blocks)


class _BlasLimit:
    """One BLAS thread while anyone in the process asks for it: the limit is the process's, so the last one lifts it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._pools: ThreadpoolController | None = None
        self._imported = 0
        self._limiter: Any = None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Threads are ours, over blocks of signals: BLAS gets one each, and rounds the same for any number of them."""
        with self._lock:
            self._holders += 1
            if self._holders == 1:
                self._limiter = self._loaded().limit(limits=1, user_api="blas")
        try:
            yield
        finally:
            with self._lock:
                self._holders -= 1
                if self._holders == 0:
                    self._limiter.restore_original_limits()

    def _loaded(self) -> ThreadpoolController:
        """The libraries in this process. To look for them takes milliseconds, and they come with imported modules."""
        if self._pools is None or self._imported != len(sys.modules):
            self._imported = len(sys.modules)
            self._pools = ThreadpoolController()
        return self._pools


one_blas_thread = _BlasLimit()


def _checked(signals: npt.ArrayLike, dictionary: npt.ArrayLike, *, float32: bool) -> tuple[FloatArray, FloatArray]:
    """Both arrays in C order and one type, after the checks that :func:`sparse_encode` names."""
    y, d = np.asarray(signals), np.asarray(dictionary)
    double = all(array.dtype.kind == "f" and array.dtype.itemsize == 8 for array in (y, d)) and not float32
    dtype = np.float64 if double else np.float32
    for array, name in ((y, "signals"), (d, "dictionary")):
        if array.dtype.kind not in "fiub":
            raise ValueError(f"{name} must hold real numbers, not {array.dtype}")
        if array.ndim != 2 or array.shape[1] == 0:
            raise ValueError(f"{name} must have two dimensions, not shape {array.shape}")
    if y.shape[1] != d.shape[1] or len(d) == 0:
        raise ValueError(f"signals {y.shape} and dictionary {d.shape} must have the same number of columns")
    with np.errstate(over="ignore"):
        y = np.ascontiguousarray(y, dtype)
        d = np.ascontiguousarray(d, dtype)
    for array, name in ((y, "signals"), (d, "dictionary")):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN, infinity or a value too large for {array.dtype}")
    return y, d


def _within_squares(signals: FloatArray, tolerance: float) -> tuple[FloatArray, npt.NDArray[np.int32] | None]:
    """Signals whose squares neither overflow nor vanish, and the powers of two that they were divided by, if any."""
    peaks = np.maximum(signals.max(axis=1, initial=0), -signals.min(axis=1, initial=0))
    strange = (peaks > _LARGEST) | ((peaks < 1 / _LARGEST) & (peaks > 0))
    if not strange.any():
        return signals, None
    if tolerance > 0:
        if peaks.max() > _LARGEST:
            raise ValueError(f"with a tolerance, signals must not be larger than {_LARGEST:.0e}: scale the data")
        return signals, None
    exponents = np.where(strange, np.frexp(peaks)[1], 0).astype(np.int32)
    return np.ldexp(signals, -exponents[:, None]), exponents


def _aligned(shape: tuple[int, int], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """An empty array whose rows start at cache lines."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    return memory[start : start + size].view(dtype).reshape(shape)
