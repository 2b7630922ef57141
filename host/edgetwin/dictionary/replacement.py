"""Atoms that are worth little are given to the signals that are represented worst.

K-SVD only finds the optimum next to where it starts: an atom of little use stays so while another stands for two.
Unused atoms and twins are replaced at once (Aharon 2006, section IV.D). Beyond that, atoms of little use are tried in
another place, and stay there if the error falls.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from edgetwin.dictionary.coherence import COHERENCE_LIMIT, twin_atoms
from edgetwin.dictionary.factorisation import Factorisation, residuals_of, squared_norms
from edgetwin.dictionary.sparse import Encoder

__all__ = ["relocate_atoms", "replace_atoms"]

Float32Array = npt.NDArray[np.float32]

# A signal whose residual is below this share of its norm is represented as well as float32 can: no atom is spent on it.
REPRESENTED = 1e-5
# Signals at a time that are compared with all atoms.
BLOCK = 512

# Relocation: the share of the signals that the trials of an iteration may code, the share of the atoms (those of least
# use) and the number of the worst signals that are tried in turn, and the power steps to the direction tried.
TRIED_SIGNALS = 0.2
TRIED_ATOMS = 0.2
TRIED_DIRECTIONS = 10
DIRECTION_STEPS = 3


def replace_atoms(state: Factorisation) -> int:
    """Gives atoms that are unused, or the twin of another, to the signals that are represented worst.

    The signal becomes the atom and its own 1-sparse code. Giving up a twin costs the signals that used it a little: it
    is done only where the new atom gains at least that. Returns how many atoms were replaced.
    """
    usage = np.bincount(state.codes.support[state.used()], minlength=len(state.atoms))
    candidates = _badly_represented(state, limit=4 * len(state.atoms))
    replaced = 0
    for atom in np.flatnonzero(usage == 0).tolist():
        row = next(candidates, None)
        if row is None:
            return replaced
        _dedicate(state, atom, row)
        replaced += 1
    for atom, twin in twin_atoms(state.atoms, usage):
        row = next(candidates, None)
        if row is None:
            return replaced
        if _merge(state, atom, twin, gain_from=row):
            _dedicate(state, atom, row)
            replaced += 1
    return replaced


def relocate_atoms(state: Factorisation, encoder: Encoder, trials: int) -> tuple[int, int]:
    """Tries atoms of least use in the direction of what is represented worst; keeps what lowers the error.

    `encoder` : over the atoms of `state`. `trials` : trials since the last that succeeded, over all iterations.
    Returns how many atoms were moved, and the new `trials`.
    """
    n, s = len(state.atoms), encoder.s
    # About as many signals use an atom as are likely to take up its new direction.
    users = max(1, len(state.signals) * s // n)
    budget = max(1, int(TRIED_SIGNALS * len(state.signals)) // (2 * users))
    moved = 0
    for _ in range(budget):
        used = state.used()
        energy = np.bincount(
            state.codes.support[used], weights=np.square(state.codes.coefficients[used], dtype=np.float64), minlength=n
        )
        atom = int(np.argsort(energy, kind="stable")[trials % max(1, int(TRIED_ATOMS * n))])
        direction = _unrepresented_direction(state, trials % TRIED_DIRECTIONS, users)
        if direction is None:
            break
        if _relocate(state, encoder, atom, direction, users):
            moved += 1
            trials = 0
        else:
            trials += 1
    return moved, trials


def _unrepresented_direction(state: Factorisation, rank: int, users: int) -> Float32Array | None:
    """The common direction of the residuals that are most like the `rank`-th largest; None where all is represented."""
    residuals = squared_norms(state.residual)
    worst = np.argsort(-residuals, kind="stable")[: max(TRIED_DIRECTIONS, 4 * users)]
    if (
        rank >= len(worst)
        or not residuals[worst[rank]] > REPRESENTED**2 * squared_norms(state.signals[worst[[rank]]])[0]
    ):
        return None
    left = state.residual[worst].astype(np.float64)
    direction = left[rank]
    for _ in range(DIRECTION_STEPS):
        direction = direction / np.linalg.norm(direction)
        shares = left @ direction
        alike = _largest(np.abs(shares), users)
        direction = shares[alike] @ left[alike]
    return np.asarray(direction / np.linalg.norm(direction), dtype=np.float32)


def _largest(values: npt.NDArray[np.floating], count: int) -> npt.NDArray[np.intp]:
    """The places of the `count` largest values, in no order."""
    return np.argpartition(values, -count)[-count:] if count < len(values) else np.arange(len(values))


def _relocate(state: Factorisation, encoder: Encoder, atom: int, direction: Float32Array, users: int) -> bool:
    """Puts `atom` in `direction` if that lowers the error of the signals concerned; the others keep their codes."""
    must = np.any(state.used() & (state.codes.support == atom), axis=1)
    likely = _largest(np.abs(state.residual @ direction), users)
    rows = np.union1d(np.flatnonzero(must), likely)
    before = state.atoms[atom].copy()
    encoder.replace_atom(atom, direction)
    signals = state.signals[rows]
    codes = encoder.encode(signals, state.n_jobs)
    left = np.empty_like(signals)
    old, new = squared_norms(state.residual[rows]), residuals_of(signals, state.atoms, codes, left)
    taken = must[rows] | (new < old)
    if not np.where(taken, new, old).sum() < old.sum():
        encoder.replace_atom(atom, before)
        return False
    state.take(rows[taken], codes[taken], left[taken])
    return True


def _badly_represented(state: Factorisation, limit: int) -> Iterator[int]:
    """Rows by falling residual, at most `limit` looked at, leaving out those that an atom nearly equals."""
    residuals = squared_norms(state.residual)
    norms = squared_norms(state.signals)
    worst = np.argsort(-residuals, kind="stable")[:limit]
    worst = worst[residuals[worst] > REPRESENTED**2 * norms[worst]]
    given = np.zeros((0, state.signals.shape[1]), np.float32)
    for start in range(0, len(worst), BLOCK):
        rows = worst[start : start + BLOCK]
        units = state.signals[rows] / np.sqrt(norms[rows, None]).astype(np.float32)
        new = np.abs(units @ state.atoms.T).max(axis=1) <= COHERENCE_LIMIT
        for row, unit in zip(rows[new].tolist(), units[new], strict=True):
            if not np.any(np.abs(given @ unit) > COHERENCE_LIMIT):
                given = np.vstack([given, unit])
                yield row


def _merge(state: Factorisation, atom: int, twin: int, gain_from: int) -> bool:
    """Moves the share of `atom` in every code to `twin`, if that costs no more than row `gain_from` will gain."""
    support, coefficients, used = state.codes.support, state.codes.coefficients, state.used()
    rows, slots = np.nonzero(used & (support == atom))
    target = state.residual[rows] + np.outer(coefficients[rows, slots], state.atoms[atom])
    moved = target @ state.atoms[twin]
    remaining = target - np.outer(moved, state.atoms[twin])
    cost = squared_norms(remaining).sum() - squared_norms(state.residual[rows]).sum()
    if gain_from in rows or cost > squared_norms(state.residual[[gain_from]])[0]:
        return False
    has_twin = (support[rows] == twin) & used[rows]
    both = has_twin.any(axis=1)
    coefficients[rows[both], has_twin[both].argmax(axis=1)] += moved[both]
    coefficients[rows[both], slots[both]] = 0.0
    support[rows[~both], slots[~both]] = twin
    coefficients[rows[~both], slots[~both]] = moved[~both]
    state.residual[rows] = remaining
    return True


def _dedicate(state: Factorisation, atom: int, row: int) -> None:
    """Makes `atom` the direction of signal `row`, and the whole of its code."""
    norm = np.float32(np.sqrt(squared_norms(state.signals[[row]])[0]))
    state.atoms[atom] = state.signals[row] / norm
    state.codes.support[row] = 0
    state.codes.coefficients[row] = 0.0
    state.codes.support[row, 0] = atom
    state.codes.coefficients[row, 0] = norm
    state.codes.counts[row] = 1
    state.residual[row] = state.signals[row] - norm * state.atoms[atom]
