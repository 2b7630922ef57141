"""What a dictionary will cost on the wire and lose: signals coded as a board codes and sends them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgetwin.core import KINDS
from edgetwin.deploy.bundle import DictionaryBundle
from edgetwin.link.frame import Frame, FrameType, encode
from edgetwin.link.messages import pack_window
from edgetwin.twin.reconstruct import Twin

__all__ = ["WireFigures", "affordable", "measure", "sent_bytes"]

#: Multiply-adds that coding may take, about 10 seconds of the core, and those between two looks at Ctrl-C.
_WORK = 2e10
_BLOCK_WORK = 5e8
#: Status, backlog and number of windows, between the first one's number and the packet.
_FIELDS = bytes(3)
#: Signals that are coded however long it takes.
_LEAST_SIGNALS = 100

Blocks = Iterable[NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class WireFigures:
    """Means over the signals that were coded.

    nrmse : of their reconstruction from the codes, as :meth:`~edgetwin.twin.Twin.nrmse`
    code_bytes : a signal's share of its packet
    sent_bytes : a signal's share of the CODE frame that carries the packet, without a MAC
    raw_bytes : a signal as float32
    usage : (n,) share of the signals whose codes use each atom
    kinds : share of the signals coded as each kind of window
    """

    signals: int
    nrmse: float
    code_bytes: float
    sent_bytes: float
    raw_bytes: int
    usage: NDArray[np.float64]
    kinds: dict[str, float]

    @property
    def compression(self) -> float:
        """1 − sent / raw."""
        return 1 - self.sent_bytes / self.raw_bytes


def affordable(bundle: DictionaryBundle) -> int:
    """Signals that the core codes in about 10 seconds, at least 100."""
    return max(_LEAST_SIGNALS, int(_WORK / _multiplications(bundle)))


def measure(
    twin: Twin,
    signals: NDArray[np.float32],
    watch: Callable[[list[NDArray[np.float32]]], Blocks] = iter,
    batch: int = 1,
) -> WireFigures:
    """Codes raw signals (N, m), N ≥ 1.

    watch : passes on the blocks that are coded one after another, to show progress
    batch : signals that share a packet and its frame, 1 to 255; fewer where the last ones do, and a signal with NaN or
        infinity has a frame of its own
    """
    block = batch * max(1, int(_BLOCK_WORK / _multiplications(twin.bundle) / batch))
    packets: list[bytes] = []
    coded = np.zeros(len(signals), bool)
    for part in watch([signals[start : start + block] for start in range(0, len(signals), block)]):
        counts = np.diff([*range(0, len(part), batch), len(part)])
        made, status = twin.core.encode_packets(part, counts)
        done = batch * len(packets)
        coded[done : done + len(part)] = status == 0
        packets += made
    counts = np.add.reduceat(coded.astype(np.intp), np.arange(0, len(signals), batch))
    decoded = twin.core.decode(packets, counts)
    reconstructed = np.full_like(signals, np.nan)
    reconstructed[coded] = decoded.signals
    frames = [packet for packet, count in zip(packets, counts, strict=True) if count]
    refused = len(signals) - int(coded.sum())
    return WireFigures(
        signals=len(signals),
        nrmse=twin.nrmse(signals, reconstructed),
        code_bytes=sum(map(len, frames)) / len(signals),
        sent_bytes=sent_bytes([*frames, *[None] * refused]) / len(signals),
        raw_bytes=4 * twin.core.m,
        usage=decoded.usage / len(signals),
        kinds={kind: int((decoded.kinds == number).sum()) / len(signals) for number, kind in enumerate(KINDS)},
    )


def sent_bytes(packets: Iterable[bytes | None]) -> int:
    """Bytes of the CODE frames, without a MAC, that carry a board's packets, or its refusals (device/PROTOCOL.md)."""
    frames = (Frame(FrameType.CODE, pack_window(0, _FIELDS + (packet or b""))) for packet in packets)
    return sum(len(encode(frame)) for frame in frames)


def _multiplications(bundle: DictionaryBundle) -> float:
    """Multiply-adds that a signal's code takes, at most: s correlations with all atoms."""
    return float(bundle.m * bundle.n * max(1, min(bundle.s, bundle.m, bundle.n)))
