"""Recipes and their training: what is refused, that each path learns, and where a killed run ends."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="networks need edgetwin[train]")

from edgetwin.data import DataError
from edgetwin.errors import UserError
from edgetwin.nn.augmentation import augment
from edgetwin.nn.checkpoint import load_weights, save_weights
from edgetwin.nn.curves import draw_curves
from edgetwin.nn.examples import load_examples
from edgetwin.nn.recipe import Augmentation, load_recipe
from edgetwin.nn.run import CHECKPOINT, METRICS, WEIGHTS, carry_out
from edgetwin.nn.training import predict, seed_networks

SHELF = Path(__file__).resolve().parents[2] / "models"

SERIES = """
title = "small"
task = "classification"
seed = 3
[data]
name = "ecg5000"
validation = 0.25
[architecture]
name = "cnn1d"
parameters = { filters = 4, blocks = 2, dropout = 0.5 }
[augmentation]
noise = 0.1
shift = 1
[optimizer]
learning_rate = 0.01
weight_decay = 0.01
[schedule]
batch_size = 16
warmup = 1
[budget.smoke]
epochs = 2
examples = 32
[budget.full]
epochs = 6
"""
NETWORK = 'name = "cnn1d"\nparameters = { filters = 4, blocks = 2, dropout = 0.5 }'


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder of data sets of two classes that a small network can tell apart."""
    folder, random = tmp_path_factory.mktemp("data"), np.random.default_rng(0)

    def write(name, file, parts, shape, **more):
        arrays = {}
        for part, count in parts.items():
            labels = np.arange(count) % 2
            level = (labels * 2 - 1).reshape(-1, *[1] * len(shape))
            x = random.standard_normal((count, *shape)) / 3 + level
            arrays |= {f"x_{part}": more.get("scale", lambda x: x)(x), f"y_{part}": labels}
        (folder / name).mkdir()
        np.savez(folder / name / file, **arrays)

    def pixels(x):
        return (np.clip(x / 4 + 0.5, 0, 1) * 255).astype(np.uint8)

    write("ucr_ecg5000", "ecg5000.npz", {"train": 128, "test": 60}, (32,))
    write("cifar10_subset", "cifar10_subset.npz", {"train": 64, "test": 30}, (32, 32, 3), scale=pixels)
    write("mnist", "mnist.npz", {"train": 64, "test": 30}, (28, 28), scale=pixels)
    write("pneumoniamnist", "pneumoniamnist.npz", {"train": 64, "val": 20, "test": 30}, (28, 28), scale=pixels)
    return folder


@pytest.fixture
def recipe(tmp_path):
    """Gives the recipe of a text, SERIES with some words replaced."""

    def get(*replacements):
        text = SERIES
        for old, new in replacements:
            assert old in text
            text = text.replace(old, new)
        (tmp_path / "recipe.toml").write_text(text)
        return load_recipe(tmp_path)

    return get


def weights(folder):
    with np.load(folder / WEIGHTS) as archive:
        return dict(archive)


def test_a_network_learns_and_its_metrics_are_those_of_its_weights(recipe, data, tmp_path):
    small, steps = recipe(), []
    metrics = carry_out(small, "full", tmp_path / "out", data=data, on_step=steps.append)
    assert metrics["test_accuracy"] > 0.9
    assert json.loads((tmp_path / "out" / METRICS).read_text()) == metrics
    history = metrics["history"]
    assert {len(values) for values in history.values()} == {6}
    assert history["loss"][-1] < history["loss"][0]
    assert {"val_loss", "val_accuracy"} <= history.keys()
    assert [(step.epoch, step.step) for step in steps] == [(e, s) for e in range(1, 7) for s in range(1, 7)]
    assert steps[-1].figures["loss"] == pytest.approx(history["loss"][-1])
    examples = load_examples(small, small.budget.full, data)
    model = small.build(examples.shape, examples.classes)
    load_weights(model, tmp_path / "out" / WEIGHTS)
    hits = predict(model, examples.test.inputs).argmax(axis=1) == examples.test.labels
    assert hits.mean() == metrics["test_accuracy"]


def test_the_learning_rate_rises_and_falls_as_half_a_wave(recipe, data, tmp_path):
    rates = carry_out(recipe(), "full", tmp_path, data=data)["history"]["learning_rate"]
    # At the last of 6 steps an epoch: 5/6 of the way up, then over the 5 epochs that are left.
    wave = [0.01 * (1 + np.cos(np.pi * (epoch + 5 / 6) / 5)) / 2 for epoch in range(5)]
    np.testing.assert_allclose(rates, [0.01 * 5 / 6, *wave], rtol=1e-5)


