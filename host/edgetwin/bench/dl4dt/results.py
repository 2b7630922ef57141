"""What the experiments found, and its form in results.json."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import numpy.typing as npt

__all__ = [
    "DICTIONARY",
    "ORIGINAL",
    "RANDOM",
    "Classification",
    "Confusion",
    "Detection",
    "NetworkRow",
    "NotRun",
    "Representativity",
    "Results",
    "Telemetry",
]

#: Forms of the training data, and of the test data in section 4.3.
ORIGINAL, DICTIONARY, RANDOM = "original", "dictionary", "random"


@dataclass(frozen=True)
class NotRun:
    """A part that was asked for and could not be run."""

    reason: str
    status: str = "not run"


@dataclass(frozen=True)
class NetworkRow:
    """A network trained on one form of the training data.

    training : "original", "dictionary" (the signals are X D) or "random" (a share of the signals)
    compression : by the paper's formula, or the share left out
    atoms, error : of the dictionary; ‖Y − XD‖_F / √(N m)
    accuracy : on the original test set
    accuracy_reconstructed : on the test set coded by OMP over the same dictionary
    paper : the published accuracy
    """

    training: str
    compression: float
    accuracy: float
    seconds_training: float
    accuracy_reconstructed: float | None = None
    atoms: int | None = None
    error: float | None = None
    seconds_learning: float | None = None
    paper: float | None = None


@dataclass(frozen=True)
class Classification:
    """Section 4.2 on MNIST or FordA."""

    signals: int
    m: int
    n_nonzero_coefs: int
    iterations: int
    rows: tuple[NetworkRow, ...]
    status: str = "done"


@dataclass(frozen=True)
class Confusion:
    """Counts of signals: what they are, and what they were taken for. Those of several servers add up."""

    normal_as_normal: int = 0
    normal_as_anomaly: int = 0
    anomaly_as_normal: int = 0
    anomaly_as_anomaly: int = 0

    @classmethod
    def of(cls, anomalous: npt.NDArray[np.bool_], flagged: npt.NDArray[np.bool_]) -> Self:
        """From what signals (N,) are and what a detector says."""
        pairs = ((False, False), (False, True), (True, False), (True, True))
        return cls(*(int(np.count_nonzero((anomalous == a) & (flagged == f))) for a, f in pairs))

    def __add__(self, other: Confusion) -> Confusion:
        mine, theirs = dataclasses.astuple(self), dataclasses.astuple(other)
        return Confusion(*(a + b for a, b in zip(mine, theirs, strict=True)))

    @property
    def accuracy(self) -> float:
        """Share of right answers."""
        return _share(self.normal_as_normal + self.anomaly_as_anomaly, sum(dataclasses.astuple(self)))

    @property
    def normal(self) -> tuple[float, float, float]:
        """Precision, recall and F-score of normal signals; 0 where there is none."""
        return _scores(self.normal_as_normal, self.anomaly_as_normal, self.normal_as_anomaly)

    @property
    def anomaly(self) -> tuple[float, float, float]:
        """Precision, recall and F-score of anomalies; 0 where there is none."""
        return _scores(self.anomaly_as_anomaly, self.normal_as_anomaly, self.anomaly_as_normal)

    def to_dict(self) -> dict[str, Any]:
        """Counts and scores."""
        names = ("precision", "recall", "f_score")
        scores = {kind: dict(zip(names, getattr(self, kind), strict=True)) for kind in ("normal", "anomaly")}
        return dataclasses.asdict(self) | {"accuracy": self.accuracy} | scores


@dataclass(frozen=True)
class Detection:
    """A detector trained on one form of the training data, on all servers' original test sets."""

    training: str
    compression: float
    servers: dict[str, Confusion]
    errors: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> Confusion:
        """All servers' signals together."""
        return sum(self.servers.values(), Confusion())


@dataclass(frozen=True)
class Representativity:
    """Section 4.3, all servers together.

    tests : by how the test signals reach the detector: "original", "omp", "wire" (quantised atoms and codes, as a board
        sends them), "random" (a share of them)
    kept_at_random : share of them that "random" keeps
    triplet_gain : memory saved by triplets, 1 − 3s/m; wire_gain : by the frames that a board sends
    """

    n_nonzero_coefs: int
    n_nonzero_coefs_sent: int
    atoms: dict[str, int]
    tests: dict[str, Confusion]
    kept_at_random: float
    triplet_gain: float
    wire_gain: float
    seconds_learning: float
    seconds_coding: float


@dataclass(frozen=True)
class Telemetry:
    """Sections 4.2 and 4.3 on one collection of servers.

    signals : training signals of each server, m samples each
    """

    signals: dict[str, int]
    m: int
    n_nonzero_coefs: int
    iterations: int
    percentile: float
    rows: tuple[Detection, ...]
    representativity: Representativity
    status: str = "done"


@dataclass(frozen=True)
class Results:
    """All parts that were asked for, by their names; telemetry by collection ("asd", "smd")."""

    budget: str
    seed: int
    seconds: float
    classification: dict[str, Classification | NotRun]
    telemetry: dict[str, Telemetry | NotRun]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as results.json has them."""
        plain: dict[str, Any] = _plain(self)
        return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Confusion):
        return value.to_dict()
    if isinstance(value, Detection):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)} | {
            "total": value.total.to_dict()
        }
    if dataclasses.is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _scores(right: int, wrong: int, missed: int) -> tuple[float, float, float]:
    return _share(right, right + wrong), _share(right, right + missed), _share(2 * right, 2 * right + wrong + missed)
