"""What the commands for models refuse before they reach a board, each in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tflite_models import ModelBuilder
from typer.testing import CliRunner

from edgetwin.cli import app
from edgetwin.deploy import ModelBundle
from edgetwin.deploy.compiler.compile import compile_model
from edgetwin.errors import UserError

NOWHERE = "socket://127.0.0.1:1"


def relu(size: int) -> bytes:
    model = ModelBuilder()
    x, y = (model.tensor((1, size), scale=0.5) for _ in range(2))
    model.operator("RELU", [x], [y])
    return model.build([x], [y])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder, which is the working one: models of one, two and four values, and inputs."""
    monkeypatch.chdir(tmp_path)
    for size in (1, 2, 4):
        Path(f"{size}.tflite").write_bytes(relu(size))
    Path("m.etm").write_bytes(compile_model(relu(4)))
    Path("link.etm").symlink_to("m.etm")
    Path("four.txt").write_text("a\nb\nc\nd\n")
    Path("two.txt").write_text("no\n\nyes\n")
    Path("none.txt").write_text("\n")
    np.savez("x.npz", np.zeros((3, 4)))
    Path("twin.npz").hardlink_to("x.npz")
    return tmp_path


def refusal(*words: str) -> str:
    """What a command says that leaves every file as it was."""
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    result = CliRunner().invoke(app, list(words))
    assert isinstance(result.exception, UserError), result.exception
    assert before == {path.name: path.read_bytes() for path in Path().iterdir()}
    return str(result.exception)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("4.tflite", "-o", "4.tflite"), "the input and --output"),
        (("4.tflite", "-o", "four.txt", "--labels", "four.txt"), "--output and --labels"),
        (("4.tflite", "-o", "m.png", "--report", "m.png"), "--output and --report"),
    ],
)
def test_compile_overwrites_none_of_its_inputs(folder: Path, words: tuple[str, ...], said: str) -> None:
    assert f"{said} would be one file" in refusal("compile", *words)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--data", "x.npz", "-o", "x.npz"), "the input and --output would be one file"),
        (("--data", "x.npz", "-o", "twin.npz"), "the input and --output would be one file"),
        (("--data", "x.npz", "-o", "y.npy"), "y.npy: outputs are written as .npz"),
        (("--data", "x.npz", "-o", "m.etm"), "m.etm: outputs are written as .npz"),
    ],
)
def test_invoke_overwrites_none_of_its_inputs_and_writes_npz(folder: Path, words: tuple[str, ...], said: str) -> None:
    assert said in refusal("invoke", NOWHERE, "--model", "m.etm", *words)


def test_invoke_takes_no_model_for_its_output_whatever_its_name(folder: Path) -> None:
    Path("m.npz").symlink_to("m.etm")
    said = refusal("invoke", NOWHERE, "--model", "m.etm", "--data", "x.npz", "-o", "m.npz")
    assert "--output and --model would be one file" in said


def test_invoke_hints_at_raw_pixels(folder: Path) -> None:
    pixels = {"preprocessing": {"shape": [4], "raw": "pixels", "scale": 1 / 255}}
    Path("pixels.etm").write_bytes(compile_model(relu(4), metadata=pixels))
    np.save("x.npy", np.zeros((3, 4), np.uint8))
    result = CliRunner().invoke(app, ["invoke", NOWHERE, "--model", "pixels.etm", "--data", "x.npy"])
    assert result.stderr == "x.npy: taken as real values; give --raw to scale them as the model says\n"


@pytest.mark.parametrize(
    ("model", "labels", "said"),
    [
        ("4.tflite", "two.txt", "takes 4 labels, not 2"),
        ("1.tflite", "four.txt", "takes 2 labels, not 4"),
        ("2.tflite", "none.txt", "no labels in it"),
    ],
)
def test_labels_that_no_row_could_get_are_refused(folder: Path, model: str, labels: str, said: str) -> None:
    assert said in refusal("compile", model, "-o", "new.etm", "--labels", labels)


@pytest.mark.parametrize("size", [1, 2])
def test_two_labels_are_of_two_values_or_of_one(folder: Path, size: int) -> None:
    result = CliRunner().invoke(app, ["compile", f"{size}.tflite", "-o", "new.etm", "--labels", "two.txt"])
    assert result.exit_code == 0, result.output
    assert ModelBundle.load("new.etm").metadata["labels"] == ["no", "yes"]


@pytest.mark.parametrize(
    "words",
    [
        ("--model", "m.etm", "--full"),
        ("--model", "m.etm", "--allow-nan"),
        ("--dictionary", "d.etd", "--layers"),
        ("--dictionary", "d.etd", "--reference", "m.etm"),
    ],
)
def test_validate_takes_no_option_that_would_do_nothing(folder: Path, words: tuple[str, ...]) -> None:
    said = refusal("validate", NOWHERE, "x.npz", *words)
    assert words[2] in said and said.endswith("leave it out")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--model", "m.etm", "-o", "out.npy"), "results are written as .npz"),
        (("--dictionary", "D.etd", "four.npy", "-o", "out.npz"), "signals are written as .npy"),
        (("--dictionary", "D.etd", "four.npy", "-o", "four.npy"), "--output and FILE would be one file"),
    ],
)
def test_stream_writes_the_kind_that_it_has_and_overwrites_nothing(folder: Path, words, said) -> None:
    np.save("four.npy", np.zeros((4, 4)))
    assert said in refusal("stream", NOWHERE, *words)