def test_the_same_seed_gives_the_same_weights_and_another_others(recipe, data, tmp_path):
    for name in ("a", "b"):
        carry_out(recipe(), "smoke", tmp_path / name, data=data)
    carry_out(recipe(("seed = 3", "seed = 4")), "smoke", tmp_path / "c", data=data)
    first, again, other = (weights(tmp_path / name) for name in "abc")
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


@pytest.mark.parametrize("keep", ["last", "best"])
def test_a_killed_run_resumes_to_the_same_weights(keep, recipe, data, tmp_path):
    small = recipe(("warmup = 1", f'warmup = 1\nkeep = "{keep}"'))
    whole = carry_out(small, "full", tmp_path / "whole", data=data)
    # A process, killed in the middle of an epoch as a power cut would.
    script = (
        "import os, sys; from pathlib import Path; from edgetwin.nn.recipe import load_recipe;"
        "from edgetwin.nn.run import carry_out; here = Path(sys.argv[1]);"
        "end = lambda at: (at.epoch, at.step) == (4, 2) and os.kill(os.getpid(), 9);"
        "carry_out(load_recipe(here), 'full', here / 'cut', data=Path(sys.argv[2]), on_step=end)"
    )
    killed = subprocess.run([sys.executable, "-c", script, tmp_path, data], capture_output=True, timeout=200)
    assert killed.returncode == -9
    assert not (tmp_path / "cut" / WEIGHTS).exists()
    epochs = []
    resumed = carry_out(
        small, "full", tmp_path / "cut", resume=True, data=data, on_step=lambda at: epochs.append(at.epoch)
    )
    assert sorted(set(epochs)) == [4, 5, 6]
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(np.array_equal(one[name], other[name]) for name in one)
    for figure in ("loss", "accuracy", "val_loss", "learning_rate"):
        assert resumed["history"][figure] == whole["history"][figure]


def test_the_best_epoch_is_kept(recipe, data, tmp_path):
    # So high a rate that validation goes up and down.
    small = recipe(("warmup = 1", 'warmup = 0\nkeep = "best"\ndecay = "constant"'), ("= 0.01\nweight", "= 0.2\nweight"))
    metrics = carry_out(small, "full", tmp_path, data=data)
    examples = load_examples(small, small.budget.full, data)
    model = small.build(examples.shape, examples.classes)
    load_weights(model, tmp_path / WEIGHTS)
    outputs = predict(model, examples.validation.inputs)
    loss = -np.log(outputs[np.arange(len(outputs)), examples.validation.labels]).mean()
    assert loss == pytest.approx(min(metrics["history"]["val_loss"]), rel=1e-3)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_epoch(recipe, data, tmp_path):
    carry_out(recipe(), "smoke", tmp_path / "out", data=data)
    before = (tmp_path / "out" / CHECKPOINT).read_bytes()
    wild = recipe(("learning_rate = 0.01", "learning_rate = 1e30"))
    with pytest.raises(
        UserError, match=r"loss became \w+ in epoch 1; no epoch .*learning_rate = 1e\+29 \(now 1e\+30\)"
    ):
        carry_out(wild, "full", tmp_path / "out", data=data)
    assert (tmp_path / "out" / CHECKPOINT).read_bytes() == before


def test_weights_that_the_last_step_ruins_leave_no_checkpoint(recipe, data, tmp_path):
    # The one step of an epoch has the finite loss of the first weights.
    wild, at_once = ("learning_rate = 0.01", "learning_rate = 1e25"), ("= 16\nwarmup = 1", "= 500\nwarmup = 0")
    ruin = recipe(wild, at_once, ("validation = 0.25", ""))
    with pytest.raises(UserError, match=r"outputs became .* in epoch 1; no epoch was finished.*= 1e\+24"):
        carry_out(ruin, "smoke", tmp_path / "out", data=data)
    assert not (tmp_path / "out").exists()


def test_a_network_that_cannot_be_scored_leaves_no_weights(recipe, data, tmp_path, monkeypatch):
    def with_a_hole(*given):
        examples = load_examples(*given)
        return replace(examples, test=replace(examples.test, inputs=examples.test.inputs * np.float32(np.nan)))

    monkeypatch.setattr("edgetwin.nn.run.load_examples", with_a_hole)
    with pytest.raises(UserError, match="NaN or infinite"):
        carry_out(recipe(), "smoke", tmp_path / "out", data=data)
    assert [path.name for path in (tmp_path / "out").iterdir()] == [CHECKPOINT]


