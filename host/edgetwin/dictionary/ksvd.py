"""K-SVD: alternation of sparse coding and atom updates, each step of which never raises the error.

Sources: M. Aharon, M. Elad, A. Bruckstein, "K-SVD: An Algorithm for Designing Overcomplete Dictionaries for Sparse
Representation", IEEE Trans. Signal Processing 54 (2006), section IV; R. Rubinstein, M. Zibulevsky, M. Elad, "Efficient
Implementation of the K-SVD Algorithm using Batch Orthogonal Matching Pursuit" (2008), section 3.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from edgetwin.dictionary.factorisation import Factorisation
from edgetwin.dictionary.iteration import Iteration
from edgetwin.dictionary.replacement import relocate_atoms, replace_atoms
from edgetwin.dictionary.sparse import one_blas_thread

__all__ = ["APPROXIMATE", "EXACT", "learn_by_ksvd"]

Float32Array = npt.NDArray[np.float32]

# Most power iterations of an atom: one is approximate K-SVD, many find the singular vectors.
APPROXIMATE, EXACT = 1, 50


def learn_by_ksvd(
    signals: Float32Array,
    start: Iteration,
    n_nonzero_coefs: int,
    *,
    power_steps: int,
    scale: float = 1.0,
    n_jobs: int | None = None,
) -> Iterator[Iteration]:
    """Yields after each iteration; ends where the error no longer falls.

    Parameters: `signals` (N, m) float32, finite, of a magnitude whose squares neither overflow nor vanish; `start`:
    unit-norm atoms to start from, or the iteration to go on from, bit for bit; `power_steps`: `EXACT` for K-SVD,
    `APPROXIMATE` for AK-SVD; `scale`: the unit of the signals, which errors are multiplied by.
    """
    atoms = np.array(start.atoms, dtype=np.float32, order="C")
    state = Factorisation(signals, atoms, n_nonzero_coefs, n_jobs)
    if start.codes is not None:
        state.codes = start.codes.copy()
    errors, replaced = start.errors.tolist(), start.n_replaced
    trials = int(start.memory.get("trials", 0))
    with one_blas_thread():
        while not (len(errors) > 1 and errors[-1] == errors[-2]):
            state.refresh_residual()
            encoder = state.encoder()
            if errors:
                moved, trials = relocate_atoms(state, encoder, trials)
                replaced += moved
            state.code_signals(encoder)
            state.update_atoms(power_steps)
            replaced += replace_atoms(state)
            error = state.error() * scale
            if errors and error > errors[-1]:  # by rounding alone
                return
            errors.append(error)
            memory = {"trials": np.array(trials, dtype=np.float64)}
            yield Iteration(state.atoms.copy(), np.array(errors), replaced, state.codes.copy(), memory)
