"""DEPTHWISE_CONV_2D, for device/src/kernels/depthwise.c."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgetwin.deploy.compiler.graph import Operator, UnsupportedModelError
from edgetwin.deploy.compiler.layers import Buffer, Kernel, Overlap, Place
from edgetwin.deploy.compiler.lowering import Lowering, lowers
from edgetwin.deploy.compiler.lowering.conv import add_conv, moved
from edgetwin.deploy.compiler.lowering.packing import rows_of
from edgetwin.deploy.compiler.lowering.windows import Axis, axes_of

__all__ = ["DEPTHWISE", "DEPTHWISE_HELIUM", "helium_distances"]

DEPTHWISE = Kernel(
    "depthwise",
    2,
    (
        "input",
        "output",
        "weights",
        "channels",
        "plane",
        "input_height",
        "input_width",
        "input_channels",
        "output_height",
        "output_width",
        "multiplier",
        "kernel_height",
        "kernel_width",
        "stride_height",
        "stride_width",
        "dilation_height",
        "dilation_width",
        "pad_top",
        "pad_left",
        "input_zero_point",
        "output_zero_point",
        "low",
        "high",
        "is_bounded",
    ),
)

DEPTHWISE_HELIUM = Kernel(
    "depthwise_helium",
    34,
    tuple("taps" if field == "plane" else field for field in DEPTHWISE.fields if field != "multiplier"),
)

HELIUM_LANES = 8  # ET_NN_HELIUM_LANES


@lowers("DEPTHWISE_CONV_2D")
def lower_depthwise(lowering: Lowering, operator: Operator) -> None:
    """One layer for each image; a convolution where the input has one channel."""
    source, filters, output = operator.input(0), operator.input(1), operator.outputs[0]
    height, width = axes_of(operator, source, filters, output)
    depth, channels = source.shape[3], output.shape[3]
    if filters.shape[0] != 1 or filters.shape[3] != channels or channels % depth or not channels:
        raise UnsupportedModelError(
            operator, f"{filters.shape[3]} filters on {depth} channels give {channels}", "convert the model again"
        )
    stored = filters.data if filters.data is not None else np.zeros(filters.shape, np.int8)
    taps = np.ascontiguousarray(stored.reshape(-1, channels).T)
    bias = operator.inputs[2] if len(operator.inputs) > 2 else None
    zero_point = int(source.zero_point[0])
    rows = rows_of(operator, source, filters, bias, taps).with_weights(taps, zero_point)
    images = source.shape[0]
    macs = output.size * height.kernel * width.kernel
    if depth == 1:
        add_conv(lowering, operator, source, output, rows, (height, width), images=images, macs=macs)
        return
    place_in, place_out = lowering.operand(source), lowering.place(output)
    on_helium = lowering.target == "helium" and rows.is_bounded and channels == depth and isinstance(place_in, Place)
    overlaps = []
    if channels == depth and images == 1 and isinstance(place_in, Place) and place_in.offset == place_out.offset == 0:
        if on_helium:
            below, above = helium_distances(height, width, depth)
            overlaps = [Overlap(place_out.buffer, place_in.buffer, below, above=above)]
        else:
            # A channel's plane is read before its outputs are written, which lie among the inputs of that channel.
            overlaps = [Overlap(place_out.buffer, place_in.buffer, 0, is_exact=True)]
    for image in range(images):
        if on_helium:
            kernel, weights, table = DEPTHWISE_HELIUM, rows.pack_lanes(HELIUM_LANES), rows.pack_channels(HELIUM_LANES)
            scratch = Buffer(f"{output.name} taps", 8 * height.kernel * width.kernel + depth, 4)
            own: dict[str, Any] = {"taps": Place(scratch)}
        else:
            kernel, weights, table = DEPTHWISE, rows.pack_rows(1), rows.pack_channels(1)
            scratch = Buffer(f"{output.name} plane", 2 * height.reach * (width.reach + width.reach % 2), 4)
            own = {"plane": Place(scratch), "multiplier": channels // depth}
        fields: dict[str, Any] = {
            "input": moved(place_in, image * source.size // images),
            "output": Place(place_out.buffer, place_out.offset + image * output.size // images),
            "weights": weights,
            "channels": table,
            "input_height": height.size,
            "input_width": width.size,
            "input_channels": depth,
            "output_height": height.outputs,
            "output_width": width.outputs,
            "kernel_height": height.kernel,
            "kernel_width": width.kernel,
            "stride_height": height.stride,
            "stride_width": width.stride,
            "dilation_height": height.dilation,
            "dilation_width": width.dilation,
            "pad_top": height.pad,
            "pad_left": width.pad,
            "input_zero_point": zero_point,
            **own,
            **rows.fields(),
        }
        lowering.add(
            kernel,
            operator,
            reads=[place_in],
            writes=[place_out],
            scratch=[scratch],
            overlaps=overlaps,
            completes=output if image == images - 1 else None,
            macs=macs // images,
            **{name: fields[name] for name in kernel.fields},
        )


def helium_distances(height: Axis, width: Axis, depth: int) -> tuple[int, int]:
    """(below, above): how many bytes the output must begin below the input, or else above it.

    The kernel takes pixel after pixel. From the first to the last, where the output is not above the input: none may
    begin above its own window's first tap, so that all windows to come begin above what is written. From the last to
    the first, where it is: none may begin below the end of its own window's last tap. A pixel's channels go in rising
    groups, each read before it is written: over a tap that begins at the output or above it, it writes only what it has
    read, over one that begins below it, perhaps more.
    """
    rows, columns = height.last_taps()[:, None], width.last_taps()
    looks = (rows >= 0) & (columns >= 0)  # not at padding alone
    ends = (rows * width.size + columns + 1) * depth
    firsts = (height.first_taps()[:, None] * width.size + width.first_taps()) * depth
    places = np.arange(looks.size).reshape(looks.shape) * depth
    below, above = (places - firsts)[looks].max(initial=0), (ends - places)[looks].max(initial=1)
    return int(below), int(above)
