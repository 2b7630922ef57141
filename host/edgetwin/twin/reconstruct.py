"""Signals from their codes: Ŷ = X D, brought back to the sensor's units (DL4DT, Algorithm 2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgetwin.core import Dictionary
from edgetwin.deploy.bundle import DictionaryBundle

#: Bytes of a nonzero as the paper sends it: row, column and value of 32 bits each (DL4DT, section 3).
TRIPLET_BYTES = 12


@dataclass(frozen=True)
class Reconstruction:
    """What the twin made of N codes.

    signals : (N, m) float32 in the sensor's units; NaN in the rows without a valid code
    triplet_bytes : what the paper would send for the rows that are valid: k = min(s, m, n) triplets each
    """

    signals: NDArray[np.float32]
    triplet_bytes: int


class Twin:
    """The host's half of a dictionary: encodes as the board does, and reconstructs."""

    def __init__(self, bundle: DictionaryBundle) -> None:
        self.bundle = bundle
        self.core = Dictionary(bundle.to_bytes())

    def encode(self, signals: NDArray[np.float32]) -> list[bytes | None]:
        """Codes that a board must send for raw signals (N, m); None for a signal with NaN or infinity."""
        codes, status = self.core.encode(signals)
        return [code if ok else None for code, ok in zip(codes, status == 0, strict=True)]

    def reconstruct(self, packets: Sequence[bytes | None], counts: ArrayLike | None = None) -> Reconstruction:
        """The windows of packets; `counts` windows each, one if it is not given; None for a packet that did not come.

        Raises :class:`~edgetwin.core.CoreError` never: the windows of a packet that is not valid are rows of NaN.
        """
        windows = np.ones(len(packets), np.intp) if counts is None else np.asarray(counts, np.intp)
        came = np.array([packet is not None for packet in packets], bool)
        decoded = self.core.decode([packet for packet in packets if packet is not None], windows[came])
        signals = np.full((int(windows.sum()), self.core.m), np.nan, np.float32)
        signals[np.repeat(came, windows)] = decoded.signals
        return Reconstruction(signals, TRIPLET_BYTES * self.core.k * int((decoded.status == 0).sum()))

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
