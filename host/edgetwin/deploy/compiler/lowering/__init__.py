"""Operators to layers. Each module lowers one family of operators and holds the records of its kernels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgetwin.deploy.compiler.graph import Graph, Operator, Tensor, UnsupportedModelError
from edgetwin.deploy.compiler.layers import Buffer, Constant, Field, Kernel, Layer, Overlap, Place, Program, array
from edgetwin.errors import UserError

__all__ = ["TARGETS", "Lowering", "lower", "lowers", "supported"]

#: What a bundle can be packed for: et_model_target's number.
TARGETS = {"portable": 0, "helium": 1}

Rule = Callable[["Lowering", Operator], None]
_RULES: dict[str, Rule] = {}


def lowers(*codes: str) -> Callable[[Rule], Rule]:
    """Registers the rule that lowers operators of these codes."""

    def register(rule: Rule) -> Rule:
        _RULES.update(dict.fromkeys(codes, rule))
        return rule

    return register


def supported() -> list[str]:
    """Operator codes that can be compiled, in alphabetical order, but the one that passes make."""
    return sorted(_RULES.keys() - {"LOOKUP"})


class Lowering:
    """The program being made, as rules see it."""

    def __init__(self, graph: Graph, target: str) -> None:
        self.graph = graph
        self.target = target
        self.layers: list[Layer] = []
        self._places: dict[Tensor, Place] = {}

    def place(self, tensor: Tensor) -> Place:
        """Where a tensor that is no constant lies; a new buffer the first time it is named."""
        if tensor.is_constant:
            raise ValueError(f"{tensor.name} is a constant")
        if tensor not in self._places:
            if tensor.is_variable:
                raise ValueError(f"{tensor.name} outlives an invocation, and no LSTM before this operator keeps it")
            self._places[tensor] = Place(Buffer(tensor.label, tensor.bytes, tensor.dtype.itemsize))
        return self._places[tensor]

    def alias(self, tensor: Tensor, whole: Tensor, offset: int = 0) -> None:
        """Lets a tensor lie `offset` bytes into another: no layer moves it. Before either of the two is named."""
        place = self.place(whole)
        self._places[tensor] = Place(place.buffer, place.offset + offset)

    def state(self, tensor: Tensor, initial: bytes) -> Place:
        """The place of a tensor that outlives an invocation."""
        place = Place(Buffer(tensor.label, len(initial), tensor.dtype.itemsize, initial))
        self._places[tensor] = place
        return place

    def operand(self, tensor: Tensor) -> Place | Constant:
        """A tensor that may be a constant, for a record's field."""
        if tensor.data is None:
            return self.place(tensor)
        return Constant(tensor.label, tensor.data.astype(tensor.dtype.newbyteorder("<")).tobytes())

    def add(
        self,
        kernel: Kernel,
        operator: Operator,
        *,
        reads: list[Place | Constant],
        writes: list[Place],
        scratch: list[Buffer] | None = None,
        overlaps: list[Overlap] | None = None,
        completes: Tensor | None = None,
        macs: int = 0,
        **values: Field | Sequence[int],
    ) -> None:
        """Appends a layer. `completes` is the tensor whose values are all there after it; a sequence fills an array."""
        fields: dict[str, Field] = {}
        for name, value in values.items():
            if isinstance(value, Sequence):
                fields.update(zip(array(name, len(value)), value, strict=True))
            else:
                fields[name] = value
        if tuple(fields) != kernel.fields:
            raise ValueError(f"{kernel.name} has the fields {kernel.fields}, not {tuple(fields)}")
        self.layers.append(
            Layer(
                kernel=kernel,
                title=operator.title,
                operator=operator.index,
                fields=fields,
                reads=[place.buffer for place in reads if isinstance(place, Place)],
                writes=[place.buffer for place in writes],
                scratch=scratch or [],
                overlaps=overlaps or [],
                result=(completes, self.place(completes)) if completes is not None else None,
                macs=macs,
            )
        )


def lower(graph: Graph, target: str) -> Program:
    """The layers of a graph that the passes have simplified.

    Raises
    ------
    UnsupportedModelError : an operator, or a form of one, that no kernel runs.
    """
    # Rules register when their module is imported; they import this one.
    from edgetwin.deploy.compiler.lowering import rules

    rules.load()
    lowering = Lowering(graph, target)
    inputs = [lowering.place(tensor) for tensor in graph.inputs]
    for operator in graph.operators:
        rule = _RULES.get(operator.code)
        if rule is None:
            raise UnsupportedModelError(
                operator, "the operator is not supported", f"use {', '.join(supported())}, or leave it out"
            )
        try:
            rule(lowering, operator)
        except OverflowError as error:  # of quantize_multiplier and activation_range
            raise UnsupportedModelError(
                operator, "its output's scale is too small", "calibrate with representative data"
            ) from error
        except (ArithmeticError, LookupError, TypeError, ValueError, MemoryError) as error:
            # Rules check what models have; what no converter writes need only be refused.
            raise UnsupportedModelError(
                operator, "its shapes, types and options do not agree", "convert the model again"
            ) from error
    for tensor in graph.outputs:
        if tensor.is_constant:
            raise UserError(f"{tensor.name} is an output that does not depend on the inputs: leave it out of the model")
    return Program(graph.name, target, lowering.layers, inputs, [lowering.place(tensor) for tensor in graph.outputs])
