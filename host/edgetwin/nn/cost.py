"""What networks cost: parameters and multiply-accumulates, by themselves and as the published shapes have them.

``python -m edgetwin.nn.cost`` prints the table of docs/architectures.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from edgetwin.nn import architectures as a

__all__ = ["SHAPES", "macs", "shape_table"]

#: Of the table: the call, whose cost is told, and where the shape comes from.
SHAPES: tuple[tuple[str, Callable[[], Any], str], ...] = (
    ("vgg16()", lambda: a.vgg16(), "thesis, table 6.1; Simonyan and Zisserman 2015, D"),
    ("vgg16(width=0.25)", lambda: a.vgg16(width=0.25), "ours: a quarter of each layer"),
    ("vgg16_transfer()", lambda: a.vgg16_transfer(), "CMI (Trad et al. 2022); 25,089 parameters are trained"),
    ("resnet8()", lambda: a.resnet8(), "MLPerf Tiny (Banbury et al. 2021); He et al. 2016, n = 1"),
    ("resnet20()", lambda: a.resnet20(), "He et al. 2016, section 4.2, n = 3"),
    ("resnet32()", lambda: a.resnet32(), "He et al. 2016, section 4.2, n = 5"),
    ("resnet50()", lambda: a.resnet50(), "He et al. 2016, table 1"),
    ("dcae()", lambda: a.dcae(), "thesis, table 3.2, MNIST"),
    ("dcae((16, 16, 1))", lambda: a.dcae((16, 16, 1)), "thesis, table 3.2, USPS"),
    ("ds_cnn()", lambda: a.ds_cnn(), "MLPerf Tiny; Zhang et al. 2017, DS-CNN S"),
    ("mobilenet()", lambda: a.mobilenet(), "MLPerf Tiny; Howard et al. 2017, width 0.25"),
    ("dense_autoencoder()", lambda: a.dense_autoencoder(), "MLPerf Tiny; Koizumi et al. 2020"),
    ("cnn1d(500)", lambda: a.cnn1d(500), "ours, after Wang et al. 2017"),
    ("fcn(500)", lambda: a.fcn(500), "Keras example, after Wang et al. 2017"),
    ("mnist_convnet()", lambda: a.mnist_convnet(), "Keras example (Chollet 2020)"),
    ("sparse_autoencoder(166)", lambda: a.sparse_autoencoder(166), "Borghesi et al. 2019"),
)


def macs(model: Any) -> int:
    """Multiply-accumulates of convolutions and dense layers for one input; the rest costs little beside them.

    Places where a kernel reaches over the edge count as any other, as in the papers, which call these FLOPs.
    """
    return sum(_LAYERS.get(type(layer).__name__, lambda layer: 0)(layer) for layer in _flat(model))


def shape_table() -> str:
    """:data:`SHAPES` as lines of Markdown."""
    lines = ["| network | input | parameters | multiply-accumulates | origin |", "|---|---|---:|---:|---|"]
    for call, build, origin in SHAPES:
        model = build()
        shape = "x".join(map(str, model.inputs[0].shape[1:]))
        lines.append(f"| `{call}` | {shape} | {model.count_params():,} | {macs(model):,} | {origin} |")
    return "\n".join(lines)


def _flat(model: Any) -> list[Any]:
    """Its layers and those of the models in it."""
    return [part for layer in model.layers for part in (_flat(layer) if hasattr(layer, "layers") else [layer])]


def _convolution(layer: Any) -> int:
    """Each value of the output is a sum over the kernel and the input channels."""
    return int(math.prod(layer.output.shape[1:]) * math.prod(layer.kernel.shape[:-1]))


def _depthwise(layer: Any) -> int:
    return int(math.prod(layer.output.shape[1:]) * math.prod(layer.kernel.shape[:-2]))


def _transposed(layer: Any) -> int:
    """Each value of the input is spread over the kernel and the output channels."""
    return int(math.prod(layer.input.shape[1:]) * math.prod(layer.kernel.shape[:-1]))


_LAYERS: dict[str, Callable[[Any], int]] = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Dense"), _convolution),
    "DepthwiseConv2D": _depthwise,
    "Conv2DTranspose": _transposed,
}


if __name__ == "__main__":
    print(shape_table())
