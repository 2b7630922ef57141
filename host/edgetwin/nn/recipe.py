"""Recipes: everything that decides what a trained network becomes, in a file ``recipe.toml``."""

from __future__ import annotations

import inspect
import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator

from edgetwin.errors import UserError
from edgetwin.nn import architectures

__all__ = ["Augmentation", "Budget", "Recipe", "Task", "load_recipe"]

Task = Literal["classification", "reconstruction", "detection"]

FILE = "recipe.toml"
# What the data say of a network, not the recipe.
SHAPES = ("input_shape", "length", "channels", "features", "classes")
# Of an architecture's numbers, those that may be 0; the others are counts and shares above it.
MAY_BE_ZERO = {"depth", "dropout"}


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Images(_Table):
    """As :func:`edgetwin.data.images.load_image_folder` takes it."""

    size: tuple[PositiveInt, PositiveInt] | None = None
    mode: Literal["L", "RGB"] | None = None
    skip_bad: bool = False


class Data(_Table):
    """A data set by its name in :mod:`edgetwin.data.catalogue`, or a folder of images of its name.

    server : of a collection of telemetry ("asd", "smd")
    window : rows of telemetry that make one input
    validation : share of the training part that is held out, drawn by the seed, the last of telemetry; 0: the authors'
        part, if there is one
    images : how to read them, where the data are class folders of images: `name` is then their folder, in the folder of
        the data sets
    """

    name: str
    server: str | None = None
    window: int = Field(default=1, ge=1)
    validation: float = Field(default=0.0, ge=0, lt=1)
    images: Images | None = None


class Architecture(_Table):
    """A function of :mod:`edgetwin.nn.architectures`, and its parameters beside the shapes, which the data say."""

    # What is not finite would be refused once for each kind that a parameter may have; below it is once.
    model_config = ConfigDict(allow_inf_nan=True)

    name: str
    parameters: dict[str, int | float | bool | str] = {}

    @model_validator(mode="after")
    def _is_known(self) -> Self:
        if self.name not in architectures.__all__:
            raise ValueError(
                f"there is no architecture {self.name!r}: choose one of {', '.join(architectures.__all__)}"
            )
        accepted = [name for name in inspect.signature(self.function).parameters if name not in SHAPES]
        for name, value in self.parameters.items():
            if name not in accepted:
                raise ValueError(f"{self.name} has no parameter {name!r} but {', '.join(accepted) or 'none'}")
            if isinstance(value, int | float):
                may_be_zero = name in MAY_BE_ZERO
                if not 0 <= value < math.inf or (value == 0 and not may_be_zero):
                    least = "of at least" if may_be_zero else "above"
                    raise ValueError(f"{self.name} takes a finite {name} {least} 0, not {value}")
        return self

    @property
    def function(self) -> Callable[..., Any]:
        """It."""
        built: Callable[..., Any] = getattr(architectures, self.name)
        return built


class Augmentation(_Table):
    """How each epoch's inputs differ from the data.

    flip : half of the images are mirrored, left to right
    shift : images move by up to so many pixels each way, series by so many samples; what comes in is the edge's value
    erase : side of a square of an image, anywhere, that is made grey (0.5); its length in a series, made 0
    noise : deviation of normal noise that is added
    scale : inputs are multiplied by 1 ± up to this
    """

    flip: bool = False
    shift: int = Field(default=0, ge=0)
    erase: int = Field(default=0, ge=0)
    noise: float = Field(default=0.0, ge=0)
    scale: float = Field(default=0.0, ge=0, lt=1)


class Optimizer(_Table):
    """By its Keras name; `weight_decay` is decoupled and spares biases and normalisation. SGD has momentum 0.9."""

    name: Literal["adam", "sgd"] = "adam"
    learning_rate: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)


