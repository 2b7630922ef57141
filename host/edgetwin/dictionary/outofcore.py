"""Learning in passes over signals that need not fit in memory: MOD and online learning."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

from edgetwin.dictionary.iteration import Iteration
from edgetwin.dictionary.sources import RandomState, Source
from edgetwin.dictionary.sparse import one_blas_thread
from edgetwin.dictionary.statistics import Candidates, Statistics
from edgetwin.dictionary.updates import coordinate_descent, least_squares, replace_atoms

__all__ = ["learn_in_passes", "learn_online_step"]

Float64Array = npt.NDArray[np.float64]

# Signals of an online batch: as many as atoms, but at least these. Larger batches pass faster, but learn less a pass.
SMALLEST_BATCH = 256
# In a stream an atom is called unused after so many signals that, evenly spread, each atom would be used this often.
EXPECTED_USES = 100


def learn_in_passes(
    source: Source,
    start: Iteration,
    n_nonzero_coefs: int,
    *,
    algorithm: str = "online",
    max_iter: int = 20,
    random_state: RandomState = None,
    n_jobs: int | None = None,
) -> Iterator[Iteration]:
    """Yields an `Iteration` after each pass over the signals, until `max_iter` have been made in all.

    Parameters
    ----------
    source : the signals; see `edgetwin.dictionary.sources`.
    start : atoms to start from, or the iteration to go on from; with the same integer `random_state` the passes are
        then those of an uninterrupted run, bit for bit.
    algorithm : "mod", a least-squares update after each pass (Engan 1999), or "online", coordinate descent after each
        batch of a pass (Mairal 2009).
    random_state : for the order of the signals in an online pass.
    n_jobs : threads on this machine.

    The error is that of the codes of this pass under the atoms after its last update; it may rise a little, since OMP
    is greedy. Atoms are replaced after that, which does not raise it.

    Raises ValueError for a signal that is not finite.
    """
    seed = check_random_state(random_state).randint(2**31)
    iteration = start
    while iteration.number < max_iter:
        with one_blas_thread():
            if algorithm == "mod":
                iteration = _mod_pass(source, iteration, n_nonzero_coefs, n_jobs)
            else:
                generator = np.random.default_rng([seed, iteration.number])
                iteration = _online_pass(source, iteration, n_nonzero_coefs, generator, n_jobs)
        yield iteration


def learn_online_step(batch: Source, state: Iteration, n_nonzero_coefs: int, *, n_jobs: int | None = None) -> Iteration:
    """One step of online learning: codes the signals of `batch`, adds their statistics, updates the atoms.

    state : the result of the step before; at first any unit-norm atoms (n, m), without memory

    Nothing but `state.memory` is kept of the signals before. Raises ValueError for a signal that is not finite.
    """
    memory, atoms = _Memory.of(state), np.ascontiguousarray(state.atoms, dtype=np.float64)
    with one_blas_thread():
        updated, statistics = _step(batch, atoms, memory, n_nonzero_coefs, np.inf, n_jobs)
        statistics.move(updated - atoms)
    stale = memory.statistics.count * n_nonzero_coefs >= EXPECTED_USES * len(atoms)
    replaced = memory.replace_atoms(updated) if stale else 0
    return _next(state, updated, statistics.squared_error / np.prod(batch.shape), replaced, memory)


@dataclass(eq=False)
class _Memory:
    """What online learning carries from batch to batch.

    statistics : decayed; its `usage` and `count` are of the signals since unused atoms were last replaced
    seen : signals so far
    """

    statistics: Statistics
    seen: int

    @classmethod
    def of(cls, state: Iteration) -> _Memory:
        if "gram" not in state.memory:
            return cls(Statistics.empty(*state.atoms.shape), 0)
        arrays = state.memory
        statistics = Statistics(
            gram=arrays["gram"].copy(),
            gradient=arrays["gradient"].copy(),
            squared_error=float(arrays["squared_error"]),
            count=int(arrays["count"]),
            usage=arrays["usage"].astype(np.int64),
            worst=Candidates.none(state.atoms.shape[1]),
        )
        return cls(statistics, int(arrays["seen"]))

    def replace_atoms(self, atoms: Float64Array) -> int:
        """Replaces unused and near-duplicate atoms by the worst signals since it was last done."""
        replaced = replace_atoms(atoms, self.statistics)
        self.statistics.usage[:] = 0
        self.statistics.count = 0
        self.statistics.worst = Candidates.none(atoms.shape[1])
        return replaced

    def as_arrays(self) -> dict[str, Float64Array]:
        return {
            "gram": self.statistics.gram,
            "gradient": self.statistics.gradient,
            "squared_error": np.array(self.statistics.squared_error),
            "count": np.array(self.statistics.count, dtype=np.float64),
            "usage": self.statistics.usage.astype(np.float64),
            "seen": np.array(self.seen, dtype=np.float64),
        }


def _mod_pass(source: Source, state: Iteration, n_nonzero_coefs: int, n_jobs: int | None) -> Iteration:
    before = np.ascontiguousarray(state.atoms, dtype=np.float64)
    statistics = source.statistics(before, n_nonzero_coefs, n_jobs)
    atoms = least_squares(before, statistics)
    mean_squared_error = statistics.squared_error / np.prod(source.shape)
    return _next(state, atoms, mean_squared_error, replace_atoms(atoms, statistics))


def _online_pass(
    source: Source, state: Iteration, n_nonzero_coefs: int, generator: np.random.Generator, n_jobs: int | None
) -> Iteration:
    memory, atoms = _Memory.of(state), np.ascontiguousarray(state.atoms, dtype=np.float64)
    whole = Statistics.empty(*atoms.shape)
    for batch in source.batches(max(SMALLEST_BATCH, len(atoms)), generator):
        updated, statistics = _step(batch, atoms, memory, n_nonzero_coefs, source.shape[0], n_jobs)
        whole.add(statistics)
        whole.move(updated - atoms)
        atoms = updated
    return _next(state, atoms, whole.squared_error / np.prod(source.shape), memory.replace_atoms(atoms), memory)


def _step(
    batch: Source, atoms: Float64Array, memory: _Memory, n_nonzero_coefs: int, window: float, n_jobs: int | None
) -> tuple[Float64Array, Statistics]:
    """New atoms, and the statistics of the batch under the old ones. Goes on with `memory`.

    The past is decayed by 1 − 1/t in the t-th batch (Mairal 2010, section 3.4.1, ρ = 1), and never weighs more than
    `window` signals: a pass. A batch that is a whole pass so takes the place of the one before, as section 3.4.2 has
    it for data that come round again.
    """
    statistics = batch.statistics(atoms, n_nonzero_coefs, n_jobs)
    memory.seen += statistics.count
    memory.statistics.decay(1 - statistics.count / min(memory.seen, window))
    memory.statistics.add(statistics)
    return coordinate_descent(atoms, memory.statistics), statistics


def _next(
    state: Iteration, atoms: Float64Array, mean_squared_error: float, replaced: int, memory: _Memory | None = None
) -> Iteration:
    return Iteration(
        atoms=atoms,
        errors=np.append(state.errors, np.sqrt(mean_squared_error)),
        n_replaced=state.n_replaced + replaced,
        memory=memory.as_arrays() if memory else {},
    )
