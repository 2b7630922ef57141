"""A recipe's network with its trained weights, and the data it is judged on: what is quantised and exported."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.errors import UserError
from edgetwin.nn.checkpoint import load_weights
from edgetwin.nn.examples import Examples, load_examples
from edgetwin.nn.recipe import Recipe, load_recipe
from edgetwin.nn.run import WEIGHTS

__all__ = ["REPRESENTATIVE", "TrainedNetwork", "default_output", "load_trained", "spread"]

Float32Array = npt.NDArray[np.float32]

#: Training inputs that the ranges of activations are taken from.
REPRESENTATIVE = 256


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """
    name : of the recipe's folder
    model : a Keras network
    examples : whole, whatever budget it was trained with
    """

    name: str
    recipe: Recipe
    model: Any
    examples: Examples

    @property
    def representative(self) -> Float32Array:
        """Training inputs, spread over the part, which of telemetry is in order of time."""
        return spread(self.examples.train.inputs)


def spread(inputs: Float32Array) -> Float32Array:
    """At most :data:`REPRESENTATIVE` of inputs (N, ...), at equal distances."""
    return inputs[np.linspace(0, len(inputs) - 1, min(REPRESENTATIVE, len(inputs))).round().astype(np.intp)]


def default_output(recipe: Path) -> Path:
    """Where what is made of a recipe goes: build/models/NAME."""
    folder = recipe if recipe.is_dir() else recipe.parent
    return Path("build", "models", folder.resolve().name)


def load_trained(path: Path, weights: Path | None = None, data: Path | None = None) -> TrainedNetwork:
    """The network of a recipe's folder with the weights of ``edgetwin train``.

    weights : default where ``edgetwin train`` puts them
    data : folder with the data sets; default $EDGETWIN_DATA

    Raises UserError if the recipe, its data or the weights cannot be had, or do not fit each other.
    """
    recipe = load_recipe(path)
    file = weights or default_output(path) / WEIGHTS
    if not file.exists():
        raise UserError(f"{file}: no such weights: run edgetwin train {path} first, or give others")
    examples = load_examples(recipe, recipe.budget.full, data)
    model = recipe.build(examples.shape, examples.classes)
    load_weights(model, file)
    return TrainedNetwork(default_output(path).name, recipe, model, examples)
