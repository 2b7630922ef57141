"""What a learning algorithm hands out after each iteration: enough to show, to stop, and to go on from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Iteration"]


@dataclass(frozen=True, eq=False)
class Iteration:
    """The state of learning after an iteration of sparse coding and dictionary update.

    atoms : (n, m), unit norm
    errors : ‖Y − XD‖_F / √(N m) after each iteration so far; its length is the number of iterations run
    n_replaced : atoms replaced so far
    memory : what else the algorithm needs to go on (ksvd: the atoms of the last iteration, if another was better;
        online: its decayed statistics)
    """

    atoms: npt.NDArray[np.floating]
    errors: npt.NDArray[np.float64]
    n_replaced: int = 0
    memory: dict[str, npt.NDArray[Any]] = field(default_factory=dict)

    @property
    def number(self) -> int:
        """Iterations run, from 1."""
        return len(self.errors)
