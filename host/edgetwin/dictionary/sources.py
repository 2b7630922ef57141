"""Where learning from statistics gets its signals: an array in memory, a mapped file, a Dask array."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from edgetwin.dictionary.statistics import Statistics, gather

__all__ = ["ArraySource", "Source", "check_kind", "draw_atoms", "is_dask", "is_mapped", "source_of"]

Float64Array = npt.NDArray[np.float64]
RandomState = int | np.random.RandomState | None

# Signals that are drawn for each initial atom: some are zeros, or alike.
DRAWS_PER_ATOM = 2


class Source(Protocol):
    """Signals (N, m), of which no more than a block need be in memory."""

    @property
    def shape(self) -> tuple[int, int]:
        """(N, m)."""
        ...

    def rows(self, numbers: npt.NDArray[np.int64]) -> Float64Array:
        """The signals of these numbers (k, m), in this order."""
        ...

    def statistics(self, atoms: Float64Array, n_nonzero_coefs: int, n_jobs: int | None = None) -> Statistics:
        """Codes all signals: one pass. Raises ValueError for a signal that is not finite."""
        ...

    def batches(self, size: int, generator: np.random.Generator) -> Iterator[Source]:
        """The parts that online learning takes one after another in a pass, of `size` signals at most if it can be."""
        ...


class ArraySource:
    """An array (N, m) of real numbers in memory, or mapped from a file (`numpy.load(…, mmap_mode="r")`).

    A mapped file is read in runs of consecutive rows, and only a block of it is ever copied: what a pass allocates does
    not depend on N. `numbers` (N,) are the signals' numbers in the whole data set, by default from 0.
    """

    def __init__(self, array: npt.NDArray[Any], numbers: npt.NDArray[np.int64] | None = None) -> None:
        check_kind(array)
        self.array = array
        self.numbers = numbers

    @property
    def shape(self) -> tuple[int, int]:
        """(N, m)."""
        return self.array.shape[0], self.array.shape[1]

    def rows(self, numbers: npt.NDArray[np.int64]) -> Float64Array:
        """The signals of these numbers (k, m), in this order."""
        return np.asarray(self.array[numbers], dtype=np.float64)

    def statistics(self, atoms: Float64Array, n_nonzero_coefs: int, n_jobs: int | None = None) -> Statistics:
        """One pass, its signals coded by `n_jobs` threads; the result does not depend on how many."""
        return gather(self.array, atoms, n_nonzero_coefs, numbers=self.numbers, n_jobs=n_jobs)

    def batches(self, size: int, generator: np.random.Generator) -> Iterator[Source]:
        """Batches of nearly equal size: of random signals, or of a mapped file, random runs of consecutive ones."""
        total = len(self.array)
        edges = np.linspace(0, total, -(-total // size) + 1).astype(int).tolist()
        if is_mapped(self.array):
            for part in generator.permutation(len(edges) - 1).tolist():
                run = slice(edges[part], edges[part + 1])
                numbers = np.arange(run.start, run.stop) if self.numbers is None else self.numbers[run]
                yield ArraySource(self.array[run], numbers)
            return
        order = generator.permutation(total)
        for start, stop in pairwise(edges):
            chosen = order[start:stop]
            yield ArraySource(self.array[chosen], chosen if self.numbers is None else self.numbers[chosen])


def source_of(signals: Any) -> Source:
    """The source for an array (N, m): Dask's, or one in memory or mapped from a file.

    Raises ValueError for data that are not two-dimensional, real and numeric.
    """
    if is_dask(signals):
        from edgetwin.dictionary.cluster import ClusterSource  # needs the extra `cluster`

        return ClusterSource(signals)
    return ArraySource(np.asanyarray(signals))


def is_dask(signals: object) -> bool:
    """Whether these are a Dask collection. Dask need not be installed."""
    return hasattr(signals, "__dask_graph__")


def is_mapped(array: npt.NDArray[Any]) -> bool:
    """Whether the array lies in a mapped file, also after `numpy.asarray` took its class away."""
    base: object = array
    while isinstance(base, np.ndarray):
        base = base.base
    return isinstance(base, mmap.mmap)


def draw_atoms(source: Source, n_components: int, random_state: RandomState = None) -> Float64Array:
    """n different signals, at random, as unit-norm atoms (n, m); random directions fill up if too few differ.

    The choice depends on N and `random_state`, not on how the signals are stored or partitioned.
    """
    count, n_features = source.shape
    generator = np.random.default_rng(check_random_state(random_state).randint(2**31))
    numbers = generator.choice(count, size=min(count, DRAWS_PER_ATOM * n_components), replace=False)
    drawn = source.rows(numbers)
    different = np.sort(np.unique(drawn, axis=0, return_index=True)[1])
    usable = [row for row in different if drawn[row].any()][:n_components]
    atoms = generator.standard_normal((n_components, n_features))
    atoms[: len(usable)] = drawn[usable]
    # The largest value first, so that no square overflows or vanishes.
    atoms /= np.abs(atoms).max(axis=1, keepdims=True)
    return np.asarray(atoms / np.linalg.norm(atoms, axis=1, keepdims=True))


def check_kind(array: Any) -> None:
    """Raises ValueError for an array, of NumPy or Dask, that is not (N, m) and of real numbers."""
    if array.ndim != 2:
        raise ValueError(f"signals must be a two-dimensional array (N, m), not of shape {array.shape}")
    if array.dtype.kind == "c":
        raise ValueError("Complex data not supported: give the real and imaginary parts as columns")
    if array.dtype.kind not in "biuf":
        raise ValueError(f"signals must be real numbers, not of type {array.dtype}")
