"""The state of K-SVD: a factorisation Y ≈ X D of N signals (rows of Y) over n atoms (rows of D). X is never dense."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgetwin.dictionary import _engine
from edgetwin.dictionary.sparse import Encoder, SparseCodes, in_blocks

__all__ = ["Factorisation", "residuals_of", "squared_norms"]

Float32Array = npt.NDArray[np.float32]

# Power iteration ends when an atom turns by less than this, 1 - cosine: the resolution of float32.
TURN = 1e-6


class Factorisation:
    """Signals, dictionary, sparse codes and residual of a K-SVD run.

    signals : (N, m) float32, finite, of a magnitude whose squares neither overflow nor vanish
    atoms : (n, m) float32, unit norm; changed in place
    codes : at most k = min(n_nonzero_coefs, m, n) atoms a signal; none at first
    residual : signals − codes · atoms (N, m); holds after every method

    To be used within :func:`~edgetwin.dictionary.sparse.one_blas_thread`.
    """

    def __init__(
        self,
        signals: Float32Array,
        atoms: Float32Array,
        n_nonzero_coefs: int,
        n_jobs: int | None = None,
    ) -> None:
        self.signals = signals
        self.atoms = atoms
        self.n_jobs = n_jobs
        self.codes = SparseCodes.empty(len(signals), min(n_nonzero_coefs, *atoms.shape), len(atoms), np.float32)
        self.residual = signals.copy()

    def error(self) -> float:
        """‖Y − XD‖_F / √(N m): the root of the mean squared residual."""
        return float(np.sqrt(squared_norms(self.residual).sum() / self.residual.size))

    def used(self) -> npt.NDArray[np.bool_]:
        """Which entries of the codes (N, k) hold an atom."""
        return np.arange(self.codes.support.shape[1]) < self.codes.counts[:, None]

    def encoder(self) -> Encoder:
        """An encoder over the atoms as they are now."""
        return Encoder(self.atoms, self.codes.support.shape[1])

    def code_signals(self, encoder: Encoder) -> None:
        """Sparse coding step: OMP over the atoms of `encoder`."""

        def code(rows: slice) -> None:
            encoder.encode_block(self.signals[rows], self.codes[rows])
            residuals_of(self.signals[rows], self.atoms, self.codes[rows], self.residual[rows])

        in_blocks(len(self.signals), encoder.block_rows, code, self.n_jobs)

    def take(self, rows: npt.NDArray[np.intp], codes: SparseCodes, residual: Float32Array) -> None:
        """Gives the signals `rows` new codes, with the residual that they leave."""
        self.codes.support[rows] = codes.support
        self.codes.coefficients[rows] = codes.coefficients
        self.codes.counts[rows] = codes.counts
        self.residual[rows] = residual

    def update_atoms(self, power_steps: int) -> None:
        """Dictionary update step: each atom and its coefficients become a rank-1 fit of what the others leave.

        With the coefficients x fixed the best atom is Eᵀx / ‖Eᵀx‖, with the atom fixed the best coefficients are
        E d (Rubinstein 2008, eq. 9): every half-step lowers ‖E − x dᵀ‖ or leaves it. At most `power_steps` of both.
        """
        codes, (n, m) = self.codes, self.atoms.shape
        arrays = (codes.support, codes.coefficients, codes.counts, self.residual)
        _engine.update_atoms(4, power_steps, TURN, m, n, codes.support.shape[1], self.atoms, *arrays)


def residuals_of(
    signals: Float32Array, atoms: Float32Array, codes: SparseCodes, residual: Float32Array
) -> npt.NDArray[np.float64]:
    """Writes signals − codes · atoms into `residual` (N, m); returns the squared norms of its rows."""
    norms = np.empty(len(signals))
    (n, m), k = atoms.shape, codes.support.shape[1]
    arrays = (codes.support, codes.coefficients, codes.counts)
    _engine.residuals(atoms.itemsize, m, n, k, signals, atoms, *arrays, residual, norms)
    return norms


def squared_norms(rows: Float32Array) -> npt.NDArray[np.float64]:
    """Squared norm of each row, summed in float64."""
    squares: npt.NDArray[np.float64] = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    return squares