def test_a_checkpoint_of_another_run_is_refused(recipe, data, tmp_path):
    carry_out(recipe(), "smoke", tmp_path / "out", data=data)
    for other, budget in ((recipe(("noise = 0.1", "noise = 0.2")), "smoke"), (recipe(), "full")):
        with pytest.raises(UserError, match="another recipe, budget or data"):
            carry_out(other, budget, tmp_path / "out", resume=True, data=data)
    (tmp_path / "out" / CHECKPOINT).write_bytes(b"PK\3\4 cut")
    with pytest.raises(UserError, match="cut or damaged"):
        carry_out(recipe(), "smoke", tmp_path / "out", resume=True, data=data)


def test_weights_of_another_network_are_refused(recipe, tmp_path):
    save_weights(recipe().build((32, 1), 2), tmp_path / "weights.npz")
    with pytest.raises(UserError, match="another network"):
        load_weights(recipe(("filters = 4", "filters = 5")).build((32, 1), 2), tmp_path / "weights.npz")


@pytest.mark.parametrize(
    ("replacement", "said"),
    [
        (('name = "cnn1d"', 'name = "lenet"'), "no architecture 'lenet': choose one of .*resnet8"),
        (("filters = 4", "filter = 4"), "cnn1d has no parameter 'filter' but filters, blocks, kernel, dropout"),
        (("noise = 0.1", "noises = 0.1"), "augmentation.noises: Extra inputs"),
        (("learning_rate = 0.01", "learning_rate = 0"), "optimizer.learning_rate: .*greater than 0"),
        (("learning_rate = 0.01", "learning_rate = inf"), "optimizer.learning_rate: .*finite"),
        (("noise = 0.1", "noise = inf"), "augmentation.noise: .*finite"),
        (("warmup = 1", "warmup = nan"), "schedule.warmup: "),
        (("blocks = 2", "blocks = 0"), "architecture: .*cnn1d takes a finite blocks above 0, not 0$"),
        (("dropout = 0.5", "dropout = -0.1"), "cnn1d takes a finite dropout of at least 0, not -0.1$"),
        (("epochs = 6", 'epochs = "six"'), "budget.full.epochs"),
        (('task = "classification"', 'task = "detection"'), "detection needs telemetry"),
        (("seed = 3", "seed = "), "cannot be read as TOML"),
    ],
)
def test_a_bad_recipe_is_refused_with_the_place(replacement, said, recipe):
    with pytest.raises(UserError, match=said):
        recipe(replacement)


def test_a_missing_recipe_is_said(tmp_path):
    with pytest.raises(UserError, match="no such recipe"):
        load_recipe(tmp_path)


@pytest.mark.parametrize(
    ("name", "parameter", "values"),
    [
        ("vgg16", "width", ["0", "-1", "inf", "nan"]),
        ("dcae", "width", ["0.0", "-inf"]),
        ("mobilenet", "width", ["-1"]),
        ("dense_autoencoder", "depth", ["-1"]),
        ("ds_cnn", "blocks", ["0", "-2"]),
    ],
)
def test_a_network_of_no_layers_or_filters_is_refused_in_one_line(name, parameter, values, recipe):
    for value in values:
        with pytest.raises(UserError, match=f"{name} takes a finite {parameter} .*, not {value}$"):
            recipe((NETWORK, f'name = "{name}"\nparameters = {{ {parameter} = {value} }}'))


def test_more_filters_than_a_machine_can_count_are_refused(recipe):
    wide = recipe((NETWORK, 'name = "dcae"\nparameters = { width = 1e308 }'))
    with pytest.raises(UserError, match="dcae cannot be built for ecg5000"):
        wide.build((28, 28, 1), 10)


@pytest.mark.parametrize(
    ("task", "architecture", "shape", "said"),
    [
        ("reconstruction", "cnn1d", (32, 1), "cnn1d does not fit the task reconstruction: its output is 2, not 32x1"),
        ("classification", "dcae", (28, 28, 1), "dcae does not fit the task classification: .* 28x28x1, not 2"),
        ("reconstruction", "resnet20", (28, 28, 1), "resnet20 does not fit the task reconstruction"),
    ],
)
def test_a_task_that_does_not_fit_the_network_is_said(task, architecture, shape, said, recipe):
    wrong = recipe(('task = "classification"', f'task = "{task}"'), (NETWORK, f'name = "{architecture}"'))
    with pytest.raises(UserError, match=said):
        wrong.build(shape, 2)


