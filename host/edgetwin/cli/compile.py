"""``edgetwin compile``: a model bundle from an int8 .tflite file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgetwin.cli.console import print_json, show_result
from edgetwin.cli.options import AsJson
from edgetwin.errors import UserError

if TYPE_CHECKING:
    from edgetwin.boards import Board
    from edgetwin.boards.room import Room
    from edgetwin.deploy.compiler.compile import Compiled

_LABELS = {
    "model": "model",
    "target": "packed for",
    "macs": "multiply-accumulates",
    "flash_bytes": "bundle bytes, in flash",
    "arena_bytes": "workspace bytes, in RAM",
    "state_bytes": "of them state between invocations",
    "arena_bound_bytes": "bytes that live at once at most",
    "above_bound": "workspace above that, %",
    "decides": "most live in",
    "flash_left": "flash left on the board",
    "ram_left": "RAM left on the board",
    "id": "content id",
}


def compile_(
    model: Annotated[Path, typer.Argument(help="An int8 .tflite file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Bundle to write, e.g. model.etm.")],
    target: Annotated[str | None, typer.Option(help="portable (every board), or helium (Cortex-M55).")] = None,
    board: Annotated[str | None, typer.Option("--board", "-b", help="Pack for this board, and see if it fits.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Names of the classes, one a line, to keep in the bundle.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Draw the memory plan: .png, .svg or .pdf.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compile an int8 .tflite for boards: kernels chosen, weights packed, memory planned.

    Example: edgetwin compile keyword.tflite -o keyword.etm --board netduinoplus2
    """
    from edgetwin import boards
    from edgetwin.boards.room import model_room
    from edgetwin.deploy.compiler.compile import compile_to, target_of
    from edgetwin.deploy.compiler.report import layer_rows, save_memory_map
    from edgetwin.deploy.sample_files import check_distinct
    from edgetwin.files import write_atomically

    if report is not None:
        from edgetwin.pictures import check_picture

        check_picture(report)
    check_distinct(model, output, {"--labels": labels, "--report": report})
    chosen = boards.find_board(board) if board is not None else None
    if target is None:
        target = target_of(chosen.core) if chosen is not None else "portable"
    elif chosen is not None and target not in ("portable", target_of(chosen.core)):
        raise UserError(f"{chosen.name} does not run {target} models: leave --target out")
    metadata = {} if labels is None else {"labels": _read_labels(labels)}
    compiled = compile_to(model, target, metadata)
    if labels is not None:
        _check_labels(labels, metadata["labels"], compiled)
    room = model_room(chosen) if chosen is not None else None
    if chosen is not None and room is not None:
        _check_fit(compiled, chosen, room)
    write_atomically(output, compiled.bundle)
    if report is not None:
        save_memory_map(compiled, report)
    result = _figures(compiled, room) | {"board": chosen.name if chosen else None, "bundle": str(output)}
    rows = layer_rows(compiled)
    if as_json:
        print_json(result | {"layers": [row._asdict() for row in rows]})
        return
    _show_layers(rows)
    labels_shown = {key: label for key, label in _LABELS.items() if result[key] is not None}
    show_result(str(output), result, labels_shown, as_json=False)


def _figures(compiled: Compiled, room: Room | None) -> dict[str, Any]:
    from edgetwin.deploy.compiler.report import deciding_tensors
    from edgetwin.deploy.container import HEADER_SIZE, content_id

    plan, flash = compiled.plan, len(compiled.bundle)
    return {
        "model": compiled.program.name,
        "sha256": compiled.sha256,
        "id": f"{content_id(compiled.bundle[HEADER_SIZE:]):016x}",
        "target": compiled.program.target,
        "macs": sum(layer.macs for layer in compiled.program.layers),
        "flash_bytes": flash,
        "arena_bytes": plan.workspace_size,
        "state_bytes": plan.state_size,
        "arena_bound_bytes": plan.bound,
        "above_bound": round(100 * (plan.workspace_size / max(plan.bound, 1) - 1), 2),
        "decides": deciding_tensors(compiled),
        "flash_left": room.flash - flash if room else None,
        "ram_left": room.ram - plan.workspace_size if room else None,
    }


def _check_fit(compiled: Compiled, board: Board, room: Room) -> None:
    """Raises UserError that says by how many bytes a model is too large, and what makes it so."""
    from edgetwin.deploy.compiler.report import deciding_tensors

    flash, ram = len(compiled.bundle), compiled.plan.workspace_size
    if ram > room.ram:
        raise UserError(
            f"{compiled.program.name} does not fit {board.name}: it needs {ram} bytes of working memory, "
            f"{ram - room.ram} more than the {room.ram} left beside the node; most live in {deciding_tensors(compiled)}"
        )
    if flash > room.flash:
        largest = max(compiled.program.layers, key=lambda layer: layer.weight_bytes)
        raise UserError(
            f"{compiled.program.name} does not fit {board.name}: it takes {flash} bytes of flash, {flash - room.flash} "
            f"more than the {room.flash} left beside the node; {largest.title} has the most, {largest.weight_bytes}"
        )


def _show_layers(rows: list[Any]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("", "operator", "output", "kernel"):
        table.add_column(name, no_wrap=True)
    for name in ("MACs", "weights", "live"):
        table.add_column(name, justify="right", no_wrap=True)
    for number, row in enumerate(rows):
        shape = "x".join(map(str, row.shape)) if row.shape else ""
        figures = (f"{figure:,}" if figure else "" for figure in (row.macs, row.weight_bytes, row.live_bytes))
        table.add_row(str(number), escape(row.operator.split(" ", 1)[0]), shape, row.kernel, *figures)
    Console().print(table)


def _read_labels(path: Path) -> list[str]:
    try:
        labels = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read {path} as lines of text: {error}") from error
    if not labels:
        raise UserError(f"{path}: there are no labels in it: give one a line")
    return labels


def _check_labels(path: Path, labels: list[str], compiled: Compiled) -> None:
    """Labels are of the values of a model's one output; a single value says which of two it is (twin/meaning.py)."""
    outputs = compiled.graph.outputs
    needed = max(outputs[0].size, 2)
    if len(outputs) == 1 and len(labels) != needed:
        raise UserError(f"{path}: the model's output {outputs[0].name} takes {needed} labels, not {len(labels)}")
