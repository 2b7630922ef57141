"""The fuzz targets, EDGETWIN_FUZZ_SECONDS (default 5) each: what a stranger sends must not get through.

A finding is kept in ``build/fuzz``; the message names the command that repeats it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgetwin.boards.build import core_sources
from edgetwin.boards.registry import sources

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DEVICE = sources() / "device"

sys.path.insert(0, str(HERE))
from corpus import SEEDS, write_corpus  # noqa: E402 (it lies beside this file, in no package)

SECONDS = int(os.environ.get("EDGETWIN_FUZZ_SECONDS", "5"))
SIMULATION = {
    "fuzz_bundle": ["problem.c", "fuzz/aborting_runner.c"],
    "fuzz_frame": [],
    "fuzz_model": ["problem.c", "fuzz/aborting_runner.c"],
    "fuzz_packet": ["problem.c", "fuzz/aborting_runner.c"],
    "fuzz_node": ["problem.c", "simulated.c", "fuzz/aborting_runner.c"],
}
FLAGS = [
    "-std=c99",
    "-O1",
    "-g",
    "-ffp-contract=off",
    "-fsanitize=fuzzer,address,undefined",
    "-fno-sanitize-recover=all",
]


def compile_target(target: str, folder: Path) -> Path:
    clang = shutil.which("clang")
    if not clang:
        pytest.skip("clang is not installed: apt-get install clang libclang-rt-14-dev")
    core = core_sources(DEVICE / "src", "host")
    tests = [HERE / f"{target}.c", *(HERE.parent / name for name in SIMULATION[target])]
    program = folder / target
    command = [clang, *FLAGS, f"-I{DEVICE / 'include'}", f"-I{DEVICE / 'src'}", *tests, *core, "-lm", "-o", program]
    done = subprocess.run(command, capture_output=True, text=True)
    if "libclang_rt.fuzzer" in done.stderr:
        pytest.skip("libFuzzer is not installed: apt-get install libclang-rt-14-dev")
    assert done.returncode == 0, done.stderr
    return program


@pytest.mark.timeout(SECONDS + 240)
@pytest.mark.parametrize("target", sorted(SEEDS))
def test_no_input_breaks_the_core(target: str, tmp_path: Path) -> None:
    program = compile_target(target, tmp_path)
    corpus = tmp_path / "corpus"
    write_corpus(target, DEVICE / "vectors.json", corpus)
    findings = ROOT / "build" / "fuzz"
    findings.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [
            program,
            corpus,
            f"-max_total_time={SECONDS}",
            "-max_len=2048",
            "-timeout=10",
            f"-artifact_prefix={findings}/{target}-",
            "-print_final_stats=1",
        ],
        capture_output=True,
        text=True,
    )
    print(*[line for line in done.stderr.splitlines() if "stat::" in line or "DONE" in line], sep="\n")
    assert done.returncode == 0, f"{done.stderr[-4000:]}\nrepeat it: {target} {findings}/{target}-<hash>"
