"""Boards: what they are, how to build firmware for them, flash it, and run it in an emulator."""

from edgetwin.boards.build import BuildError, Firmware, build
from edgetwin.boards.emulator import EmulatorError, ProgramResult, RunningNode, run, run_program
from edgetwin.boards.flash import check_flashable, flash, flash_command
from edgetwin.boards.registry import Board, boards, find_board

__all__ = [
    "Board",
    "BuildError",
    "EmulatorError",
    "Firmware",
    "ProgramResult",
    "RunningNode",
    "boards",
    "build",
    "check_flashable",
    "find_board",
    "flash",
    "flash_command",
    "run",
    "run_program",
]
