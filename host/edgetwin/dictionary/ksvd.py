"""K-SVD: one alternation of sparse coding and atom updates, each step of which never raises the error.

The state is a factorisation Y ≈ X D of N signals (rows of Y) over n atoms (rows of D). X is never dense: a signal's
code is at most k = min(s, m, n) atom indices (its support) and their coefficients.

Source: M. Aharon, M. Elad, A. Bruckstein, "K-SVD: An Algorithm for Designing Overcomplete Dictionaries for Sparse
Representation", IEEE Trans. Signal Processing 54 (2006), section IV. The rank-1 step is the power iteration of
R. Rubinstein, M. Zibulevsky, M. Elad, "Efficient Implementation of the K-SVD Algorithm using Batch Orthogonal
Matching Pursuit" (2008), section 3.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from edgetwin import core

__all__ = ["Factorisation", "encode", "synthesise"]

Float32Array = npt.NDArray[np.float32]

# Two atoms whose |cosine| is above this are taken for one (the value of Aharon's own implementation).
COHERENCE_LIMIT = 0.99
# Power iterations an atom: warm-started from the last atom and its coefficients, so few are needed.
POWER_STEPS = 3
# A signal whose residual is below this share of its norm is represented as well as float32 can: no atom is spent on it.
REPRESENTED = 1e-5


def encode(signals: Float32Array, atoms: Float32Array, n_nonzero_coefs: int) -> core.Codes:
    """Sparse codes of `signals` (N, m) over unit-norm `atoms` (n, m) by the core's OMP.

    Raises ValueError for a signal that the core refuses: a coefficient that does not fit a float32.
    """
    codes = core.omp(np.ascontiguousarray(signals), np.ascontiguousarray(atoms), n_nonzero_coefs)
    refused = np.flatnonzero(codes.status)
    if refused.size:
        raise ValueError(f"signal {refused[0]} cannot be encoded in float32 ({refused.size} such): scale the data")
    return codes


def synthesise(
    support: npt.NDArray[np.uint16],
    coefficients: Float32Array,
    count: npt.NDArray[np.uint16],
    atoms: Float32Array,
) -> Float32Array:
    """The signals (N, m) that sparse codes (N, k) with `count` (N,) used entries stand for."""
    used = np.arange(support.shape[1]) < count[:, None]
    row_starts = np.concatenate(([0], np.cumsum(count, dtype=np.int64)))
    codes = csr_array((coefficients[used], support[used].astype(np.int32), row_starts), (len(count), len(atoms)))
    return np.asarray(codes @ atoms, dtype=np.float32)


class Factorisation:
    """Signals, dictionary, sparse codes and residual of a K-SVD run.

    Parameters: `signals` (N, m) float32, finite, of a magnitude whose squares neither overflow nor vanish;
    `atoms` (n, m) float32 of unit norm, changed in place; `n_nonzero_coefs` s >= 1.

    `residual` = signals − codes · atoms (N, m) holds after every method.
    """

    def __init__(self, signals: Float32Array, atoms: Float32Array, n_nonzero_coefs: int) -> None:
        self.signals = signals
        self.atoms = atoms
        self.n_nonzero_coefs = n_nonzero_coefs
        width = min(n_nonzero_coefs, *atoms.shape)
        self.support = np.zeros((len(signals), width), dtype=np.uint16)
        self.coefficients = np.zeros((len(signals), width), dtype=np.float32)
        self.count = np.zeros(len(signals), dtype=np.uint16)
        self.residual = signals.copy()

    def error(self) -> float:
        """‖Y − XD‖_F / √(N m): the root of the mean squared residual."""
        return float(np.sqrt(np.mean(np.square(self.residual, dtype=np.float64))))

    def code_signals(self) -> None:
        """Sparse coding step. OMP is greedy and may do worse than the code a signal has: then that one stays."""
        codes = encode(self.signals, self.atoms, self.n_nonzero_coefs)
        current = self.signals - synthesise(self.support, self.coefficients, self.count, self.atoms)
        proposed = self.signals - synthesise(codes.support, codes.coefficients, codes.counts, self.atoms)
        better = _squared_norms(proposed) < _squared_norms(current)
        self.support[better] = codes.support[better]
        self.coefficients[better] = codes.coefficients[better]
        self.count[better] = codes.counts[better]
        self.residual = np.where(better[:, None], proposed, current)

    def update_atoms(self) -> None:
        """Dictionary update step: each atom and its coefficients become a rank-1 fit of what the others leave.

        With the coefficients x fixed the best atom is Eᵀx / ‖Eᵀx‖, with the atom fixed the best coefficients are
        E d (Rubinstein 2008, eq. 9): every half-step lowers ‖E − x dᵀ‖ or leaves it.
        """
        for atom, rows, slots in self._users_by_atom():
            unit = self.atoms[atom]
            weights = self.coefficients[rows, slots]
            target = self.residual[rows] + np.outer(weights, unit)
            for _ in range(POWER_STEPS):
                direction = weights @ target
                norm = np.sqrt(np.dot(direction, direction))
                if not norm > np.finfo(np.float32).tiny:
                    break
                unit = direction / norm
                weights = target @ unit
            else:
                self.atoms[atom] = unit
                self.coefficients[rows, slots] = weights
                self.residual[rows] = target - np.outer(weights, unit)

    def replace_atoms(self) -> int:
        """Gives atoms that are unused, or the twin of another, to the signals that are represented worst.

        The signal becomes the atom and its own 1-sparse code. Giving up a twin costs the signals that used it a
        little: it is done only where the new atom gains at least that. Returns how many atoms were replaced.
        """
        usage = np.bincount(self.support[self._used()], minlength=len(self.atoms))
        candidates = self._badly_represented(limit=4 * len(self.atoms))
        replaced = 0
        for atom in np.flatnonzero(usage == 0).tolist():
            row = next(candidates, None)
            if row is None:
                return replaced
            self._dedicate(atom, row)
            replaced += 1
        for atom, twin in self._twins(usage):
            row = next(candidates, None)
            if row is None:
                return replaced
            if self._merge(atom, twin, gain_from=row):
                self._dedicate(atom, row)
                replaced += 1
        return replaced

    def _used(self) -> npt.NDArray[np.bool_]:
        return np.arange(self.support.shape[1]) < self.count[:, None]

    def _users_by_atom(self) -> Iterator[tuple[int, npt.NDArray[np.intp], npt.NDArray[np.intp]]]:
        """Each used atom with the rows and slots of the codes that use it: the columns of X, by one stable sort."""
        rows, slots = np.nonzero(self._used())
        atom_of_entry = self.support[rows, slots]
        by_atom = np.argsort(atom_of_entry, kind="stable")
        starts = np.searchsorted(atom_of_entry[by_atom], np.arange(len(self.atoms) + 1))
        for atom in range(len(self.atoms)):
            entries = by_atom[starts[atom] : starts[atom + 1]]
            if entries.size:
                yield atom, rows[entries], slots[entries]

    def _badly_represented(self, limit: int) -> Iterator[int]:
        """Rows by falling residual, at most `limit` looked at, leaving out those that an atom nearly equals."""
        residuals = _squared_norms(self.residual)
        norms = _squared_norms(self.signals)
        for row in np.argsort(-residuals, kind="stable")[:limit]:
            if residuals[row] <= REPRESENTED**2 * norms[row] or norms[row] == 0.0:
                continue
            cosines = self.atoms @ (self.signals[row] / np.float32(np.sqrt(norms[row])))
            if np.max(np.abs(cosines)) <= COHERENCE_LIMIT:
                yield int(row)

    def _twins(self, usage: npt.NDArray[np.intp]) -> list[tuple[int, int]]:
        """Pairs (less used atom, its more used twin), each atom in the first place at most once."""
        used = np.flatnonzero(usage)
        cosines = np.abs(self.atoms[used] @ self.atoms[used].T)
        pairs: dict[int, int] = {}
        for a, b in zip(*np.nonzero(np.triu(cosines, 1) > COHERENCE_LIMIT), strict=True):
            atom, twin = sorted((int(used[a]), int(used[b])), key=lambda j: usage[j])
            if atom not in pairs and twin not in pairs:
                pairs[atom] = twin
        return list(pairs.items())

    def _merge(self, atom: int, twin: int, gain_from: int) -> bool:
        """Moves the share of `atom` in every code to `twin`, if that costs no more than row `gain_from` will gain."""
        rows, slots = np.nonzero(self._used() & (self.support == atom))
        target = self.residual[rows] + np.outer(self.coefficients[rows, slots], self.atoms[atom])
        moved = target @ self.atoms[twin]
        remaining = target - np.outer(moved, self.atoms[twin])
        cost = _squared_norms(remaining).sum() - _squared_norms(self.residual[rows]).sum()
        if gain_from in rows or cost > _squared_norms(self.residual[[gain_from]])[0]:
            return False
        has_twin = (self.support[rows] == twin) & self._used()[rows]
        both = has_twin.any(axis=1)
        self.coefficients[rows[both], has_twin[both].argmax(axis=1)] += moved[both]
        self.coefficients[rows[both], slots[both]] = 0.0
        self.support[rows[~both], slots[~both]] = twin
        self.coefficients[rows[~both], slots[~both]] = moved[~both]
        self.residual[rows] = remaining
        return True

    def _dedicate(self, atom: int, row: int) -> None:
        """Makes `atom` the direction of signal `row`, and the whole of its code."""
        norm = np.float32(np.linalg.norm(self.signals[row]))
        self.atoms[atom] = self.signals[row] / norm
        self.support[row] = 0
        self.coefficients[row] = 0.0
        self.support[row, 0] = atom
        self.coefficients[row, 0] = norm
        self.count[row] = 1
        self.residual[row] = self.signals[row] - norm * self.atoms[atom]


def _squared_norms(rows: Float32Array) -> npt.NDArray[np.float64]:
    squares: npt.NDArray[np.float64] = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    return squares
