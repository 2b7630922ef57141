"""What ``edgetwin bench nn`` measures: single layers, the networks of MLPerf Tiny, or a user's own files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from edgetwin.bench.nn.layers import LAYERS
from edgetwin.boards.registry import Board
from edgetwin.deploy.compiler.compile import Compiled, compile_graph, compile_to, target_of
from edgetwin.deploy.compiler.graph import Graph

__all__ = ["subjects"]

Compile = Callable[[Board], Compiled]


def subjects(models: Sequence[Path], only: str | None) -> dict[str, Compile]:
    """Compilers for a board by name.

    models : .tflite files in place of the usual list
    only : "layers" or "networks" of the usual list; None: both

    Raises UserError for a file that cannot be read, or without the extra train where the networks are made.
    """
    if models:
        return {path.name: partial(_compile, path) for path in models}
    found: dict[str, Compile] = {}
    if only != "networks":
        found |= {name: partial(_compile_layer, make) for name, make in LAYERS.items()}
    if only != "layers":
        from edgetwin.nn.tiny import TINY, tiny_tflite

        found |= {name: partial(_compile, tiny_tflite(name)) for name in TINY}
    return found


def _compile_layer(make: Callable[[], Graph], board: Board) -> Compiled:
    return compile_graph(make(), target_of(board.core))


def _compile(model: bytes | Path, board: Board) -> Compiled:
    return compile_to(model, target_of(board.core))
