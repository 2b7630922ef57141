"""How good a network's outputs are, whoever computed them: Keras, an interpreter, a board."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgetwin.errors import UserError
from edgetwin.nn.examples import ExampleSet
from edgetwin.nn.recipe import Task

__all__ = ["FIGURES", "MOST_LOST", "figure", "lost", "score"]

#: The figure that a task is judged by.
FIGURES: dict[Task, str] = {"classification": "accuracy", "reconstruction": "loss", "detection": "auc"}
#: What int8 may lose, as :func:`lost` gives it.
MOST_LOST: dict[Task, float] = {"classification": 0.005, "detection": 0.005, "reconstruction": 0.05}

# Probabilities are kept this far from 0, so that the cross-entropy of one wrong answer is finite.
LEAST = 1e-7
# Mean squared errors below it are none.
LEAST_ERROR = 1e-12


def score(outputs: npt.NDArray[np.float32], examples: ExampleSet, task: Task) -> dict[str, float]:
    """Figures of outputs (N, ...) for examples.

    loss : mean cross-entropy of classes, else the mean squared error of the inputs that are not anomalous
    accuracy : of classes, share of the examples whose most probable class is theirs; one output is the second's
    auc : of detection, area under the ROC curve of the squared errors, where some are anomalous and some not

    Raises UserError for outputs that are NaN or infinite.
    """
    if not np.isfinite(outputs).all():
        raise UserError("the network's outputs are NaN or infinite: its weights are damaged, or its inputs extreme")
    if task == "classification":
        if outputs.shape[1] == 1:
            outputs = np.hstack([1 - outputs, outputs])
        right = np.clip(outputs[np.arange(len(examples)), examples.labels], LEAST, 1)
        hits = outputs.argmax(axis=1) == examples.labels
        return {"loss": float(-np.log(right).mean(dtype=np.float64)), "accuracy": float(hits.mean())}
    axes = tuple(range(1, outputs.ndim))
    errors = np.square(outputs - examples.inputs).mean(axis=axes, dtype=np.float64)
    normal = examples.labels == 0
    if task == "reconstruction" or normal.all() or not normal.any():
        return {"loss": float(errors.mean())}
    from sklearn.metrics import roc_auc_score

    return {"loss": float(errors[normal].mean()), "auc": float(roc_auc_score(~normal, errors))}


def figure(outputs: npt.NDArray[np.float32], examples: ExampleSet, task: Task) -> float:
    """The one of :data:`FIGURES`. Raises UserError where :func:`score` does, or the examples do not give it."""
    found = score(outputs, examples, task)
    if FIGURES[task] not in found:
        raise UserError("anomalies are detected among normal examples: test on some of each")
    return found[FIGURES[task]]


def lost(exact: float, found: float, task: Task) -> float:
    """What a figure is worse than an exact network's; below 0 where it is better.

    Of accuracy and area a difference, 0.01 a point; of a mean squared error a share of the exact one.
    """
    if FIGURES[task] == "loss":
        return found / max(exact, LEAST_ERROR) - 1
    return exact - found
