"""What the study found, and its form in results.json."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from edgetwin.bench.cmi import published
from edgetwin.bench.cmi.images import Form, compression_ratio, space_gain

__all__ = ["DYNAMIC", "FLOAT", "INT8", "Confusion", "File", "FormResult", "Results", "file_ratio"]

#: Modes of :func:`~edgetwin.nn.quantization.to_tflite`.
FLOAT: Final = "float32"
DYNAMIC: Final = "dynamic"
INT8: Final = "int8"


@dataclass(frozen=True)
class Confusion:
    """Images of class i that were taken for class j, as counts[i][j]."""

    counts: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))

    @classmethod
    def of(cls, outputs: npt.NDArray[np.float32], labels: npt.NDArray[np.int64]) -> Self:
        """Of probabilities (N, 1) of class 1."""
        taken = outputs[:, 0] > 0.5
        zeros, ones = (tuple(int(np.sum((labels == i) & (taken == j))) for j in (0, 1)) for i in (0, 1))
        return cls(((zeros[0], zeros[1]), (ones[0], ones[1])))

    @property
    def right(self) -> int:
        """How many were taken for what they are."""
        return self.counts[0][0] + self.counts[1][1]

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(map(sum, self.counts))

    @property
    def accuracy(self) -> float:
        """Share that was taken for what it is."""
        return self.right / max(1, self.total)


@dataclass(frozen=True)
class FormResult:
    """A head trained on images of one form.

    parameters : of the head
    image_bytes : of all images' files; bytes_an_image : their mean
    history : loss, accuracy, val_loss, val_accuracy, a value an epoch
    accuracies : on the test images, by epochs
    confusion : of the test images after the last epoch
    file_bytes, milliseconds : of the float network as .tflite; the median time of an inference, one thread of LiteRT
    """

    form: Form
    parameters: int
    image_bytes: int
    bytes_an_image: float
    history: dict[str, list[float]]
    accuracies: dict[int, float]
    confusion: Confusion
    file_bytes: int
    milliseconds: float


@dataclass(frozen=True)
class File:
    """The base's network as a .tflite file. `confusion`: of the test images, by the file; None: not tried on them."""

    mode: str
    bytes: int
    milliseconds: float
    confusion: Confusion | None = None


@dataclass(frozen=True)
class Results:
    """
    data, classes : of the images; `images` of them to learn from and `test_images` to test on
    base, width : as :class:`~edgetwin.bench.cmi.base.Base`
    forms : the original images first
    files : of the network on the original images, by mode
    full_width : the same with random weights and VGG16's own width, where the base is narrower; empty: not tried
    """

    budget: str
    seed: int
    seconds: float
    data: str
    classes: tuple[str, ...]
    images: int
    test_images: int
    base: str
    width: float
    forms: tuple[FormResult, ...]
    files: dict[str, File]
    full_width: dict[str, File]

    @property
    def original(self) -> FormResult:
        """On images as they are."""
        return self.forms[0]

    def ratio(self, form: FormResult) -> float:
        """Of images' bytes: formula 4."""
        return compression_ratio(self.original.image_bytes, form.image_bytes)

    def gain(self, form: FormResult) -> float:
        """Of images' bytes: formula 5."""
        return space_gain(self.original.image_bytes, form.image_bytes)

    def lost(self, mode: str) -> float:
        """Accuracy that a quantised file lost; below 0 where it gained."""
        exact, file = self.files[FLOAT].confusion, self.files[mode].confusion
        assert exact is not None and file is not None  # only files of the full width are not tried
        return (exact.right - file.right) / exact.total

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as results.json has them."""
        plain = dataclasses.asdict(self)
        for row, form in zip(plain["forms"], self.forms, strict=True):
            row |= {"ratio": self.ratio(form), "gain": self.gain(form), "accuracy": form.confusion.accuracy}
        for mode in (DYNAMIC, INT8):
            plain["files"][mode] |= {"ratio": file_ratio(self.files, mode), "lost": self.lost(mode)}
        plain["asked"] = {"ratio": published.LEAST_RATIO, "lost": published.MOST_LOST}
        return plain


def file_ratio(files: Mapping[str, File], mode: str) -> float:
    """How many times the bytes of a quantised file the float one has."""
    return files[FLOAT].bytes / files[mode].bytes
