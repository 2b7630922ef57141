"""What encoding costs on a board stays what the benchmark's tables say: instructions, counted by the emulator."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load_bench() -> ModuleType:
    """tools/bench/device.py, which lies in no package."""
    spec = importlib.util.spec_from_file_location("bench_device", ROOT / "tools" / "bench" / "device.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_device"] = module
    spec.loader.exec_module(module)
    return module


bench = load_bench()


@pytest.mark.parametrize(("m", "n", "s"), bench.SHAPES)
def test_a_correlation_pass_keeps_its_cost(m: int, n: int, s: int, need_board, tmp_path: Path) -> None:
    """`measure` runs each program twice and raises where two runs give other numbers."""
    need_board(bench.BOARD)
    float32, int8 = (bench.measure(m, n, s, atom_type, tmp_path) for atom_type in ("float32", "int8"))
    assert 1.0 < float32.correlation_per_mac <= 2.0
    assert int8.correlation < float32.correlation
    assert int8.flash_bytes < float32.flash_bytes


def test_runs_that_differ_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    outputs = iter(["encode 1000\n", "encode 1001\n"])
    monkeypatch.setattr(bench.boards, "run_program", lambda *_, **__: bench.boards.ProgramResult(0, next(outputs)))
    with pytest.raises(RuntimeError, match="two runs differ"):
        bench.run_twice(tmp_path / "bench.elf")
