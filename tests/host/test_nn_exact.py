"""Promise 2 for networks: the core computes what TensorFlow Lite Micro's reference kernels do, to the last bit.

EDGETWIN_NN_CASES (default 200) random cases of each operator for each target, whose kernels the host runs too.
"""

from __future__ import annotations

import os
from collections import Counter

import numpy as np
import pytest

pytest.importorskip("tflite_micro", reason="the oracle needs edgetwin[dev]")

from operator_cases import CASES, Case
from tflite_models import Tflm

from edgetwin.core import Model
from edgetwin.deploy.compiler.compile import compile_model
from edgetwin.deploy.compiler.graph import UnsupportedModelError

COUNT = int(os.environ.get("EDGETWIN_NN_CASES", "200"))
#: Operators that have kernels of their own on Helium.
HELIUM = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")


def on_core(case: Case, target: str) -> list[list[np.ndarray]]:
    """Outputs of each invocation of the compiled model."""
    model = Model(compile_model(case.model, target))
    stacked = model.invoke([np.stack(values) for values in zip(*case.series, strict=True)])
    return [list(outputs) for outputs in zip(*stacked, strict=True)]


def on_tflm(case: Case) -> list[list[np.ndarray]]:
    oracle = Tflm(case.model)
    return [oracle.invoke(inputs) for inputs in case.series]


def differing(found: list[list[np.ndarray]], expected: list[list[np.ndarray]]) -> int:
    """Values that are not the same to the last bit."""
    count = 0
    for ours, theirs in zip(found, expected, strict=True):
        for mine, its in zip(ours, theirs, strict=True):
            assert mine.shape == its.shape and mine.dtype == its.dtype
            count += int(np.count_nonzero(mine.view(np.uint8) != its.view(np.uint8)))
    return count


@pytest.mark.parametrize(
    ("code", "target"),
    [(code, "portable") for code in CASES] + [(code, "helium") for code in HELIUM],
)
def test_no_value_differs_from_tflm(code: str, target: str) -> None:
    compared, left_out, wrong = 0, Counter[str](), {}
    for seed in range(4 * COUNT):
        case = CASES[code](np.random.default_rng(seed))
        try:
            expected = on_tflm(case)
        except RuntimeError:
            left_out["TFLM refuses it"] += 1
            continue
        try:
            found = on_core(case, target)
        except UnsupportedModelError as error:
            left_out[str(error).split(": ", 1)[1]] += 1
            continue
        count = differing(found, expected)
        if count:
            wrong[seed] = count
        compared += 1
        if compared == COUNT:
            break
    print(code, target, compared, "compared;", dict(left_out) or "none left out")
    assert not wrong, f"{len(wrong)} of {compared} cases differ (seed: bytes): {wrong}"
    assert compared == COUNT, left_out
