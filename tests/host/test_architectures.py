"""The architectures: parameters and multiply-accumulates as published, shapes, and what they refuse."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="networks need edgetwin[train]")

from edgetwin.errors import UserError
from edgetwin.nn import architectures
from edgetwin.nn.architectures import (
    cnn1d,
    dcae,
    dense_autoencoder,
    ds_cnn,
    mobilenet,
    resnet8,
    resnet20,
    resnet32,
    resnet50,
    vgg16,
    vgg16_transfer,
)
from edgetwin.nn.backend import load_keras
from edgetwin.nn.cost import SHAPES, macs, shape_table
from edgetwin.nn.training import predict

DOCS = Path(__file__).resolve().parents[2] / "docs" / "architectures.md"

# Table 6.1 of the thesis: of conv 2 to conv 13 and the two dense layers, "#FLOP" and "#Params".
THESIS_VGG16 = [
    *((3.80e7, 3.7e4), (1.90e7, 7.4e4), (3.80e7, 1.5e5), (1.90e7, 2.9e5), (3.80e7, 5.9e5), (3.80e7, 5.9e5)),
    *((1.90e7, 1.2e6), (3.80e7, 2.4e6), (3.80e7, 2.4e6), (9.40e6, 2.4e6), (9.40e6, 2.4e6), (9.40e6, 2.4e6)),
    *((2.60e5, 2.6e5), (5.10e3, 5.1e3)),
]


def trained_parameters(model):
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def test_every_layer_of_vgg16_costs_what_the_thesis_says():
    model = vgg16()
    assert macs(model) == pytest.approx(3.13e8, rel=0.005)
    layers = [layer for layer in model.layers if hasattr(layer, "kernel")]
    assert len(layers) == 15
    for layer, (flop, parameters) in zip(layers[1:], THESIS_VGG16, strict=True):
        kernel = math.prod(layer.kernel.shape)
        assert kernel == pytest.approx(parameters, rel=0.03)
        assert kernel * math.prod(layer.output.shape[1:-1]) == pytest.approx(flop, rel=0.03)


def test_vgg16_normalises_and_drops_out_after_each_layer():
    names = [type(layer).__name__ for layer in vgg16().layers]
    assert names.count("BatchNormalization") == names.count("Dropout") == names.count("ReLU") == 14


@pytest.mark.parametrize(
    ("network", "published", "tolerance"),
    [
        (resnet8, 78_666, 0),  # MLPerf Tiny
        (ds_cnn, 24_908, 0),
        (mobilenet, 221_794, 0),
        (dense_autoencoder, 269_992, 0),
        (resnet20, 0.27e6, 0.02),  # He et al., table 6; shortcuts are 1x1 convolutions here
        (resnet32, 0.46e6, 0.025),
    ],
)
def test_small_networks_have_the_published_number_of_parameters(network, published, tolerance):
    assert network().count_params() == pytest.approx(published, rel=tolerance)


@pytest.mark.parametrize(
    ("network", "flops"),
    [(resnet20, 8.16e7), (resnet32, 1.38e8), (resnet50, 7.72e9)],  # thesis, tables 6.3 and 6.5: two a multiplication
)
def test_resnets_cost_what_the_thesis_says(network, flops):
    assert 2 * macs(network()) == pytest.approx(flops, rel=0.015)


def test_resnet50_is_the_papers():
    model = resnet50()
    assert trained_parameters(model) == 25_557_032  # as torchvision counts it
    assert macs(model) == pytest.approx(3.8e9, rel=0.02)
    assert model.layers[-3].output.shape[1:] == (1, 1, 2048)


@pytest.mark.parametrize(
    ("side", "head"),
    [(224, 25_089), (150, 8_193), (100, 4_609), (64, 2_049)],  # CMI, table 4
)
def test_only_the_head_of_a_transferred_vgg16_is_trained(side, head):
    model = vgg16_transfer((side, side, 3))
    assert trained_parameters(model) == head
    assert model.get_layer("vgg16_base").count_params() == 14_714_688
    assert model.count_params() * 4 == pytest.approx(56.4 * 2**20, rel=0.005)  # the paper's 56.4 Mo


def test_weights_of_imagenet_fit_one_shape_only():
    with pytest.raises(UserError, match="width 1 and three channels"):
        vgg16_transfer((32, 32, 1), weights="imagenet")


@pytest.mark.parametrize(
    ("shape", "flattened", "sides"), [((28, 28, 1), 1152, (14, 7, 3)), ((16, 16, 1), 512, (8, 4, 2))]
)
def test_dcae_has_the_layers_of_the_thesis(shape, flattened, sides):
    model = dcae(shape)
    assert model.output.shape[1:] == shape
    convolutions = [layer for layer in model.layers if type(layer).__name__ == "Conv2D"][:3]
    transposed = [layer for layer in model.layers if type(layer).__name__ == "Conv2DTranspose"]
    assert [layer.output.shape[1:] for layer in convolutions] == list(zip(sides, sides, (32, 64, 128), strict=True))
    assert [layer.filters for layer in transposed] == [128, 64, 32]
    assert [layer.units for layer in model.layers if type(layer).__name__ == "Dense"] == [10, flattened]
    outputs = predict(model, np.random.default_rng(0).random((2, *shape), np.float32))
    assert 0 <= outputs.min() < outputs.max() <= 1


def test_dcae_refuses_images_of_another_size():
    with pytest.raises(UserError, match="28x28 or 16x16, not 32x32"):
        dcae((32, 32, 3))


def test_images_of_28_pixels_outlast_vgg16():
    assert predict(vgg16((28, 28, 1), 2, width=0.1), np.zeros((1, 28, 28, 1), np.float32)).shape == (1, 2)


def test_a_small_network_costs_what_one_counts_by_hand():
    model = cnn1d(16, 3, 2, filters=4, blocks=2, kernel=5)
    assert macs(model) == 8 * 5 * 3 * 4 + 4 * 5 * 4 * 8 + 8 * 2
    layers = (keras := load_keras()).layers
    model = keras.Sequential([keras.Input((4, 6, 2)), layers.DepthwiseConv2D(3), layers.Conv2DTranspose(5, 2, 2)])
    assert macs(model) == 2 * 4 * 9 * 2 + 2 * 4 * 2 * 4 * 5


def test_the_table_in_the_docs_is_the_one_that_is_counted():
    assert shape_table() in DOCS.read_text(encoding="utf-8")
    assert {call.split("(")[0] for call, _, _ in SHAPES} == set(architectures.__all__)


@pytest.mark.timeout(1300)
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_other_backends_give_the_same_outputs_from_the_same_weights(backend, tmp_path):
    pytest.importorskip(backend)
    script = Path(__file__).with_name("forward_pass.py")
    outputs = {}
    for name in ("tensorflow", backend):
        environment = {**os.environ, "KERAS_BACKEND": name}
        subprocess.run([sys.executable, script, tmp_path, name], env=environment, check=True, timeout=600)
        with np.load(tmp_path / f"{name}.npz") as archive:
            outputs[name] = dict(archive)
    for network, expected in outputs["tensorflow"].items():
        np.testing.assert_allclose(outputs[backend][network], expected, atol=1e-4, err_msg=network)
