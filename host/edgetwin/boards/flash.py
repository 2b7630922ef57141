"""Writing firmware to a real board with the tools that its ``board.toml`` names."""

from __future__ import annotations

import shutil
import subprocess

from edgetwin.boards.build import Firmware
from edgetwin.boards.registry import Board, Flasher
from edgetwin.errors import UserError


def flash_command(board: Board, firmware: Firmware, tool: str | None = None) -> list[str]:
    """The command that flashes ``firmware``: with ``tool``, else with the board's first tool that is installed, else
    with its first.

    Raises
    ------
    UserError : the board cannot be flashed by a command, or not with this tool.
    """
    chosen = _choose(board, tool)
    files = {"elf": firmware.elf, "bin": firmware.bin, "hex": firmware.hex}
    return [argument.format_map(files) for argument in chosen.command]


def check_flashable(board: Board, tool: str | None = None) -> None:
    """Raises `UserError` if no command flashes the board, or ``tool`` is not one of its tools."""
    _choose(board, tool)


def flash(board: Board, firmware: Firmware, tool: str | None = None) -> None:
    """Flashes the board; the tool's own messages go to the terminal.

    Raises
    ------
    UserError : no tool is installed, or the tool failed.
    """
    command = flash_command(board, firmware, tool)
    if not shutil.which(command[0]):
        choices = board.flashers if tool is None else [_choose(board, tool)]
        ways = ", or ".join(f"{flasher.tool} ({flasher.install})" for flasher in choices)
        raise UserError(f"flashing {board.name} needs {ways}: none is installed")
    code = subprocess.run(command).returncode
    if code:
        raise UserError(
            f"{command[0]} failed with code {code}: is the board connected, and may you use its USB device?"
        )


def _choose(board: Board, tool: str | None) -> Flasher:
    if not board.flashers:
        raise UserError(f"{board.name} is not flashed by a command: run it with `edgetwin run --board {board.name}`")
    if tool is None:
        return next((flasher for flasher in board.flashers if shutil.which(flasher.tool)), board.flashers[0])
    for flasher in board.flashers:
        if flasher.tool == tool:
            return flasher
    names = ", ".join(flasher.tool for flasher in board.flashers)
    raise UserError(f"{board.name} is not flashed with {tool!r}: choose one of {names}")
