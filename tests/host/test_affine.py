"""Affine quantisation against TensorFlow Lite's own kernels."""

from __future__ import annotations

import numpy as np
import pytest
from tflite_models import ModelBuilder, Tflm

from edgetwin.signals.affine import dequantise, quantise


@pytest.mark.parametrize(("scale", "zero_point"), [(0.1, -3), (1.0, 0), (3.7e-5, 127), (250.0, -128)])
def test_both_ways_are_tensorflow_lites(scale, zero_point) -> None:
    random, step = np.random.default_rng(0), np.float32(scale)
    halves = (np.arange(-300, 300) * step / np.float32(2)).astype(np.float32)
    values = np.concatenate(
        [halves, np.nextafter(halves, np.float32(0)), (random.normal(0, 200, 2000) * step).astype(np.float32)]
    )
    model = ModelBuilder()
    real, integers = (
        model.tensor((len(values),), "float32"),
        model.tensor((len(values),), scale=scale, zero_point=zero_point),
    )
    again = model.tensor((len(values),), "float32")
    model.operator("QUANTIZE", [real], [integers])
    model.operator("DEQUANTIZE", [integers], [again])
    expected = Tflm(model.build([real], [integers, again])).invoke([values])
    found = quantise(values, scale, zero_point, np.int8)
    np.testing.assert_array_equal(found, expected[0])
    np.testing.assert_array_equal(dequantise(found, scale, zero_point), expected[1])


def test_what_is_outside_of_a_type_is_its_end() -> None:
    values = np.array([-np.inf, -1e30, 1e30, np.inf], np.float32)
    for dtype, low, high in ((np.int8, -128, 127), (np.int16, -32768, 32767), (np.uint8, 0, 255)):
        np.testing.assert_array_equal(quantise(values, 1e-3, 3, dtype), np.array([low, low, high, high], dtype))