def test_one_logistic_unit_is_for_two_classes(recipe):
    transfer = recipe((NETWORK, 'name = "vgg16_transfer"\nparameters = { width = 0.05 }'))
    assert transfer.build((32, 32, 3), 2).output_shape == (None, 1)
    with pytest.raises(UserError, match="its output is 1, not 10"):
        transfer.build((32, 32, 3), 10)


@pytest.mark.parametrize(
    ("replacements", "said"),
    [
        ([("validation = 0.25", ""), ("warmup = 1", 'keep = "best"')], "needs a validation part"),
        ([('name = "cnn1d"\nparameters = { filters = 4, blocks = 2, dropout = 0.5 }', 'name = "resnet8"')], "3 dimen"),
        ([('name = "ecg5000"', 'name = "ecg"')], "no data set 'ecg'; there are"),
        ([('name = "ecg5000"', 'name = "forda"')], "FordA is not here"),
    ],
)
def test_what_does_not_go_together_is_said(replacements, said, recipe, data, tmp_path):
    with pytest.raises(UserError, match=said):
        carry_out(recipe(*replacements), "smoke", tmp_path, data=data)


def test_data_that_are_not_there_are_data_errors(recipe, tmp_path):
    with pytest.raises(DataError, match="ECG5000_TRAIN"):
        carry_out(recipe(), "smoke", tmp_path, data=tmp_path)


def test_a_held_out_part_is_drawn_by_the_seed_and_learned_from_by_nobody(recipe, data):
    one, other = (load_examples(recipe(("seed = 3", f"seed = {s}")), recipe().budget.full, data) for s in (3, 4))
    assert (len(one.train), len(one.validation), len(one.test)) == (96, 32, 60)
    together = np.concatenate([one.train.inputs, one.validation.inputs])
    assert len(np.unique(together.reshape(128, -1), axis=0)) == 128
    assert not np.array_equal(one.validation.inputs, other.validation.inputs)


def test_telemetry_is_cut_into_windows_and_a_window_is_judged_by_its_last_row():
    asd = load_recipe(SHELF / "autoencoder_asd")
    examples = load_examples(asd, asd.budget.full)
    window = asd.data.window
    assert examples.test.inputs.shape == (4320 - window + 1, window * 19)
    assert examples.test.labels.sum() > 0
    np.testing.assert_array_equal(examples.test.inputs[0, -19:], examples.test.inputs[window - 1, :19])
    np.testing.assert_array_equal(examples.test.labels[: 357 - window + 1], 0)
    assert examples.test.labels[357 - window + 1] == 1  # row 357 is the first that the authors call anomalous


def test_augmented_images_are_mirrored_shifted_erased():
    image = np.arange(2 * 6 * 6 * 1, dtype=np.float32).reshape(2, 6, 6, 1)
    many = np.repeat(image[:1], 64, axis=0)
    random = np.random.default_rng(0)
    mirrored = augment(many, Augmentation(flip=True), random)
    is_mirrored = [np.array_equal(one, image[0, :, ::-1]) for one in mirrored]
    assert 16 < sum(is_mirrored) < 48
    assert all(flipped or np.array_equal(one, image[0]) for flipped, one in zip(is_mirrored, mirrored, strict=True))
    shifted = augment(many, Augmentation(shift=1), random)
    padded = np.pad(image[0, ..., 0], 1, mode="edge")
    moved = {padded[y : y + 6, x : x + 6].tobytes() for y in range(3) for x in range(3)}
    assert {one[..., 0].tobytes() for one in shifted} == moved
    erased = augment(many, Augmentation(erase=3), random) == 0.5
    assert {int(one.sum()) for one in erased} == {4, 6, 9}  # less at the edges


def test_augmented_series_are_scaled_and_noisy():
    series = np.ones((500, 40, 2), np.float32)
    random = np.random.default_rng(0)
    scaled = augment(series, Augmentation(scale=0.2), random)
    assert np.ptp(scaled, axis=(1, 2)).max() == 0
    assert 0.8 <= scaled.min() < 0.82 and 1.18 < scaled.max() <= 1.2
    noisy = augment(series, Augmentation(noise=0.5), random)
    assert noisy.std() == pytest.approx(0.5, rel=0.02)
    assert noisy.dtype == scaled.dtype == np.float32
    np.testing.assert_array_equal(augment(series, Augmentation(), random), series)


