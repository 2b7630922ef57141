"""Simplifications of a graph and of a program. Each is exact: no output of any input changes by a bit.

Operators that move nothing (RESHAPE and its family) stay; lowering lets their output lie where their input does.
"""

from __future__ import annotations

import numpy as np

from edgetwin.deploy.compiler.fixed_point import activation_range
from edgetwin.deploy.compiler.graph import Graph, Operator, Tensor
from edgetwin.deploy.compiler.layers import Constant, Layer, Overlap, Place, Program
from edgetwin.deploy.compiler.lowering.operands import quantized
from edgetwin.signals.affine import dequantise, quantise

__all__ = ["merge_lookups", "simplify"]

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")
#: What two activations, one after the other, are together.
_ACTIVATIONS = {
    ("NONE", "RELU"): "RELU",
    ("RELU", "RELU"): "RELU",
    ("RELU6", "RELU"): "RELU6",
    ("NONE", "RELU6"): "RELU6",
    ("RELU", "RELU6"): "RELU6",
    ("RELU6", "RELU6"): "RELU6",
}


def simplify(graph: Graph) -> Graph:
    """The same network with fewer operators. Operators and tensors of `graph` may be changed in place."""
    operators = [
        operator for operator in graph.operators if operator.outputs[0] in graph.outputs or not _fold(operator)
    ]
    simple = Graph(graph.name, graph.inputs, graph.outputs, operators)
    for operator in operators:
        _name_reshape(operator)
    _sink_floats(simple)
    _make_tables(simple)
    _drop_identities(simple)
    _fuse_padding(simple)
    _fuse_activations(simple)
    _drop_unused(simple)
    return simple


def merge_lookups(program: Program) -> None:
    """Makes one table of two where a function of one value follows another, and only it reads what lies between."""
    uses: dict[int, int] = {}  # of each buffer by identity: layers that touch it, and the inputs and outputs
    for place in (*program.inputs, *program.outputs):
        uses[id(place.buffer)] = uses.get(id(place.buffer), 0) + 1
    for layer in program.layers:
        for buffer in {*layer.reads, *layer.writes}:
            uses[id(buffer)] = uses.get(id(buffer), 0) + 1
    last: dict[int, Layer] = {}  # the lookup that has written a buffer
    kept: list[Layer] = []
    for layer in program.layers:
        source, output = layer.fields.get("input"), layer.fields.get("output")
        if layer.kernel.name == "lookup" and isinstance(source, Place) and isinstance(output, Place):
            first = last.get(id(source.buffer))
            if first is not None and uses[id(source.buffer)] == 2 and first.fields["count"] == layer.fields["count"]:
                _merge(first, layer)
                kept.remove(first)
            last[id(output.buffer)] = layer
        kept.append(layer)
    program.layers[:] = kept


def _merge(first: Layer, second: Layer) -> None:
    """Lets the second of two lookups do both."""
    tables = [layer.fields["table"] for layer in (first, second)]
    source, output = first.fields["input"], second.fields["output"]
    inner, outer = (table.data for table in tables if isinstance(table, Constant))
    second.fields |= {"input": source, "table": Constant("merged table", inner.translate(outer))}
    second.reads = first.reads
    second.overlaps = []
    if isinstance(source, Place) and isinstance(output, Place):
        second.overlaps = [Overlap(output.buffer, source.buffer, 0)]


def _fold(operator: Operator) -> bool:
    """Makes constants of the outputs of integer arithmetic on shapes; whether it could."""
    output = operator.outputs[0]
    values = [tensor.data for tensor in operator.inputs if tensor is not None and tensor.data is not None]
    try:
        if operator.code == "SHAPE":
            result = np.asarray(operator.input(0).shape)
        elif output.dtype not in (np.int32, np.int64) or len(values) != len(operator.inputs):
            return False
        elif operator.code in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS"):
            result = values[0]
        elif operator.code == "PACK":
            result = np.stack(values, axis=operator.options["axis"])
        elif operator.code == "STRIDED_SLICE" and values[0].ndim == 1:
            result = values[0][_slice(operator, *(int(limit.ravel()[0]) for limit in values[1:4]))]
        else:
            return False
        output.data = result.reshape(output.shape).astype(output.dtype)
    except (ValueError, TypeError):  # shapes that do not agree, too few limits
        return False
    return True


def _slice(operator: Operator, begin: int, end: int, step: int) -> slice:
    """Of a STRIDED_SLICE in one dimension."""
    options = operator.options
    if options["shrink_axis_mask"] & 1:
        return slice(begin, begin + 1 or None)
    return slice(None if options["begin_mask"] & 1 else begin, None if options["end_mask"] & 1 else end, step)


