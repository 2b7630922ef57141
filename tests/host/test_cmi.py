"""The CMI study: its formulas, what it does to images, how a head learns, and the whole of it on a few images."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="networks need edgetwin[train]")
pytest.importorskip("pywt", reason="the study needs edgetwin[bench]")

from rich.console import Console

from edgetwin.bench.cmi import BUDGETS, choose_base, draw_picture, lines, load_images, published, run, tables
from edgetwin.bench.cmi.base import Base, random_base, trained_base
from edgetwin.bench.cmi.budget import scaled
from edgetwin.bench.cmi.data import ImageSet
from edgetwin.bench.cmi.experiment import forms
from edgetwin.bench.cmi.images import (
    ORIGINAL,
    WAVELET,
    Form,
    approximation,
    compression_ratio,
    quality_for,
    render,
    space_gain,
)
from edgetwin.bench.cmi.results import DYNAMIC, FLOAT, INT8, Confusion, File, FormResult, Results
from edgetwin.bench.cmi.transfer import Features, features, train_head
from edgetwin.cli import main
from edgetwin.data import DataError
from edgetwin.errors import UserError
from edgetwin.nn.architectures import vgg16, vgg16_transfer
from edgetwin.nn.backend import load_keras
from edgetwin.nn.checkpoint import save_weights
from edgetwin.nn.quantization import convert
from edgetwin.nn.training import predict, seed_networks

pillow = pytest.importorskip("PIL.Image")
pywt = pytest.importorskip("pywt")

pytestmark = pytest.mark.timeout(900)

SIDE = 32
NARROW = 1 / 16


def silent(title, steps):
    return lambda: None


def scans(count, seed, shape=(28, 28)):
    """Images of two classes that differ in where they are bright; some noise, so that JPEG has something to do."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    pixels = random.normal(90, 12, (count, *shape))
    half = shape[0] // 2
    pixels[labels == 0, :half] += 80
    pixels[labels == 1, half:] += 80
    return np.clip(pixels, 0, 255).astype(np.uint8), labels.astype(np.int64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of data sets with a small PneumoniaMNIST."""
    folder = tmp_path_factory.mktemp("data")
    arrays = {}
    for part, count in (("train", 48), ("val", 16), ("test", 24)):
        arrays[f"x_{part}"], arrays[f"y_{part}"] = scans(count, count)
    (folder / "pneumoniamnist").mkdir()
    np.savez(folder / "pneumoniamnist" / "pneumoniamnist.npz", **arrays)
    return folder


@pytest.fixture(scope="module")
def images(folder):
    return load_images(folder, None, side=SIDE, most=None, seed=0)


@pytest.fixture(scope="module")
def base():
    return random_base(NARROW, seed=1)


@pytest.fixture
def results():
    """As if they had been measured."""
    history = {name: [0.7, 0.5, 0.6] for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    right = Confusion(((10, 2), (1, 11)))
    names = (ORIGINAL, *(paper.name for paper in published.NORMALISATIONS), WAVELET)
    found = [
        FormResult(Form(name, 224, side), 99, size, size / 96, history, {1: 0.5, 30: 0.875}, right, 4000, 2.5)
        for name, side, size in zip(names, (224, 150, 100, 64, 224), (900, 500, 300, 150, 900), strict=True)
    ]
    worse = Confusion(((10, 2), (2, 10)))
    files = {FLOAT: File(FLOAT, 4000, 2.5, right), DYNAMIC: File(DYNAMIC, 1000, 1.5, worse)}
    files[INT8] = File(INT8, 1001, 1.0, worse)
    wide = {mode: replace(files[mode], confusion=None) for mode in (FLOAT, DYNAMIC)}
    return Results("tiny", 0, 1.0, "scans", ("ill", "well"), 48, 24, "random", NARROW, tuple(found), files, wide)


# The paper's formulas and sizes.


def test_ratio_and_gain_are_the_formulas_4_and_5():
    assert compression_ratio(600, 200) == 3
    assert space_gain(600, 200) == pytest.approx(2 / 3)
    # Gains that the paper prints for its ratios; it has 40 % where 1 − 1/1.7 is 41 %.
    for normalisation in published.NORMALISATIONS:
        assert 1 - 1 / normalisation.ratio == pytest.approx(normalisation.gain, abs=0.012)


@pytest.mark.parametrize(("side", "parameters"), [(224, 25_089), (150, 8_193), (100, 4_609), (64, 2_049), (112, 4_609)])
def test_the_head_has_the_published_number_of_parameters(side, parameters):
    assert vgg16_transfer((side, side, 3)).layers[-1].count_params() == parameters


def test_smaller_images_are_the_same_shares_of_the_original_side_as_in_the_paper():
    assert [scaled(224, each.side) for each in published.NORMALISATIONS] == [150, 100, 64]
    assert [scaled(112, each.side) for each in published.NORMALISATIONS] == [75, 50, 32]
    with pytest.raises(UserError, match="too small"):
        scaled(96, 64)


def test_a_confusion_counts_what_was_taken_for_what():
    outputs = np.array([[0.1], [0.9], [0.6], [0.5]], np.float32)
    confusion = Confusion.of(outputs, np.array([0, 0, 1, 1]))
    assert confusion.counts == ((1, 1), (1, 1))
    assert Confusion(((5, 1), (0, 2))).accuracy == 7 / 8


# Images.


def test_the_approximation_is_the_mean_of_four_pixels_and_the_low_band_of_pywt(images):
    pixels = images.test.pixels[:3, :, :, None].astype(np.float32)
    by_hand = (pixels[:, ::2, ::2] + pixels[:, 1::2, ::2] + pixels[:, ::2, 1::2] + pixels[:, 1::2, 1::2]) / 4
    np.testing.assert_allclose(approximation(pixels), by_hand, rtol=1e-5)
    low, _ = pywt.dwt2(pixels[0, :, :, 0], "haar")
    np.testing.assert_allclose(approximation(pixels)[0, :, :, 0], low / 2, rtol=1e-5)


def test_what_a_network_sees_is_the_resized_jpeg_and_its_bytes_are_the_files(images):
    form = Form("small", 64, 40, quality=60)
    seen, size = render(images.test.pixels[:2], form)
    assert seen.shape == (2, 40, 40, 1)
    expected = 0
    for image, pixels in zip(images.test.pixels[:2], seen, strict=True):
        picture = pillow.fromarray(image).resize((64, 64), pillow.Resampling.LANCZOS)
        picture = picture.resize((40, 40), pillow.Resampling.LANCZOS)
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=60, optimize=True)
        expected += len(file.getvalue())
        np.testing.assert_allclose(pixels[:, :, 0] * 255, np.asarray(pillow.open(file)), rtol=1e-5)
    assert size == expected


def test_colour_images_stay_so_and_the_wavelet_halves_their_sides(base):
    colour = np.random.default_rng(0).integers(0, 256, (2, 30, 30, 3), np.uint8)
    seen, _ = render(colour, Form(WAVELET, 45, 45, wavelet=True))
    assert seen.shape == (2, 23, 23, 3)
    assert Form(WAVELET, 45, 45, wavelet=True).seen == 23
    assert base.prepare(seen) is seen
    grey = base.prepare(seen[..., :1])
    np.testing.assert_array_equal(grey, np.repeat(seen[..., :1], 3, axis=3))


@pytest.mark.parametrize("ratio", [1.7, 3.0, 5.0])
def test_jpeg_quality_is_the_one_whose_ratio_is_nearest(images, ratio):
    some, form = images.train.pixels[:8], Form("", 64, 56)
    original = render(some, Form("", 64, 64))[1]
    ratios = {q: compression_ratio(original, render(some, replace(form, quality=q))[1]) for q in range(1, 96)}
    chosen = ratios[quality_for(ratio, some, form)]
    nearest = min(ratios.values(), key=lambda found: abs(np.log(found / ratio)))
    assert chosen == pytest.approx(nearest, rel=0.02)


def test_forms_are_the_original_three_normalisations_and_the_wavelet(images):
    made = forms(BUDGETS["full"], images)
    assert [form.seen for form in made] == [224, 150, 100, 64, 112]
    made = forms(replace(BUDGETS["full"], side=112), images)
    assert [form.seen for form in made] == [112, 75, 50, 32, 56]
    assert (made[0].name, made[-1].name) == (ORIGINAL, WAVELET)
    with pytest.raises(UserError, match="too small"):
        forms(replace(BUDGETS["full"], side=64), images)


# Base and head.


def test_a_base_of_trained_weights_finds_what_the_trained_network_finds_before_its_dense_layer(tmp_path):
    keras = load_keras()
    seed_networks(0)
    model = vgg16(classes=4, width=NARROW)
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(0.1, 0.5, weight.shape) for weight in model.get_weights()])
    save_weights(model, tmp_path / "weights.npz")
    base = trained_base(tmp_path / "weights.npz")
    pooled = [layer for layer in model.layers if type(layer).__name__ == "MaxPooling2D"][-1]
    pixels = random.random((3, SIDE, SIDE, 3), np.float32)
    expected = predict(keras.Model(model.inputs[0], pooled.output), pixels)
    assert base.width == NARROW
    found = predict(base.network(SIDE).get_layer("vgg16_base"), base.prepare(pixels))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_imagenet_bases_take_pixels_as_keras_does():
    keras = load_keras()
    pixels = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
    expected = keras.applications.vgg16.preprocess_input(255 * pixels)
    np.testing.assert_allclose(Base("imagenet", 1.0, []).prepare(pixels), expected, atol=1e-3)


def test_a_head_on_features_becomes_what_it_becomes_in_the_whole_network(images, base):
    keras, form = load_keras(), Form(ORIGINAL, SIDE, SIDE)
    inputs = base.prepare(render(images.train.pixels, form)[0])

    def network():
        seed_networks(3)
        return base.network(SIDE)

    whole = network()
    whole.compile(optimizer=keras.optimizers.Adam(1e-3), loss="binary_crossentropy", metrics=["accuracy"])
    seed_networks(4)
    told = whole.fit(inputs, images.train.labels, batch_size=32, epochs=3, verbose=0).history
    parted = network()
    found = [features(parted, base, part, form) for part in (images.train, images.validation, images.test)]
    seed_networks(4)
    history, tested, confusion = train_head(parted, *found, (1, 3))
    for one, other in zip(parted.get_weights(), whole.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(history["loss"], told["loss"], rtol=1e-4)
    assert list(tested) == [1, 3]
    outputs = predict(whole, base.prepare(render(images.test.pixels, form)[0]))
    assert confusion == Confusion.of(outputs, images.test.labels)


def test_a_head_whose_loss_is_no_number_is_one_clear_error(images, base):
    wrong = Features(np.full((8, 4), np.nan, np.float32), images.train.labels[:8], 0)
    network = load_keras().Sequential([load_keras().layers.Dense(1, activation="sigmoid")])
    with pytest.raises(UserError, match="loss became nan in epoch 1"):
        train_head(network, wrong, wrong, wrong, (2,))


def test_features_are_the_same_whatever_the_batch_and_count_the_bytes_of_all_images(images, base):
    form, network = Form(ORIGINAL, SIDE, SIDE), base.network(SIDE)
    many = ImageSet(np.concatenate([images.train.pixels] * 2), np.concatenate([images.train.labels] * 2))
    found = features(network, base, many, form)
    one, size = render(images.train.pixels, form)
    expected = predict(network.get_layer("vgg16_base"), base.prepare(one)).reshape(len(one), -1)
    np.testing.assert_allclose(found.values, np.concatenate([expected] * 2), rtol=1e-4, atol=1e-5)
    assert found.image_bytes == 2 * size


# The whole study.


def test_every_form_and_file_is_measured(folder, base, monkeypatch):
    # In this process, which has started TensorFlow already.
    monkeypatch.setattr("edgetwin.bench.cmi.experiment.to_tflite", convert)
    budget = replace(BUDGETS["smoke"], images=8, epochs=(1, 3))
    chosen = load_images(folder, None, side=budget.side, most=budget.images, seed=0)
    results = run("tiny", budget, chosen, base, seed=0, track=silent)
    assert [found.form.name for found in results.forms] == ["original", "5 : 1", "wavelet"]
    filters = round(512 * NARROW)
    assert [found.parameters for found in results.forms] == [9 * filters + 1, filters + 1, filters + 1]
    for found in results.forms:
        assert list(found.accuracies) == [1, 3]
        assert found.accuracies[3] == found.confusion.accuracy
        assert len(found.history["val_loss"]) == 3
        assert found.milliseconds > 0
    assert list(results.files) == [FLOAT, DYNAMIC, INT8]
    assert results.files[FLOAT].bytes == results.original.file_bytes
    assert results.files[FLOAT].confusion == results.original.confusion
    assert results.files[DYNAMIC].bytes < results.files[FLOAT].bytes / 2
    assert results.ratio(results.original) == 1
    assert results.ratio(results.forms[1]) == pytest.approx(5, rel=0.2)


def test_the_tables_have_the_papers_figures_beside_ours(results):
    console = Console(width=80, file=io.StringIO(), record=True)
    for table in tables(results):
        console.print(table)
    text = console.export_text()
    for figure in ("87.00", "96.45", "96.40", "56.4", "14.1", "64 x 64", "2,049", "40.8", "96.03", "87.50", "83.33"):
        assert f"{figure} " in text
    assert "Full width" in text
    assert "…" not in text


def test_what_was_asked_is_said_to_be_met_or_not(results):
    exact = Confusion(((500, 0), (0, 500)))

    def said(small, wrong):
        quantised = Confusion(((500 - wrong, wrong), (0, 500)))
        files = {
            FLOAT: replace(results.files[FLOAT], bytes=3900, confusion=exact),
            DYNAMIC: replace(results.files[DYNAMIC], bytes=small, confusion=quantised),
        }
        return lines(replace(results, files=files, base="weights.npz", full_width={}))

    assert said(1000, 3)[-1] == (
        "dynamic range: 1/3.90 of the bytes, asked at most 1/3.9: met; "
        "0.30 points of accuracy lost, asked at most 0.3: met"
    )
    assert said(1001, 4)[-1].count("not met") == 2
    assert said(1000, 0)[1] == "base: weights.npz of width 0.0625"
    assert "learned nothing" in lines(results)[1]
    assert lines(results)[-1].startswith("dynamic range at VGG16's full width: 1/4.00 of the bytes")


def test_results_are_plain_and_the_picture_is_one(results, tmp_path):
    found = json.loads(json.dumps(results.to_dict(), allow_nan=False))
    assert found["files"]["dynamic"]["ratio"] == 4
    assert found["files"]["dynamic"]["lost"] == 1 / 24
    assert [form["ratio"] for form in found["forms"]] == [1, 1.8, 3, 6, 1]
    assert found["forms"][2]["gain"] == pytest.approx(2 / 3)
    draw_picture(results, tmp_path / "cmi.png")
    with pillow.open(tmp_path / "cmi.png") as picture:
        assert picture.width > picture.height > 300


# What goes wrong.


def test_without_weights_the_command_to_make_them_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="run edgetwin train models/vgg16_cifar10 first"):
        choose_base(None, BUDGETS["full"], seed=0)
    with pytest.raises(UserError, match="no such weights"):
        choose_base("other.npz", BUDGETS["smoke"], seed=0)
    assert choose_base(None, BUDGETS["smoke"], seed=0).title == "random"


def test_weights_of_another_network_are_refused(tmp_path):
    keras = load_keras()
    dense = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    save_weights(dense, tmp_path / "dense.npz")
    with pytest.raises(UserError, match="not of VGG16"):
        trained_base(tmp_path / "dense.npz")
    layers = [keras.Input((SIDE, SIDE, 3)), keras.layers.Conv2D(4, 3), keras.layers.Flatten(), keras.layers.Dense(2)]
    save_weights(keras.Sequential(layers), tmp_path / "convolution.npz")
    with pytest.raises(UserError, match="another network than vgg16"):
        trained_base(tmp_path / "convolution.npz")
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UserError, match="not a readable"):
        trained_base(tmp_path / "cut.npz")


def test_without_pneumoniamnist_its_place_is_named(tmp_path):
    with pytest.raises(DataError, match=r"PneumoniaMNIST is not here: put it at .*pneumoniamnist\.npz"):
        load_images(tmp_path, None, side=SIDE, most=None, seed=0)


def paint(folder, classes, count=10):
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for number, image in enumerate(scans(2 * count, 0, (40, 30))[0][label::2]):
            pillow.fromarray(image).save(folder / name / f"{number}.png")


def test_class_folders_of_ones_own_take_its_place(tmp_path):
    paint(tmp_path, ("ill", "well"))
    found = load_images(None, tmp_path, side=SIDE, most=5, seed=0)
    assert found.classes == ("ill", "well")
    assert found.train.pixels.shape == (5, SIDE, SIDE)
    assert (len(found.validation), len(found.test)) == (2, 4)


def test_of_images_that_do_not_go_together_nothing_is_advised_that_the_command_lacks(tmp_path):
    paint(tmp_path, ("ill", "well"))
    (tmp_path / "ill" / "cut.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"cut.png .*; mend them or take them away \(a recipe's data.images can"):
        load_images(None, tmp_path, side=SIDE, most=None, seed=0)


def test_more_classes_than_two_are_refused(tmp_path):
    paint(tmp_path, ("a", "b", "c"))
    with pytest.raises(DataError, match="3 classes"):
        load_images(None, tmp_path, side=SIDE, most=None, seed=0)


def test_the_command_ends_with_one_line_for_bad_input(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("EDGETWIN_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["edgetwin", "bench", "cmi"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "PneumoniaMNIST" in said
