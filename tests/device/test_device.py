"""The C tests of the core: on this computer under sanitizers, and on the emulated boards."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgetwin import boards
from edgetwin.boards.build import INSTALL, core_sources
from edgetwin.boards.emulator import INSTALL as EMULATORS
from edgetwin.boards.registry import sources

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DEVICE = sources() / "device"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
#: The suites of the link; where flash is short, they are a program of their own.
LINK = ("cobs_frame", "cbor", "node_session", "node_upload", "node_stream", "node_model")
OTHERS = ("vector", "omp", "bundle", "code", "codec", "range_coder", "packet", "sha256", "vectors", "model")
#: The emulated boards' programs: suites, and how many of their tests need more memory than there is.
PROGRAMS = [
    ("mps2-an386", OTHERS + LINK, 0),
    ("mps3-an547", OTHERS + LINK, 0),
    ("riscv32-virt", OTHERS + LINK, 0),
    ("netduinoplus2", OTHERS + LINK, 1),
    ("microbit", OTHERS, 2),
    ("microbit", LINK, 3),
]
TESTS = [*sorted(HERE.glob("test_*.c")), HERE / "runner.c", HERE / "problem.c", HERE / "simulated.c"]


def need(tool: str, how: str) -> str:
    """Path of a tool, or skips the test."""
    found = shutil.which(tool)
    if not found:
        pytest.skip(f"{tool} is not installed: {how}")
    return found


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with vectors.h."""
    folder = tmp_path_factory.mktemp("generated")
    subprocess.run([sys.executable, ROOT / "tools" / "vectors" / "make_header.py", folder / "vectors.h"], check=True)
    return folder


def check_output(code: int, output: str, not_run: int) -> None:
    """All tests passed, but for those known not to find the memory they need."""
    assert code == 0 and output.rstrip().splitlines()[-2:] == [f"{not_run} not run", "ALL PASSED"], output


@pytest.mark.parametrize("optimisation", ["-O0", "-O2"])
@pytest.mark.parametrize(("compiler", "package"), [("gcc", "gcc"), ("clang", "clang libclang-rt-14-dev")])
def test_core_passes_under_sanitizers(
    compiler: str, package: str, optimisation: str, generated: Path, tmp_path: Path
) -> None:
    core = core_sources(DEVICE / "src", "host")
    program = tmp_path / "tests"
    million = ["-DRANDOM_PACKETS=1000000"] if optimisation == "-O2" and compiler == "gcc" else []
    command = [
        need(compiler, f"apt-get install {package}"),
        "-std=c99",
        optimisation,
        *million,
        "-g",
        "-ffp-contract=off",
        *WARNINGS,
        *SANITIZERS,
    ]
    command += [f"-I{DEVICE / 'include'}", f"-I{DEVICE / 'src'}", f"-I{generated}", f"-I{HERE}"]
    compiled = subprocess.run(
        [*command, *TESTS, HERE / "platform_host.c", *core, "-lm", "-o", program], capture_output=True, text=True
    )
    assert compiled.returncode == 0, compiled.stderr
    done = subprocess.run([program], capture_output=True, text=True, timeout=240)
    check_output(done.returncode, done.stdout + done.stderr, not_run=0)


@pytest.mark.parametrize(("board", "suites", "not_run"), PROGRAMS)
def test_core_passes_on_the_emulated_board(
    board: str, suites: tuple[str, ...], not_run: int, generated: Path, tmp_path: Path
) -> None:
    chosen = boards.find_board(board)
    assert chosen.emulator is not None
    need(chosen.compiler, INSTALL[chosen.compiler])
    need(chosen.emulator.command, EMULATORS[chosen.emulator.command])
    firmware = boards.build(
        board,
        tmp_path,
        app=[*TESTS, HERE / "platform_board.c"],
        name="tests",
        defines={"TEST_SUITES": " ".join(f"X({suite})" for suite in suites)},
        includes=[HERE, generated],
    )
    done = boards.run_program(board, firmware.elf, timeout=240)
    check_output(done.exit_code, done.output, not_run)


def test_every_suite_runs_on_boards() -> None:
    found = [match for file in HERE.glob("test_*.c") for match in re.findall(r"^SUITE\((\w+),", file.read_text(), re.M)]
    assert sorted(found) == sorted(OTHERS + LINK)


def test_kernel_ports_have_the_names_of_the_portable_kernels() -> None:
    portable = {file.name for file in (DEVICE / "src" / "portable").glob("*.c")}
    for port in ("cortex_m4", "helium"):
        assert {file.name for file in (DEVICE / "src" / port).glob("*.c")} <= portable
