"""Section 4.2 on MNIST and FordA: networks trained on original, compressed and randomly reduced signals."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.bench.dl4dt import published
from edgetwin.bench.dl4dt.budget import ClassificationPlan
from edgetwin.bench.dl4dt.compress import Compressed, Example, Tracker, compress, keep_at_random, reconstruct
from edgetwin.bench.dl4dt.results import DICTIONARY, ORIGINAL, RANDOM, Classification, NetworkRow
from edgetwin.data.catalogue import LabelledSignals
from edgetwin.nn.architectures import fcn, mnist_convnet
from edgetwin.nn.training import accuracy, seed_networks, train

__all__ = ["classify"]

Float32Array = npt.NDArray[np.float32]


def classify(
    data: LabelledSignals, plan: ClassificationPlan, *, seed: int, track: Tracker
) -> tuple[Classification, Example]:
    """Trains a network on each form of the training data; returns what was found, and the signals to draw.

    Every network starts from the same seed and is trained for the same number of epochs, so one that gets fewer
    signals takes fewer steps, as in the paper's random compression.
    """
    # The Keras example for FordA shuffles before its validation split, which takes the last signals as they lie.
    order = np.random.default_rng(seed).permutation(len(data.train))[: plan.training_signals]
    signals, labels = data.train[order], data.train_labels[order]
    test, test_labels = data.test[: plan.test_signals], data.test_labels[: plan.test_signals]

    def fit(training: Float32Array, classes: npt.NDArray[np.int64], title: str) -> tuple[Any, float]:
        seed_networks(seed)
        model = _NETWORKS[data.name](data)
        advance = track(f"{data.name}: network on {title}", plan.schedule.epochs)
        started = time.monotonic()
        train(model, _shaped(training, data), classes, plan.schedule, on_epoch=advance)
        return model, time.monotonic() - started

    def score(model: Any, inputs: Float32Array) -> float:
        return accuracy(model, _shaped(inputs, data), test_labels)

    known = published.ACCURACY[data.name]
    model, seconds = fit(signals, labels, "original data")
    rows = [NetworkRow(ORIGINAL, 0.0, score(model, test), seconds, paper=known[0.0])]
    dictionaries: dict[float, Compressed] = {}
    for compression in plan.compressions:
        learned = dictionaries[compression] = compress(
            signals,
            compression,
            plan.n_nonzero_coefs,
            iterations=plan.iterations,
            algorithm=plan.algorithm,
            seed=seed,
            title=f"{data.name}: {compression:.0%}",
            track=track,
        )
        model, seconds = fit(learned.signals, labels, f"{compression:.0%} compressed data")
        rows.append(
            NetworkRow(
                DICTIONARY,
                compression,
                score(model, test),
                seconds,
                score(model, reconstruct(test, learned.atoms, plan.n_nonzero_coefs)),
                len(learned.atoms),
                learned.error,
                learned.seconds,
                known.get(compression),
            )
        )
    kept = keep_at_random(len(signals), plan.random_compression, seed)
    model, seconds = fit(signals[kept], labels[kept], f"{len(kept)} random signals")
    paper = published.RANDOM_ACCURACY[data.name].get(plan.random_compression)
    rows.append(NetworkRow(RANDOM, plan.random_compression, score(model, test), seconds, paper=paper))
    found = Classification(len(signals), signals.shape[1], plan.n_nonzero_coefs, plan.iterations, tuple(rows))
    return found, Example(data.name, signals, data.shape, dictionaries)


def _shaped(signals: Float32Array, data: LabelledSignals) -> Float32Array:
    """Signals (N, m) as a network takes them: (N, *shape, 1)."""
    return signals.reshape(len(signals), *data.shape, 1)


_NETWORKS: dict[str, Callable[[LabelledSignals], Any]] = {
    "mnist": lambda data: mnist_convnet((data.shape[0], data.shape[1], 1), data.classes),
    "forda": lambda data: fcn(data.shape[0], classes=data.classes),
}
