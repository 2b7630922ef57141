"""K-SVD: alternation of sparse coding and atom updates.

Sources: M. Aharon, M. Elad, A. Bruckstein, "K-SVD: An Algorithm for Designing Overcomplete Dictionaries for Sparse
Representation", IEEE Trans. Signal Processing 54 (2006), section IV; R. Rubinstein, M. Zibulevsky, M. Elad, "Efficient
Implementation of the K-SVD Algorithm using Batch Orthogonal Matching Pursuit" (2008), section 3; L. Smith, M. Elad,
"Improving Dictionary Learning: Multiple Dictionary Updates and Coefficient Reuse", IEEE Signal Proc. Letters 20 (2013).
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
APPROXIMATE, EXACT = 1, 10
# Updates of all atoms after each coding, which costs more (Smith & Elad 2013, "multiple dictionary updates").
UPDATES = 3


def learn_by_ksvd(
    signals: Float32Array,
    start: Iteration,
    n_nonzero_coefs: int,
    *,
    power_steps: int,
    scale: float = 1.0,
    n_jobs: int | None = None,
) -> Iterator[Iteration]:
    """Yields after each iteration, without end.

    The atoms and the error that are yielded are the best so far: OMP is greedy, and an iteration may do worse than the
    one before. Keeping the better of a signal's old and new codes would force the error down, and is not done: those
    codes are not the ones that OMP finds, and dictionaries that rely on them serve a board worse (docs/learning.md).

    Parameters: `signals` (N, m) float32, finite, of a magnitude whose squares neither overflow nor vanish; `start`:
    unit-norm atoms to start from, or the iteration to go on from, bit for bit; `power_steps`: `EXACT` for K-SVD,
    `APPROXIMATE` for AK-SVD; `scale`: the unit of the signals, which errors are multiplied by.
    """
    best, errors, replaced = start.atoms, start.errors.tolist(), start.n_replaced
    atoms = np.array(start.memory.get("atoms", best), dtype=np.float32, order="C")
    trials = int(start.memory.get("trials", 0))
    state = Factorisation(signals, atoms, n_nonzero_coefs, n_jobs)
    while True:
        with one_blas_thread():
            encoder = state.encoder()
            state.code_signals(encoder)
            moved, trials = relocate_atoms(state, encoder, trials)
            for _ in range(UPDATES):
                state.update_atoms(power_steps)
            replaced += moved + replace_atoms(state)
        error = state.error() * scale
        if not errors or error < errors[-1]:
            best = state.atoms.copy()
        errors.append(min([error, *errors[-1:]]))
        memory = {"atoms": state.atoms.copy(), "trials": np.array(trials)}
        yield Iteration(best, np.array(errors), replaced, memory)