def _name_reshape(operator: Operator) -> None:
    """Calls an operator that leaves all values in their order what it is."""
    source, output = operator.inputs[0], operator.outputs[0]
    if source is None or len(operator.outputs) != 1 or source.size != output.size or not _alike(source, output):
        return
    second = operator.inputs[1].data if len(operator.inputs) > 1 and operator.inputs[1] is not None else None
    if operator.code == "TRANSPOSE" and second is not None:
        moved = [axis for axis in second.ravel().tolist() if -len(source.shape) <= axis < len(source.shape)]
        moved = [axis for axis in moved if source.shape[axis] > 1]
        same = moved == sorted(moved)
    elif operator.code in ("PAD", "PADV2"):
        same = second is not None and not second.any()  # -1 after 1 keeps the size, too
    else:
        same = operator.code == "CONCATENATION" and len(operator.inputs) == 1
    if same:
        operator.code, operator.inputs, operator.options = "RESHAPE", [source], {}


def _drop_identities(graph: Graph) -> None:
    """Takes out what changes neither values nor shape: QUANTIZE to the same scale, a RELU that clamps nothing."""
    instead: dict[Tensor, Tensor] = {}
    kept = []
    for operator in graph.operators:
        operator.inputs = [instead.get(tensor, tensor) if tensor is not None else None for tensor in operator.inputs]
        source, output = operator.inputs[0], operator.outputs[0]
        same = source is not None and source.shape == output.shape and _alike(source, output)
        if operator.code == "LOOKUP":
            same = np.array_equal(operator.options["table"], np.arange(-128, 128))
        elif operator.code in ("RELU", "RELU6") and same and output.scale.size == 1:
            scale, zero_point = float(output.scale[0]), int(output.zero_point[0])
            # Far smaller scales, at which 6 is no int32, are refused later.
            same = scale > 2.0**-28 and activation_range(operator.code, scale, zero_point) == (-128, 127)
        # An output keeps its own tensor, with the name that the file gives it.
        keeps = operator.code in ("QUANTIZE", "RESHAPE", "LOOKUP", "RELU", "RELU6")
        if keeps and same and source is not None and output not in graph.outputs:
            instead[output] = source
        else:
            kept.append(operator)
    graph.operators = kept


def _sink_floats(graph: Graph) -> None:
    """Moves DEQUANTIZE behind what only moves values, as converters write it in unrolled LSTMs and GRUs."""
    widened: dict[Tensor, Tensor] = {}  # of each float that a DEQUANTIZE made: what it was made of
    operators = []
    for operator in graph.operators:
        operators.append(operator)
        if operator.code == "DEQUANTIZE" and operator.input(0).dtype == np.int8:
            widened[operator.outputs[0]] = operator.input(0)
        data = _moved(operator)
        sources = [widened[tensor] for tensor in data if tensor in widened]
        if not data or len(sources) != len(data) or not all(_alike(sources[0], source) for source in sources):
            continue
        operator.inputs = [widened.get(tensor, tensor) if tensor is not None else None for tensor in operator.inputs]
        for position, output in enumerate(operator.outputs):
            narrow = Tensor(-1, output.name, output.shape, sources[0].dtype, sources[0].scale, sources[0].zero_point)
            operator.outputs[position] = narrow
            operators.append(Operator(operator.index, "DEQUANTIZE", 1, [narrow], [output]))
            widened[output] = narrow
    graph.operators = operators


def _moved(operator: Operator) -> list[Tensor]:
    """The inputs whose values an operator moves, and nothing else; [] if it does not."""
    present = [tensor for tensor in operator.inputs if tensor is not None]
    if operator.code in (
        "RESHAPE",
        "SQUEEZE",
        "EXPAND_DIMS",
        "SLICE",
        "SPLIT_V",
        "STRIDED_SLICE",
        "TRANSPOSE",
        "UNPACK",
    ):
        return present[:1]
    if operator.code == "SPLIT":
        return present[1:]
    if operator.code == "CONCATENATION" and operator.options["fused_activation_function"] != "NONE":
        return []
    return present if operator.code in ("CONCATENATION", "PACK") else []


