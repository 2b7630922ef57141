"""Atom updates from sufficient statistics: least squares (MOD), block coordinate descent (online), replacement."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from edgetwin.dictionary.coherence import COHERENCE_LIMIT, twin_atoms
from edgetwin.dictionary.statistics import Statistics

__all__ = ["coordinate_descent", "least_squares", "replace_atoms"]

Float64Array = npt.NDArray[np.float64]

# Weight of staying where one is against the least-squares solution, relative to each atom's own energy.
PROXIMITY = 1e-8
# Atoms whose corrections go into the gradient together, as one matrix product.
PANEL = 64
# A norm below this gives no direction.
TINY = float(np.finfo(np.float64).tiny)


def least_squares(atoms: Float64Array, statistics: Statistics) -> Float64Array:
    """The method of optimal directions: argmin ‖Y − XD‖² over all atoms at once, then unit norm.

    Returns the new atoms (n, m); `statistics` goes over to them, its codes rescaled with the norms.

    The problem is solved for the step Δ from the present atoms, with a weight ε diag(A) on ‖Δ‖²: atoms that no code
    tells apart, or that no code uses, stay where they are, the error never rises, and the condition number is bounded
    (what two summation orders of A can differ by stays far below 1e-5).

    Source: K. Engan, S. O. Aase, J. H. Husøy, "Method of Optimal Directions for Frame Design", ICASSP 1999, eq. 6.
    """
    energies = np.diagonal(statistics.gram)
    used = np.flatnonzero(energies > 0)
    step = np.zeros_like(atoms)
    if used.size:
        scales = np.sqrt(energies[used])
        system = statistics.gram[np.ix_(used, used)]
        system /= scales
        system /= scales[:, None]
        system.flat[:: len(used) + 1] += PROXIMITY
        right = statistics.gradient[used] / scales[:, None]
        factor = cho_factor(system, lower=True, overwrite_a=True, check_finite=False)
        step[used] = cho_solve(factor, right, overwrite_b=True, check_finite=False) / scales[:, None]
    moved = atoms + step
    norms = np.linalg.norm(moved, axis=1)
    lost = norms < TINY  # an atom that would vanish: its direction stays, its codes become 0
    statistics.move(step)
    statistics.rescale(norms)
    norms[lost] = 1.0
    moved[lost] = atoms[lost]
    return np.asarray(moved / norms[:, None])


def coordinate_descent(atoms: Float64Array, statistics: Statistics) -> Float64Array:
    """One sweep over the atoms, each put to its best place on the unit sphere while the others stay.

    Returns the new atoms (n, m); `statistics` goes over to them. The step is u = G_j + A_jj d_j, d_j = u/‖u‖ (Mairal
    2009, algorithm 2, eq. 10). On the unit sphere, where OMP wants its atoms, the error is linear in d_j, so this is
    its minimum, and the error never rises.

    A panel of atoms at a time sees its own corrections at once and hands them to the others in one product.
    """
    gram, updated, gradient = statistics.gram, atoms.copy(), statistics.gradient.copy()
    for start in range(0, len(atoms), PANEL):
        panel = slice(start, min(start + PANEL, len(atoms)))
        shares = gram[panel, panel]
        energies = np.diagonal(shares)
        targets = gradient[panel] + energies[:, None] * atoms[panel]
        steps = np.zeros_like(targets)
        for i in np.flatnonzero(energies > 0).tolist():
            target = targets[i] - shares[i, :i] @ steps[:i]
            norm = math.sqrt(target @ target)
            if norm > TINY:
                updated[start + i] = target / norm
                steps[i] = updated[start + i] - atoms[start + i]
        gradient -= gram[:, panel] @ steps
    statistics.move(updated - atoms, gradient)
    return updated


def replace_atoms(atoms: Float64Array, statistics: Statistics) -> int:
    """Gives atoms that are unused, or the twin of another, to the signals that are represented worst.

    Changes `atoms` (n, m) and `statistics`, where no code uses a new atom. Giving up a twin, whose share its more
    used twin takes over, costs the signals that use it a little: it is done only where the signal gains at least that,
    as in K-SVD. Returns how many atoms were replaced.
    """
    unused: list[int] = np.flatnonzero(statistics.usage == 0).tolist()
    twins = twin_atoms(atoms, statistics.usage)
    chosen, gains = _different_candidates(atoms, statistics, limit=len(unused) + len(twins))
    replaced = 0
    for atom in unused[: len(chosen)]:
        statistics.move_atom(atom, -atoms[atom])
        statistics.drop(atom)
        atoms[atom] = chosen[replaced]
        replaced += 1
    for atom, twin in twins:
        if replaced == len(chosen):
            break
        turn = float(np.copysign(1.0, atoms[atom] @ atoms[twin]))  # −1: twins of opposite directions
        step = turn * atoms[twin] - atoms[atom]
        if statistics.rise(atom, step) <= gains[replaced]:
            statistics.move_atom(atom, step)
            _hand_over(statistics, atom, twin, turn)
            atoms[atom] = chosen[replaced]
            replaced += 1
    return replaced


def _different_candidates(atoms: Float64Array, statistics: Statistics, limit: int) -> tuple[Float64Array, Float64Array]:
    """Unit-norm candidates (k, m), k ≤ `limit`, worst first, with what each gains as an atom.

    Left out is one that an atom or a worse candidate nearly equals.
    """
    worst = statistics.worst
    if not limit or not len(worst.rows):
        return np.empty((0, atoms.shape[1])), np.empty(0)
    directions = worst.signals / np.linalg.norm(worst.signals, axis=1, keepdims=True)
    eligible = (np.abs(directions @ atoms.T) <= COHERENCE_LIMIT).all(axis=1)
    alike = np.abs(directions @ directions.T) > COHERENCE_LIMIT
    chosen: list[int] = []
    for candidate in np.flatnonzero(eligible).tolist():
        if len(chosen) == limit:
            break
        if not alike[candidate, chosen].any():
            chosen.append(candidate)
    return directions[chosen], worst.errors[chosen]


def _hand_over(statistics: Statistics, atom: int, twin: int, turn: float) -> None:
    """Adds `turn` times the codes of `atom` to those of `twin`, which are one direction by now."""
    statistics.gram[twin] += turn * statistics.gram[atom]
    statistics.gram[:, twin] += turn * statistics.gram[:, atom]
    statistics.gradient[twin] += turn * statistics.gradient[atom]
    statistics.drop(atom)
