"""Images of two classes: PneumoniaMNIST in place of the paper's cardiac MRI, or class folders of the user's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgetwin.data.catalogue import load_labelled
from edgetwin.data.classes import PIXELS
from edgetwin.data.images import load_image_folder
from edgetwin.data.samples import DataError

__all__ = ["ImageSet", "TwoClasses", "load_images"]

# Of a folder of images, whose training part alone is split: the share that is held out.
VALIDATION = 0.1


@dataclass(frozen=True, eq=False)
class ImageSet:
    """pixels : (N, height, width[, channels]); labels : (N,), 0 or 1."""

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: slice | npt.NDArray[np.intp]) -> ImageSet:
        return ImageSet(self.pixels[index], self.labels[index])


@dataclass(frozen=True, eq=False)
class TwoClasses:
    """classes : names of classes 0 and 1."""

    name: str
    classes: tuple[str, ...]
    train: ImageSet
    validation: ImageSet
    test: ImageSet


def load_images(data: Path | None, images: Path | None, *, side: int, most: int | None, seed: int) -> TwoClasses:
    """PneumoniaMNIST from the folder `data` (or $EDGETWIN_DATA); or the class folders in `images`, resized to `side`.

    most : images of each part, drawn by `seed`; None: all

    Raises DataError, that says where to put them, if they cannot be had, or are not of two classes.
    """
    found = load_labelled("pneumoniamnist", data) if images is None else load_image_folder(images, size=(side, side))
    if found.classes != 2:
        raise DataError(f"{found.name} has {found.classes} classes: the CMI study is of two")
    random = np.random.default_rng(seed)

    def part(signals: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> ImageSet:
        pixels = np.round(signals.reshape(-1, *found.shape) * np.float32(PIXELS.divisor)).astype(np.uint8)
        return ImageSet(pixels, labels)[random.permutation(len(labels))]

    train, test = part(found.train, found.train_labels), part(found.test, found.test_labels)
    if found.validation is not None and found.validation_labels is not None:
        validation = part(found.validation, found.validation_labels)
    else:
        held_out = max(1, round(VALIDATION * len(train)))
        train, validation = train[:-held_out], train[-held_out:]
    if not len(train):
        raise DataError(f"{found.name}: no image is left to learn from: add some")
    return TwoClasses(found.name, found.names, train[:most], validation[:most], test[:most])
