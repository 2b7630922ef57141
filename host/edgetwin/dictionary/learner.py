"""A dictionary learner with the scikit-learn interface."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import DataConversionWarning
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted, validate_data

from edgetwin.dictionary.compression import atoms_for
from edgetwin.dictionary.iteration import Iteration
from edgetwin.dictionary.ksvd import APPROXIMATE, EXACT, learn_by_ksvd
from edgetwin.dictionary.local import localised
from edgetwin.dictionary.outofcore import learn_in_passes, learn_online_step
from edgetwin.dictionary.sources import ArraySource, Source, draw_atoms, is_dask, is_mapped, source_of
from edgetwin.dictionary.sparse import SparseCodes, sparse_encode
from edgetwin.dictionary.target import SearchResult, search

__all__ = ["DictionaryLearner"]

Float32Array = npt.NDArray[np.float32]

# Iterations of approximate K-SVD for each trial of a search: the order of the trials settles early.
SEARCH_ITERATIONS = 5


def _learns_online(learner: DictionaryLearner) -> bool:
    if learner.algorithm != "online":
        raise AttributeError(f"partial_fit learns by algorithm='online', not {learner.algorithm!r}")
    return True


class DictionaryLearner(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Learns a dictionary over which every signal is a combination of few atoms.

    min ‖Y − X D‖_F² with at most `n_nonzero_coefs` atoms a signal and unit-norm atoms (Aharon et al. 2006, eq. 22).
    Rows are signals. Atoms and codes are float32; "mod" and "online" compute in float64 in between.

    Parameters
    ----------
    n_components : number of atoms n, at most the number of signals N. None: chosen by `compression` or `target_nrmse`;
        without them, 2 m or N if that is less.
    n_nonzero_coefs : most atoms a code may use, s; at most min(s, m, n) are ever used. None: chosen by `target_nrmse`;
        without it, 8.
    compression : wanted 1 − (m n + s N) / (m N), numbers in dictionary and codes over numbers in the signals (DL4DT,
        section 4): gives n from s.
    target_nrmse : wanted ‖Y − Ŷ‖_F / ‖Y − Ȳ‖_F on signals not learned from: of the (n, s) that reach it, the one that
        sends the fewest bits a signal is taken; see `search_`.
    tol : learning ends after an iteration that lowers the error by no more than `tol` times its value; 0: never.
    max_iter : most iterations of sparse coding and dictionary update.
    algorithm : "ksvd" (Aharon 2006), "aksvd" with one power iteration an atom (Rubinstein 2008), "mod" with a least
        squares update (Engan 1999), or "online" (Mairal 2009). The last two keep sufficient statistics instead of
        codes and residuals, and so learn from mapped files and Dask arrays that are larger than memory.
    init : "data": n different signals; "local": signals seen through the neighbourhood of one of their samples, better
        for images, worse for oscillations; "random": normal directions; or atoms (n, m), normalised on entry.
    random_state : int, RandomState or None: for `init`, the order of the signals in "online", and the search.
    n_jobs : threads, as in joblib. The dictionary does not depend on it.
    callback : called as callback(iteration) with an :class:`~edgetwin.dictionary.iteration.Iteration` after each; a
        true value ends learning.

    Attributes
    ----------
    components_ : (n, m) float32, the atoms, unit norm.
    n_components_, n_nonzero_coefs_ : n and s, as given or chosen.
    n_iter_ : iterations run.
    error_ : (n_iter_,) float64, ‖Y − X D‖_F / √(N m) after each iteration; for "ksvd" and "aksvd" of the best iteration
        so far, whose atoms are kept.
    n_replaced_ : atoms that were given to badly represented signals, in all: unused, near-duplicate or of little use.
    search_ : all trials and the chosen one, where `target_nrmse` is given.
    n_features_in_ : m.

    Raises
    ------
    ValueError : for fewer signals than atoms, fewer atoms than `n_nonzero_coefs`, and for data that scikit-learn's own
        validation refuses: NaN, infinite, complex, sparse.

    Examples
    --------
    >>> import numpy as np
    >>> signals = np.random.default_rng(0).standard_normal((200, 16))
    >>> learner = DictionaryLearner(n_components=24, n_nonzero_coefs=3, random_state=0).fit(signals)
    >>> learner.transform(signals).shape
    (200, 24)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "n_nonzero_coefs": [Interval(Integral, 1, None, closed="left"), None],
        "compression": [Interval(Real, 0, 1, closed="neither"), None],
        "target_nrmse": [Interval(Real, 0, 1, closed="neither"), None],
        "tol": [Interval(Real, 0, 1, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "algorithm": [StrOptions({"ksvd", "aksvd", "mod", "online"})],
        "init": [StrOptions({"data", "local", "random"}), np.ndarray],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
        "callback": [callable, None],
    }

    def __init__(
        self,
        n_components: int | None = None,
        n_nonzero_coefs: int | None = None,
        *,
        compression: float | None = None,
        target_nrmse: float | None = None,
        tol: float = 0.0,
        max_iter: int = 20,
        algorithm: str = "ksvd",
        init: str | npt.NDArray[Any] = "data",
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
        callback: Callable[[Iteration], object] | None = None,
    ) -> None:
        self.n_components = n_components
        self.n_nonzero_coefs = n_nonzero_coefs
        self.compression = compression
        self.target_nrmse = target_nrmse
        self.tol = tol
        self.max_iter = max_iter
        self.algorithm = algorithm
        self.init = init
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.callback = callback

    def fit(self, X: Any, y: object = None, *, resume_from: Iteration | None = None) -> Self:
        """Learns the dictionary of the signals X (N, m); y is ignored.

        X : array; for "mod" and "online" also a mapped file (`numpy.load(..., mmap_mode="r")`) or a Dask array
        resume_from : an iteration of an earlier `fit` with the same parameters and signals, to go on from as if that
            had never ended ("ksvd", "aksvd": to the bit; else with an integer `random_state`). It counts its
            iterations too.
        """
        self._validate_params()
        if sum(wish is not None for wish in (self.n_components, self.compression, self.target_nrmse)) > 1:
            raise ValueError("give one of n_components, compression and target_nrmse: each decides the number of atoms")
        if self.target_nrmse is not None and self.n_nonzero_coefs is not None:
            raise ValueError("target_nrmse chooses n_nonzero_coefs: give one of them")
        signals, source = self._checked_signals(X)
        exponent = 0
        if self.algorithm in ("ksvd", "aksvd"):
            # A power of two changes no digit, and keeps the squares of any finite data inside float32.
            exponent = int(np.frexp(np.max(np.abs(signals)))[1])
            signals = np.ldexp(signals, -exponent)
        self._choose_size(signals, *source.shape)
        scale = float(2.0**exponent)
        iteration = None
        for iteration in self._iterations(signals, source, resume_from, scale):
            self._take(iteration)
            if self.callback is not None and self.callback(iteration):
                break
            if iteration.number >= self.max_iter or _settled(iteration.errors, self.tol):
                break
        if iteration is None:
            if resume_from is None:
                raise ValueError("no iteration was run")
            self._take(resume_from)
        return self

    @available_if(_learns_online)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: object = None) -> Self:
        """Learns on from a batch of signals X (b, m) by online learning; y is ignored.

        Goes on from `fit` or from the last `partial_fit`; the first batch needs at least as many signals as atoms.
        `error_` grows by the error of each batch. Only algorithm="online" learns so: others have no `partial_fit`.
        """
        self._validate_params()
        first = not hasattr(self, "components_")
        _say_conversion(X)
        batch = validate_data(self, X, dtype=[np.float64, np.float32], order="C", reset=first)
        if first:
            self._choose_size(batch, *batch.shape)
            state = Iteration(self._initial_atoms(ArraySource(batch)), np.zeros(0))
        else:
            state = self._online or Iteration(self.components_, self.error_, self.n_replaced_)
        self._take(learn_online_step(ArraySource(batch), state, self.n_nonzero_coefs_, n_jobs=self.n_jobs))
        return self

    def encode(self, X: npt.ArrayLike) -> SparseCodes:
        """Sparse codes of the signals X (N, m)."""
        check_is_fitted(self)
        signals = validate_data(self, X, dtype=np.float32, order="C", reset=False)
        return sparse_encode(signals, self.components_, self.n_nonzero_coefs_, n_jobs=self.n_jobs)

    def transform(self, X: npt.ArrayLike) -> Float32Array:
        """The codes of X (N, m) as a dense array (N, n); `encode` gives them without the zeros."""
        return np.asarray(self.encode(X).to_csr().toarray())

    def inverse_transform(self, X: npt.ArrayLike) -> Float32Array:
        """The signals (N, m) that dense codes X (N, n) stand for."""
        check_is_fitted(self)
        codes = np.asarray(X, dtype=np.float32)
        if codes.ndim != 2 or codes.shape[1] != len(self.components_):
            raise ValueError(f"codes of shape {codes.shape} do not fit n_components={len(self.components_)}")
        return np.asarray(codes @ self.components_, dtype=np.float32)

    def score(self, X: npt.ArrayLike, y: object = None) -> float:
        """Negative root mean squared error of the reconstruction of X (N, m): higher is better, 0 is perfect."""
        reconstruction = self.encode(X).synthesise(self.components_)
        difference = np.asarray(X, dtype=np.float64) - reconstruction
        return -float(np.sqrt(np.mean(difference**2)))

    def _checked_signals(self, X: Any) -> tuple[Any, Source]:
        """The signals as the algorithm takes them, and as a source."""
        if is_dask(X) or (isinstance(X, np.ndarray) and is_mapped(X) and self.algorithm in ("mod", "online")):
            if self.algorithm not in ("mod", "online"):
                raise ValueError(f"algorithm={self.algorithm!r} needs the signals in memory: take 'mod' or 'online'")
            source = source_of(X)
            _say_conversion(X)
            self.n_features_in_ = source.shape[1]
            if hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
            return X, source
        _say_conversion(X)
        dtype = np.float32 if self.algorithm in ("ksvd", "aksvd") else [np.float64, np.float32]
        signals = validate_data(self, X, dtype=dtype, order="C")
        return signals, ArraySource(signals)

    def _choose_size(self, signals: Any, count: int, m: int) -> None:
        """Sets `n_components_`, `n_nonzero_coefs_` and `search_`."""
        n, s = self.n_components, self.n_nonzero_coefs
        if hasattr(self, "search_"):
            del self.search_
        if self.target_nrmse is not None:
            if is_dask(signals):
                raise ValueError("target_nrmse needs the signals in memory: search with a part of them, then give n, s")
            self.search_: SearchResult = search(
                signals, self.target_nrmse, self._learn_trial, random_state=self.random_state, n_jobs=self.n_jobs
            )
            n, s = self.search_.chosen.n, self.search_.chosen.s
        elif self.compression is not None:
            s = min(8, m) if s is None else s
            n = atoms_for(self.compression, m, count, s)
        elif n is None:
            n = min(2 * m, count)
        if count < n:
            raise ValueError(f"n_samples={count} is less than n_components={n}: give more signals or learn fewer atoms")
        if s is not None and s > n:
            raise ValueError(f"n_nonzero_coefs={s} is more than n_components={n}: a code uses an atom once")
        self.n_components_ = n
        self.n_nonzero_coefs_ = min(8, m, n) if s is None else s

    def _learn_trial(self, signals: Float32Array, n: int, s: int) -> npt.NDArray[np.floating]:
        learner = DictionaryLearner(
            n, s, max_iter=SEARCH_ITERATIONS, algorithm="aksvd", random_state=self.random_state, n_jobs=self.n_jobs
        )
        return np.asarray(learner.fit(signals).components_)

    def _iterations(
        self, signals: Any, source: Source, resume_from: Iteration | None, scale: float
    ) -> Iterator[Iteration]:
        """The algorithm's iterations, their errors in the units of the signals as they were given."""
        s, start, shape = self.n_nonzero_coefs_, resume_from, (self.n_components_, source.shape[1])
        if start is None:
            start = Iteration(self._initial_atoms(source), np.zeros(0))
        elif start.atoms.shape != shape:
            raise ValueError(f"resume_from has atoms of shape {start.atoms.shape}, not {shape}")
        if start.number >= self.max_iter:
            return
        if self.algorithm in ("mod", "online"):
            yield from learn_in_passes(
                source,
                start,
                s,
                algorithm=self.algorithm,
                max_iter=self.max_iter,
                random_state=self.random_state,
                n_jobs=self.n_jobs,
            )
            return
        steps = EXACT if self.algorithm == "ksvd" else APPROXIMATE
        yield from learn_by_ksvd(signals, start, s, power_steps=steps, scale=scale, n_jobs=self.n_jobs)

    def _initial_atoms(self, source: Source) -> npt.NDArray[np.floating]:
        """n unit-norm atoms. Where too few signals differ, random directions fill up."""
        shape = (self.n_components_, source.shape[1])
        if isinstance(self.init, np.ndarray):
            if self.init.dtype.kind not in "fiub" or self.init.shape != shape or not np.all(np.isfinite(self.init)):
                raise ValueError(f"init must be real, finite, of shape (n_components, n_features) = {shape}")
            peaks = np.abs(self.init).max(axis=1, keepdims=True).astype(np.float64)
            atoms = self.init / np.where(peaks > 0, peaks, 1)  # no square overflows or vanishes
        elif self.init in ("data", "local"):
            atoms = draw_atoms(source, self.n_components_, self.random_state)
            if self.init == "local":
                atoms = localised(atoms, self.random_state)
        else:
            atoms = check_random_state(self.random_state).standard_normal(shape)
        norms = np.linalg.norm(atoms, axis=1, keepdims=True)
        if np.any(norms == 0.0):
            raise ValueError(f"init holds an atom of zeros: row {int(np.argmin(norms))}")
        return np.asarray(atoms / norms)

    def _take(self, iteration: Iteration) -> None:
        self.components_ = np.ascontiguousarray(iteration.atoms, dtype=np.float32)
        self.error_ = iteration.errors
        self.n_iter_ = iteration.number
        self.n_replaced_ = iteration.n_replaced
        self._online = iteration if self.algorithm == "online" else None

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return len(self.components_)


def _say_conversion(X: Any) -> None:
    dtype = getattr(X, "dtype", None)
    if getattr(dtype, "kind", "f") in "iub":
        warnings.warn(f"X holds {dtype}: converted to float", DataConversionWarning, stacklevel=4)


def _settled(errors: npt.NDArray[np.float64], tol: float) -> bool:
    """Whether the last iteration lowered the error by no more than `tol` times its value; never at 0."""
    return tol > 0 and len(errors) > 1 and bool(errors[-2] - errors[-1] <= tol * errors[-2])
