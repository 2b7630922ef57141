"""Promise 2 for networks on boards: what each board computes is what TFLM does, to the last bit.

Cases of every operator, random networks, and on the large boards MLPerf Tiny's networks, with each board's kernels.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import struct
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite_micro", reason="the oracle needs edgetwin[dev]")

from operator_cases import CASES, Case, values
from random_graphs import seeded_network
from tflite_models import Tflm

from edgetwin import boards
from edgetwin.boards.build import core_sources
from edgetwin.boards.registry import sources
from edgetwin.core import Model
from edgetwin.deploy.compiler.compile import compile_model
from edgetwin.deploy.compiler.graph import UnsupportedModelError
from edgetwin.nn.tiny import tiny_tflite

HERE = Path(__file__).resolve().parent
COUNT = int(os.environ.get("EDGETWIN_NN_CASES", "200"))


@dataclass(frozen=True)
class Plan:
    """What a board runs.

    target : of the bundles
    flash, workspace : bytes that all cases, and the largest one's workspace, may take
    networks : of MLPerf Tiny
    """

    target: str
    flash: int
    workspace: int
    networks: tuple[str, ...] = ()


ALL_NETWORKS = ("resnet8", "ds_cnn", "mobilenet", "dense_autoencoder")
PLANS = {
    "native": Plan("portable", 1_500_000, 200_000, ALL_NETWORKS),
    "mps2-an386": Plan("portable", 1_500_000, 200_000, ALL_NETWORKS),
    "mps3-an547": Plan("helium", 1_500_000, 200_000, ALL_NETWORKS),
    "riscv32-virt": Plan("portable", 1_500_000, 200_000, ALL_NETWORKS),
    "netduinoplus2": Plan("portable", 400_000, 50_000, ("resnet8", "ds_cnn")),
    "microbit": Plan("portable", 80_000, 6_000),
}


def pack(case: Case, target: str) -> tuple[bytes, int]:
    """A case as models_board.c reads it, with TFLM's outputs, and its workspace's size."""
    bundle, oracle = compile_model(case.model, target), Tflm(case.model)
    inputs = [b"".join(array.tobytes() for array in arrays) for arrays in case.series]
    outputs = [b"".join(array.tobytes() for array in oracle.invoke(arrays)) for arrays in case.series]
    header = struct.pack("<4I", len(bundle), len(inputs), len(inputs[0]), len(outputs[0]))
    data = b"".join([*inputs, *outputs])
    return header + bundle + data + bytes(-len(data) % 16), Model(bundle).workspace_size


def operator_cases(count: int) -> Iterator[Case]:
    """So many of each operator, operator by operator in turn."""
    for seed in range(count):
        for make in CASES.values():
            yield make(np.random.default_rng(seed))


def random_networks(count: int) -> Iterator[Case]:
    for seed in range(count):
        yield seeded_network(np.random.default_rng(seed))


def tiny_networks(names: Iterable[str]) -> Iterator[Case]:
    """MLPerf Tiny's networks on random inputs; none without TensorFlow, which makes them."""
    for name in names if importlib.util.find_spec("tensorflow") else ():
        model = tiny_tflite(name)
        yield Case(model, [[values(np.random.default_rng(seed), Tflm(model).input_shape(0))] for seed in range(2)])


def write_cases(path: Path, cases: Iterable[Case], plan: Plan) -> int:
    """Writes the cases that fit a plan; returns their number."""
    count = 0
    with path.open("wb") as file:
        for case in cases:
            try:
                packed, workspace = pack(case, plan.target)
            except UnsupportedModelError:
                continue
            if workspace <= plan.workspace and file.tell() + len(packed) <= plan.flash:
                file.write(packed)
                count += 1
    return count


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", PLANS)
def test_no_value_on_a_board_differs_from_tflm(name: str, need_board, tmp_path: Path) -> None:
    board, plan = need_board(name), PLANS[name]
    cases = [*tiny_networks(plan.networks), *operator_cases(6), *random_networks(40)]
    if plan.flash < 100_000:  # the small ones, of every operator
        cases.sort(key=lambda case: len(case.model))
    count = write_cases(tmp_path / "cases", cases, plan)
    assert count >= 60, count
    firmware = boards.build(
        board,
        tmp_path / name,
        app=[HERE / "models_board.c"],
        name="models",
        defines={"CASES_FILE": f'"{tmp_path / "cases"}"'},
    )
    done = boards.run_program(board, firmware.elf, timeout=600)
    print(name, done.output)
    assert done.exit_code == 0, done.output
    assert re.fullmatch(rf"{count} cases, \d+ bytes\n", done.output), done.output


@pytest.mark.parametrize("target", ["portable", "helium"])
def test_models_run_clean_under_sanitizers(target: str, tmp_path: Path) -> None:
    """EDGETWIN_NN_CASES / 10 cases of each operator and as many networks, each in memory of exactly its size."""
    compiler, device = shutil.which("gcc"), sources() / "device"
    if compiler is None:
        pytest.skip("gcc is not installed")
    number = max(COUNT // 10, 1)
    plan = Plan(target, 1 << 30, 1 << 30)
    count = write_cases(tmp_path / "cases", [*operator_cases(number), *random_networks(number)], plan)
    program = tmp_path / "models"
    command = [compiler, "-std=c99", "-O1", "-g", "-ffp-contract=off", "-DON_HOST"]
    command += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command += [f"-I{device / 'include'}", f"-I{device / 'src'}", HERE / "models_board.c"]
    built = subprocess.run(
        [*command, *core_sources(device / "src", "host"), "-lm", "-o", program], capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    done = subprocess.run([program, tmp_path / "cases"], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert done.stdout.startswith(f"{count} cases")
