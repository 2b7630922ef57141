"""Signals in a Dask array: coded where they lie, their statistics summed on the workers.

Dask runs it on whatever is current: a `distributed.Client`'s cluster, else threads of this process. A worker that dies
costs what it had done in the pass; Dask does that again elsewhere.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.dictionary.sources import Source, check_kind
from edgetwin.dictionary.statistics import Statistics, gather

__all__ = ["ClusterSource"]

Float64Array = npt.NDArray[np.float64]

# Statistics that one task adds up: a worker holds no more than this many for each level of the tree of sums.
SUMMANDS = 4
# The atoms travel with each pass's tasks, so that they outlive any worker. This is no mistake for Dask to warn of.
_LARGE_GRAPHS = {"distributed.admin.large-graph-warning-threshold": "4GiB"}


class ClusterSource:
    """A Dask array (N, m) of real numbers. Its chunks along rows are the partitions; columns are brought together.

    Chunks of unknown size are counted, which is a pass of its own. Where the partitions fit the workers' memory,
    `array.persist()` before saves reading them in every pass. Raises ValueError for other arrays.
    """

    def __init__(self, array: Any) -> None:
        if not isinstance(array, importlib.import_module("dask.array").Array):
            raise ValueError(f"{type(array).__name__} is not a Dask array: give its .to_dask_array(lengths=True)")
        check_kind(array)
        if np.isnan(array.shape).any():
            array = array.copy().compute_chunk_sizes()
        if array.numblocks[1] > 1:
            array = array.rechunk({1: -1})
        self.shape: tuple[int, int] = (int(array.shape[0]), int(array.shape[1]))
        self.partitions = array.to_delayed().ravel().tolist()
        self.starts = np.concatenate(([0], np.cumsum(array.chunks[0]))).astype(np.int64)

    def rows(self, numbers: npt.NDArray[np.int64]) -> Float64Array:
        """The signals of these numbers (k, m), in this order."""
        owners = np.searchsorted(self.starts, numbers, side="right") - 1
        dask = importlib.import_module("dask")
        take = dask.delayed(_take)
        order, tasks = [], []
        for owner in np.unique(owners).tolist():
            wanted = np.flatnonzero(owners == owner)
            order.append(wanted)
            tasks.append(take(self.partitions[owner], numbers[wanted] - self.starts[owner]))
        signals = np.empty((len(numbers), self.shape[1]))
        for wanted, taken in zip(order, dask.compute(*tasks), strict=True):
            signals[wanted] = taken
        return signals

    def statistics(self, atoms: Float64Array, n_nonzero_coefs: int, n_jobs: int | None = None) -> Statistics:
        """One pass over all partitions. `n_jobs` is not used: Dask knows its workers and their threads."""
        dask = importlib.import_module("dask")
        shared_atoms = dask.delayed(atoms, traverse=False)
        gathered, total = dask.delayed(_gather), dask.delayed(_total)
        sums = [
            gathered(self.partitions[run], int(self.starts[run.start]), shared_atoms, n_nonzero_coefs)
            for run in self._runs(len(atoms))
        ]
        while len(sums) > 1:
            sums = [total(sums[i : i + SUMMANDS]) for i in range(0, len(sums), SUMMANDS)]
        with dask.config.set(_LARGE_GRAPHS):
            (statistics,) = dask.compute(sums[0])
        return statistics  # type: ignore[no-any-return]

    def batches(self, size: int, generator: np.random.Generator) -> Iterator[Source]:
        """The whole, as one batch: the atoms are then the same however the signals are partitioned."""
        yield self

    def _runs(self, least: int) -> list[slice]:
        """Runs of partitions for a task each, of `least` signals or more: what a task costs besides coding them."""
        edges = [0]
        for i, start in enumerate(self.starts.tolist()):
            if start - self.starts[edges[-1]] >= least:
                edges.append(i)
        edges[max(len(edges) - 1, 1) :] = [len(self.partitions)]  # what is left over goes with the last run
        return [slice(start, stop) for start, stop in pairwise(edges)]


def _take(partition: npt.ArrayLike, rows: npt.NDArray[np.int64]) -> Float64Array:
    return np.asarray(np.asarray(partition)[rows], dtype=np.float64)


def _gather(partitions: Sequence[npt.ArrayLike], start: int, atoms: Float64Array, n_nonzero_coefs: int) -> Statistics:
    signals = np.concatenate(partitions) if len(partitions) > 1 else np.asarray(partitions[0])
    return gather(signals, atoms, n_nonzero_coefs, numbers=range(start, start + len(signals)))


def _total(parts: Sequence[Statistics]) -> Statistics:
    """The sum, always in the order of the partitions."""
    total = Statistics.empty(*parts[0].gradient.shape)
    for part in parts:
        total.add(part)
    return total