@pytest.mark.parametrize("name", sorted(folder.name for folder in SHELF.iterdir() if (folder / "recipe.toml").exists()))
def test_every_recipe_of_the_shelf_builds_for_its_data(name):
    shelf = load_recipe(SHELF / name)
    shapes = {
        "cifar10_subset": ((32, 32, 3), 10),
        "mnist": ((28, 28, 1), 10),
        "pneumoniamnist": ((28, 28, 1), 2),
        "forda": ((500, 1), 2),
        "ecg5000": ((140, 1), 5),
        "asd": ((19 * shelf.data.window,), 2),
    }
    shape, classes = shapes[shelf.data.name]
    model = shelf.build(shape, classes)
    assert model.inputs[0].shape[1:] == shape
    assert model.outputs[0].shape[1:] == ((classes,) if shelf.task == "classification" else shape)


@pytest.mark.parametrize("name", ["resnet8_cifar10", "dcae_mnist", "vgg16_pneumonia"])
def test_images_run_from_file_to_metrics(name, data, tmp_path):
    metrics = carry_out(load_recipe(SHELF / name), "smoke", tmp_path, data=data)
    assert metrics["test_examples"] == 30
    assert np.isfinite(metrics["test_loss"])


def test_detection_is_judged_by_how_often_an_anomaly_has_the_larger_error(tmp_path):
    asd = load_recipe(SHELF / "autoencoder_asd")
    metrics = carry_out(asd, "smoke", tmp_path)
    examples = load_examples(asd, asd.budget.smoke)
    model = asd.build(examples.shape, examples.classes)
    load_weights(model, tmp_path / WEIGHTS)
    errors = np.square(predict(model, examples.test.inputs) - examples.test.inputs).mean(axis=1)
    normal, anomalous = errors[examples.test.labels == 0], errors[examples.test.labels == 1]
    assert metrics["test_auc"] == pytest.approx((anomalous[:, None] > normal).mean(), abs=1e-4)
    assert metrics["test_loss"] == pytest.approx(normal.mean(), rel=1e-4)


def test_two_classes_may_be_one_logistic_unit(recipe, data, tmp_path):
    small = recipe(
        ('name = "ecg5000"\nvalidation = 0.25', 'name = "cifar10_subset"'),
        (
            'name = "cnn1d"\nparameters = { filters = 4, blocks = 2, dropout = 0.5 }',
            'name = "vgg16_transfer"\nparameters = { width = 0.05 }',
        ),
    )
    metrics = carry_out(small, "full", tmp_path, data=data)
    assert metrics["history"]["loss"][-1] < metrics["history"]["loss"][0]
    seed_networks(3)
    model = small.build((32, 32, 3), 2)
    before = model.get_weights()
    load_weights(model, tmp_path / WEIGHTS)
    changed = [not np.array_equal(one, other) for one, other in zip(before, model.get_weights(), strict=True)]
    assert changed == [False] * 26 + [True] * 2
    test = load_examples(small, small.budget.full, data).test
    hits = (predict(model, test.inputs)[:, 0] > 0.5) == test.labels
    assert metrics["test_accuracy"] == hits.mean()


def test_class_folders_of_images_are_learned_from(recipe, tmp_path):
    pillow = pytest.importorskip("PIL.Image")
    random = np.random.default_rng(0)
    for name, level in (("dark", 30), ("light", 220)):
        (tmp_path / "scans" / name).mkdir(parents=True)
        for number in range(40):
            pixels = (level + random.integers(-20, 20, (12, 12))).astype(np.uint8)
            pillow.fromarray(pixels).save(tmp_path / "scans" / name / f"{number:02}.png")
    small = recipe(
        ('name = "ecg5000"\nvalidation = 0.25', 'name = "scans"\nimages = { size = [16, 16], mode = "L" }'),
        ('name = "cnn1d"\nparameters = { filters = 4, blocks = 2, dropout = 0.5 }', 'name = "mnist_convnet"'),
    )
    metrics = carry_out(small, "full", tmp_path / "out", data=tmp_path)
    assert (metrics["examples"], metrics["test_examples"]) == (64, 16)
    assert metrics["test_accuracy"] > 0.9


@pytest.mark.parametrize("title", ["small", r"$\frac$ of [/b]"])
def test_curves_are_drawn_under_any_title(title, tmp_path):
    pytest.importorskip("matplotlib")
    draw_curves(title, {"loss": [2.0, 1.0], "val_loss": [2.1, 1.2], "accuracy": [0.1, 0.4]}, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
