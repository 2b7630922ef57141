"""``edgetwin flash``: firmware onto a real board."""

from __future__ import annotations

import shlex
from typing import Annotated

import typer

from edgetwin.cli.build import Linked, build_firmware
from edgetwin.cli.console import print_json, say
from edgetwin.cli.options import (
    AsJson,
    BoardName,
    FirmwareFolder,
    KeyFile,
    LinkedDictionary,
    LinkedKernels,
    LinkedModel,
    LinkedRecording,
)


def flash(
    board: BoardName,
    dictionary: LinkedDictionary = None,
    model: LinkedModel = None,
    kernels: LinkedKernels = "all",
    recording: LinkedRecording = None,
    key: KeyFile = None,
    out: FirmwareFolder = None,
    tool: Annotated[str | None, typer.Option(help="dfu-util, openocd or pyocd; default the one that is there.")] = None,
    as_json: AsJson = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command and leave the board alone.")] = False,
) -> None:
    """Build a board's firmware if needed and write it to the connected board.

    Example: edgetwin flash --board microbit --dry-run
    """
    from edgetwin import boards

    boards.check_flashable(boards.find_board(board), tool)
    chosen, firmware = build_firmware(board, out, key, Linked(dictionary, model, recording, kernels))
    command = boards.flash_command(chosen, firmware, tool)
    if not dry_run:
        say(shlex.join(command))
        boards.flash(chosen, firmware, tool)
    if as_json:
        print_json({"board": chosen.name, "command": command, "flashed": not dry_run})
    elif dry_run:
        print(shlex.join(command))
