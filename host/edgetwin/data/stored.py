"""Where public data sets lie in a folder of the user's, and their arrays."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.data.samples import DataError

__all__ = ["Arrays", "absent", "data_folder", "read_arrays"]

Arrays = dict[str, npt.NDArray[Any]]


def data_folder(folder: Path | None) -> Path | None:
    """The given folder, which must exist, or $EDGETWIN_DATA."""
    chosen = folder or (Path(os.environ["EDGETWIN_DATA"]) if os.environ.get("EDGETWIN_DATA") else None)
    if chosen is not None and not chosen.is_dir():
        raise DataError(f"{chosen}: not a folder; give the one with the data sets as --data or in EDGETWIN_DATA")
    return chosen


def absent(title: str, root: Path | None, file: str) -> DataError:
    """The error for a data set that is not in the folder `root`, where it would be `file`."""
    where = f"put it at {root}/{file}" if root else f"name a folder by --data or EDGETWIN_DATA that has {file}"
    return DataError(f"{title} is not here: {where}")


def read_arrays(file: Path, *needed: str) -> Arrays:
    """The `needed` arrays of an .npz file; without any named, their names alone with nothing in them."""
    if not file.is_file():
        raise DataError(f"{file}: no such file")
    try:
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("a .npy file")
        with archive:
            missing = [key for key in needed if key not in archive.files]
            if missing:
                raise DataError(f"{file}: has no array {missing[0]!r}: not the data set that is looked for")
            return {key: archive[key] for key in needed} or dict.fromkeys(archive.files, np.empty(0))
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{file}: not a readable .npz file: get it again") from error
