"""``edgetwin quantize``: a trained network as .tflite files of each kind, side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgetwin.cli.console import print_json, progress_bar, say
from edgetwin.cli.options import AsJson
from edgetwin.cli.train import watching
from edgetwin.errors import UserError

if TYPE_CHECKING:
    from edgetwin.deploy.comparison import Comparison, Track
    from edgetwin.nn.noise import LayerNoise
    from edgetwin.nn.subject import Subject
    from edgetwin.nn.trained import TrainedNetwork


class _Mode(StrEnum):
    # As edgetwin.nn.quantization.Mode: typer takes no list of literals.
    float32 = "float32"
    float16 = "float16"
    dynamic = "dynamic"
    int8 = "int8"
    int16x8 = "int16x8"


_KERAS = ".keras"
# The row of --aware.
_AWARE = "int8, aware"
# Whose noise is shown: of the modes that are asked for the first.
_NOISY = ("int8", "int16x8", "dynamic", "float16")


def quantize(
    model: Annotated[
        Path, typer.Argument(help="Folder with a recipe.toml, e.g. models/cnn1d_forda; or a .keras file.")
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the files; default build/models/NAME.")
    ] = None,
    mode: Annotated[
        list[_Mode] | None, typer.Option(help="Which; can be given several times. All if not given.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Of edgetwin train; default build/models/NAME/weights.npz.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder with the data sets, default $EDGETWIN_DATA; of a .keras file an .npz with x and y."),
    ] = None,
    layers: Annotated[int, typer.Option(min=0, help="How many of the noisiest layers to show.")] = 5,
    per_tensor_dense: Annotated[
        bool, typer.Option("--per-tensor-dense", help="One scale for all weights of a dense layer, not one an output.")
    ] = False,
    aware: Annotated[
        bool, typer.Option("--aware", help="Also fine-tune it for int8 first, as its recipe says, for a further row.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Of --aware: go on after the last epoch of a run that ended.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Write a trained network as float32, float16, dynamic-range, int8 and int16x8 .tflite files, and compare them.

    Exit code 1: there is no file that runs in one of the modes; the others are written.

    Example: edgetwin quantize models/autoencoder_asd --mode int8 --mode dynamic
    """
    from edgetwin.deploy.comparison import REAL, Comparison
    from edgetwin.files import check_writable, write_atomically
    from edgetwin.nn.backend import require_keras
    from edgetwin.nn.quantization import MODES, to_tflite
    from edgetwin.nn.scoring import FIGURES
    from edgetwin.nn.subject import Subject
    from edgetwin.nn.trained import default_output, load_trained

    chosen = [name for name in MODES if name in (mode or MODES)]
    folder = output or (Path("build", "models", model.stem) if model.suffix == _KERAS else default_output(model))
    check_writable(folder)
    require_keras()
    if model.suffix == _KERAS:
        subject, tuned = _of_file(model, weights, data, aware=aware), None
    else:
        trained = load_trained(model, weights, data)
        subject = Subject.of_recipe(trained)
        tuned = _fine_tuned(trained, folder, resume=resume) if aware else None
    with _tracking() as track:
        # Noise is against the float file, whether it is asked for or not.
        needed = chosen if not layers or REAL in chosen else [REAL, *chosen]
        comparison = Comparison(subject, needed, track, per_tensor_dense=per_tensor_dense)
        for name in (name for name in chosen if name in comparison.files):
            write_atomically(folder / f"{subject.name}.{name}.tflite", comparison.files[name])
            comparison.measure(name)
        if tuned is not None:
            comparison.add(_AWARE, to_tflite(tuned, subject.representative, per_tensor_dense=per_tensor_dense))
            write_atomically(folder / f"{subject.name}.int8_aware.tflite", comparison.files[_AWARE])
            comparison.measure(_AWARE)
        noisy = [name for name in _NOISY if name in comparison.measured][:1] if layers else []
        noise: dict[str, list[LayerNoise]] = {name: comparison.noise(name)[:layers] for name in noisy}
    measured, failed = comparison.measured, comparison.failed
    if as_json:
        print_json(
            {
                "name": subject.name,
                "figure": FIGURES[subject.task],
                "examples": len(subject.test),
                "keras": comparison.reference,
                "folder": str(folder),
                "files": {name: _plain(asdict(row)) for name, row in measured.items()},
                "failed": failed,
                "noise": {name: [_plain(asdict(layer)) for layer in rows] for name, rows in noise.items()},
            }
        )
    else:
        _show(subject, folder, comparison)
        _show_noise(noise)
    if "int8" in measured and (obstacle := measured["int8"].boards):
        say(f"boards do not run the int8 file: {obstacle}")
    for reason in failed.values():
        say(reason)
    if failed:
        raise typer.Exit(1)


def _of_file(model: Path, weights: Path | None, data: Path | None, *, aware: bool) -> Subject:
    from edgetwin.nn.subject import Subject

    if aware:
        raise UserError(f"--aware trains as a recipe says: give a folder with a recipe.toml, not {model}")
    if weights is not None:
        raise UserError(f"{model} has its weights in it: leave --weights out")
    if data is None:
        raise UserError(f"give --data FILE.npz with inputs x for {model}, and class indices y if it classifies")
    return Subject.of_file(model, data)


def _fine_tuned(trained: TrainedNetwork, folder: Path, *, resume: bool) -> Any:
    """The network after training that is aware of int8, to be converted."""
    from edgetwin.nn.quantization_aware import deployable, fine_tune

    with watching() as on_step:
        return deployable(fine_tune(trained, folder, resume=resume, on_step=on_step))


def _show(subject: Subject, folder: Path, comparison: Comparison) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from edgetwin.nn.scoring import FIGURES

    figure = FIGURES[subject.task]
    loss = figure == "loss"
    title = f"{subject.name}, {len(subject.test):,} examples; files in {folder}"
    table = Table(title=escape(title), box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    table.add_column("mode", no_wrap=True)
    for column in (figure, "% lost" if loss else "points lost", "bytes", "ms", "boards"):
        table.add_column(column, justify="right", no_wrap=True)

    def text(value: float) -> str:
        return f"{value:.5g}" if loss else f"{100 * value:.2f} %" if figure == "accuracy" else f"{value:.4f}"

    table.add_row("Keras", text(comparison.reference), "", "", "", "")
    for name, row in comparison.measured.items():
        boards = "yes" if row.boards is None else "no"
        numbers = f"{100 * row.lost:.2f}", f"{row.bytes:,}", f"{row.milliseconds:.3g}"
        table.add_row(name, text(row.figure), *numbers, boards)
    Console().print(table)


def _show_noise(noise: dict[str, list[LayerNoise]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    for name, layers in noise.items():
        table = Table(title=f"noisiest layers of {name}", box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
        table.add_column("layer")
        table.add_column("signal to noise, dB", justify="right")
        for layer in layers:
            table.add_row(escape(layer.layer), f"{layer.decibels:.1f}")
        Console().print(table)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """NaN and infinity, which JSON lacks, become None."""
    return {key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()}


@contextmanager
def _tracking() -> Iterator[Track]:
    """Progress on stderr: the stretch of work that runs as a bar, or as a line at its beginning without a terminal."""
    with progress_bar() as bar:
        task = bar.add_task("")

        def track(title: str, total: int) -> Callable[[int], None]:
            bar.reset(task, total=total, description=title)
            if not bar.console.is_terminal:
                say(f"{title}: {total:,}" if total > 1 else title)
            return lambda count: bar.advance(task, count)

        yield track
