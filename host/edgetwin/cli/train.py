"""``edgetwin train``: a recipe's network, trained and tested."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from edgetwin.cli.console import duration, error_console, progress_bar, say, show_result
from edgetwin.cli.options import AsJson

if TYPE_CHECKING:
    from edgetwin.nn.run import Progress

_LABELS = {
    "architecture": "network",
    "data": "data",
    "budget": "budget",
    "parameters": "parameters",
    "macs": "multiply-accumulates an input",
    "epochs": "epochs",
    "examples": "examples to learn from",
    "test_examples": "examples to test on",
    "test_loss": "test loss",
    "test_accuracy": "test accuracy",
    "test_auc": "test area under the ROC curve",
    "seconds": "seconds",
    "cpu_seconds": "seconds of processor",
    "weights": "weights",
}
#: Seconds between lines of progress where there is no terminal to draw a bar on.
_SECONDS_A_LINE = 10.0


def train(
    model: Annotated[Path, typer.Argument(help="Folder with a recipe.toml, e.g. models/resnet8_cifar10.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for weights, metrics, curves; default build/models/NAME."),
    ] = None,
    budget: Annotated[
        Literal["smoke", "full"], typer.Option(help="full: what the recipe's figures come from; smoke: that it runs.")
    ] = "full",
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last epoch of a run that ended.")] = False,
    data: Annotated[Path | None, typer.Option(help="Folder with the data sets; default $EDGETWIN_DATA.")] = None,
    as_json: AsJson = False,
) -> None:
    """Train the network of a recipe and test it. A run that is killed goes on with --resume.

    Example: edgetwin train models/autoencoder_asd --budget smoke
    """
    from edgetwin.errors import UserError
    from edgetwin.files import check_writable
    from edgetwin.nn.backend import require_keras
    from edgetwin.nn.curves import CURVES, draw_curves
    from edgetwin.nn.recipe import load_recipe
    from edgetwin.nn.run import WEIGHTS, carry_out

    recipe = load_recipe(model)
    require_keras()
    folder = model if model.is_dir() else model.parent
    output = output or Path("build", "models", folder.resolve().name)
    check_writable(output)
    with watching() as on_step:
        metrics = carry_out(recipe, budget, output, resume=resume, data=data, on_step=on_step)
    try:
        draw_curves(recipe.title, metrics["history"], output / CURVES)
    except UserError as error:
        say(f"no {CURVES}: {error}")
    result = metrics | {"weights": str(output / WEIGHTS)}
    labels = {name: label for name, label in _LABELS.items() if name in result}
    show_result(recipe.title, result, labels, as_json=as_json)


@contextmanager
def watching() -> Iterator[Callable[[Progress], None]]:
    """Shows steps: a bar on a terminal, else a line now and then."""
    with progress_bar() as bar:
        # Rich would look back for half a minute only, and an epoch may take longer.
        bar.speed_estimate_period = float("inf")
        task = bar.add_task("loading", total=None)
        quiet = not error_console().is_terminal
        started, said, before = time.monotonic(), 0.0, -1

        def stepped(progress: Progress) -> None:
            nonlocal started, said, before
            now, total = time.monotonic(), progress.epochs * progress.steps
            done = (progress.epoch - 1) * progress.steps + progress.step
            if before < 0:  # the first step compiles, and does not count for the time left
                started, before = now, done
                bar.reset(task, total=total, completed=done)
            figures = ", ".join(f"{name} {value:.4g}" for name, value in progress.figures.items())
            epoch = f"epoch {progress.epoch} of {progress.epochs}"
            bar.update(task, completed=done, description=f"{epoch}: {figures}")
            if quiet and (now - said >= _SECONDS_A_LINE or done == total):
                said = now
                rest = (now - started) / (done - before) * (total - done) if done > before else None
                left = f", about {duration(rest)} left" if rest else ""
                say(f"{epoch}, step {progress.step} of {progress.steps}: {figures}{left}")

        yield stepped
