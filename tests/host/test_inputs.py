"""A model's inputs from the user's files, and what its results are called."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from tflite_models import ModelBuilder

from edgetwin.deploy import ModelBundle
from edgetwin.deploy.compiler.compile import compile_model
from edgetwin.errors import UserError
from edgetwin.twin.collect import Received
from edgetwin.twin.inputs import load_inputs
from edgetwin.twin.results import results_of

PIXELS = {"preprocessing": {"shape": [4], "raw": "pixels", "scale": 1 / 255, "offset": 0.0}}


def network(inputs: int = 1, output: str = "y", **metadata: object) -> ModelBundle:
    """A model of 4 values, or of the sum of two inputs of 4."""
    model = ModelBuilder()
    x = [model.tensor((1, 4), scale=0.01, zero_point=-100, name=f"x{i}") for i in range(inputs)]
    y = model.tensor((1, 4), scale=0.01, zero_point=-100, name=output)
    model.operator("RELU" if inputs == 1 else "ADD", x, [y])
    return ModelBundle.from_bytes(compile_model(model.build(x, [y]), metadata=metadata))


@pytest.mark.parametrize(("written", "named"), [("npz", "npy"), ("npy", "npz")])
def test_a_file_is_what_it_holds_whatever_it_is_called(written: str, named: str, tmp_path: Path) -> None:
    rows = np.arange(8, dtype=np.int8).reshape(2, 4)
    saved, path = tmp_path / f"a.{written}", tmp_path / f"x.{named}"
    np.savez(saved, x0=rows) if written == "npz" else np.save(saved, rows)
    saved.rename(path)
    (inputs,) = load_inputs(path, network())
    np.testing.assert_array_equal(inputs[:, 0], rows)


def test_what_is_no_array_in_an_archive_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x0", b"text")
    with pytest.raises(UserError, match=r"x\.npz: "):
        load_inputs(tmp_path / "x.npz", network())


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_what_is_not_finite_is_refused_with_the_file(value: float, raw: bool, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[0, 1, value, 3]]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserError, match=r"x\.npy: the values for input x0 hold NaN or infinity"):
            load_inputs(tmp_path / "x.npy", network(**PIXELS), raw=raw)


def test_one_array_for_two_inputs_is_said_so(tmp_path: Path) -> None:
    np.savetxt(tmp_path / "x.csv", np.ones((3, 4)), delimiter=",")
    with pytest.raises(UserError, match=r"x\.csv: it has one array; the model takes x0, x1"):
        load_inputs(tmp_path / "x.csv", network(inputs=2))


def test_what_looks_raw_and_is_not_said_to_be_gets_a_hint(tmp_path: Path) -> None:
    hints: list[str] = []
    for dtype in (np.uint8, np.float32, np.int8):
        np.save(tmp_path / f"{dtype.__name__}.npy", np.ones((2, 4), dtype))
    load_inputs(tmp_path / "uint8.npy", network(), hint=hints.append)
    load_inputs(tmp_path / "uint8.npy", network(**PIXELS), raw=True, hint=hints.append)
    for name in ("int8", "float32"):
        load_inputs(tmp_path / f"{name}.npy", network(**PIXELS), hint=hints.append)
    assert hints == []
    load_inputs(tmp_path / "uint8.npy", network(**PIXELS), hint=hints.append)
    assert len(hints) == 1 and "uint8.npy: taken as real values; give --raw" in hints[0]


def test_an_output_called_status_stays_what_it_is() -> None:
    received = Received([b"\1\2\3\4", None], [1, 1], [False, True], 0, None, 8, 0.0, [0, 0])
    results = results_of(received, network(output="status"))
    np.testing.assert_array_equal(results["status"][:, 0], [[1, 2, 3, 4], [0, 0, 0, 0]])
    np.testing.assert_array_equal(results_of(received, network())["status"], [0, -1])
