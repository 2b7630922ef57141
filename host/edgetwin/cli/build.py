"""``edgetwin build``: firmware for a board."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgetwin.cli.console import show_result

if TYPE_CHECKING:
    from edgetwin.boards import Board, Firmware

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
        Path | None, typer.Option("--recording", "-r", help="Samples that the board streams on its own clock.")
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

    chosen, firmware = build_firmware(board, out, key, dictionary, recording)
    result = {"board": chosen.name, **{name: _plain(value) for name, value in asdict(firmware).items()}}
    show_result(f"firmware for {chosen.title}", result, _LABELS, as_json=as_json)


def build_firmware(
    board: str, out: Path | None, key: Path | None, dictionary: Path | None, recording: Path | None
) -> tuple[Board, Firmware]:
    """Builds as the options say: into build/BOARD by default, with the user's key.

    recording : a bundle (.etr), or any file of samples, which becomes one beside the firmware
    """
    from edgetwin import boards
    from edgetwin.data import read_samples
    from edgetwin.deploy import RecordingBundle
    from edgetwin.link import load_key

    chosen = boards.find_board(board)
    folder = out or Path("build") / board
    if recording is not None and recording.suffix != ".etr":
        samples = read_samples(recording, allow_nan=True)
        recording = folder / f"{recording.stem}.etr"
        RecordingBundle(samples.values).save(recording)
    return chosen, boards.build(chosen, folder, key=load_key(key), dictionary=dictionary, recording=recording)


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
