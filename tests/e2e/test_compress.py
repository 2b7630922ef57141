"""`edgetwin compress` and `decompress` as a user runs them."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from edgetwin.data import load_asd
from edgetwin.deploy import DictionaryBundle

EDGETWIN = [sys.executable, "-c", "from edgetwin.cli import main; main()"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compress")
    telemetry = load_asd().train[:2000]
    varying = np.ascontiguousarray(telemetry[:, telemetry.std(axis=0) > 0][:, :4])
    np.save(folder / "sensor.npy", varying)
    np.save(folder / "counts.npy", np.rint(varying * 1000).astype(np.int16))
    edgetwin("compress", "sensor.npy", "-o", "sensor.etc", cwd=folder)
    return folder


def edgetwin(*words, cwd, code=0):
    done = subprocess.run([*EDGETWIN, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    assert "Traceback" not in done.stderr
    return (json.loads(done.stdout) if "--json" in words and code < 2 else done.stdout), done.stderr


def test_a_file_there_and_back(folder):
    result, _ = edgetwin("compress", "sensor.npy", "-o", "a.etc", "--target-nrmse", "0.1", "--json", cwd=folder)
    assert result["nrmse"] <= 0.1
    assert result["bytes_in"] == 2000 * 4 * 4
    assert result["bytes_out"] == (folder / "a.etc").stat().st_size
    assert result["ratio_without_dictionary"] > result["ratio"] > 10
    assert result["bits_per_sample"] == pytest.approx(8 * result["bytes_out"] / 8000)
    edgetwin("decompress", "a.etc", "-o", "a.npy", cwd=folder)
    exact, back = np.load(folder / "sensor.npy"), np.load(folder / "a.npy")
    assert (back.dtype, back.shape) == (exact.dtype, exact.shape)
    deviation = exact.std(axis=0)
    error = np.sqrt(np.mean(((back - exact) / deviation) ** 2))
    assert error == pytest.approx(result["nrmse"], rel=0.01)


def test_the_table_says_what_was_done(folder):
    out, _ = edgetwin("compress", "sensor.npy", "-o", "table.etc", "--codec", "dct", cwd=folder)
    for line in ("windows", "bytes out", "of these the dictionary", "compression without", "NRMSE", "dct 100 %"):
        assert line in out


def test_the_same_file_gives_the_same_bytes(folder):
    edgetwin("compress", "sensor.npy", "-o", "again.etc", cwd=folder)
    assert (folder / "again.etc").read_bytes() == (folder / "sensor.etc").read_bytes()


def test_integers_without_loss(folder):
    result, _ = edgetwin("compress", "counts.npy", "-o", "counts.etc", "--lossless", "--json", cwd=folder)
    assert (result["nrmse"], result["kinds"]["dpcm"]) == (0, 1)
    edgetwin("decompress", "counts.etc", "-o", "counts_back.npy", cwd=folder)
    assert (folder / "counts_back.npy").read_bytes() == (folder / "counts.npy").read_bytes()


def test_a_rate_that_is_asked_for(folder):
    result, _ = edgetwin(
        "compress", "sensor.npy", "-o", "rate.etc", "--target-bits", "64", "--codec", "dct", "--json", cwd=folder
    )
    content = result["bytes_out"] - result["dictionary_bytes"]
    assert 0.7 * 64 < 8 * content / result["windows"] < 1.3 * 64


def test_a_dictionary_of_learn_serves_many_files_beside_them(folder):
    edgetwin("learn", "sensor.npy", "-o", "D.etd", "-n", "32", "-s", "8", "--iterations", "3", cwd=folder)
    beside = ("--dictionary", "D.etd", "--without-dictionary", "--json")
    result, _ = edgetwin("compress", "sensor.npy", "-o", "beside.etc", *beside, cwd=folder)
    assert result["dictionary_bytes"] == 0
    assert result["dictionary"] == f"{DictionaryBundle.load(folder / 'D.etd').id:016x}"
    inside, _ = edgetwin("compress", "sensor.npy", "-o", "inside.etc", "--dictionary", "D.etd", "--json", cwd=folder)
    assert inside["bytes_out"] == result["bytes_out"] + inside["dictionary_bytes"]
    edgetwin("decompress", "beside.etc", "-o", "beside.npy", "--dictionary", "D.etd", cwd=folder)
    edgetwin("decompress", "inside.etc", "-o", "inside.npy", cwd=folder)
    assert (folder / "beside.npy").read_bytes() == (folder / "inside.npy").read_bytes()
    _, err = edgetwin("decompress", "beside.etc", "-o", "x.npy", cwd=folder, code=2)
    assert "is not in it: give it with --dictionary" in err


def test_damage_is_named_checked_and_recovered_from(folder):
    content = bytearray((folder / "sensor.etc").read_bytes())
    content[-400] ^= 1
    (folder / "damaged.etc").write_bytes(content)
    result, _ = edgetwin("decompress", "sensor.etc", "--check", "--json", cwd=folder)
    assert (result["whole"], result["rows"]) == (True, 2000)
    _, err = edgetwin("decompress", "damaged.etc", "--check", cwd=folder, code=1)
    assert "block" in err
    _, err = edgetwin("decompress", "damaged.etc", "-o", "damaged.npy", cwd=folder, code=2)
    assert "is corrupted" in err
    assert "--recover" in err
    assert not (folder / "damaged.npy").exists()
    edgetwin("decompress", "sensor.etc", "-o", "whole.npy", cwd=folder)
    result, err = edgetwin("decompress", "damaged.etc", "-o", "damaged.npy", "--recover", "--json", cwd=folder, code=1)
    assert f"{result['lost_rows']} of 2000 rows are lost" in err
    whole, recovered = np.load(folder / "whole.npy"), np.load(folder / "damaged.npy")
    kept = np.isfinite(recovered).all(axis=1)
    assert (~kept).sum() == result["lost_rows"] > 0
    np.testing.assert_array_equal(recovered[kept], whole[kept])


def test_lost_rows_of_integers_need_another_type(folder):
    edgetwin("compress", "counts.npy", "-o", "cut.etc", "--lossless", cwd=folder)
    (folder / "cut.etc").write_bytes((folder / "cut.etc").read_bytes()[:-500])
    result, _ = edgetwin("decompress", "cut.etc", "-o", "cut.npy", "--recover", "--json", cwd=folder, code=1)
    recovered, exact = np.load(folder / "cut.npy"), np.load(folder / "counts.npy")
    kept = 2000 - result["lost_rows"]
    assert 0 < kept < 2000
    assert recovered.dtype == np.float32
    np.testing.assert_array_equal(recovered[:kept], exact[:kept])
    assert np.isnan(recovered[kept:]).all()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("compress", "sensor.npy", "-o", "sensor.npy"), "would be one file"),
        (("decompress", "sensor.etc", "-o", "sensor.etc"), "would be one file"),
        (("compress", "missing.npy", "-o", "x.etc"), "no such file"),
        (("compress", "sensor.npy", "-o", "x.etc", "--lossless"), "takes integers"),
        (("compress", "sensor.npy", "-o", "x.etc", "--lossless", "--target-bits", "9"), "no error to reach"),
        (("compress", "sensor.npy", "-o", "x.etc", "--target-nrmse", "5"), "between 0 and 1"),
        (("compress", "sensor.npy", "-o", "x.etc", "--codec", "mp3"), "no codec 'mp3'"),
        (("compress", "sensor.npy", "-o", "x.etc", "--without-dictionary"), "needs a --dictionary"),
        (("compress", "sensor.npy", "-o", "x.etc", "--window", "5000"), "lower --window"),
        (("decompress", "sensor.npy", "-o", "x.npy"), "not a compressed file"),
        (("decompress", "sensor.etc", "-o", "x.wav"), "written as .npy or .csv"),
        (("decompress", "sensor.etc"), "--output, or --check"),
    ],
)
def test_bad_input_is_one_line_and_leaves_no_file(words, said, folder):
    before = sorted(folder.iterdir())
    _, err = edgetwin(*words, cwd=folder, code=2)
    assert said in " ".join(err.split())
    assert sorted(folder.iterdir()) == before
