"""A server's telemetry as signals, and the detector that every part of the telemetry experiment trains on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from edgetwin.bench.dl4dt.budget import TelemetryPlan
from edgetwin.data.catalogue import LabelledTelemetry
from edgetwin.nn.anomaly import AutoencoderDetector
from edgetwin.signals import to_windows

__all__ = ["ServerSignals", "train_detector"]

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ServerSignals:
    """A server's rows cut into signals that do not overlap.

    train : (N, m) float32, to learn from; normal
    held_out : (_, m), normal signals that only set the detector's threshold
    test : (_, m)
    anomalous : of the test signals, bool: any of their rows is labelled so
    """

    name: str
    channels: int
    train: Float32Array
    held_out: Float32Array
    test: Float32Array
    anomalous: npt.NDArray[np.bool_]

    @classmethod
    def cut(cls, server: LabelledTelemetry, plan: TelemetryPlan, seed: int) -> Self:
        """As the plan says; the held-out signals are drawn at random."""
        channels = server.train.shape[1]
        rows = max(1, round(plan.samples / channels))
        normal = to_windows(server.train, rows)
        order = np.random.default_rng(seed).permutation(len(normal))
        held_out, train = np.split(order, [round(plan.held_out * len(normal))])
        labels = to_windows(server.anomalous[:, None].astype(np.float32), rows)
        anomalous = np.asarray(labels.max(axis=1) > 0)
        return cls(
            server.name, channels, normal[np.sort(train)], normal[held_out], to_windows(server.test, rows), anomalous
        )


def train_detector(
    training: Float32Array, plan: TelemetryPlan, *, seed: int, on_epoch: Callable[[], None]
) -> AutoencoderDetector:
    """A detector of what differs from the `training` signals (N, m); it is to be calibrated yet."""
    detector = AutoencoderDetector(plan.schedule, percentile=plan.percentile, random_state=seed, on_epoch=on_epoch)
    return detector.fit(training)
