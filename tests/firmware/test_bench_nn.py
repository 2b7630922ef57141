"""What layers cost on a board stays below what was asked for, in instructions that the emulator counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tflite_models import ModelBuilder
from typer.testing import CliRunner

from edgetwin.bench.nn.measure import Figures, measure
from edgetwin.bench.nn.subjects import subjects
from edgetwin.boards.registry import find_board
from edgetwin.cli import app

#: By layer: instructions on a Cortex-M4.
LIMITS = {
    "conv 3x3, 3 to 16 at 32x32": 1_300_000,
    "conv 1x1, 64 to 64 at 25x5": 680_000,
    "depthwise 3x3, 64 at 25x5": 330_000,
    "fully connected 640 to 128": 115_000,
    "add 32x32x16": 660_000,
    "max-pool 2x2 of 32x32x16": 120_000,
}
STACK_LIMIT = 700


def figures_of(name: str, board: str) -> Figures:
    """Of a layer of the usual list."""
    target = find_board(board)
    return measure(name, subjects([], "layers")[name](target), target)


@pytest.mark.parametrize("name", LIMITS)
def test_a_layer_keeps_its_cost(name: str, need_board) -> None:
    """`measure` raises where the board's outputs are not this computer's."""
    need_board("netduinoplus2")
    found = figures_of(name, "netduinoplus2")
    assert 0 < found.instructions <= LIMITS[name]
    assert found.stack_bytes <= STACK_LIMIT
    assert found.arena_bytes <= 1.05 * found.arena_bound_bytes + 16


def test_helium_takes_fewer_instructions(need_board) -> None:
    need_board("mps3-an547")
    name = "fully connected 640 to 128"
    assert figures_of(name, "mps3-an547").instructions < LIMITS[name] / 3


def test_a_users_own_model_is_measured(need_board, tmp_path: Path) -> None:
    need_board("netduinoplus2")
    model = ModelBuilder()
    x, y = model.tensor((1, 12), "int8", 0.1, 3), model.tensor((1, 12), "int8", 0.1, 3)
    model.operator("RELU", [x], [y])
    path = tmp_path / "relu.tflite"
    path.write_bytes(model.build([x], [y]))
    done = CliRunner().invoke(app, ["bench", "nn", str(path), "--layers", "--json"], catch_exceptions=False)
    (row,) = json.loads(done.stdout)
    assert row["model_or_kernel"] == "relu.tflite" and row["instructions_per_mac"] is None
    assert [layer["kernel"] for layer in row["layers"]] == ["lookup"]
    assert row["layers"][0]["instructions"] <= row["instructions"]
