"""What a dictionary will cost on the wire and lose: signals coded as a board codes and sends them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgetwin.deploy.bundle import DictionaryBundle
from edgetwin.link.frame import Frame, FrameType, encode
from edgetwin.link.messages import pack_window
from edgetwin.twin.reconstruct import Twin

__all__ = ["WireFigures", "affordable", "measure", "sent_bytes"]

#: Multiply-adds that coding may take, about 10 seconds of the core, and those between two looks at Ctrl-C.
_WORK = 2e10
_BLOCK_WORK = 5e8
#: Signals that are coded however long it takes.
_LEAST_SIGNALS = 100

Blocks = Iterable[NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class WireFigures:
    """Means over the signals that were coded.

    nrmse : of their reconstruction from the codes, as :meth:`~edgetwin.twin.Twin.nrmse`
    code_bytes : a code
    sent_bytes : a CODE frame with the code, without a MAC
    raw_bytes : a signal as float32
    usage : (n,) share of the codes that use each atom
    """

    signals: int
    nrmse: float
    code_bytes: float
    sent_bytes: float
    raw_bytes: int
    usage: NDArray[np.float64]

    @property
    def compression(self) -> float:
        """1 − sent / raw."""
        return 1 - self.sent_bytes / self.raw_bytes


def affordable(bundle: DictionaryBundle) -> int:
    """Signals that the core codes in about 10 seconds, at least 100."""
    return max(_LEAST_SIGNALS, int(_WORK / _multiplications(bundle)))


def measure(
    twin: Twin, signals: NDArray[np.float32], watch: Callable[[list[NDArray[np.float32]]], Blocks] = iter
) -> WireFigures:
    """Codes raw signals (N, m), N ≥ 1.

    watch : passes on the blocks that are coded one after another, to show progress
    """
    parts = min(len(signals), 1 + int(len(signals) * _multiplications(twin.bundle) / _BLOCK_WORK))
    codes = [code for block in watch(np.array_split(signals, parts)) for code in twin.encode(block)]
    unpacked = twin.core.unpack([code or b"" for code in codes])
    used = np.arange(twin.core.k) < unpacked.counts[:, None]
    return WireFigures(
        signals=len(codes),
        nrmse=twin.nrmse(signals, twin.reconstruct(codes).signals),
        code_bytes=sum(len(code or b"") for code in codes) / len(codes),
        sent_bytes=sent_bytes(codes) / len(codes),
        raw_bytes=4 * twin.core.m,
        usage=np.bincount(unpacked.support[used], minlength=twin.core.n) / len(codes),
    )


def sent_bytes(codes: Iterable[bytes | None]) -> int:
    """Bytes of the CODE frames, without a MAC, that carry a board's codes (device/PROTOCOL.md)."""
    # Number of the window, status, backlog, code.
    frames = (Frame(FrameType.CODE, pack_window(0, bytes(2) + (code or b""))) for code in codes)
    return sum(len(encode(frame)) for frame in frames)


def _multiplications(bundle: DictionaryBundle) -> float:
    """Multiply-adds that a signal's code takes, at most: s correlations with all atoms."""
    return float(bundle.m * bundle.n * max(1, min(bundle.s, bundle.m, bundle.n)))
