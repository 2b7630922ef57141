"""Readers of the user's files, and the bundled data."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from edgetwin.data import ASD_SERVERS, DataError, load_asd, read_samples

TABLE = np.array([[1.0, 2.5, -3.0], [4.0, 5.0, 1e6]], dtype=np.float32)


@pytest.fixture
def write(tmp_path: Path):
    def _write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return _write


def refusal(path: Path | str, **options: bool) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(DataError) as error:
        read_samples(path, **options)
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", "f2", "i8", "u1", "?"])
def test_npy_of_any_real_type_becomes_float32(tmp_path: Path, dtype: str) -> None:
    values = np.array([[1, 0], [0, 1], [1, 1]]).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    samples = read_samples(tmp_path / "a.npy")
    assert samples.values.dtype == np.float32
    np.testing.assert_array_equal(samples.values, values.astype(np.float32))
    assert samples.names == ("channel_1", "channel_2")


def test_one_dimension_is_one_channel(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(5.0))
    assert read_samples(tmp_path / "a.npy").values.shape == (5, 1)


def test_fortran_order_is_read_in_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.asfortranarray(TABLE))
    samples = read_samples(tmp_path / "a.npy")
    np.testing.assert_array_equal(samples.values, TABLE)
    assert samples.values.flags.c_contiguous


def test_npz_with_one_array_needs_no_key(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=TABLE)
    np.testing.assert_array_equal(read_samples(tmp_path / "a.npz").values, TABLE)


def test_npz_with_several_arrays_takes_a_key_and_names_them(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=TABLE, y=TABLE + 1)
    np.testing.assert_array_equal(read_samples(f"{tmp_path}/a.npz:y").values, TABLE + 1)
    assert "x, y" in refusal(tmp_path / "a.npz")
    assert "x, y" in refusal(f"{tmp_path}/a.npz:z")


def test_a_file_with_a_colon_in_its_name_goes_before_a_key(tmp_path: Path) -> None:
    np.save(tmp_path / "b.npy", TABLE)
    (tmp_path / "b.npy").rename(tmp_path / "a.npz:x.npy")
    np.testing.assert_array_equal(read_samples(tmp_path / "a.npz:x.npy").values, TABLE)


def test_an_archive_without_arrays_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w"):
        pass
    assert "no array" in refusal(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("name", "text", "names"),
    [
        ("a.csv", "1,2.5,-3\n4,5,1e6\n", ("channel_1", "channel_2", "channel_3")),
        ("a.csv", "load, heat,\n1,2.5,-3\n\n4,5,1e6", ("load", "heat", "channel_3")),
        ("a.csv", '\ufeff"a","b, c","d"\r\n1,2.5,-3\r\n4,5,1e6\r\n', ("a", "b, c", "d")),
        ("a.csv", "a;b;c\n1;2.5;-3\n4;5;1e6\n", ("a", "b", "c")),
        ("A.TSV", "a\tb\tc\n1\t2.5\t-3\n4\t5\t1e6\n", ("a", "b", "c")),
    ],
)
def test_delimited_text_with_and_without_names(write, name: str, text: str, names: tuple[str, ...]) -> None:
    samples = read_samples(write(name, text))
    np.testing.assert_array_equal(samples.values, TABLE)
    assert samples.names == names


def test_a_missing_cell_is_nan_and_named(write) -> None:
    path = write("a.csv", "x,y\n1,2\n3,\nNaN,4\n")
    message = refusal(path)
    assert "row 2, column 2 (y)" in message
    assert "2 such values" in message
    values = read_samples(path, allow_nan=True).values
    np.testing.assert_array_equal(values, np.array([[1, 2], [3, np.nan], [np.nan, 4]], dtype=np.float32))


def test_a_first_line_of_numbers_and_gaps_is_data(write) -> None:
    assert read_samples(write("a.csv", "1,\n2,3\n"), allow_nan=True).values.shape == (2, 2)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a,b\n1,2\n3\n", "line 3 has 1 cells, the first has 2"),
        ("a,b\n1,2\n3,4,5\n", "line 3 has 3 cells"),
        ("time,b\n2020-01-01,2\n", "line 2, column 1 (time) is not a number: '2020-01-01'"),
        ("a,b\n", "no line of numbers"),
        ("\n \n", "no line of numbers"),
        ("", "empty"),
        ('1,"2\n', "not valid"),
        (b"a,b\n1,\xff\n", "UTF-8"),
    ],
)
def test_a_bad_csv_is_refused_with_its_place(write, text: str | bytes, part: str) -> None:
    assert part in refusal(write("a.csv", text))


@pytest.mark.parametrize(
    ("values", "part"),
    [
        (np.float32(3), "0 dimensions"),
        (np.zeros((2, 2, 2, 2)), "(2, 2, 2, 2)"),
        (np.zeros((0, 3)), "no sample"),
        (np.zeros((3, 0)), "no sample"),
        (np.ones(3, complex), "complex"),
        (np.array(["a", "b"]), "not numbers"),
        (np.array(["2020-01-01"], "M8[D]"), "not numbers"),
        (np.array([1, 2], "m8[s]"), "not numbers"),
        (np.zeros(2, [("a", "f4")]), "not numbers"),
        (np.array([1.0, np.nan, np.nan]), "row 2, column 1 (channel_1) is NaN"),
        (np.array([[1.0, -np.inf]]), "row 1, column 2 (channel_2) is infinity"),
        (np.array([1e300]), "too large"),
    ],
)
def test_a_bad_array_is_refused_with_its_fault(tmp_path: Path, values: np.ndarray, part: str) -> None:
    np.save(tmp_path / "a.npy", values)
    np.savez(tmp_path / "a.npz", x=values)
    assert part in refusal(tmp_path / "a.npy")
    assert part in refusal(tmp_path / "a.npz")


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", x=np.array([{}], dtype=object))
    assert "readable" in refusal(tmp_path / "a.npy")
    assert "readable" in refusal(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_a_cut_or_foreign_file_is_refused_at_every_length(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "a.npy":
        np.save(path, TABLE)
    else:
        np.savez_compressed(path, x=TABLE)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        refusal(path)
    path.write_bytes(b"no array at all, but some text that is long enough to look at")
    assert "not a readable" in refusal(path)


def test_an_archive_under_the_name_of_an_array_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=TABLE)
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    assert ".npz" in refusal(tmp_path / "a.npy")
    np.save(tmp_path / "b.npy", TABLE)
    (tmp_path / "b.npy").rename(tmp_path / "b.npz")
    assert ".npy" in refusal(tmp_path / "b.npz")


def test_a_file_that_is_not_there_or_not_a_file_is_refused(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "a.csv")
    assert "no such file" in refusal(tmp_path / "a.npz:x")
    assert ".parquet" in refusal(tmp_path / "a.xlsx")
    (tmp_path / "d.csv").mkdir()
    assert "folder" in refusal(tmp_path / "d.csv")


UNIVARIATE = "# comment\n@problemName X\n@timeStamps false\n@univariate true\n@classLabel true a b\n@data\n"


def test_ts_cases_follow_each_other_in_time(write) -> None:
    samples = read_samples(write("a.ts", UNIVARIATE + "1,2,3:a\n\n4,5,6:b\n"))
    np.testing.assert_array_equal(samples.values, np.arange(1, 7, dtype=np.float32)[:, None])
    assert samples.series_rows == 3


def test_ts_dimensions_are_channels(write) -> None:
    text = "@dimensions 2\n@equalLength true\n@targetlabel true\n@data\n1,2,3:10,20,30:0.5\n4,5,6:40,50,60:0.7\n"
    samples = read_samples(write("a.ts", text))
    expected = np.array([[1, 10], [2, 20], [3, 30], [4, 40], [5, 50], [6, 60]], dtype=np.float32)
    np.testing.assert_array_equal(samples.values, expected)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (UNIVARIATE + "1,2,3:a\n4,5:b\n", "line 8"),
        ("@classLabel false\n@data\n1,2:3\n", "dimension 2 has 1 samples, the first 2"),
        (UNIVARIATE + "1,x,3:a\n", "line 7, dimension 1"),
        (UNIVARIATE + "a\n", "no series"),
        (UNIVARIATE, "no case"),
        ("@timeStamps true\n@data\n(0,1),(1,2)\n", "time stamps"),
        ("@classLabel true\n1,2\n", "line 2"),
        ("@classLabel true\n", "no @data"),
        (UNIVARIATE + "1,?,3:a\n", "row 2, column 1 (channel_1) is NaN"),
    ],
)
def test_a_bad_ts_is_refused(write, text: str, part: str) -> None:
    assert part in refusal(write("a.ts", text))


def test_parquet_without_pyarrow_names_the_extra(write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    assert "edgetwin[parquet]" in refusal(write("a.parquet", b"PAR1"))


def test_parquet_columns_are_channels_and_gaps_are_nan(tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: pip install 'edgetwin[parquet]'")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    parquet.write_table(arrow.table({"load": [1, None, 3], "heat": [0.5, 1.5, 2.5]}), path)
    samples = read_samples(path, allow_nan=True)
    assert samples.names == ("load", "heat")
    np.testing.assert_array_equal(samples.values, np.array([[1, 0.5], [np.nan, 1.5], [3, 2.5]], dtype=np.float32))
    assert "row 2, column 1 (load)" in refusal(path)
    parquet.write_table(arrow.table({"when": ["monday"], "heat": [0.5]}), path)
    assert "'when' is not numeric" in refusal(path)
    path.write_bytes(b"PAR1 but not really")
    assert "not a readable .parquet" in refusal(path)


@pytest.mark.parametrize("server", ASD_SERVERS)
def test_bundled_servers_are_whole_and_finite(server: str) -> None:
    asd = load_asd(server)
    assert asd.train.shape == (8640, 19)
    assert asd.test.shape == (4320, 19)
    assert len(asd.names) == 19
    for part in (asd.train, asd.test):
        assert part.dtype == np.float32
        assert part.flags.c_contiguous
        assert part.min() >= 0
        assert part.max() <= 1


def test_a_server_that_is_not_bundled_is_refused() -> None:
    with pytest.raises(DataError, match="omi-1"):
        load_asd("omi-99")


def test_images_are_rows_with_a_size(tmp_path) -> None:
    images = np.arange(24.0).reshape(2, 3, 4)
    np.savez(tmp_path / "a.npz", x=images)
    samples = read_samples(tmp_path / "a.npz")
    assert samples.image == (3, 4)
    np.testing.assert_array_equal(samples.values, images.reshape(2, 12))
