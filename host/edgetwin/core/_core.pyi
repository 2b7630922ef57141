from typing import Any, TypeAlias, final

from numpy.typing import NDArray

Buffer: TypeAlias = bytes | NDArray[Any]
#: place, bytes, type, rank, shape, scale, zero point
TensorFields: TypeAlias = tuple[int, int, int, int, tuple[int, int, int, int, int], float, int]
VERSION: str

def status_text(status: int, /) -> str: ...
def omp_workspace_size(atom_type: int, m: int, n: int, s: int, /) -> int: ...
def node_buffers_size(max_payload: int, /) -> int: ...
def omp(
    atom_type: int,
    m: int,
    n: int,
    s: int,
    tolerance: float,
    least: float,
    atoms: Buffer,
    scales: Buffer | None,
    signals: Buffer,
    support: Buffer,
    coefficients: Buffer,
    count: Buffer,
    norm: Buffer,
    status: Buffer,
    /,
) -> None: ...
def open_dictionary(bundle: Buffer, /) -> tuple[int, Dictionary | None]: ...
def open_model(bundle: Buffer, /) -> tuple[int, Model | None]: ...

@final
class Dictionary:
    def encode(self, signals: Buffer, counts: Buffer, status: Buffer, /) -> list[bytes]: ...
    def decode(
        self,
        packets: list[bytes],
        counts: Buffer,
        signals: Buffer,
        status: Buffer,
        kinds: Buffer,
        atoms: Buffer,
        usage: Buffer,
        /,
    ) -> None: ...
    def unpack(self, code: Buffer, support: Buffer, coefficients: Buffer, /) -> tuple[int, int]: ...
    def pack(self, support: Buffer, coefficients: Buffer, /) -> tuple[int, bytes]: ...
    def sizes(self) -> tuple[int, int, int]: ...
    def shape(self) -> tuple[int, int, int, int, int, int]: ...

@final
class Model:
    def shape(self) -> tuple[int, int, int, int, int, tuple[list[TensorFields], list[TensorFields]]]: ...
    def reset(self) -> None: ...
    def invoke(self, rows: int, inputs: list[NDArray[Any]], outputs: list[NDArray[Any]], /) -> None: ...
    def trace(self, inputs: list[NDArray[Any]], places: list[tuple[int, int, int]], /) -> list[bytes]: ...
