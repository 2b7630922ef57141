"""How much of the study is run."""

from __future__ import annotations

from dataclasses import dataclass

from edgetwin.bench.cmi import published
from edgetwin.errors import UserError

__all__ = ["BUDGETS", "LEAST_SIDE", "Budget", "scaled"]

#: Of the images: their smallest form, 64 of 224, must outlast five halvings.
LEAST_SIDE = 112


@dataclass(frozen=True)
class Budget:
    """
    side : pixels of a side of the images
    normalisations : to these shares of a side, with compression ratios near the paper's
    epochs : after which accuracy is told, ascending; the last one ends the training
    images : at most so many of each part; None: all
    representative : training images that int8's ranges come from
    random_base : whether the base is one that learned nothing, if none is given
    full_width : whether a network of VGG16's own width is converted too, if the base is narrower
    """

    side: int
    normalisations: tuple[published.Normalisation, ...]
    epochs: tuple[int, ...]
    images: int | None
    representative: int
    random_base: bool
    full_width: bool


BUDGETS = {
    "smoke": Budget(
        side=LEAST_SIDE,
        normalisations=published.NORMALISATIONS[-1:],
        epochs=(1, 2, 4),
        images=64,
        representative=16,
        random_base=True,
        full_width=False,
    ),
    "full": Budget(
        side=published.SIDE,
        normalisations=published.NORMALISATIONS,
        epochs=tuple(published.EPOCHS),
        images=None,
        representative=128,
        random_base=False,
        full_width=True,
    ),
}


def scaled(side: int, published_side: int) -> int:
    """Pixels that are to `side` what the paper's size is to its 224. Raises UserError for too small a side."""
    if side < LEAST_SIDE:
        raise UserError(f"images of {side} pixels are too small for VGG16 once they are normalised: give {LEAST_SIDE}")
    return round(side * published_side / published.SIDE)
