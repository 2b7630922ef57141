"""Samples: what every reader gives, and the checks that they all share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from edgetwin.errors import UserError

__all__ = ["DataError", "Samples", "samples_from"]


class DataError(UserError):
    """A file of samples that cannot be used; the message is one line that says why and how to mend it."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows of samples in time, a column a channel.

    values : (rows, channels) float32
    names : of the channels
    series_rows : rows of each of the equally long series that follow each other; None: one series
    image : (height, width) of the image that each row is, where the file says so
    """

    values: npt.NDArray[np.float32]
    names: tuple[str, ...]
    series_rows: int | None = None
    image: tuple[int, int] | None = None

    def checked(self, origin: str, *, allow_nan: bool) -> Self:
        """Itself, or a DataError that names the first value that is not finite and says how many there are."""
        if allow_nan:
            return self
        finite = np.isfinite(self.values)
        if not finite.all():
            row, column = np.argwhere(~finite)[0]
            called = "infinity (or too large for a float32)" if np.isinf(self.values[row, column]) else "NaN or missing"
            raise DataError(
                f"{origin}: row {row + 1}, column {column + 1} ({self.names[column]}) is {called}; "
                f"{int(np.count_nonzero(~finite))} such values in all: fill them in or drop their rows"
            )
        return self


def samples_from(
    content: npt.NDArray[Any], origin: str, names: Sequence[str] = (), series_rows: int | None = None
) -> Samples:
    """Samples from any array of real numbers: (rows,) of one channel, (rows, channels), or images (N, height, width).

    Channels without a name are called channel_1, channel_2 and so on. Raises DataError, with `origin` in it, for an
    array that is empty, not numeric, complex, or of another shape.
    """
    if np.issubdtype(content.dtype, np.complexfloating):
        raise DataError(f"{origin}: holds complex numbers; give real ones, such as magnitudes")
    if content.dtype != np.bool_ and not np.issubdtype(content.dtype, np.number):
        raise DataError(f"{origin}: holds {content.dtype}, not numbers")
    if np.issubdtype(content.dtype, np.timedelta64):
        raise DataError(f"{origin}: holds {content.dtype}, not numbers")
    if content.ndim not in (1, 2, 3):
        raise DataError(
            f"{origin}: has {content.ndim} dimensions {content.shape}; give rows of samples, (rows, channels)"
        )
    image = (content.shape[1], content.shape[2]) if content.ndim == 3 else None
    if content.size == 0:
        raise DataError(f"{origin}: holds no sample, its shape is {content.shape}")
    table = content.reshape(len(content), -1)
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(table, dtype=np.float32)
    titles = names if names else [""] * values.shape[1]
    return Samples(values, tuple(name or f"channel_{i}" for i, name in enumerate(titles, start=1)), series_rows, image)
