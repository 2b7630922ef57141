from typing import Any, TypeAlias

from numpy.typing import NDArray

Buffer: TypeAlias = NDArray[Any]
PADDING: int

def instruction_sets() -> list[str]: ...
def use(name: str, /) -> None: ...
def batch_omp(
    real_size: int,
    m: int,
    n: int,
    ld: int,
    s: int,
    tolerance: float,
    signals: Buffer,
    atoms: Buffer,
    correlations: Buffer,
    gram: Buffer,
    support: Buffer,
    coefficients: Buffer,
    counts: Buffer,
    /,
) -> None: ...
def baseline_omp(
    method: str,
    real_size: int,
    m: int,
    n: int,
    s: int,
    tolerance: float,
    signals: Buffer,
    atoms: Buffer,
    support: Buffer,
    coefficients: Buffer,
    counts: Buffer,
    /,
) -> None: ...
def residuals(
    real_size: int,
    m: int,
    n: int,
    s: int,
    signals: Buffer,
    atoms: Buffer,
    support: Buffer,
    coefficients: Buffer,
    counts: Buffer,
    residual: Buffer,
    squared_norms: Buffer,
    /,
) -> None: ...
def update_atoms(
    real_size: int,
    steps: int,
    turn: float,
    m: int,
    n: int,
    s: int,
    atoms: Buffer,
    support: Buffer,
    coefficients: Buffer,
    counts: Buffer,
    residual: Buffer,
    /,
) -> None: ...
