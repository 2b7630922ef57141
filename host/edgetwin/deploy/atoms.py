"""Atoms as a board stores them: quantised with a scale each, and held to unit norm."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.deploy.container import NotNormalised

__all__ = ["NORM_TOLERANCE", "check_norms", "dequantise", "quantise"]

Float32Array = npt.NDArray[np.float32]
StoredAtoms = npt.NDArray[Any]  # float32, int16 or int8

# |‖d‖² − 1| may be this much (device/FORMATS.md).
NORM_TOLERANCE = 1e-4


def quantise(components: Float32Array, dtype: npt.DTypeLike) -> tuple[StoredAtoms, Float32Array]:
    """Unit-norm atoms (n, m) as integers q, rounded at the full range of the type, and scales 1 / ‖q‖ (n,).

    The scale makes each quantised atom's norm exactly 1 again, up to one float32 rounding.
    """
    largest = np.iinfo(np.dtype(dtype)).max
    exact = components.astype(np.float64)
    peaks = np.abs(exact).max(axis=1, keepdims=True)
    integers = np.rint(exact * (largest / peaks))
    scales = 1.0 / np.linalg.norm(integers, axis=1)
    return integers.astype(dtype), scales.astype(np.float32)


def dequantise(atoms: StoredAtoms, scales: Float32Array | None) -> Float32Array:
    """The atoms (n, m) that OMP sees: float32(q) · scale, rounded to float32."""
    if scales is None:
        return np.asarray(atoms, dtype=np.float32)
    return np.asarray(atoms.astype(np.float32) * scales[:, None], dtype=np.float32)


def check_norms(atoms: Float32Array) -> None:
    """Raises NotNormalised, naming the first atom whose squared norm is off by more than NORM_TOLERANCE.

    The sum is the board's: float32, four partial sums over i mod 4, then (p0 + p1) + (p2 + p3).
    """
    n, m = atoms.shape
    with np.errstate(over="ignore", invalid="ignore"):
        products = np.zeros((n, -(-m // 4), 4), dtype=np.float32)
        products.reshape(n, -1)[:, :m] = atoms * atoms
        p = np.add.accumulate(products, axis=1)[:, -1]
        squared = (p[:, 0] + p[:, 1]) + (p[:, 2] + p[:, 3])
        wrong = np.flatnonzero(~(np.abs(squared - np.float32(1)) <= np.float32(NORM_TOLERANCE)))
    if wrong.size:
        norm = float(np.sqrt(np.float64(squared[wrong[0]])))
        raise NotNormalised(
            f"atom {wrong[0]} has norm {norm:.6g}, not 1 ({wrong.size} of {n} atoms such): "
            "divide each atom by its norm, and leave out zeros and NaN"
        )
