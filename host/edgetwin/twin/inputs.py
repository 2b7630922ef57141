"""A model's inputs from the user's files: quantised already, or real values that are quantised as the board does."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.data import read_samples
from edgetwin.deploy import ModelBundle
from edgetwin.deploy.model import TensorInfo
from edgetwin.errors import UserError
from edgetwin.twin.meaning import preprocessing_of

__all__ = ["load_inputs"]

_RAW = "raw"
_UNREADABLE = (ValueError, OSError, EOFError, MemoryError, zipfile.BadZipFile, zlib.error)


def load_inputs(
    path: Path, bundle: ModelBundle, *, raw: bool = False, hint: Callable[[str], object] = lambda text: None
) -> list[npt.NDArray[Any]]:
    """An array (N, *shape) of the input's type for each input of a model.

    A .npy or .npz file holds rows in the input's shape, flat or not, with or without its first dimension where that is
    1: int8 as they are, others as real values. A .npz has an array for each input, by name or in order; further ones
    (labels, say) are passed over where names match. Other formats (`read_samples`) hold a row of real values a line.

    raw : the values are raw, of any type, and are scaled as the model's metadata say; an array of a .npz that is called
        "raw" always is, as in the test_samples.npz of ``edgetwin export``
    hint : is told what may not be meant

    Raises UserError for what does not go with the model, and for NaN and infinity.
    """
    arrays, are_raw = _read(path, bundle)
    if raw or are_raw:
        preprocessing = preprocessing_of(bundle)
        with np.errstate(over="ignore", invalid="ignore"):
            arrays = [preprocessing.apply(_checked(array, path)) for array in arrays]
    elif "preprocessing" in bundle.metadata and any(array.dtype.kind == "u" for array in arrays):
        hint(f"{path}: taken as real values; give --raw to scale them as the model says")
    inputs = [_rows(array, info, path) for array, info in zip(arrays, bundle.inputs, strict=True)]
    if len({len(rows) for rows in inputs}) != 1:
        raise UserError(
            f"{path}: the inputs have {', '.join(str(len(rows)) for rows in inputs)} rows: give as many each"
        )
    if not len(inputs[0]):
        raise UserError(f"{path}: there are no rows")
    return inputs


def _read(path: Path, bundle: ModelBundle) -> tuple[list[npt.NDArray[Any]], bool]:
    """An array for each input, as the file has it, and whether it is called raw there."""
    names = [info.name for info in bundle.inputs]
    if path.suffix.lower() not in (".npy", ".npz"):
        arrays = {"": read_samples(path).values}
    else:
        try:
            loaded = np.load(path, allow_pickle=False)
            archive = loaded if isinstance(loaded, np.lib.npyio.NpzFile) else {"": loaded}
            arrays = {name: np.asarray(archive[name]) for name in archive}  # a member that is no .npy is bytes
        except FileNotFoundError:
            raise UserError(f"{path}: no such file") from None
        except _UNREADABLE as error:
            raise UserError(f"{path}: cannot be read: it is cut, damaged, or holds Python objects") from error
    if set(names) <= arrays.keys():
        return [arrays[name] for name in names], False
    if _RAW in arrays and len(names) == 1:
        return [arrays[_RAW]], True
    if len(arrays) == len(names):
        return list(arrays.values()), False
    found = "one array" if "" in arrays else f"the arrays {', '.join(arrays)}"
    raise UserError(f"{path}: it has {found}; the model takes {', '.join(names)}")


def _rows(array: npt.NDArray[Any], info: TensorInfo, path: Path) -> npt.NDArray[Any]:
    size = int(np.prod(info.shape, dtype=np.int64))
    shapes = (info.shape, info.shape[1:] if info.shape[:1] == (1,) else info.shape, (size,))
    if array.shape[1:] not in shapes:
        raise UserError(f"{path}: rows of shape {array.shape[1:]}; the model's input {info.name} takes {info.shape}")
    rows = _checked(array, path).reshape(-1, *info.shape)
    if rows.dtype != info.dtype:
        with np.errstate(over="ignore"):
            rows = rows.astype(np.float32)
    if not np.isfinite(rows).all():
        raise UserError(
            f"{path}: the values for input {info.name} hold NaN or infinity: fill them in or drop their rows"
        )
    return np.ascontiguousarray(rows if rows.dtype == info.dtype else info.quantised(rows))


def _checked(array: npt.NDArray[Any], path: Path) -> npt.NDArray[Any]:
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise UserError(f"{path}: {array.dtype} are no real numbers")
    return array
