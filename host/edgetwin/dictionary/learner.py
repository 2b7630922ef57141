"""A dictionary learner with the scikit-learn interface."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from edgetwin import core
from edgetwin.dictionary.ksvd import Factorisation, encode, synthesise

__all__ = ["DictionaryLearner"]

Float32Array = npt.NDArray[np.float32]

# Most atoms that a bundle holds (ET_MAX_ATOMS); it also lets an index fit 16 bits.
MAX_ATOMS = 16384
# Initial atoms, and any that are given, are held to unit norm within this.
UNIT_NORM_TOLERANCE = 1e-4


class DictionaryLearner(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Learns a dictionary over which every signal is a combination of few atoms, by K-SVD.

    min ‖Y − X D‖_F² with at most `n_nonzero_coefs` atoms a signal and unit-norm atoms (Aharon et al. 2006, eq. 22).
    Signals are coded by the same OMP core that runs on a board. Data are converted to float32, codes are float32.

    Parameters
    ----------
    n_components : number of atoms n, 1 to 16384 and at most the number of signals.
    n_nonzero_coefs : most atoms a code may use, s; at most min(s, m, n) are ever used.
    tol : learning ends after an iteration that lowers the error by no more than `tol` times its value; with 0 it ends
        when the error no longer falls.
    max_iter : most iterations of sparse coding and atom update.
    init : "data": n different signals; "random": normal directions; or an array (n, m) of atoms, normalised on entry.
    random_state : int, RandomState or None: for `init`.
    callback : called as callback(error) after each iteration; what it returns is ignored.

    Attributes
    ----------
    components_ : (n, m) float32, the atoms, unit norm.
    n_iter_ : iterations run.
    error_ : (n_iter_,) float64, ‖Y − X D‖_F / √(N m) after each iteration; it never rises.
    n_replaced_ : unused or near-duplicate atoms that were replaced by badly represented signals, in all.
    n_features_in_ : m.

    Raises
    ------
    ValueError : for fewer signals than atoms, and for data that scikit-learn's own validation refuses.

    Examples
    --------
    >>> import numpy as np
    >>> signals = np.random.default_rng(0).standard_normal((200, 16))
    >>> learner = DictionaryLearner(n_components=24, n_nonzero_coefs=3, random_state=0).fit(signals)
    >>> learner.transform(signals).shape
    (200, 24)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, MAX_ATOMS, closed="both")],
        "n_nonzero_coefs": [Interval(Integral, 1, 65535, closed="both")],
        "tol": [Interval(Real, 0, 1, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "init": [StrOptions({"data", "random"}), np.ndarray],
        "random_state": ["random_state"],
        "callback": [callable, None],
    }

    def __init__(
        self,
        n_components: int = 64,
        n_nonzero_coefs: int = 8,
        *,
        tol: float = 0.0,
        max_iter: int = 20,
        init: str | npt.NDArray[Any] = "data",
        random_state: int | np.random.RandomState | None = None,
        callback: Callable[[float], object] | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_nonzero_coefs = n_nonzero_coefs
        self.tol = tol
        self.max_iter = max_iter
        self.init = init
        self.random_state = random_state
        self.callback = callback

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:
        """Learns the dictionary of the signals X (N, m); y is ignored."""
        self._validate_params()
        signals = validate_data(self, X, dtype=np.float32, order="C")
        if len(signals) < self.n_components:
            raise ValueError(
                f"n_samples={len(signals)} is less than n_components={self.n_components}: "
                "give more signals or learn fewer atoms"
            )
        # A power of two changes no digit, and keeps the squares of any finite data inside float32.
        exponent = int(np.frexp(np.max(np.abs(signals)))[1])
        signals = np.ldexp(signals, -exponent)
        state = Factorisation(signals, self._initial_atoms(signals), self.n_nonzero_coefs)
        errors, self.n_replaced_ = self._alternate(state, float(2.0**exponent))
        self.components_ = state.atoms
        self.error_ = np.array(errors)
        self.n_iter_ = len(errors)
        return self

    def encode(self, X: npt.ArrayLike) -> core.Codes:
        """Sparse codes of the signals X (N, m): `support` and `coefficients` (N, k), `counts` (N,)."""
        check_is_fitted(self)
        signals = validate_data(self, X, dtype=np.float32, order="C", reset=False)
        return encode(signals, self.components_, self.n_nonzero_coefs)

    def transform(self, X: npt.ArrayLike) -> Float32Array:
        """The codes of X (N, m) as a dense array (N, n); `encode` gives them without the zeros."""
        codes = self.encode(X)
        rows, slots = np.nonzero(np.arange(codes.support.shape[1]) < codes.counts[:, None])
        dense = np.zeros((len(codes.counts), len(self.components_)), dtype=np.float32)
        dense[rows, codes.support[rows, slots]] = codes.coefficients[rows, slots]
        return dense

    def inverse_transform(self, X: npt.ArrayLike) -> Float32Array:
        """The signals (N, m) that dense codes X (N, n) stand for."""
        check_is_fitted(self)
        codes = np.asarray(X, dtype=np.float32)
        if codes.ndim != 2 or codes.shape[1] != len(self.components_):
            raise ValueError(f"codes of shape {codes.shape} do not fit n_components={len(self.components_)}")
        return np.asarray(codes @ self.components_, dtype=np.float32)

    def score(self, X: npt.ArrayLike, y: object = None) -> float:
        """Negative root mean squared error of the reconstruction of X (N, m): higher is better, 0 is perfect."""
        codes = self.encode(X)
        reconstruction = synthesise(codes.support, codes.coefficients, codes.counts, self.components_)
        difference = np.asarray(X, dtype=np.float64) - reconstruction
        return -float(np.sqrt(np.mean(difference**2)))

    def _initial_atoms(self, signals: Float32Array) -> Float32Array:
        """n unit-norm atoms. Where `init="data"` finds too few different signals, random directions fill up."""
        generator = check_random_state(self.random_state)
        shape = (self.n_components, signals.shape[1])
        if isinstance(self.init, np.ndarray):
            if self.init.shape != shape or not np.all(np.isfinite(self.init)):
                raise ValueError(f"init must be finite, of shape (n_components, n_features) = {shape}")
            atoms = self.init.astype(np.float64)
        else:
            atoms = generator.standard_normal(shape)
            if self.init == "data":
                candidates = np.unique(signals[np.any(signals != 0, axis=1)], axis=0)
                chosen = generator.permutation(len(candidates))[: self.n_components]
                atoms[: len(chosen)] = candidates[chosen]
        norms = np.linalg.norm(atoms, axis=1, keepdims=True)
        if np.any(norms == 0.0):
            raise ValueError(f"init holds an atom of zeros: row {int(np.argmin(norms))}")
        return np.ascontiguousarray(atoms / norms, dtype=np.float32)

    def _alternate(self, state: Factorisation, unit: float) -> tuple[list[float], int]:
        """Iterates K-SVD; returns the error after each iteration, in `unit`s, and the number of replaced atoms."""
        errors: list[float] = []
        replaced = 0
        for _ in range(self.max_iter):
            before = state.atoms.copy()
            state.code_signals()
            state.update_atoms()
            replaced_now = state.replace_atoms()
            error = state.error() * unit
            if errors and error > errors[-1]:  # by rounding alone: the float32 optimum is reached
                state.atoms[:] = before
                break
            errors.append(error)
            replaced += replaced_now
            if self.callback is not None:
                self.callback(error)
            if len(errors) > 1 and errors[-2] - error <= self.tol * errors[-2]:
                break
        return errors, replaced

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)
