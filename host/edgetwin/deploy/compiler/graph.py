"""A network as TensorFlow Lite stores it: operators in the order in which they run, and their tensors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.errors import UserError

__all__ = ["Graph", "Operator", "Tensor", "UnsupportedModelError"]


@dataclass(eq=False)
class Tensor:
    """One tensor; a real value is scale * (q - zero_point).

    index : in the file; -1 for one that a pass made
    shape : dimensions, all known
    dtype : int8, int16, int32, float32, bool, ...
    scale : (1,) or (k,) float32, k channels along `axis`; empty where there is no quantisation
    zero_point : (1,) or (k,) int64; empty where there is no quantisation
    data : a constant's values in `shape`, else None
    is_variable : state that outlives an invocation
    """

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))
    zero_point: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    axis: int = 0
    data: npt.NDArray[Any] | None = None
    is_variable: bool = False

    @property
    def is_constant(self) -> bool:
        """Whether the file holds the values."""
        return self.data is not None

    @property
    def label(self) -> str:
        """What tells its name from others: converters put scopes before it, and what they fused behind semicolons."""
        return "/".join(self.name.split(";")[0].rstrip("/").split("/")[-2:])

    @property
    def size(self) -> int:
        """Elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def bytes(self) -> int:
        """Bytes of the values."""
        return self.size * self.dtype.itemsize


@dataclass(eq=False)
class Operator:
    """One operator.

    index : in the file's subgraph
    code : TensorFlow Lite's name, such as CONV_2D
    inputs : None where an optional one is absent
    options : of the schema's options table by field, in snake case; enumerations as their names (``padding``: "SAME",
        ``fused_activation_function``: "RELU")
    intermediates : of an LSTM
    """

    index: int
    code: str
    version: int
    inputs: list[Tensor | None]
    outputs: list[Tensor]
    options: dict[str, Any] = field(default_factory=dict)
    intermediates: list[Tensor] = field(default_factory=list)

    @property
    def title(self) -> str:
        """How messages and reports name it: "CONV_2D (operator 3, conv2d_1/BiasAdd)"."""
        return f"{self.code} (operator {self.index}, {self.outputs[0].label})"

    @property
    def operands(self) -> list[Tensor]:
        """All inputs that are there, then all outputs."""
        return [tensor for tensor in self.inputs if tensor is not None] + self.outputs

    def input(self, position: int) -> Tensor:
        """The input at a position that must be there."""
        tensor = self.inputs[position] if position < len(self.inputs) else None
        if tensor is None:
            raise UnsupportedModelError(self, f"input {position} is missing", "convert the model again")
        return tensor


@dataclass(eq=False)
class Graph:
    """A network with one subgraph."""

    name: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    operators: list[Operator]


class UnsupportedModelError(UserError):
    """A model that cannot be compiled: which operator, why, and what to change."""

    def __init__(self, operator: Operator, what: str, remedy: str) -> None:
        super().__init__(f"{operator.title}: {what}: {remedy}")
        self.operator = operator