class Schedule(_Table):
    """The learning rate over the epochs: it rises from 0 for the first ones, then falls to 0 or stays.

    batch_size : examples a step
    warmup : epochs in which it rises
    decay : "cosine": half a wave to 0 at the end; "constant"
    keep : the weights of the "last" epoch, or of the one with the lowest validation loss ("best")
    """

    batch_size: int = Field(default=64, ge=1)
    warmup: float = Field(default=0.0, ge=0)
    decay: Literal["cosine", "constant"] = "cosine"
    keep: Literal["last", "best"] = "last"


class Quantization(_Table):
    """Of training that is aware of int8 (:mod:`edgetwin.nn.quantization_aware`), from the trained weights.

    aware_epochs : how long
    learning_rate : the highest, at the start; None: a twentieth of the optimizer's
    """

    aware_epochs: int = Field(default=4, ge=1)
    learning_rate: float | None = Field(default=None, gt=0)


class Budget(_Table):
    """How long: `epochs`, on at most `examples` of each part; None: all."""

    epochs: int = Field(ge=1)
    examples: int | None = Field(default=None, ge=1)


class Budgets(_Table):
    """`smoke` shows that a recipe runs; `full` is what its figures come from."""

    smoke: Budget = Budget(epochs=1, examples=256)
    full: Budget


class Recipe(_Table):
    """A ``recipe.toml``.

    task : what the network learns: "classification", "reconstruction" of its input, or "detection" of anomalies as what
        it cannot reconstruct
    seed : of the first weights, the order of the examples, augmentation and dropout
    """

    title: str
    task: Task
    seed: int = Field(default=0, ge=0, lt=2**32)
    data: Data
    architecture: Architecture
    augmentation: Augmentation = Augmentation()
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    quantization: Quantization = Quantization()
    budget: Budgets

    @property
    def aware_learning_rate(self) -> float:
        """Of training that is aware of int8."""
        return self.quantization.learning_rate or self.optimizer.learning_rate / 20

    @model_validator(mode="after")
    def _fits_its_data(self) -> Self:
        if (self.task == "detection") != (self.data.server is not None):
            raise ValueError("detection needs telemetry, and telemetry detection: give both, data.server and task")
        return self

    def build(self, shape: tuple[int, ...], classes: int) -> Any:
        """The untrained network for inputs of `shape` (without the batch) and a number of classes.

        Raises UserError if the architecture does not take such inputs, or its outputs do not fit the task.
        """
        offered = dict(zip(SHAPES, (shape, shape[0], shape[-1], shape[0], classes), strict=True))
        function = self.architecture.function
        needed = {name: offered[name] for name in inspect.signature(function).parameters if name in offered}
        dimensions = 3 if "input_shape" in needed else 2 if "length" in needed else 1
        if len(shape) != dimensions:
            raise UserError(
                f"{self.architecture.name} takes inputs of {dimensions} dimensions, {self.data.name} has {len(shape)}: "
                "give another architecture or data set"
            )
        try:
            model = function(**needed, **self.architecture.parameters)
        except (ValueError, TypeError, OverflowError) as error:
            raise UserError(f"{self.architecture.name} cannot be built for {self.data.name}: {error}") from error
        wanted = (classes,) if self.task == "classification" else shape
        found = tuple(model.outputs[0].shape[1:])
        # Of two classes, one output is the probability of the second.
        if found != wanted and (self.task, classes, found) != ("classification", 2, (1,)):
            raise UserError(
                f"{self.architecture.name} does not fit the task {self.task}: its output is {_sides(found)}, not "
                f"{_sides(wanted)}: give another architecture or task"
            )
        return model


def _sides(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def load_recipe(path: Path) -> Recipe:
    """The recipe in a folder, or in a file of that name. Raises UserError, with what is wrong, for a bad one."""
    file = path / FILE if path.is_dir() else path
    try:
        return Recipe.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UserError(
            f"{file}: no such recipe: give a folder that has a {FILE}, e.g. models/resnet8_cifar10"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(f"{file} cannot be read as TOML: {error}") from error
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, part['loc'])) or 'recipe'}: {part['msg']}" for part in error.errors())
        raise UserError(f"{file} is not a recipe: {said}") from error
