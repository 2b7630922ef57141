"""Outputs of small networks, on the backend named, from weights that the first backend leaves in the folder named."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from edgetwin.nn.architectures import cnn1d, dcae, dense_autoencoder, mobilenet, resnet8, vgg16
from edgetwin.nn.checkpoint import load_weights, save_weights
from edgetwin.nn.tiny import randomise
from edgetwin.nn.training import predict

folder, backend = Path(sys.argv[1]), sys.argv[2]
random = np.random.default_rng(0)
outputs = {}
for model in (
    resnet8(),
    vgg16(width=0.1),
    dcae((16, 16, 1)),
    mobilenet((32, 32, 3)),
    cnn1d(50),
    dense_autoencoder(20),
):
    weights = folder / f"weights_{model.name}.npz"
    inputs = random.random((4, *model.inputs[0].shape[1:]), np.float32)
    if weights.exists():
        load_weights(model, weights)
    else:
        randomise(model, np.random.default_rng(1))
        save_weights(model, weights)
    outputs[model.name] = predict(model, inputs)
np.savez(folder / f"{backend}.npz", **outputs)
