"""The paper's own figures, as shares of 1.

[P]: L. Cavalli et al., Ital-IA 2024. [T]: L. Cavalli's thesis (Bologna 2023), the paper's [5], which gives as tables
what the paper's figures show.
"""

from __future__ import annotations

__all__ = [
    "ACCURACY",
    "DETECTION_ACCURACY",
    "PRECISION_RECALL",
    "RANDOM_ACCURACY",
    "REPRESENTATIVITY",
    "TRIPLET_GAIN",
]

#: Accuracy of networks by compression, 0 for the original data: [T] tables 3.1 and 3.2, s = 50.
ACCURACY = {
    "mnist": {0.0: 0.9923, 0.4: 0.971, 0.5: 0.9684, 0.6: 0.9728, 0.7: 0.9762, 0.8: 0.9769},
    "forda": {0.0: 0.9631, 0.4: 0.9089, 0.5: 0.9072, 0.6: 0.9041, 0.7: 0.9087},
}
#: The same for signals left out at random: [T] section 3.2.2.
RANDOM_ACCURACY = {"mnist": {0.8: 0.92}, "forda": {0.6: 0.52}}
#: (precision, recall) of normal signals and of anomalies by compression: [P] table 1.
PRECISION_RECALL = {
    0.0: {"normal": (0.998, 0.954), "anomaly": (0.798, 0.991)},
    0.8: {"normal": (0.998, 0.963), "anomaly": (0.842, 0.991)},
}
#: Accuracy of anomaly detection, about the same at every compression: [P] section 4.2.
DETECTION_ACCURACY = 0.86
#: F-scores of normal signals and of anomalies: [P] section 4.3.
REPRESENTATIVITY = {"original": (0.979, 0.907), "omp": (0.97, 0.899), "random": (0.98, 0.63)}
#: Memory saved by sending triplets: [P] section 4.3. It is 1 − 3s/m of s = 15 and m = 165; the paper prints s = 20.
TRIPLET_GAIN = 0.73
