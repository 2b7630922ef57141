"""CONV_2D, and what else is a convolution in the end, for device/src/kernels/conv.c."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edgetwin.deploy.compiler.graph import Operator, Tensor, UnsupportedModelError
from edgetwin.deploy.compiler.layers import Buffer, Constant, Kernel, Overlap, Place
from edgetwin.deploy.compiler.lowering import Lowering, lowers
from edgetwin.deploy.compiler.lowering.dense import add_dense
from edgetwin.deploy.compiler.lowering.packing import Rows, rows_of
from edgetwin.deploy.compiler.lowering.windows import Axis, axes_of

__all__ = ["CONV", "CONV_HELIUM", "add_conv", "moved", "overlap_distance"]

CONV = Kernel(
    "conv",
    1,
    (
        "input",
        "output",
        "weights",
        "channels",
        "columns",
        "input_height",
        "input_width",
        "input_channels",
        "output_height",
        "output_width",
        "output_channels",
        "row_step",
        "pixel_step",
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

CONV_HELIUM = Kernel("conv_helium", 33, CONV.fields)

COLUMNS = 3  # ET_NN_COLUMNS
GROUP = 2  # ET_NN_COLUMN_ROWS
HELIUM_GROUP = 4  # ET_NN_HELIUM_ROWS


@lowers("CONV_2D")
def lower_conv(lowering: Lowering, operator: Operator) -> None:
    """A dense layer where there is one window and it is all of the input; else a convolution for each image."""
    source, filters, output = operator.input(0), operator.input(1), operator.outputs[0]
    height, width = axes_of(operator, source, filters, output)
    weights = _ungrouped(operator, source, filters, output)
    bias = operator.inputs[2] if len(operator.inputs) > 2 else None
    rows = rows_of(operator, source, filters, bias, weights.reshape(len(weights), -1))
    rows = rows.with_weights(rows.weights, int(source.zero_point[0]))
    macs = output.size * filters.size // filters.shape[0]
    is_whole = all(axis.outputs == 1 and axis.kernel == axis.size and axis.is_inside for axis in (height, width))
    if is_whole and source.shape[0] == 1:
        add_dense(lowering, operator, source, rows, macs=macs)
    else:
        add_conv(lowering, operator, source, output, rows, (height, width), images=source.shape[0], macs=macs)


def add_conv(
    lowering: Lowering,
    operator: Operator,
    source: Tensor,
    output: Tensor,
    rows: Rows,
    axes: tuple[Axis, Axis],
    *,
    images: int = 1,
    steps: tuple[int, int] | None = None,
    offset: int = 0,
    is_last: bool = True,
    macs: int = 0,
) -> None:
    """Layers that convolve each of the images in a tensor.

    rows : (output channels, kernel height * kernel width * input channels)
    steps : bytes from an output row to the next and from a pixel to the next, if others lie between; then from `offset`
    is_last : the output is complete after it
    """
    height, width = axes
    depth = rows.weights.shape[1] // (height.kernel * width.kernel)
    channels = len(rows.weights)
    image_in, image_out = height.size * width.size * depth, height.outputs * width.outputs * channels
    row_step, pixel_step = steps or (width.outputs * channels, channels)
    place_in, place_out = lowering.operand(source), lowering.place(output)
    if lowering.target == "helium" and rows.is_bounded:
        kernel, weights, table = CONV_HELIUM, rows.pack_rows(HELIUM_GROUP), rows.pack_channels(HELIUM_GROUP)
        scratch_size = COLUMNS * rows.weights.shape[1]
    else:
        kernel, weights, table = CONV, rows.pack_quads(GROUP), rows.pack_channels(GROUP)
        is_gathered = not (height.is_inside and width.is_inside) or _run(width) * depth % 4 != 0
        scratch_size = 4 * rows.quads * (2 * COLUMNS + is_gathered)
    for image in range(images):
        scratch = Buffer(f"{output.name} patches", scratch_size, 4)
        overlaps = []
        if images == 1 and steps is None and isinstance(place_in, Place) and place_in.offset == place_out.offset == 0:
            distance = overlap_distance(height, width, depth, channels, COLUMNS)
            overlaps = [Overlap(place_out.buffer, place_in.buffer, distance)]
        lowering.add(
            kernel,
            operator,
            reads=[place_in],
            writes=[place_out],
            scratch=[scratch],
            overlaps=overlaps,
            completes=output if is_last and image == images - 1 else None,
            macs=macs // images,
            input=moved(place_in, image * image_in),
            output=Place(place_out.buffer, place_out.offset + offset + image * image_out),
            weights=weights,
            channels=table,
            columns=Place(scratch),
            input_height=height.size,
            input_width=width.size,
            input_channels=depth,
            output_height=height.outputs,
            output_width=width.outputs,
            output_channels=channels,
            row_step=row_step,
            pixel_step=pixel_step,
            kernel_height=height.kernel,
            kernel_width=width.kernel,
            stride_height=height.stride,
            stride_width=width.stride,
            dilation_height=height.dilation,
            dilation_width=width.dilation,
            pad_top=height.pad,
            pad_left=width.pad,
            input_zero_point=int(source.zero_point[0]),
            **rows.fields(),
        )


def overlap_distance(height: Axis, width: Axis, depth: int, channels: int, group: int) -> int:
    """Bytes that the output must begin below the input, so that no patch is overwritten before it has been read.

    The kernel takes `group` pixels at a time, in the order of rows: it reads their patches, then writes their outputs.
    When it writes up to `written` bytes of the output, it will read nothing below `unread` in the input, the least
    first tap of all later windows; the output may begin anywhere up to unread - written above the input.
    """
    taps = _first_taps(height, width, depth)
    nothing = height.size * width.size * depth
    unread = np.minimum.accumulate(taps[::-1])[::-1]
    ends = np.arange(group, len(taps), group)  # of the groups that others follow
    ends = ends[unread[ends] < nothing]
    return int((ends * channels - unread[ends]).max(initial=-nothing))


def _first_taps(height: Axis, width: Axis, depth: int) -> npt.NDArray[np.int64]:
    """(pixels,) the byte of the input where each output pixel's window begins; its end for one that is all padding."""
    rows, columns = height.first_taps(), width.first_taps()
    taps = (rows[:, None] * width.size + columns) * depth
    inside = (rows[:, None] < height.size) & (columns < width.size)
    return np.asarray(np.where(inside, taps, height.size * width.size * depth).ravel(), np.int64)


def moved(place: Place | Constant, offset: int) -> Place | Constant:
    """Some bytes further on."""
    if isinstance(place, Constant):
        return Constant(place.name, place.data[offset:])
    return Place(place.buffer, place.offset + offset)


def _run(width: Axis) -> int:
    """Pixels that lie side by side in both the kernel and the input."""
    return width.kernel if width.dilation == 1 else 1


def _ungrouped(operator: Operator, source: Tensor, filters: Tensor, output: Tensor) -> npt.NDArray[np.int8]:
    """(output channels, height, width, input channels) weights; zeros between the groups of a grouped convolution."""
    depth, own = source.shape[3], filters.shape[3]
    count = filters.shape[0]
    if own < 1 or depth % own or count % (depth // own) or output.shape[3] != count:
        raise UnsupportedModelError(
            operator, f"{count} filters of depth {own} on {depth} channels", "convert the model again"
        )
    stored = filters.data if filters.data is not None else np.zeros(filters.shape, np.int8)
    groups = depth // own
    weights = np.zeros((*filters.shape[:3], depth), np.int8)
    for group in range(groups):
        members = slice(group * count // groups, (group + 1) * count // groups)
        weights[members, :, :, group * own : (group + 1) * own] = stored[members]
    return weights
