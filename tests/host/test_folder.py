"""Folders of .npy, .parquet and zarr as Dask arrays."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgetwin.data import DataError, load_asd
from edgetwin.data import folder as folder_module
from edgetwin.data.folder import open_folder

pytest.importorskip("dask.array")


@pytest.fixture(scope="module")
def signals() -> np.ndarray:
    return load_asd("omi-1").train


def write_npy(folder: Path, signals: np.ndarray) -> None:
    for number, part in enumerate(np.array_split(signals, 3)):
        np.save(folder / f"part-{number}.npy", part)


def write_parquet(folder: Path, signals: np.ndarray, names: str = "metric_{}") -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    for number, part in enumerate(np.array_split(signals, 3)):
        columns = {names.format(i): part[:, i] for i in range(part.shape[1])}
        parquet.write_table(arrow.table(columns), folder / f"part-{number}.parquet", row_group_size=1000)
    (folder / "_SUCCESS").touch()


def write_zarr_arrays(folder: Path, signals: np.ndarray) -> None:
    zarr = pytest.importorskip("zarr")
    for number, part in enumerate(np.array_split(signals, 3)):
        zarr.save_array(str(folder / f"part-{number}.zarr"), part)


def write_zarr_group(folder: Path, signals: np.ndarray) -> None:
    group = pytest.importorskip("zarr").open_group(str(folder), mode="w")
    for number, part in enumerate(np.array_split(signals, 3)):
        group.create_array(f"part-{number}", data=part, chunks=(1000, 19))


def write_one_zarr(folder: Path, signals: np.ndarray) -> None:
    pytest.importorskip("zarr").save_array(str(folder), signals)


def write_old_zarr(folder: Path, signals: np.ndarray) -> None:
    pytest.importorskip("zarr").save_array(str(folder), signals, zarr_format=2)


Writer = Callable[[Path, np.ndarray], None]
WRITERS = [write_npy, write_parquet, write_zarr_arrays, write_zarr_group, write_one_zarr, write_old_zarr]


@pytest.mark.parametrize("write", WRITERS)
def test_a_folder_is_one_array(tmp_path: Path, signals: np.ndarray, write: Writer) -> None:
    write(tmp_path, signals)
    (tmp_path / "README.txt").write_text("how it was measured")
    opened = open_folder(tmp_path)
    assert opened.shape == signals.shape
    np.testing.assert_array_equal(opened.compute(scheduler="threads"), signals)


def test_large_files_are_read_in_pieces(tmp_path: Path, signals: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    write_npy(tmp_path, signals)
    monkeypatch.setattr(folder_module, "PIECE_BYTES", 19 * 4 * 1000)
    opened = open_folder(tmp_path)
    assert max(opened.chunks[0]) == 1000
    np.testing.assert_array_equal(opened[2500:3500].compute(scheduler="threads"), signals[2500:3500])


def test_files_without_rows_are_passed_over(tmp_path: Path, signals: np.ndarray) -> None:
    write_parquet(tmp_path, signals)
    write_empty = tmp_path / "empty"
    write_empty.mkdir()
    write_parquet(write_empty, signals[:0])
    (write_empty / "part-0.parquet").rename(tmp_path / "part-9.parquet")
    assert open_folder(tmp_path).shape == signals.shape
    with pytest.raises(DataError, match="hold no signal"):
        open_folder(write_empty)


def test_missing_cells_are_nan(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    parquet.write_table(arrow.table({"a": [1, None, 3], "b": [True, False, None]}), tmp_path / "x.parquet")
    np.testing.assert_array_equal(open_folder(tmp_path).compute(), [[1, 1], [np.nan, 0], [3, np.nan]])


def save(name: str, content: object) -> Writer:
    return lambda folder, signals: np.save(folder / name, content)


def table(name: str, **columns: object) -> Writer:
    def write(folder: Path, signals: np.ndarray) -> None:
        arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(arrow.table(columns), folder / name)

    return write


@pytest.mark.parametrize(
    ("writers", "message"),
    [
        ([], "no .npy or .parquet file and no zarr array"),
        ([write_npy, write_parquet], r"holds .npy and .parquet: give a folder of one kind"),
        ([write_npy, save("x.npy", np.ones((3, 7)))], "x.npy: signals of 7 samples, part-0.npy has 19"),
        ([save("x.npy", np.ones(3))], r"shape \(3,\)"),
        ([save("x.npy", np.ones((3, 2), complex))], "complex128, not real numbers"),
        ([save("x.npy", np.array([["a"]]))], "not real numbers"),
        ([save("x.npy", np.array([[{}]]))], "not a readable .npy"),
        ([save("x.npy", np.ones((0, 3)))], "not a readable .npy|hold no signal"),
        ([lambda folder, _: (folder / "x.npy").write_bytes(b"\x93NUMPY\x01")], "not a readable .npy"),
        ([lambda folder, _: (folder / "x.parquet").write_bytes(b"PAR1")], "not a readable .parquet"),
        ([table("x.parquet", host=["a"], value=[1.0])], "column 'host' is not numeric"),
        ([table("a.parquet", x=[1], y=[2]), table("b.parquet", y=[1], x=[2])], "columns y, x; a.parquet has x, y"),
        ([lambda folder, _: (folder / ".zarray").write_text("{}")], "not a readable zarr"),
    ],
)
def test_folders_that_cannot_be_used_are_refused(
    tmp_path: Path, signals: np.ndarray, writers: list[Writer], message: str
) -> None:
    for write in writers:
        write(tmp_path, signals)
    with pytest.raises(DataError, match=message) as refused:
        open_folder(tmp_path)
    assert "\n" not in str(refused.value)


def test_what_is_not_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        open_folder(tmp_path / "absent")
    np.save(tmp_path / "x.npy", np.ones((2, 2)))
    with pytest.raises(DataError, match="a file, not a folder"):
        open_folder(tmp_path / "x.npy")


@pytest.mark.parametrize("package", ["dask", "zarr", "pyarrow"])
def test_a_missing_package_is_named_with_its_extra(tmp_path: Path, signals: np.ndarray, package: str) -> None:
    {"dask": write_npy, "zarr": write_zarr_arrays, "pyarrow": write_parquet}[package](tmp_path, signals)
    # None in sys.modules is what Python keeps for a module that must not be imported.
    program = f"""
import sys
sys.modules[{package!r}] = None
from edgetwin.data import DataError
from edgetwin.data.folder import open_folder
try:
    open_folder({str(tmp_path)!r})
except DataError as error:
    print(error)
"""
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert f"needs {package}" in printed
    assert "pip install 'edgetwin[cluster]'" in printed
