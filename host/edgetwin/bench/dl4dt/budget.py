"""How much of the experiments is run: the paper's settings, or as much of them as five minutes allow."""

from __future__ import annotations

from dataclasses import dataclass

from edgetwin.data.catalogue import ASD, SMD
from edgetwin.nn.training import Schedule

__all__ = ["BUDGETS", "PARTS", "Budget", "ClassificationPlan", "RepresentativityPlan", "TelemetryPlan"]

#: Parts of the experiment that can be chosen.
PARTS = ("mnist", "forda", "telemetry")


@dataclass(frozen=True)
class ClassificationPlan:
    """Section 4.2 on a data set with classes.

    training_signals, test_signals : the first so many; None: all
    n_nonzero_coefs, compressions, iterations : of the dictionaries; the paper's s, compressions and K
    random_compression : share of the training signals that the random baseline leaves out
    schedule : of each network
    algorithm : of :class:`~edgetwin.dictionary.DictionaryLearner`
    """

    compressions: tuple[float, ...]
    random_compression: float
    iterations: int
    schedule: Schedule
    n_nonzero_coefs: int = 50
    training_signals: int | None = None
    test_signals: int | None = None
    algorithm: str = "ksvd"


@dataclass(frozen=True)
class RepresentativityPlan:
    """Section 4.3: a dictionary and a detector from the training set, then only OMP on new signals.

    n_nonzero_coefs, compression : of the dictionary, and of the signals that the detector learns from
    n_nonzero_coefs_sent : of the new signals' codes
    random_compression : share of the new signals that the random baseline leaves out
    """

    n_nonzero_coefs: int = 20
    compression: float = 0.8
    n_nonzero_coefs_sent: int = 15
    random_compression: float = 0.7


@dataclass(frozen=True)
class TelemetryPlan:
    """Section 4.2 and 4.3 on servers' metrics, in place of D.A.V.I.D.E.

    collections : of the catalogue
    servers : names to take of them; None: all
    samples : that a signal has about, as many rows as come nearest; D.A.V.I.D.E.'s signals have 165
    percentile : of held-out normal errors, above which a signal is an anomaly
    held_out : share of the training signals that only sets this threshold
    """

    schedule: Schedule
    collections: tuple[str, ...] = (ASD, SMD)
    servers: tuple[str, ...] | None = None
    samples: int = 150
    n_nonzero_coefs: int = 5
    compressions: tuple[float, ...] = (0.4, 0.5, 0.6, 0.7, 0.8)
    random_compression: float = 0.8
    iterations: int = 10
    percentile: float = 97.0
    held_out: float = 0.1
    representativity: RepresentativityPlan = RepresentativityPlan()
    algorithm: str = "ksvd"


@dataclass(frozen=True)
class Budget:
    """Plans of all parts."""

    mnist: ClassificationPlan
    forda: ClassificationPlan
    telemetry: TelemetryPlan


BUDGETS = {
    # Ends within five minutes on two cores.
    "smoke": Budget(
        mnist=ClassificationPlan(
            compressions=(0.8,),
            random_compression=0.8,
            iterations=5,
            schedule=Schedule(epochs=4, batch_size=128),
            training_signals=6000,
        ),
        forda=ClassificationPlan(
            compressions=(0.6,),
            random_compression=0.6,
            iterations=5,
            schedule=Schedule(epochs=4, batch_size=16, validation_share=0.2, patience=4),
            training_signals=2000,
        ),
        telemetry=TelemetryPlan(
            schedule=Schedule(epochs=10, batch_size=64, validation_share=0.0),
            collections=(ASD,),
            servers=("omi-1", "omi-6", "omi-7"),
            compressions=(0.4, 0.6, 0.8),
        ),
    ),
    # MNIST below 80 % would need up to 32,173 atoms; the paper finds no difference there (thesis, table 3.1).
    "full": Budget(
        mnist=ClassificationPlan(
            compressions=(0.8,),
            random_compression=0.8,
            iterations=20,
            schedule=Schedule(epochs=15, batch_size=128),
        ),
        forda=ClassificationPlan(
            compressions=(0.4, 0.5, 0.6, 0.7),
            random_compression=0.6,
            iterations=20,
            schedule=Schedule(epochs=150, batch_size=32, validation_share=0.2, patience=50, halve_after=20),
        ),
        telemetry=TelemetryPlan(schedule=Schedule(epochs=100, batch_size=64, validation_share=0.0)),
    ),
}
