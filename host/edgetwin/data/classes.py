"""What the numbers of public data sets mean: the names of their classes, and their values before they were scaled."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["AS_THEY_ARE", "PIXELS", "RawValues", "class_names"]


@dataclass(frozen=True)
class RawValues:
    """Values as a sensor or a file has them, of which a signal holds value / divisor.

    meaning : what they are, with their range
    """

    meaning: str
    divisor: float = 1.0


PIXELS = RawValues("pixels, 0 to 255", 255.0)
AS_THEY_ARE = RawValues("values as the data set has them")

_CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_NAMES: dict[str, tuple[str, ...]] = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        *("T-shirt/top", "trouser", "pullover", "dress", "coat"),
        *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
    ),
    "cifar10": _CIFAR10,
    "cifar10_subset": _CIFAR10,
    "pneumoniamnist": ("normal", "pneumonia"),
    # The archive's own: that a symptom is there or not, but not which is which.
    "forda": ("-1", "1"),
    # As annotated at PhysioNet: of normal beats, R-on-T premature ventricular contractions, other premature
    # ventricular contractions, supraventricular premature or ectopic beats, and unclassified ones.
    "ecg5000": ("normal", "R-on-T PVC", "PVC", "supraventricular", "unclassified"),
}


def class_names(data_set: str, classes: int) -> tuple[str, ...]:
    """Names of the classes 0, 1, ... of a data set; none where not all are known."""
    names = _NAMES.get(data_set, ())[:classes]
    return names if len(names) == classes else ()
