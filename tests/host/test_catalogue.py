"""Named data sets: what is found in a folder, what is in the package, and what is said where there is nothing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from edgetwin.data import DataError, load_labelled, load_telemetry, telemetry_servers

#: Taken before a test changes the environment.
SHARED_DATA = Path(os.environ.get("EDGETWIN_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))


@pytest.fixture
def no_folder(monkeypatch):
    monkeypatch.delenv("EDGETWIN_DATA", raising=False)


@pytest.fixture
def shared_data():
    """The folder of data sets, if it has the one that is named; skips with the reason where not."""

    def get(name):
        if not (SHARED_DATA / name).is_dir():
            pytest.skip(f"{name} is not in {SHARED_DATA} (set EDGETWIN_DATA)")
        return SHARED_DATA

    return get


def write(path, **arrays):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)


def classes(x_shape, labels):
    x = np.zeros(x_shape, dtype=np.uint8)
    x[0] = 255
    return {"x_train": x, "y_train": labels, "x_test": x, "y_test": labels}


def test_images_become_rows_from_0_to_1(tmp_path):
    write(tmp_path / "mnist" / "mnist.npz", **classes((3, 28, 28), np.array([7, 0, 9], dtype=np.uint8)))
    data = load_labelled("mnist", tmp_path)
    assert data.train.shape == (3, 784)
    assert data.train.dtype == np.float32
    assert data.shape == (28, 28)
    assert data.classes == 10
    np.testing.assert_array_equal(data.train[:, 0], [1, 0, 0])
    np.testing.assert_array_equal(data.test_labels, [7, 0, 9])


def test_forda_is_read_as_the_ucr_archive_has_it(tmp_path):
    series = np.random.default_rng(0).standard_normal((4, 5))
    folder = tmp_path / "ucr_forda"
    folder.mkdir()
    for part in ("TRAIN", "TEST"):
        np.savetxt(folder / f"FordA_{part}.tsv", np.column_stack([[-1, 1, 1, -1], series]), delimiter="\t")
    data = load_labelled("forda", tmp_path)
    np.testing.assert_array_equal(data.train_labels, [0, 1, 1, 0])
    np.testing.assert_allclose(data.test, series, rtol=1e-6)


def test_the_real_forda_is_normalised_by_its_authors(shared_data):
    data = load_labelled("forda", shared_data("ucr_forda"))
    assert data.train.shape == (3601, 500)
    assert data.test.shape == (1320, 500)
    np.testing.assert_allclose(data.train.mean(axis=1), 0, atol=1e-4)


def test_the_environment_names_the_folder(tmp_path, monkeypatch):
    write(tmp_path / "mnist" / "mnist.npz", **classes((2, 28, 28), np.array([0, 1])))
    monkeypatch.setenv("EDGETWIN_DATA", str(tmp_path))
    assert len(load_labelled("mnist").train) == 2


def test_three_servers_are_in_the_package(no_folder):
    assert telemetry_servers("asd") == ("omi-1", "omi-6", "omi-7")
    server = load_telemetry("asd", "omi-6")
    assert server.test.shape == (4320, 19)
    assert server.anomalous.shape == (4320,)
    assert not server.anomalous[356] and server.anomalous[357]


@pytest.mark.parametrize("name", ["omi-1", "omi-6", "omi-7"])
def test_labels_in_the_package_are_those_of_the_whole_data_set(name, shared_data, no_folder):
    folder = shared_data("asd_application_server")
    whole, bundled = load_telemetry("asd", name, folder), load_telemetry("asd", name)
    np.testing.assert_array_equal(bundled.anomalous, whole.anomalous)
    np.testing.assert_array_equal(bundled.test, whole.test)


def test_every_server_in_the_folder_is_listed(shared_data):
    folder = shared_data("asd_application_server")
    assert telemetry_servers("asd", folder) == tuple(f"omi-{i}" for i in range(1, 13))


def test_a_machine_of_smd_is_a_file(tmp_path):
    rows = np.ones((6, 2), dtype=np.float32)
    write(tmp_path / "smd_server_machine" / "machine-3-4.npz", x_train=rows, x_test=rows, y_test=np.eye(1, 6)[0])
    assert telemetry_servers("smd", tmp_path) == ("machine-3-4",)
    np.testing.assert_array_equal(load_telemetry("smd", "machine-3-4", tmp_path).anomalous, [1, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (lambda folder: load_labelled("forda", folder), "ucr_forda/FordA_TRAIN.tsv"),
        (lambda folder: telemetry_servers("smd", folder), "machine-1-7.npz"),
        (lambda folder: load_labelled("forda", folder / "gone"), "not a folder"),
        (lambda folder: load_labelled("cifar", folder), "mnist, .*cifar10_subset, .*forda"),
        (lambda folder: telemetry_servers("davide", folder), "asd and smd"),
        (lambda folder: load_telemetry("asd", "omi-2", folder), "omi-1, omi-6, omi-7"),
    ],
)
def test_what_is_not_there_is_said_with_the_place_for_it(load, said, tmp_path):
    with pytest.raises(DataError, match=said):
        load(tmp_path)


def test_without_a_folder_the_message_says_how_to_name_one(no_folder):
    with pytest.raises(DataError, match="EDGETWIN_DATA"):
        load_labelled("forda")


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x_train": np.ones((2, 5))}, "no array 'y_train'"),
        (classes((2, 5), np.array([0, 1, 1])), "lacks a class"),
        (classes((2, 5), np.array([0, -1])), "lacks a class"),
        (classes((2, 5), np.array([0, 1])) | {"x_test": np.ones((2, 6))}, "differ in shape"),
        (classes((2, 5), np.array([0, 1])) | {"x_train": np.full((2, 5), np.nan)}, "not finite"),
        (classes((2, 5), np.array([0, 1])) | {"x_train": np.full((2, 5), 1e300)}, "not finite"),
        (classes((2, 5), np.array([0, 1.5])), "lacks a class"),
        (classes((2, 5), np.array([0, np.nan])), "lacks a class"),
        (classes((2, 5), np.array(["cat", "dog"])), "y_train is <U3 of shape .* numbers"),
        (classes((2, 5), np.array([0, 1])) | {"y_test": np.array(["0", "1"])}, "y_test is <U1"),
        (classes((2, 5), np.array([0, 1])) | {"x_train": np.float32(1)}, r"x_train is float32 of shape \(\)"),
        (classes((2, 5), np.array([0, 1])) | {"x_test": np.full((2, 5), "1")}, "x_test is <U1"),
        (classes((2, 5), np.array([0, 1])) | {"y_test": np.array([0, 9])}, "y_test has class 9, which y_train lacks"),
        (classes((2, 5), np.array([1, 3])) | {"y_test": np.array([1, 2])}, "y_test has class 2, which y_train lacks"),
    ],
)
def test_another_data_set_under_the_name_is_refused(arrays, said, tmp_path):
    write(tmp_path / "ucr_forda" / "forda.npz", **arrays)
    with pytest.raises(DataError, match=said):
        load_labelled("forda", tmp_path)


def test_a_validation_part_has_no_class_that_training_lacks(tmp_path):
    arrays = classes((2, 28, 28), np.array([0, 1])) | {"x_val": np.zeros((1, 28, 28)), "y_val": np.array([2])}
    write(tmp_path / "pneumoniamnist" / "pneumoniamnist.npz", **arrays)
    with pytest.raises(DataError, match="y_val has class 2"):
        load_labelled("pneumoniamnist", tmp_path)


def test_a_cut_file_is_refused(tmp_path):
    path = tmp_path / "smd_server_machine" / "machine-1-7.npz"
    path.parent.mkdir()
    path.write_bytes(b"PK\3\4 cut")
    with pytest.raises(DataError, match="get it again"):
        load_telemetry("smd", "machine-1-7", tmp_path)


def test_telemetry_whose_labels_do_not_fit_is_refused(tmp_path):
    rows = np.ones((6, 2), dtype=np.float32)
    write(tmp_path / "smd_server_machine" / "machine-1-7.npz", x_train=rows, x_test=rows, y_test=np.zeros(5))
    with pytest.raises(DataError, match="do not fit"):
        load_telemetry("smd", "machine-1-7", tmp_path)
