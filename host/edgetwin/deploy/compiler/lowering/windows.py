"""Where the windows of a convolution lie on its input."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgetwin.deploy.compiler.graph import Operator, Tensor, UnsupportedModelError

__all__ = ["Axis", "axes_of", "padding_before"]


@dataclass(frozen=True)
class Axis:
    """Windows along the height or the width: `outputs` of them, `kernel` taps each.

    pad : positions before the input that the first window begins; negative: inside it
    """

    size: int
    outputs: int
    kernel: int
    stride: int
    dilation: int
    pad: int

    @property
    def reach(self) -> int:
        """Positions from the first that a window looks at to the last, padding included."""
        return (self.outputs - 1) * self.stride + (self.kernel - 1) * self.dilation + 1

    @property
    def is_inside(self) -> bool:
        """Whether no window looks beyond the input."""
        return self.pad <= 0 and self.reach - self.pad <= self.size

    def first_taps(self) -> npt.NDArray[np.int64]:
        """(outputs,) the least position inside the input that each window looks at; `size` where there is none."""
        taps, are_inside = self._taps()
        return np.asarray(np.where(are_inside, taps, self.size).min(axis=1), np.int64)

    def last_taps(self) -> npt.NDArray[np.int64]:
        """(outputs,) the greatest position inside the input that each window looks at; -1 where there is none."""
        taps, are_inside = self._taps()
        return np.asarray(np.where(are_inside, taps, -1).max(axis=1), np.int64)

    def _taps(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
        """(outputs, kernel) the positions that each window looks at, and whether they are inside the input."""
        starts = np.arange(self.outputs, dtype=np.int64) * self.stride - self.pad
        taps = starts[:, None] + np.arange(self.kernel) * self.dilation
        return taps, (taps >= 0) & (taps < self.size)


def padding_before(size: int, outputs: int, extent: int, stride: int) -> int:
    """TFLite's padding before an axis: half of what is missing, rounded down (ComputePadding)."""
    return max(0, (outputs - 1) * stride + extent - size) // 2


def axes_of(operator: Operator, source: Tensor, filters: Tensor, output: Tensor) -> tuple[Axis, Axis]:
    """(height, width) of a CONV_2D or DEPTHWISE_CONV_2D; ``options["pads"]`` is a PAD that was folded in.

    Raises
    ------
    UnsupportedModelError : the output has another shape than the windows give.
    """
    if len(source.shape) != 4 or len(filters.shape) != 4 or len(output.shape) != 4:
        raise UnsupportedModelError(operator, "its operands have not four dimensions", "convert the model again")
    options = operator.options
    pads = options.get("pads")
    axes = []
    for axis, letter in enumerate("hw"):
        size, outputs, kernel = source.shape[1 + axis], output.shape[1 + axis], filters.shape[1 + axis]
        stride, dilation = options[f"stride_{letter}"], options[f"dilation_{letter}_factor"]
        if min(stride, dilation, kernel, outputs) < 1:
            raise UnsupportedModelError(
                operator, "a stride, a dilation or a size is below 1", "convert the model again"
            )
        extent = (kernel - 1) * dilation + 1
        if pads is not None:
            before, after = pads[2 * axis : 2 * axis + 2]
            expected = (size + before + after - extent) // stride + 1
        elif options["padding"] == "SAME":
            expected = -(-size // stride)
            before = padding_before(size, expected, extent, stride)
        else:
            expected, before = (size - extent) // stride + 1, 0
        if outputs != expected:
            raise UnsupportedModelError(
                operator, f"its output has {outputs} rows or columns where {expected} fit", "convert the model again"
            )
        axes.append(Axis(size, outputs, kernel, stride, dilation, before))
    if source.shape[0] != output.shape[0]:
        raise UnsupportedModelError(operator, "input and output have other batch sizes", "convert the model again")
    return axes[0], axes[1]
