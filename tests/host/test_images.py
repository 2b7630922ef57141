"""Class folders of images: how they are read, and each thing that can be wrong with them."""

from __future__ import annotations

import numpy as np
import pytest

from edgetwin.data import DataError
from edgetwin.data.images import load_image_folder

pillow = pytest.importorskip("PIL.Image")


def paint(path, level=0, *, mode="RGB", size=(8, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pillow.new(mode, size[::-1], level if mode == "L" else (level,) * len(mode)).save(path)


@pytest.fixture
def folder(tmp_path):
    """Ten images of each of two classes."""
    for number in range(10):
        paint(tmp_path / "cats" / f"{number}.png", number)
        paint(tmp_path / "dogs" / f"{number}.png", 100 + number)
    return tmp_path


def test_class_folders_are_split_and_every_fifth_image_is_for_testing(folder):
    (folder / "cats" / "notes.txt").write_text("not an image")
    data = load_image_folder(folder)
    assert data.shape == (8, 6, 3)
    assert data.classes == 2
    assert data.train.shape == (16, 144)
    np.testing.assert_allclose(data.test[:, 0] * 255, [4, 9, 104, 109], rtol=1e-6)
    np.testing.assert_array_equal(data.test_labels, [0, 0, 1, 1])


def test_a_folder_that_is_split_is_taken_as_it_is(tmp_path):
    for part, count in (("train", 3), ("test", 2)):
        for name in ("a", "b"):
            for number in range(count):
                paint(tmp_path / part / name / f"{number}.jpg", 7, mode="L")
    data = load_image_folder(tmp_path)
    assert (len(data.train), len(data.test), data.shape) == (6, 4, (8, 6))


def test_images_are_resized_and_converted_where_that_is_asked(folder):
    paint(folder / "cats" / "grey.png", 3, mode="L", size=(20, 20))
    data = load_image_folder(folder, size=(4, 5), mode="L")
    assert data.shape == (4, 5)
    assert len(data.train) + len(data.test) == 21


def test_bad_images_are_named_and_skipped_only_on_request(folder, caplog):
    (folder / "cats" / "cut.png").write_bytes((folder / "cats" / "1.png").read_bytes()[:40])
    paint(folder / "dogs" / "grey.png", mode="L")
    paint(folder / "dogs" / "large.png", size=(9, 9))
    with pytest.raises(
        DataError, match=r"3 of 23 images.*cut.png \(cannot be read.*grey.png \(mode L, not RGB\), .*9x9"
    ):
        load_image_folder(folder)
    assert not caplog.messages
    data = load_image_folder(folder, skip_bad=True)
    assert len(data.train) + len(data.test) == 20
    (said,) = caplog.messages
    assert f"{folder}: 3 of 23 images" in said
    assert "cats/cut.png (cannot be read" in said
    assert said.endswith("they are left out")


def test_images_of_which_none_is_bad_are_skipped_without_a_word(folder, caplog):
    load_image_folder(folder, skip_bad=True)
    assert not caplog.messages


def test_images_of_16_bits_are_not_clipped_to_white(folder):
    deep = np.linspace(0, 65535, 48, dtype=np.uint16).reshape(8, 6)
    pillow.fromarray(deep).save(folder / "dogs" / "deep.png")
    with pytest.raises(DataError, match=r"1 of 21 images.*deep.png \(mode I;16.*: make it 8 bits a pixel"):
        load_image_folder(folder, size=(8, 6), mode="L")
    assert len(load_image_folder(folder, mode="L", skip_bad=True).train) == 16


@pytest.mark.parametrize(
    ("names", "said"), [([], "no class"), (["only"], "one class, 'only'"), (["a", "empty"], "'empty' has no image")]
)
def test_fewer_than_two_classes_are_refused(names, said, tmp_path):
    for name in names:
        (tmp_path / name).mkdir()
        if name != "empty":
            for number in range(5):
                paint(tmp_path / name / f"{number}.png")
    with pytest.raises(DataError, match=said):
        load_image_folder(tmp_path)


def test_parts_of_other_classes_are_refused(tmp_path):
    for part, names in (("train", ("a", "b")), ("test", ("a", "c"))):
        for name in names:
            paint(tmp_path / part / name / "0.png")
    with pytest.raises(DataError, match="same classes: b, c"):
        load_image_folder(tmp_path)


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(DataError, match="no such folder of images"):
        load_image_folder(tmp_path / "gone")
