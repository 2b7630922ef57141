"""A planned program as a bundle (device/FORMATS.md, "Model payload")."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

from edgetwin.deploy.compiler.graph import Graph, Tensor
from edgetwin.deploy.compiler.layers import Constant, Field, Layer, Place, Program
from edgetwin.deploy.compiler.lowering import TARGETS
from edgetwin.deploy.compiler.planner import Plan
from edgetwin.deploy.container import Kind, pad16, wrap
from edgetwin.deploy.metadata import pack_metadata
from edgetwin.errors import UserError

__all__ = ["emit"]

VERSION = 1
MAX_RANK = 5  # ET_MAX_RANK
MAX_LAYERS = 0xFFFF
MOST_BYTES = 0x7FFF_FFFF  # ET_MOST_BYTES
CONSTANT = 0x8000_0000  # ET_CONSTANT
TENSOR_TYPES = {"int8": 1, "float32": 2}

# version, target, zero, workspace, state, inputs, outputs, layers, zero, bytes of records, bytes of constants, zero
_FIELDS = struct.Struct("<HBBIIHHHHIII")
# place, bytes, type, rank, zero, shape, scale, zero point, zero
_TENSOR = struct.Struct("<IIBBH5ifiII")
_RECORD = struct.Struct("<HH")


class _Constants:
    """The constants' section: each content once, on a multiple of 16."""

    def __init__(self) -> None:
        self._places: dict[bytes, int] = {}
        self._sections: list[bytes] = []
        self.size = 0

    def place(self, constant: Constant) -> int:
        if constant.data not in self._places:
            self._places[constant.data] = self.size
            self._sections.append(pad16(constant.data))
            self.size += len(self._sections[-1])
        return self._places[constant.data]

    def to_bytes(self) -> bytes:
        return b"".join(self._sections)


def emit(program: Program, graph: Graph, plan: Plan, metadata: Mapping[str, Any]) -> bytes:
    """The bundle's bytes; the same program gives the same ones.

    Raises UserError for inputs and outputs that no board can hold.
    """
    if len(program.layers) > MAX_LAYERS:
        raise UserError(f"{program.name} has {len(program.layers)} layers, a board runs at most {MAX_LAYERS}")
    if plan.workspace_size > MOST_BYTES:
        raise UserError(f"{program.name} needs {plan.workspace_size} bytes of working memory, a board has {MOST_BYTES}")
    constants = _Constants()
    tensors = [
        _tensor(tensor, plan.place(place))
        for tensor, place in zip([*graph.inputs, *graph.outputs], [*program.inputs, *program.outputs], strict=True)
    ]
    records = b"".join(_record(layer, plan, constants) for layer in program.layers)
    state = bytearray(plan.state_size)
    for buffer, place in plan.places.items():
        if buffer.state is not None:
            state[place : place + buffer.size] = buffer.state
    fields = _FIELDS.pack(
        VERSION,
        TARGETS[program.target],
        0,
        plan.workspace_size,
        plan.state_size,
        len(program.inputs),
        len(program.outputs),
        len(program.layers),
        0,
        len(records),
        constants.size,
        0,
    )
    sections = [fields, b"".join(tensors), records, bytes(state), constants.to_bytes(), pack_metadata(metadata)]
    return wrap(Kind.MODEL, b"".join(map(pad16, sections)))


def _tensor(tensor: Tensor, place: int) -> bytes:
    kind = TENSOR_TYPES.get(tensor.dtype.name)
    if kind is None or len(tensor.shape) > MAX_RANK:
        raise UserError(
            f"{tensor.name} is an input or output of type {tensor.dtype} with {len(tensor.shape)} dimensions: "
            f"a board takes {' and '.join(TENSOR_TYPES)} of at most {MAX_RANK}"
        )
    shape = tensor.shape + (1,) * (MAX_RANK - len(tensor.shape))
    quantised = tensor.dtype.name == "int8"
    scale, zero_point = (float(tensor.scale[0]), int(tensor.zero_point[0])) if quantised else (0.0, 0)
    return _TENSOR.pack(place, tensor.bytes, kind, len(tensor.shape), 0, *shape, scale, zero_point, 0, 0)


def _record(layer: Layer, plan: Plan, constants: _Constants) -> bytes:
    words = [_word(layer, name, layer.fields[name], plan, constants) for name in layer.kernel.fields]
    return _RECORD.pack(layer.kernel.number, layer.kernel.words) + struct.pack(f"<{len(words)}I", *words)


def _word(layer: Layer, name: str, value: Field, plan: Plan, constants: _Constants) -> int:
    if isinstance(value, Place):
        return plan.place(value)
    if isinstance(value, Constant):
        return CONSTANT | constants.place(value)
    if not -(1 << 31) <= value < 1 << 32:
        raise UserError(f"{layer.title}: {name} = {value} does not fit a record: the layer is too large for a board")
    return value & 0xFFFF_FFFF
