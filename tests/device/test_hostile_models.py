"""Every field of each kernel's record, hostile: a model opens or not, and harms nothing (hostile_models.c)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("tflite", reason="the models are made with edgetwin[dev]")

from edgetwin.boards.build import core_sources
from edgetwin.boards.registry import sources

HERE = Path(__file__).resolve().parent
DEVICE = sources() / "device"

sys.path.insert(0, str(HERE / "fuzz"))
from corpus import model_seeds  # noqa: E402 (it lies beside the fuzz targets, in no package)


@pytest.mark.timeout(900)
def test_no_field_of_a_model_breaks_the_core(tmp_path: Path) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("gcc is not installed")
    program = tmp_path / "hostile"
    tests = [HERE / name for name in ("hostile_models.c", "problem.c", "fuzz/fuzz_model.c", "fuzz/aborting_runner.c")]
    command = [compiler, "-std=c99", "-O1", "-g", "-ffp-contract=off"]
    command += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    command += [f"-I{DEVICE / 'include'}", f"-I{DEVICE / 'src'}", *tests, *core_sources(DEVICE / "src", "host")]
    built = subprocess.run([*command, "-lm", "-o", program], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    models = []
    for index, seed in enumerate(model_seeds(each=1)):
        models.append(tmp_path / f"{index}.model")
        models[-1].write_bytes(seed)
    done = subprocess.run([program, *models], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert int(done.stdout) > 10_000 * len(models) / 4
