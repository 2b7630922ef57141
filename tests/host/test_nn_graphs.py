"""Networks as a whole: random ones and what TensorFlow converts, every tensor of every layer against TFLM."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

pytest.importorskip("tflite_micro", reason="the oracle needs edgetwin[dev]")

from operator_cases import Case, values
from random_graphs import networks
from test_nn_exact import differing, on_core, on_tflm
from tflite_models import Tflm

from edgetwin.core import Model
from edgetwin.deploy.compiler.compile import compile_to

HERE = Path(__file__).resolve().parent
COUNT = int(os.environ.get("EDGETWIN_NN_GRAPHS", "300"))
TARGETS = ("portable", "helium")
#: What keras_models.py converts.
NETWORKS = ("cnn", "separable", "residual", "autoencoder", "fcn", "dense", "lstm", "gru")


def check_layers(case: Case, target: str) -> int:
    """Compares the tensor that each layer completes with TFLM's, after the first inputs; returns how many."""
    compiled = compile_to(case.model, target)
    complete = [
        (layer.result[0].index, (index, compiled.plan.place(layer.result[1])))
        for index, layer in enumerate(compiled.program.layers)
        if layer.result is not None
    ]
    oracle = Tflm(case.model, keep=True)
    oracle.invoke(case.series[0])
    expected = [oracle.tensor(tensor) for tensor, _ in complete]
    snapshots = [(*at, tensor.nbytes) for (_, at), tensor in zip(complete, expected, strict=True)]
    found = Model(compiled.bundle).run([inputs[np.newaxis] for inputs in case.series[0]], snapshots)
    for mine, its, (layer, _, _) in zip(found, expected, snapshots, strict=True):
        title = compiled.program.layers[layer].title
        assert mine.tobytes() == its.tobytes(), f"{target}: {title}, layer {layer}, is the first that differs"
    return len(complete)


# A network that differs names its layer: to shrink it takes longer than to find it.
@settings(
    max_examples=COUNT,
    derandomize=True,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)
@given(case=networks())
def test_random_networks_equal_tflm_layer_by_layer(case: Case) -> None:
    for target in TARGETS:
        check_layers(case, target)
        assert differing(on_core(case, target), on_tflm(case)) == 0, target


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> dict[str, bytes]:
    """.tflite files of small Keras networks of every kind, from one process: TensorFlow takes long to begin."""
    pytest.importorskip("tensorflow", reason="networks need edgetwin[train]")
    folder = tmp_path_factory.mktemp("networks")
    done = subprocess.run([sys.executable, HERE / "keras_models.py", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return {path.stem: path.read_bytes() for path in folder.glob("*.tflite")}


@pytest.mark.parametrize("name", NETWORKS)
def test_converted_networks_equal_tflm_layer_by_layer(name: str, converted: dict[str, bytes]) -> None:
    random = np.random.default_rng(0)
    case = Case(converted[name], [[values(random, Tflm(converted[name]).input_shape(0))] for _ in range(10)])
    for target in TARGETS:
        assert check_layers(case, target) > 0
        assert differing(on_core(case, target), on_tflm(case)) == 0, target


def test_random_networks_hold_what_they_are_drawn_for() -> None:
    """Skip connections, several inputs and outputs, and all operators."""
    seen = Counter[str]()

    @settings(max_examples=100, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=networks())
    def count(case: Case) -> None:
        graph = compile_to(case.model).graph
        seen.update(operator.code for operator in graph.operators)
        seen["inputs"] += len(graph.inputs) > 1
        seen["outputs"] += len(graph.outputs) > 1

    count()
    print(dict(seen))
    assert seen["inputs"] > 20 and seen["outputs"] > 50 and seen["ADD"] > 20 and seen["CONCATENATION"] > 20
