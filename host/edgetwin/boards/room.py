"""What a board has left for a model, without building anything: `edgetwin build` then knows it to the byte."""

from __future__ import annotations

from dataclasses import dataclass

from edgetwin.boards.registry import Board
from edgetwin.core import node_buffers_size

__all__ = ["Room", "model_room"]

#: Bytes of the node program with all kernels, and of its own variables: no board's takes more.
_PROGRAM_FLASH = 64 * 1024
_PROGRAM_RAM = 1024


@dataclass(frozen=True)
class Room:
    """Bytes for a model beside the node program.

    flash : for the bundle
    ram : for the workspace, where the node holds no dictionary
    """

    flash: int
    ram: int


def model_room(board: Board) -> Room | None:
    """The room for a model; None for the native node, which has all of the computer's memory."""
    if board.memory is None:
        return None
    memory, node = board.memory, board.node
    used = memory.stack + node.receive_buffer + node_buffers_size(node.max_payload) + _PROGRAM_RAM
    return Room(flash=max(0, memory.flash.length - _PROGRAM_FLASH), ram=max(0, memory.ram.length - used))
