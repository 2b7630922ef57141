"""What a compiled model takes on an emulated board."""

from __future__ import annotations

import re
import subprocess
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgetwin import boards
from edgetwin.boards.registry import Board, sources
from edgetwin.core import Model
from edgetwin.deploy.compiler.compile import Compiled
from edgetwin.errors import UserError

__all__ = ["Figures", "LayerFigures", "measure"]

#: Sources whose functions and tables are the runtime: the model, its kernels and their inner loops.
_RUNTIME = re.compile(r"device/src/(model|kernels/\w+|\w+/nn_\w+)\.c:")


@dataclass(frozen=True)
class LayerFigures:
    """One layer; `instructions` of the board's core."""

    title: str
    kernel: str
    macs: int
    instructions: int


@dataclass(frozen=True)
class Figures:
    """One row of the table.

    arena_bytes : the workspace
    arena_bound_bytes : what no plan can go below
    text_bytes : code and tables of the runtime with the kernels that this model needs
    stack_bytes : of an invocation
    """

    model_or_kernel: str
    board: str
    macs: int
    instructions: int
    arena_bytes: int
    arena_bound_bytes: int
    text_bytes: int
    stack_bytes: int
    layers: list[LayerFigures]

    @property
    def instructions_per_mac(self) -> float | None:
        """None where nothing is multiplied."""
        return self.instructions / self.macs if self.macs else None


def measure(name: str, compiled: Compiled, board: Board) -> Figures:
    """Runs a model once on a board with random input, and compares its outputs with this computer's.

    Raises
    ------
    UserError : the model does not fit, the emulator is missing, or an output differs.
    """
    model = Model(compiled.bundle)
    generator = np.random.default_rng(0)
    inputs = [
        generator.integers(-128, 128, tensor.shape, dtype=np.int8)
        if tensor.dtype == np.int8
        else generator.standard_normal(tensor.shape).astype(np.float32)
        for tensor in model.inputs
    ]
    kernels = sorted({layer.kernel.name for layer in compiled.program.layers})
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.etm").write_bytes(compiled.bundle)
        (Path(folder) / "input.bin").write_bytes(b"".join(array.tobytes() for array in inputs))
        firmware = boards.build(
            board,
            Path(folder),
            app=[sources() / "firmware" / "bench" / "model.c"],
            name="bench",
            defines={
                "MODEL_FILE": f'"{folder}/model.etm"',
                "INPUT_FILE": f'"{folder}/input.bin"',
                "MODEL_KERNELS": "".join(f"&et_kernel_{kernel}, " for kernel in kernels),
            },
            includes=[sources() / "device" / "src"],
        )
        text = _runtime_bytes(board, firmware.elf)
        done = boards.run_program(board, firmware.elf, timeout=600)
    if done.exit_code:
        raise UserError(f"{name} does not run on {board.name}: {_reason(done.exit_code, done.output, compiled)}")
    found: dict[str, list[int]] = {}
    for key, value in (line.split() for line in done.output.splitlines()):
        found.setdefault(key, []).append(int(value))
    expected = [zlib.crc32(output.tobytes()) for output in model.invoke([array[np.newaxis] for array in inputs])]
    if found["output"] != expected:
        raise UserError(f"{name}: the outputs of {board.name} differ from this computer's")
    each = board.instructions_per_tick or 1.0
    layers = [
        LayerFigures(layer.title, layer.kernel.name, layer.macs, round(ticks * each))
        for layer, ticks in zip(compiled.program.layers, found["layer"], strict=True)
    ]
    return Figures(
        model_or_kernel=name,
        board=board.name,
        macs=sum(layer.macs for layer in layers),
        instructions=round(found["ticks"][0] * each),
        arena_bytes=compiled.plan.workspace_size,
        arena_bound_bytes=compiled.plan.bound,
        text_bytes=text,
        stack_bytes=found["stack"][0],
        layers=layers,
    )


def _reason(code: int, output: str, compiled: Compiled) -> str:
    arena = re.fullmatch(r"arena (\d+)\s*", output)
    if arena:
        return f"it needs {compiled.plan.workspace_size} bytes of working memory, the board has {arena[1]}"
    return f"the program ended with {code}"


def _runtime_bytes(board: Board, elf: Path) -> int:
    """Bytes of the runtime's symbols that the linker kept."""
    symbols = subprocess.run(
        [f"{board.tool_prefix}nm", "--print-size", "--line-numbers", str(elf)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = (line.split() for line in symbols.splitlines() if _RUNTIME.search(line))
    return sum(int(fields[1], 16) for fields in lines if fields[2] in "tTrR")