def _make_tables(graph: Graph) -> None:
    """Puts one LOOKUP for DEQUANTIZE and the QUANTIZE that follows: ``options["table"]``, 256 int8 from -128 on."""
    widened = {operator.outputs[0]: operator.input(0) for operator in graph.operators if operator.code == "DEQUANTIZE"}
    for operator in graph.operators:
        source, output = widened.get(operator.input(0)), operator.outputs[0]
        if operator.code == "QUANTIZE" and source is not None and source.dtype == output.dtype == np.int8:
            before, after = quantized(operator, source, output)
            operator.code, operator.inputs = "LOOKUP", [source]
            operator.options = {"table": quantise(dequantise(np.arange(-128, 128), *before), *after, np.int8)}


def _fuse_padding(graph: Graph) -> None:
    """Lets convolutions pad by themselves, with the zero point: ``options["pads"]`` = (top, bottom, left, right)."""
    padded = {operator.outputs[0]: operator for operator in graph.operators if operator.code in ("PAD", "PADV2")}
    for operator in graph.operators:
        source = operator.inputs[0]
        pad = padded.get(source) if source is not None else None
        if pad is None or operator.code not in _CONVOLUTIONS or source in graph.outputs:
            continue
        amounts = _spatial_pads(pad)
        if amounts is not None and source is not None:
            own = _own_pads(operator, source)
            operator.options["pads"] = tuple(a + b for a, b in zip(amounts, own, strict=True))
            operator.inputs[0] = pad.inputs[0]


def _spatial_pads(pad: Operator) -> tuple[int, int, int, int] | None:
    """(top, bottom, left, right) of a PAD in height and width alone with the zero point, else None."""
    source, output = pad.input(0), pad.outputs[0]
    amounts = pad.input(1).data
    if amounts is None or amounts.shape != (4, 2) or amounts.min() < 0 or source.dtype != np.int8:
        return None
    value = pad.inputs[2] if len(pad.inputs) > 2 else None
    if value is not None and (value.data is None or value.data.ravel()[:1].tolist() != output.zero_point.tolist()):
        return None
    if amounts[[0, 3]].any() or not _alike(source, output):
        return None
    (top, bottom), (left, right) = amounts[1:3].tolist()
    return top, bottom, left, right


def _own_pads(operator: Operator, source: Tensor) -> tuple[int, int, int, int]:
    """(top, bottom, left, right) of a convolution's own padding."""
    filters = operator.input(1).shape
    if operator.options["padding"] != "SAME" or len(filters) != 4:
        return 0, 0, 0, 0
    pads = []
    for axis, size in (("h", filters[1]), ("w", filters[2])):
        length = source.shape[1 if axis == "h" else 2]
        stride, dilation = operator.options[f"stride_{axis}"], operator.options[f"dilation_{axis}_factor"]
        reach = (-(-length // max(stride, 1)) - 1) * stride + (size - 1) * dilation + 1
        missing = max(reach - length, 0)
        pads += [missing // 2, missing - missing // 2]
    return pads[0], pads[1], pads[2], pads[3]


def _fuse_activations(graph: Graph) -> None:
    """Lets the producer of what only a RELU or RELU6 reads clamp by itself, where both have one scale."""
    readers: dict[Tensor, int] = {tensor: 2 for tensor in graph.outputs}
    for operator in graph.operators:
        for tensor in operator.inputs:
            if tensor is not None:
                readers[tensor] = readers.get(tensor, 0) + 1
    producers: dict[Tensor, Operator] = {}
    kept = []
    for operator in graph.operators:
        source, output = operator.inputs[0], operator.outputs[0]
        producer = producers.get(source) if source is not None else None
        if operator.code in ("RELU", "RELU6") and producer is not None and readers[producer.outputs[0]] == 1:
            # CONCATENATION has the option too, and cannot clamp.
            clamps = producer.code != "CONCATENATION"
            before = producer.options.get("fused_activation_function") if clamps else None
            together = _ACTIVATIONS.get((before, operator.code)) if before is not None else None
            if together is not None and _alike(producer.outputs[0], output):
                producer.options["fused_activation_function"] = together
                producer.outputs[0] = output
                producers[output] = producer
                continue
        producers[output] = operator
        kept.append(operator)
    graph.operators = kept


def _drop_unused(graph: Graph) -> None:
    """Takes out operators whose outputs nobody reads."""
    needed = set(graph.outputs)
    kept = []
    for operator in reversed(graph.operators):
        if needed.intersection(operator.outputs):
            kept.append(operator)
            needed.update(tensor for tensor in operator.inputs if tensor is not None)
    graph.operators = kept[::-1]


def _alike(one: Tensor, other: Tensor) -> bool:
    """Whether both tensors mean the same by the same bytes."""
    return (
        one.dtype == other.dtype
        and np.array_equal(one.scale, other.scale)
        and np.array_equal(one.zero_point, other.zero_point)
    )
