"""``edgetwin export``: a trained network as files for boards and other tools, and their card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgetwin.cli.console import print_json, say
from edgetwin.cli.options import AsJson

if TYPE_CHECKING:
    from edgetwin.deploy.export import Exported


def export(
    model: Annotated[Path, typer.Argument(help="Folder with a recipe.toml, e.g. models/resnet8_cifar10.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the files; default build/models/NAME.")
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Of edgetwin train; default build/models/NAME/weights.npz.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with the data sets; default $EDGETWIN_DATA.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a trained network as an int8 .tflite, a float and an int8 .onnx file, each run and compared, and a card.

    Exit code 1: the files are written, but an int8 one loses more than 0.5 points, or 5 % of an error.

    Example: edgetwin export models/resnet8_cifar10
    """
    from edgetwin.deploy.export import export as make
    from edgetwin.deploy.export import too_lossy
    from edgetwin.files import check_writable
    from edgetwin.nn.backend import require_keras
    from edgetwin.nn.trained import default_output

    folder = output or default_output(model)
    check_writable(folder)
    require_keras()
    exported = make(model, folder, weights=weights, data=data, on_stage=say)
    if as_json:
        print_json({**exported.card, "folder": str(folder)})
    else:
        _show(exported, folder)
    losses = too_lossy(exported.card)
    for kind, loss in losses.items():
        say(f"the {kind} file loses {100 * loss:.2f} {_UNITS[exported.card['task']]}: train with quantisation in mind")
    if losses:
        raise typer.Exit(1)


_UNITS = {"classification": "points of accuracy", "detection": "points of area", "reconstruction": "% of the error"}


def _show(exported: Exported, folder: Path) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    card: dict[str, Any] = exported.card
    test, name = card["test"], card["name"]
    of = {f"{name}.onnx": "onnx", f"{name}.tflite": "int8", f"{name}.int8.onnx": "qdq"}
    title = f"{card['title']}, in {folder}"
    table = Table(title=escape(title), box=SIMPLE_HEAD, title_justify="left", pad_edge=False)
    table.add_column("file", no_wrap=True)
    for column in ("bytes", card["figure"]):
        table.add_column(column, justify="right")
    table.add_row("Keras", "", f"{test['float']:.4f}")
    for file, content in exported.files.items():
        table.add_row(escape(file), f"{len(content):,}", f"{test[of[file]]:.4f}" if file in of else "")
    Console().print(table)
    tflm = card["tflm_arena_bytes"]
    print(
        f"{card['parameters']:,} parameters, {card['macs']:,} multiply-accumulates; on a board "
        f"{card['flash_bytes']:,} bytes of flash and {card['arena_bytes']:,} of working memory"
        + (f" (TensorFlow Lite Micro: {tflm:,})" if tflm else "")
    )
