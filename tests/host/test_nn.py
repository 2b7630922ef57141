"""Networks: their sizes as published, their training, and anomalies by reconstruction."""

from __future__ import annotations

import numpy as np
import pytest

from edgetwin.data import load_asd
from edgetwin.nn.training import Schedule

pytest.importorskip("tensorflow", reason="networks need edgetwin[train]")

from edgetwin.nn.anomaly import AutoencoderDetector
from edgetwin.nn.architectures import fcn, mnist_convnet, sparse_autoencoder
from edgetwin.nn.training import accuracy, predict, seed_networks, train


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        (mnist_convnet(), 34_826),  # as the Keras example prints
        (fcn(500), 25_858),  # as the Keras example prints, moving averages included
        (sparse_autoencoder(152), 152 * 1520 + 1520 + 1520 * 152 + 152),
    ],
)
def test_networks_have_the_published_number_of_parameters(network, parameters):
    assert network.count_params() == parameters


def blobs(count):
    labels = np.arange(count) % 2
    noise = np.random.default_rng(0).standard_normal((count, 16, 1)) / 4
    return (noise + np.where(labels, 1, -1)[:, None, None]).astype(np.float32), labels


def test_a_network_learns_and_says_so():
    inputs, labels = blobs(200)
    seed_networks(0)
    model = fcn(16, filters=4, blocks=1)
    epochs = []
    schedule = Schedule(epochs=20, batch_size=20, validation_share=0.2)
    losses = train(model, inputs, labels, schedule, on_epoch=lambda: epochs.append(1))
    assert len(epochs) == len(losses["loss"]) == len(losses["val_loss"]) == 20
    assert losses["loss"][-1] < losses["loss"][0]
    assert accuracy(model, inputs, labels) == np.mean(predict(model, inputs).argmax(axis=1) == labels) > 0.9


def test_prediction_does_not_depend_on_its_batches():
    inputs, _ = blobs(1500)
    model = fcn(16, filters=4, blocks=1)
    whole = predict(model, inputs)
    assert whole.shape == (1500, 2)
    np.testing.assert_allclose(whole[1400:], predict(model, inputs[1400:]), rtol=1e-4)


def test_training_without_patience_left_keeps_the_best_epoch():
    inputs, labels = blobs(60)
    seed_networks(0)
    model = fcn(16, filters=4, blocks=1)
    # Validation labels are turned round: learning can only make their loss worse.
    labels[-30:] = 1 - labels[-30:]
    losses = train(model, inputs, labels, Schedule(40, 10, validation_share=0.5, patience=2))
    best = int(np.argmin(losses["val_loss"]))
    assert len(losses["loss"]) == best + 3 < 40
    outputs = predict(model, inputs[-30:])
    entropy = -np.log(outputs[np.arange(30), labels[-30:]]).mean()
    assert entropy == pytest.approx(losses["val_loss"][best], rel=1e-3)


def test_the_same_seed_gives_the_same_network():
    inputs, labels = blobs(100)
    outputs = []
    for _ in range(2):
        seed_networks(7)
        model = fcn(16, filters=4, blocks=1)
        train(model, inputs, labels, Schedule(2, 20))
        outputs.append(predict(model, inputs))
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize(
    "impossible",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"validation_share": 1.0},
        {"validation_share": 0.0, "patience": 3},
    ],
)
def test_an_impossible_schedule_is_refused(impossible):
    with pytest.raises(ValueError, match="validation"):
        Schedule(**{"epochs": 1, "batch_size": 8} | impossible)


def test_signals_whose_metrics_do_not_go_together_are_anomalies():
    normal = load_asd("omi-6").train[:4000]
    shuffled = np.random.default_rng(0).permuted(normal[3000:], axis=0)  # each metric on its own
    detector = AutoencoderDetector(Schedule(8, 64, validation_share=0.0), percentile=97).fit(normal[:2000])
    detector.calibrate(normal[2000:3000])
    assert np.mean(detector.predict(normal[2000:3000])) == pytest.approx(0.03, abs=0.002)
    assert np.mean(detector.predict(shuffled)) > 0.5
    expected = np.abs(shuffled - predict(detector.model_, shuffled)).mean(axis=1)
    np.testing.assert_allclose(detector.errors(shuffled), expected, rtol=1e-5)
