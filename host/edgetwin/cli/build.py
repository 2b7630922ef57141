"""``edgetwin build``: firmware for a board."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from edgetwin.cli.console import show_result

_LABELS = {
    "board": "board",
    "elf": "firmware",
    "flash_bytes": "flash bytes",
    "ram_bytes": "RAM bytes, all included",
    "arena_bytes": "of them for dictionary and buffers",
    "stack_bytes": "of them for the stack",
    "cached": "was up to date",
}


def build(
    board: Annotated[str, typer.Option("--board", "-b", help="netduinoplus2, mps2-an386, microbit or native.")],
    dictionary: Annotated[
        Path | None, typer.Option("--dictionary", "-d", help="Bundle (.etd) to link in, used until one is uploaded.")
    ] = None,
    recording: Annotated[
        Path | None, typer.Option("--recording", "-r", help="Samples (.etr) that the board streams on its own clock.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="Pre-shared key file; default ~/.config/edgetwin/key, made if missing.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder for the files; default build/BOARD.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Build a board's firmware: the node program, its key, and the bundles linked into it.

    Example: edgetwin build --board netduinoplus2 --dictionary sensor.etd
    """
    from dataclasses import asdict

    from edgetwin import boards
    from edgetwin.link.keys import load_key

    chosen = boards.find_board(board)
    firmware = boards.build(
        chosen, out or default_folder(board), key=load_key(key), dictionary=dictionary, recording=recording
    )
    result = {"board": chosen.name, **{name: _plain(value) for name, value in asdict(firmware).items()}}
    show_result(f"firmware for {chosen.title}", result, _LABELS, as_json=as_json)


def default_folder(board: str) -> Path:
    """Where the firmware of a board goes, and where flash and run look for it."""
    return Path("build") / board


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
