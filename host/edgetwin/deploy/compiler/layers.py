"""What operators are lowered to: layers, each one record for a kernel of device/src/kernels, and the bytes they use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from edgetwin.deploy.compiler.graph import Tensor

__all__ = ["Buffer", "Constant", "Field", "Kernel", "Layer", "Overlap", "Place", "Program"]


@dataclass(frozen=True)
class Kernel:
    """A kernel of the core: its number and the 32-bit fields of its record after the header, in order.

    tests hold `fields` against the record's struct in device/src/kernels/<name>.c.
    """

    name: str
    number: int
    fields: tuple[str, ...]

    @property
    def words(self) -> int:
        """32-bit words of a record."""
        return 1 + len(self.fields)


@dataclass(eq=False)
class Buffer:
    """Bytes of the workspace that live from the first layer that writes them to the last that reads them.

    align : 1 for int8, 2 for int16, 4 for float32 and int32
    state : initial bytes of what outlives an invocation, else None
    """

    name: str
    size: int
    align: int = 1
    state: bytes | None = None


@dataclass(frozen=True, eq=False)
class Place:
    """`offset` bytes into a buffer: where a tensor lies."""

    buffer: Buffer
    offset: int = 0


@dataclass(frozen=True, eq=False)
class Constant:
    """Bytes in the bundle, on a multiple of 16."""

    name: str
    data: bytes


#: What a record's field holds: a number, or a place that the planner or the emitter turns into one.
Field = int | Place | Constant


@dataclass(frozen=True, eq=False)
class Overlap:
    """Permission to let a layer's output lie over an input that dies there.

    The kernel never reads what it has overwritten if the output's place is at least `distance` bytes below the input's:
    0 for an elementwise kernel (in place); negative: the output may begin that much above the input.
    `is_exact`: there alone, neither above nor further below (unless the two are disjoint).
    `above`: or at least that many bytes above the input's, for a kernel that then goes backwards.
    """

    output: Buffer
    input: Buffer
    distance: int
    is_exact: bool = False
    above: int | None = None

    @property
    def shared(self) -> int:
        """Bytes that the two may have in common at most."""
        together = max(self.output.size, max(self.distance, 0) + self.input.size)
        if self.above is not None:
            together = min(together, max(self.input.size, max(self.above, 0) + self.output.size))
        return max(0, self.output.size + self.input.size - together)


@dataclass(eq=False)
class Layer:
    """One record.

    title : of the operator that it comes from, for messages and reports
    operator : that operator's index in the file
    fields : by name, all of kernel.fields
    reads, writes : buffers; scratch ones live in this layer alone and are in neither
    result : the tensor that is complete after this layer, and its place; None for a part of one
    macs : multiply-accumulates
    """

    kernel: Kernel
    title: str
    operator: int
    fields: dict[str, Field]
    reads: list[Buffer]
    writes: list[Buffer]
    scratch: list[Buffer] = field(default_factory=list)
    overlaps: list[Overlap] = field(default_factory=list)
    result: tuple[Tensor, Place] | None = None
    macs: int = 0

    @property
    def weight_bytes(self) -> int:
        """Bytes of the constants that it reads."""
        return sum(len(value.data) for value in self.fields.values() if isinstance(value, Constant))


@dataclass(eq=False)
class Program:
    """A lowered network: its layers in order, and where the TFLite inputs and outputs lie."""

    name: str
    target: str
    layers: list[Layer]
    inputs: list[Place]
    outputs: list[Place]


def constant(name: str, values: Sequence[int] | npt.NDArray[np.generic], dtype: npt.DTypeLike) -> Constant:
    """Little-endian values of a type, checked to fit it."""
    exact = np.asarray(values)
    stored = exact.astype(np.dtype(dtype).newbyteorder("<"))
    if not np.array_equal(stored.astype(exact.dtype), exact):
        raise ValueError(f"{name}: a value does not fit {np.dtype(dtype)}")
    return Constant(name, stored.tobytes())


def array(name: str, count: int) -> tuple[str, ...]:
    """Fields of a record that are an array there: name_0, name_1, ..."""
    return tuple(f"{name}_{index}" for index in range(count))
