"""The paper's own figures. Shares of 1, milliseconds, 10^6 bytes (the paper's Mo)."""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "BASE",
    "EPOCHS",
    "LEAST_RATIO",
    "MOST_LOST",
    "NORMALISATIONS",
    "PARAMETERS",
    "QUANTISED",
    "SIDE",
    "WAVELET",
    "Model",
    "Normalisation",
]


class Model(NamedTuple):
    """accuracy; milliseconds of an inference; megabytes of the file."""

    accuracy: float
    milliseconds: float
    megabytes: float


class Normalisation(NamedTuple):
    """side : pixels; ratio, gain : of the images' bytes, formulas 4 and 5; parameters : of the head."""

    side: int
    ratio: float
    gain: float
    parameters: int
    accuracy: float
    milliseconds: float

    @property
    def name(self) -> str:
        """The ratio as the paper writes it."""
        return f"{self.ratio:g} : 1"


#: Pixels of a side of the images, and parameters of the head on them (section 5.2.3).
SIDE, PARAMETERS = 224, 25_089
#: Accuracy by epochs: table 1.
EPOCHS = {1: 0.87, 2: 0.918, 20: 0.9215, 30: 0.9645}
#: Table 2. The quantised model's time is printed as 38.9 µs, a thousandth of what goes with the rest.
BASE, QUANTISED = Model(0.9645, 44.6, 56.4), Model(0.964, 0.0389, 14.1)
#: Tables 3 and 4.
NORMALISATIONS = (
    Normalisation(150, 1.7, 0.40, 8_193, 0.9517, 40.3),
    Normalisation(100, 3.0, 0.67, 4_609, 0.9393, 41.3),
    Normalisation(64, 5.0, 0.80, 2_049, 0.9107, 40.8),
)
#: Table 5.
WAVELET = Model(0.9603, 43.6, 56.2)
#: What is asked of the quantised model: the float one's bytes over its own, and accuracy lost.
LEAST_RATIO, MOST_LOST = 3.9, 0.003
