"""What a stream of a model's results yielded, as arrays."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgetwin.deploy import ModelBundle
from edgetwin.errors import UserError
from edgetwin.twin.collect import Received

__all__ = ["npz_bytes", "results_of"]


def results_of(received: Received, bundle: ModelBundle) -> dict[str, NDArray[Any]]:
    """An array (N, *shape) for each output by name, N windows, and "status" (N,): 0, or why a window has no result.

    An output that is called "status" stays what it is.
    Rows without a result are 0; their status is the board's (status.h), or -1 if the window never arrived.

    Raises UserError for results of other sizes than the model's.
    """
    windows = sum(received.counts)
    size = sum(info.size for info in bundle.outputs)
    rows = np.zeros((windows, size), np.uint8)
    status = np.zeros(windows, np.int16)
    start = 0
    for packet, count, lost, code in zip(
        received.packets, received.counts, received.lost, received.statuses, strict=True
    ):
        if packet is None:
            status[start : start + count] = -1 if lost else code
        elif len(packet) != count * size:
            raise UserError(f"{count} results of the model have {count * size} bytes, but {len(packet)} came")
        else:
            rows[start : start + count] = np.frombuffer(packet, np.uint8).reshape(count, size)
        start += count
    parts = np.split(rows, np.cumsum([info.size for info in bundle.outputs])[:-1], axis=1)
    results: dict[str, NDArray[Any]] = {
        info.name: np.ascontiguousarray(part).view(info.dtype).reshape(windows, *info.shape)
        for part, info in zip(parts, bundle.outputs, strict=True)
    }
    return {"status": status} | results


def npz_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """A .npz file; unlike `numpy.savez` whatever the arrays are called."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return content.getvalue()
