"""Small networks with random weights as .tflite files, and whether their bundles compute what TFLM does."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("tflite_micro", reason="the oracle needs edgetwin[dev]")

from tflite_models import ModelBuilder, Tflm

from edgetwin.core import Model as CoreModel
from edgetwin.deploy.compiler import compile_model
from edgetwin.deploy.compiler.compile import compile_to

RANDOM = np.random.default_rng(5)


class Network(ModelBuilder):
    """Layers with random weights on tensors of scale 0.1 and zero point -3."""

    def activations(self, *shape: int, scale: float = 0.1, zero_point: int = -3, **more) -> int:
        return self.tensor(shape, scale=scale, zero_point=zero_point, **more)

    def conv(self, source: int, filters: int, size: int = 3, *, scale: float = 0.1, **options) -> int:
        _, height, width, channels = self.shape(source)
        stride = options.get("stride_h", 1)
        taken = 0 if options.setdefault("padding", "SAME") == "SAME" else size - 1
        weights = RANDOM.integers(-127, 128, (filters, size, size, channels))
        w = self.tensor(weights.shape, scale=[0.01] * filters, data=weights)
        b = self.tensor((filters,), "int32", scale=[0.001] * filters, data=RANDOM.integers(-900, 900, filters))
        out = self.activations(1, -(-(height - taken) // stride), -(-(width - taken) // stride), filters, scale=scale)
        self.operator("CONV_2D", [source, w, b], [out], **options)
        return out

    def unary(self, code: str, source: int, scale: float = 0.1, zero_point: int = -3, **options) -> int:
        out = self.activations(*self.shape(source), scale=scale, zero_point=zero_point)
        self.operator(code, [source], [out], **options)
        return out

    def dense(self, source: int, units: int) -> int:
        inputs = self.shape(source)[-1]
        w = self.tensor((units, inputs), scale=0.02, data=RANDOM.integers(-127, 128, (units, inputs)))
        b = self.tensor((units,), "int32", scale=0.002, data=RANDOM.integers(-900, 900, units))
        out = self.activations(1, units)
        self.operator("FULLY_CONNECTED", [source, w, b], [out])
        return out


def residual_network() -> bytes:
    """Two convolutions, a skip connection, a pool and a classifier."""
    m = Network()
    x = m.activations(1, 8, 8, 3)
    a = m.conv(x, 4, fused_activation_function="RELU")
    b = m.conv(a, 4)
    c = m.activations(1, 8, 8, 4)
    m.operator("ADD", [a, b], [c], fused_activation_function="RELU")
    d = m.activations(1, 1, 1, 4)
    m.operator("AVERAGE_POOL_2D", [c], [d], filter_height=8, filter_width=8, stride_h=8, stride_w=8, padding="VALID")
    e = m.activations(1, 4)
    m.operator("RESHAPE", [d, m.constant([1, 4])], [e], new_shape=[1, 4])
    return m.build([x], [m.dense(e, 5)])


def assert_exact(model: bytes, rows: int = 5) -> None:
    """Every output of random inputs is TFLM's."""
    ours, theirs = CoreModel(compile_model(model)), Tflm(model)
    for _ in range(rows):
        inputs = [random_values(info.shape, info.dtype) for info in ours.inputs]
        expected = theirs.invoke(inputs)
        for mine, its in zip(ours.invoke([x[np.newaxis] for x in inputs]), expected, strict=True):
            np.testing.assert_array_equal(mine[0], its)


def random_values(shape: tuple[int, ...], dtype: type | np.dtype = np.int8) -> np.ndarray:
    return (
        RANDOM.integers(-128, 128, shape).astype(dtype)
        if dtype == np.int8
        else RANDOM.normal(0, 3, shape).astype(dtype)
    )


def kernels_of(model: bytes) -> list[str]:
    return [layer.kernel.name for layer in compile_to(model).program.layers]
