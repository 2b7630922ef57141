"""How good a network's outputs are, whoever computed them: Keras, an interpreter, a board."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from edgetwin.nn.examples import ExampleSet
    from edgetwin.nn.recipe import Task

__all__ = ["FIGURES", "score"]

#: The figure that a task is judged by.
FIGURES: dict[Task, str] = {"classification": "accuracy", "reconstruction": "loss", "detection": "auc"}

# Probabilities are kept this far from 0, so that the cross-entropy of one wrong answer is finite.
LEAST = 1e-7


def score(outputs: npt.NDArray[np.float32], examples: ExampleSet, task: Task) -> dict[str, float]:
    """Figures of outputs (N, ...) for examples.

    loss : mean cross-entropy of classes, else the mean squared error of the inputs that are not anomalous
    accuracy : of classes, share of the examples whose most probable class is theirs; one output is the second's
    auc : of detection, area under the ROC curve of the squared errors, where some examples are anomalous
    """
    if task == "classification":
        if outputs.shape[1] == 1:
            outputs = np.hstack([1 - outputs, outputs])
        right = np.clip(outputs[np.arange(len(examples)), examples.labels], LEAST, 1)
        hits = outputs.argmax(axis=1) == examples.labels
        return {"loss": float(-np.log(right).mean(dtype=np.float64)), "accuracy": float(hits.mean())}
    axes = tuple(range(1, outputs.ndim))
    errors = np.square(outputs - examples.inputs).mean(axis=axes, dtype=np.float64)
    if not examples.labels.any() or task == "reconstruction":
        return {"loss": float(errors.mean())}
    from sklearn.metrics import roc_auc_score

    normal = examples.labels == 0
    return {"loss": float(errors[normal].mean()), "auc": float(roc_auc_score(~normal, errors))}
