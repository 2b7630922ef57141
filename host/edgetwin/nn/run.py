"""A recipe carried out: epoch after epoch, each kept on disk, so that a run that is killed goes on where it was."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edgetwin.errors import UserError
from edgetwin.files import write_atomically
from edgetwin.nn.augmentation import augment
from edgetwin.nn.backend import load_keras
from edgetwin.nn.checkpoint import Checkpoint, save_weights, weights_digest
from edgetwin.nn.cost import macs
from edgetwin.nn.examples import Examples, load_examples
from edgetwin.nn.recipe import Recipe, Schedule, Task
from edgetwin.nn.scoring import score
from edgetwin.nn.training import predict, seed_networks

__all__ = ["CHECKPOINT", "METRICS", "WEIGHTS", "Progress", "Training", "carry_out", "fingerprint", "recipe_digest"]

CHECKPOINT, WEIGHTS, METRICS = "checkpoint.npz", "weights.npz", "metrics.json"
MOMENTUM = 0.9
# Of a recipe, what the weights do not depend on.
NO_MATTER = {"title", "quantization"}

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Progress:
    """Step `step` of the `steps` of epoch `epoch` (from 1) of `epochs` is done.

    figures : means over the epoch so far (loss, accuracy)
    """

    epoch: int
    epochs: int
    step: int
    steps: int
    figures: Mapping[str, float]


def carry_out(
    recipe: Recipe,
    budget: Literal["smoke", "full"],
    output: Path,
    *,
    resume: bool = False,
    data: Path | None = None,
    on_step: Callable[[Progress], object] = lambda progress: None,
) -> dict[str, Any]:
    """Trains a recipe's network and tests it.

    Writes into the folder `output` a checkpoint after each epoch, and at the end the weights and the metrics, which
    are returned. On CPU the weights are the same for the same recipe, budget, data, machine and number of threads,
    whether the run was interrupted or not.

    Raises
    ------
    UserError : the data cannot be had, the checkpoint to resume is of another run, or the loss or the outputs are no
        longer numbers; the checkpoint is then of the last epoch after which they were.
    """
    keras = load_keras()
    limits = getattr(recipe.budget, budget)
    examples = load_examples(recipe, limits, data)
    seed_networks(recipe.seed)
    model = recipe.build(examples.shape, examples.classes)
    training = Training(recipe, limits.epochs, model, output / CHECKPOINT, fingerprint(recipe, budget, examples))
    training.carry_on(examples, on_step, resume=resume)
    history = training.history
    tested = score(predict(model, examples.test.inputs), examples.test, recipe.task)
    save_weights(model, output / WEIGHTS)
    metrics = {
        "title": recipe.title,
        "task": recipe.task,
        "data": recipe.data.name,
        "architecture": recipe.architecture.name,
        "budget": budget,
        "seed": recipe.seed,
        "epochs": limits.epochs,
        "examples": len(examples.train),
        "parameters": model.count_params(),
        "macs": macs(model),
        **{f"test_{name}": value for name, value in tested.items()},
        "test_examples": len(examples.test),
        "seconds": sum(history["seconds"]),
        "cpu_seconds": sum(history["cpu_seconds"]),
        "backend": keras.backend.backend(),
        "keras": keras.__version__,
        "recipe_digest": recipe_digest(recipe),
        "weights_sha256": weights_digest(model),
        "history": history,
    }
    write_atomically(output / METRICS, json.dumps(metrics, indent=1).encode())
    return metrics


class Training:
    """A network on its way through the epochs of a recipe.

    checkpoint : file that is written after each epoch
    fingerprint : of all that the weights depend on; a checkpoint with another is not taken up
    """

    def __init__(self, recipe: Recipe, epochs: int, model: Any, checkpoint: Path, fingerprint: str) -> None:
        self.recipe, self.epochs, self.model = recipe, epochs, model
        self.checkpoint, self.fingerprint = checkpoint, fingerprint
        self.epoch = 0
        self.history: dict[str, list[float]] = {}
        self.best: list[npt.NDArray[Any]] = []
        # Before compiling, which adds the variables of metrics.
        variables = list(model.variables)
        self.optimizer = _optimizer(recipe)
        classifies = recipe.task == "classification"
        loss = _loss(model, recipe.task)
        model.compile(optimizer=self.optimizer, loss=loss, metrics=["accuracy"] if classifies else [])
        self.optimizer.build(model.trainable_variables)
        self.variables = variables + list(self.optimizer.variables)

    def carry_on(self, examples: Examples, on_step: Callable[[Progress], object], *, resume: bool) -> None:
        """All epochs, or those that the checkpoint lacks; the model then has the weights that the schedule keeps."""
        if resume:
            self._take_up()
        while self.epoch < self.epochs:
            self._run_epoch(examples, on_step)
        if self.best:
            self.model.set_weights(self.best)

    def _take_up(self) -> None:
        """Goes to where the checkpoint is, if there is one."""
        found = Checkpoint.load(self.checkpoint, self.fingerprint)
        if found is not None:
            for variable, value in zip(self.variables, found.variables, strict=True):
                variable.assign(value)
            self.epoch, self.history, self.best = found.epoch, found.history, found.best

    def _run_epoch(self, examples: Examples, on_step: Callable[[Progress], object]) -> None:
        """One more epoch, and its checkpoint."""
        started, started_cpu = time.monotonic(), time.process_time()
        # Of the epoch's own: a resumed run draws the same.
        random = np.random.default_rng([self.recipe.seed, self.epoch])
        order = random.permutation(len(examples.train))
        size = self.recipe.schedule.batch_size
        steps = -(-len(order) // size)
        sums: dict[str, float] = {}
        for step in range(steps):
            batch = examples.train[order[step * size : (step + 1) * size]]
            inputs = augment(batch.inputs, self.recipe.augmentation, random)
            targets = batch.labels if self.recipe.task == "classification" else inputs
            share = (self.epoch + step / steps) / self.epochs
            rate = _rate(self.recipe.schedule, share, self.epochs)
            self.optimizer.learning_rate = self.recipe.optimizer.learning_rate * rate
            for name, value in self.model.train_on_batch(inputs, targets, return_dict=True).items():
                sums[name] = sums.get(name, 0.0) + float(value) * len(batch)
            if not math.isfinite(sums["loss"]):
                raise UserError(self._diverged(f"the loss became {sums['loss']}"))
            figures = {name: total / min((step + 1) * size, len(order)) for name, total in sums.items()}
            on_step(Progress(self.epoch + 1, self.epochs, step + 1, steps, figures))
        # Each loss is of the weights before its step: the last step's may be ruined, and the checkpoint of no use.
        with np.errstate(over="ignore"):
            squares = np.square(predict(self.model, batch.inputs))
        if not np.isfinite(squares).all():
            raise UserError(self._diverged("the outputs became too large, or no numbers,"))
        if examples.validation is not None:
            outputs = predict(self.model, examples.validation.inputs)
            tested = score(outputs, examples.validation, self.recipe.task)
            if self.recipe.schedule.keep == "best" and tested["loss"] < min(self.history.get("val_loss", [math.inf])):
                self.best = self.model.get_weights()
            figures |= {f"val_{name}": value for name, value in tested.items()}
        figures["learning_rate"] = float(self.optimizer.learning_rate)
        figures["seconds"] = time.monotonic() - started
        figures["cpu_seconds"] = time.process_time() - started_cpu
        for name, value in figures.items():
            self.history.setdefault(name, []).append(value)
        self.epoch += 1
        values = [variable.numpy() for variable in self.variables]
        Checkpoint(self.fingerprint, self.epoch, values, self.best, self.history).save(self.checkpoint)

    def _diverged(self, what: str) -> str:
        kept = f"{self.checkpoint} has epoch {self.epoch}" if self.epoch else "no epoch was finished"
        rate = self.recipe.optimizer.learning_rate
        return (
            f"{what} in epoch {self.epoch + 1}; {kept}. Try optimizer.learning_rate = {rate / 10:g} "
            f"(now {rate:g}), a longer schedule.warmup (now {self.recipe.schedule.warmup:g}), or look for extreme "
            f"values in {self.recipe.data.name}"
        )


def _optimizer(recipe: Recipe) -> Any:
    optimizers, how = load_keras().optimizers, recipe.optimizer
    options = {"learning_rate": how.learning_rate, "weight_decay": how.weight_decay or None}
    if how.name == "sgd":
        optimizer = optimizers.SGD(momentum=MOMENTUM, nesterov=True, **options)
    else:
        optimizer = optimizers.Adam(**options)
    if how.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _loss(model: Any, task: Task) -> str:
    if task == "classification":
        return "binary_crossentropy" if model.outputs[0].shape[-1] == 1 else "sparse_categorical_crossentropy"
    # The squared error of a sigmoid has no gradient where it is saturated: a decoder of dark images ends at all black.
    is_sigmoid = getattr(model.layers[-1], "activation", None) is load_keras().activations.sigmoid
    return "binary_crossentropy" if is_sigmoid else "mean_squared_error"


def _rate(schedule: Schedule, share: float, epochs: int) -> float:
    """The learning rate after a share of all epochs, as a share of the highest."""
    warmup = min(1.0, schedule.warmup / epochs)
    if share < warmup:
        return share / warmup
    if schedule.decay == "constant":
        return 1.0
    return (1 + math.cos(math.pi * (share - warmup) / (1 - warmup))) / 2


def recipe_digest(recipe: Recipe) -> str:
    """SHA-256 of what of a recipe its weights depend on, as hexadecimal digits."""
    return hashlib.sha256(recipe.model_dump_json(exclude=NO_MATTER).encode()).hexdigest()


def fingerprint(recipe: Recipe, budget: str, examples: Examples) -> str:
    """Of what weights depend on beside the machine: the recipe, for how long (`budget`), the data."""
    digest = hashlib.sha256(f"{budget} {recipe_digest(recipe)}".encode())
    for part in (examples.train, examples.validation):
        if part is not None:
            digest.update(np.ascontiguousarray(part.inputs).data)
            digest.update(part.labels.data)
    return digest.hexdigest()
