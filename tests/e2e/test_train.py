"""``edgetwin train`` as a user types it, on the data that come with the package."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = Path(__file__).resolve().parents[2] / "models" / "autoencoder_asd"
# TensorFlow and torch take long to load beside other tests.
pytestmark = pytest.mark.timeout(1300)

EDGETWIN = [sys.executable, "-c", "from edgetwin.cli import main; main()"]


def train(*words, cwd, code=0, **environment):
    done = subprocess.run(
        [*EDGETWIN, "train", *map(str, words)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, **environment},
    )
    assert done.returncode == code, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_a_recipe_becomes_weights_curves_and_metrics(backend, tmp_path):
    pytest.importorskip("tensorflow", reason="networks need edgetwin[train]")
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = {"KERAS_BACKEND": backend}
    done = train(RECIPE, "--budget", "smoke", "--json", cwd=tmp_path, **environment)
    # On torch, Keras loads TensorFlow where it is installed, by itself.
    assert backend == "torch" or "oneDNN" not in done.stderr
    result, folder = json.loads(done.stdout), tmp_path / "build" / "models" / "autoencoder_asd"
    assert result["weights"] == "build/models/autoencoder_asd/weights.npz"
    assert {"weights.npz", "metrics.json", "checkpoint.npz"} <= {path.name for path in folder.iterdir()}
    assert (folder / "curves.png").exists() or "pip install 'edgetwin[report]'" in done.stderr
    metrics = json.loads((folder / "metrics.json").read_text())
    assert {name: result[name] for name in metrics} == metrics
    assert metrics["backend"] == backend
    assert f"epoch {result['epochs']} of {result['epochs']}" in done.stderr
    # Nothing is left to do, and the same comes out.
    again = train(RECIPE, "--budget", "smoke", "--resume", "--json", cwd=tmp_path, **environment)
    assert json.loads(again.stdout)["weights_sha256"] == result["weights_sha256"]
    refused = train(RECIPE, "--resume", cwd=tmp_path, code=2)
    assert "another recipe, budget or data" in refused.stderr


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (["nowhere"], {}, "edgetwin: nowhere: no such recipe: give a folder that has a recipe.toml"),
        ([RECIPE], {"KERAS_BACKEND": "nosuchbackend"}, "pip install 'edgetwin[train]'"),
        ([RECIPE, "--data", "nowhere"], {}, "not a folder"),
    ],
)
def test_what_is_wrong_is_one_line(words, environment, said, tmp_path):
    done = train(*words, cwd=tmp_path, code=2, **environment)
    assert said in done.stderr.strip().splitlines()[-1]
    assert done.stdout == ""
