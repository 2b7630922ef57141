"""Sufficient statistics of sparse codes: all that an atom update needs to know of signals that do not fit in memory.

With codes X (N, n) of signals Y (N, m) over atoms D (n, m), the error of any other atoms under the same codes is

    ‖Y − X(D + Δ)‖² = ‖Y − XD‖² − 2⟨G, Δ⟩ + ⟨AΔ, Δ⟩,    A = XᵀX,    G = Xᵀ(Y − XD)

so that A, G and ‖Y − XD‖² of parts add up to those of the whole (Mairal et al. 2009, algorithm 1, whose B = XᵀY is
G + AD). G holds the residual in the place of the signals: the error above then is a small change of a sum of squares,
not the difference of two large ones.

Source: J. Mairal, F. Bach, J. Ponce, G. Sapiro, "Online Dictionary Learning for Sparse Coding", ICML 2009; extended in
"Online Learning for Matrix Factorization and Sparse Coding", JMLR 11 (2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from edgetwin.dictionary import _engine
from edgetwin.dictionary.sparse import Encoder, SparseCodes, in_blocks, one_blas_thread

__all__ = ["Candidates", "Statistics", "gather"]

Float64Array = npt.NDArray[np.float64]

# A signal whose residual is below this share of its norm is no candidate: an atom spent on it gains nothing.
REPRESENTED = 1e-5
# Most signals that are kept as candidates for atoms: what cannot be replaced now is replaced the next time.
MOST_CANDIDATES = 1024
# Values of a block of signals: 32 MB.
BLOCK_VALUES = 2**22
# Signals that are coded together, at most: more would be wasted on the zeros that fill up small partitions.
MOST_GROUP_ROWS = 256


@dataclass(eq=False)
class Candidates:
    """The signals that are represented worst, worst first; of equal ones the first row.

    errors : (k,) squared norm of the residual
    rows : (k,) number of the signal in the whole data set
    signals : (k, m)
    """

    errors: Float64Array
    rows: npt.NDArray[np.int64]
    signals: Float64Array

    @classmethod
    def none(cls, n_features: int) -> Self:
        """No signal of m samples."""
        return cls(np.empty(0), np.empty(0, dtype=np.int64), np.empty((0, n_features)))

    def joined(self, other: Self, limit: int) -> Self:
        """The worst `limit` of both."""
        errors = np.concatenate([self.errors, other.errors])
        rows = np.concatenate([self.rows, other.rows])
        worst = np.lexsort((rows, -errors))[:limit]
        return type(self)(errors[worst], rows[worst], np.concatenate([self.signals, other.signals])[worst])


@dataclass(eq=False)
class Statistics:
    """What `count` signals say about n atoms of m samples.

    gram : (n, n), A = XᵀX
    gradient : (n, m), G = Xᵀ(Y − XD): half the way down of the squared error, by atoms
    squared_error : ‖Y − XD‖²
    usage : (n,), signals whose code uses the atom
    worst : candidates for atoms, at most min(n, 1024)
    """

    gram: Float64Array
    gradient: Float64Array
    squared_error: float
    count: int
    usage: npt.NDArray[np.int64]
    worst: Candidates

    @classmethod
    def empty(cls, n_components: int, n_features: int) -> Self:
        """Of no signal."""
        return cls(
            gram=np.zeros((n_components, n_components)),
            gradient=np.zeros((n_components, n_features)),
            squared_error=0.0,
            count=0,
            usage=np.zeros(n_components, dtype=np.int64),
            worst=Candidates.none(n_features),
        )

    def add(self, other: Self) -> None:
        """Takes in the statistics of other signals under the same atoms."""
        self.gram += other.gram
        self.gradient += other.gradient
        self.squared_error += other.squared_error
        self.count += other.count
        self.usage += other.usage
        self.worst = self.worst.joined(other.worst, min(len(self.gram), MOST_CANDIDATES))

    def decay(self, factor: float) -> None:
        """Lets the signals so far weigh `factor` of what they did (Mairal 2010, section 3.4)."""
        self.gram *= factor
        self.gradient *= factor
        self.squared_error *= factor

    def move(self, step: Float64Array, gradient: Float64Array | None = None) -> None:
        """Goes over to the atoms D + `step` under the same codes; `gradient` is G there, where it is known."""
        there = self.gradient - self.gram @ step if gradient is None else gradient
        # AΔ is what G loses: −2⟨G, Δ⟩ + ⟨AΔ, Δ⟩ = −⟨G + G', Δ⟩.
        self.squared_error = max(self.squared_error - float(np.vdot(self.gradient + there, step)), 0.0)
        self.gradient = there

    def move_atom(self, atom: int, step: Float64Array) -> None:
        """Moves one atom by `step` (m,)."""
        self.squared_error += self.rise(atom, step)
        self.gradient -= np.outer(self.gram[:, atom], step)

    def rise(self, atom: int, step: Float64Array) -> float:
        """What ‖Y − XD‖² rises by when one atom moves by `step` (m,)."""
        return float(self.gram[atom, atom] * (step @ step) - 2 * (self.gradient[atom] @ step))

    def rescale(self, norms: Float64Array) -> None:
        """Goes over to atoms divided by `norms` (n,) and codes multiplied by them: the same products XD."""
        self.gram *= norms
        self.gram *= norms[:, None]
        self.gradient *= norms[:, None]

    def drop(self, atom: int) -> None:
        """Takes `atom` out of all codes without a change of XD: it must be 0, or its codes taken over by another."""
        self.gradient[atom] = 0.0
        self.gram[atom] = 0.0
        self.gram[:, atom] = 0.0


def gather(
    signals: npt.NDArray[Any],
    atoms: Float64Array,
    n_nonzero_coefs: int,
    *,
    numbers: Sequence[int] | npt.NDArray[np.integer] | None = None,
    n_jobs: int | None = None,
) -> Statistics:
    """Codes `signals` (N, m), block by block, and returns their statistics under unit-norm `atoms` (n, m).

    signals : any array of real numbers, in memory or mapped; only a block at a time is converted to float64
    numbers : (N,) of the signals in the whole data set; by default from 0
    n_jobs : threads; the result does not depend on it

    Signals are coded in groups of one size, the last one filled up with zeros: the rounding of a signal's code then
    does not depend on which signals are coded with it, and so not on how a data set is partitioned.

    Raises ValueError that names the signal, for one that holds NaN or infinity or is too large to be squared.
    """
    if numbers is None:
        numbers = range(len(signals))
    total = Statistics.empty(*atoms.shape)
    with one_blas_thread():
        encoder = Encoder(np.ascontiguousarray(atoms), min(n_nonzero_coefs, *atoms.shape))
        group = min(MOST_GROUP_ROWS, encoder.block_rows)
        block_rows = group * max(1, BLOCK_VALUES // (group * atoms.shape[1]))
        for start in range(0, len(signals), block_rows):
            part = signals[start : start + block_rows]
            block = np.zeros((-(-len(part) // group) * group, atoms.shape[1]))
            block[: len(part)] = part
            rows = np.asarray(numbers[start : start + len(part)], dtype=np.int64)
            _check(block, rows)
            _take_in(total, rows, *_encode(encoder, block, group, n_jobs))
    return total


def _encode(
    encoder: Encoder, block: Float64Array, group_rows: int, n_jobs: int | None
) -> tuple[Float64Array, csr_array, Float64Array, Float64Array]:
    """The signals of `block` (b, m), their codes (b, n), residuals (b, m) and squared norms of these (b,)."""
    n, m = encoder.atoms.shape
    codes = SparseCodes.empty(len(block), encoder.s, n, np.float64)
    residuals, errors = np.empty_like(block), np.empty(len(block))

    def encode_group(group: slice) -> None:
        ours = codes[group]
        encoder.encode_block(block[group], ours)
        arrays = (ours.support, ours.coefficients, ours.counts, residuals[group], errors[group])
        _engine.residuals(8, m, n, encoder.s, block[group], encoder.atoms, *arrays)

    in_blocks(len(block), group_rows, encode_group, n_jobs)
    return block, codes.to_csr(), residuals, errors


def _take_in(
    total: Statistics,
    rows: npt.NDArray[np.int64],
    block: Float64Array,
    codes: csr_array,
    residuals: Float64Array,
    errors: Float64Array,
) -> None:
    """Adds the signals of a block, numbered `rows`, to `total`; the block's further signals are zeros."""
    products = (codes.T @ codes).tocoo()
    total.gram[products.row, products.col] += products.data
    total.gradient += codes.T @ residuals
    total.squared_error += float(errors.sum())
    total.count += len(rows)
    total.usage += np.bincount(codes.indices, minlength=len(total.usage))
    poor = np.flatnonzero(errors > REPRESENTED**2 * np.einsum("ij,ij->i", block, block))
    most = min(len(total.usage), MOST_CANDIDATES)
    if len(poor) > most:
        poor = np.sort(poor[np.argsort(-errors[poor], kind="stable")[:most]])
    total.worst = total.worst.joined(Candidates(errors[poor], rows[poor], block[poor]), most)


def _check(block: Float64Array, rows: npt.NDArray[np.int64]) -> None:
    """Raises ValueError for the first signal that cannot be coded."""
    bad = np.flatnonzero(~np.isfinite(np.einsum("ij,ij->i", block, block)))
    if bad.size:
        signal = f"signal {rows[bad[0]]}"
        if np.isfinite(block[bad[0]]).all():
            raise ValueError(f"{signal} is too large to be squared in float64: scale the data")
        raise ValueError(f"{signal} contains NaN or infinity: remove it or fill it in")
