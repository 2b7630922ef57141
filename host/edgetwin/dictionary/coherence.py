"""Atoms that are nearly the same direction."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["COHERENCE_LIMIT", "twin_atoms"]

# Two atoms whose |cosine| is above this are taken for one (the value of Aharon's own implementation of K-SVD).
COHERENCE_LIMIT = 0.99
# Atoms at a time that are compared with all the others.
BLOCK = 512


def twin_atoms(atoms: npt.NDArray[np.floating], usage: npt.NDArray[np.integer]) -> list[tuple[int, int]]:
    """Pairs (less used atom, its more used twin) among the used of the unit-norm `atoms` (n, m).

    Each atom is in the first place at most once, and in no later pair once it has been: pair by pair, an atom can be
    merged into its twin and given up.
    """
    used = np.flatnonzero(usage)
    candidates = atoms[used]
    pairs: dict[int, int] = {}
    for start in range(0, len(used), BLOCK):
        cosines = np.abs(candidates[start : start + BLOCK] @ candidates.T)
        for row, b in np.argwhere(cosines > COHERENCE_LIMIT).tolist():
            a = start + row
            if a < b:
                atom, twin = sorted((int(used[a]), int(used[b])), key=lambda j: usage[j])
                if atom not in pairs and twin not in pairs:
                    pairs[atom] = twin
    return list(pairs.items())
