"""Signals from their codes: Ŷ = X D, brought back to the sensor's units (DL4DT, Algorithm 2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from edgetwin.core import Dictionary
from edgetwin.deploy.bundle import DictionaryBundle

#: Bytes of a nonzero as the paper sends it: row, column and value of 32 bits each (DL4DT, section 3).
TRIPLET_BYTES = 12


@dataclass(frozen=True)
class Reconstruction:
    """What the twin made of N codes.

    signals : (N, m) float32 in the sensor's units; NaN in the rows without a valid code
    atoms : nonzeros in all codes together
    """

    signals: NDArray[np.float32]
    atoms: int

    @property
    def triplet_bytes(self) -> int:
        """Bytes of the same codes as the paper's triplets."""
        return TRIPLET_BYTES * self.atoms


class Twin:
    """The host's half of a dictionary: encodes as the board does, and reconstructs."""

    def __init__(self, bundle: DictionaryBundle) -> None:
        self.bundle = bundle
        self.core = Dictionary(bundle.to_bytes())
        self._atoms = bundle.dequantised()

    def encode(self, signals: NDArray[np.float32]) -> list[bytes | None]:
        """Codes that a board must send for raw signals (N, m); None for a signal with NaN or infinity."""
        codes, status = self.core.encode(signals)
        return [code if ok else None for code, ok in zip(codes, status == 0, strict=True)]

    def reconstruct(self, codes: list[bytes | None]) -> Reconstruction:
        """Raises :class:`~edgetwin.core.CoreError` never: a code that is not valid gives a row of NaN."""
        unpacked = self.core.unpack([code or b"" for code in codes])
        used = np.arange(self.core.k) < unpacked.counts[:, None]
        rows, _ = np.nonzero(used)
        sparse = csr_matrix(
            (unpacked.coefficients[used], (rows, unpacked.support[used])), shape=(len(codes), self.core.n)
        )
        scaled = np.asarray(sparse @ self._atoms, dtype=np.float32)
        repeat = self.core.m // self.bundle.channels
        signals = scaled / np.tile(self.bundle.gains, repeat) + np.tile(self.bundle.offsets, repeat)
        signals[unpacked.status != 0] = np.nan
        return Reconstruction(signals.astype(np.float32), int(unpacked.counts.sum()))

    def nrmse(self, signals: NDArray[np.float32], reconstructed: NDArray[np.float32]) -> float:
        """:func:`nrmse` of raw signals (N, m), each channel weighted by its gain as OMP sees it."""
        channels, gains = self.bundle.channels, self.bundle.gains.astype(np.float64)
        repeat = np.tile(gains, self.core.m // channels)
        return nrmse(signals * repeat, reconstructed * repeat, channels)


def nrmse(signals: NDArray[np.floating], reconstructed: NDArray[np.floating], channels: int) -> float:
    """‖Y − Ŷ‖_F / ‖Y − Ȳ‖_F, Ȳ the mean of each channel: 0 is perfect, 1 no better than sending the means.

    Rows where either is not finite are left out. 0 for a perfect copy of constant data, infinity for another one.
    """
    whole = np.isfinite(signals).all(axis=1) & np.isfinite(reconstructed).all(axis=1)
    y = signals[whole].astype(np.float64).reshape(-1, channels)
    error = float(np.linalg.norm(y - reconstructed[whole].reshape(-1, channels)))
    spread = float(np.linalg.norm(y - y.mean(axis=0))) if len(y) else 0.0
    if spread == 0.0:
        return 0.0 if error == 0.0 else float("inf")
    return error / spread
