"""Initial atoms that stand for a part of a signal: a stroke, not a whole digit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from sklearn.utils import check_random_state

__all__ = ["localised"]

Float64Array = npt.NDArray[np.float64]

# How fast an atom fades with the correlation that its samples have with the one at its centre.
SHARPNESS = 2


def localised(atoms: Float64Array, random_state: int | np.random.RandomState | None = None) -> Float64Array:
    """Atoms (n, m) that are each faded out around one of their samples, drawn by its magnitude.

    What is near is learned: sample j of an atom is multiplied by the square of its correlation, over all atoms, with
    the sample at the centre. Neighbours in time, in an image, or among channels need not be told.
    """
    generator = check_random_state(random_state)
    deviations = atoms - atoms.mean(axis=0)
    norms = np.linalg.norm(deviations, axis=0)
    deviations /= np.where(norms > 0, norms, 1)
    nearness = np.abs(deviations.T @ deviations) ** SHARPNESS
    np.fill_diagonal(nearness, 1)
    magnitudes = np.abs(atoms).cumsum(axis=1)
    drawn = generator.random_sample((len(atoms), 1)) * magnitudes[:, -1:]
    centres = (magnitudes > drawn).argmax(axis=1)
    return np.asarray(atoms * nearness[centres])
