"""Outputs of a network before, after three steps of training aware of int8, on the backend that is set, as an .npz.

Arguments: the file.
"""

from __future__ import annotations

import sys

import numpy as np

from edgetwin.nn.architectures import dcae, resnet8
from edgetwin.nn.backend import load_keras
from edgetwin.nn.folding import fold
from edgetwin.nn.quantization_aware import quantization_aware
from edgetwin.nn.tiny import randomise
from edgetwin.nn.training import predict

keras = load_keras()
outputs = {}
for model, loss in ((resnet8((8, 8, 3), 4), "sparse_categorical_crossentropy"), (dcae((16, 16, 1), width=0.1), "mse")):
    random = np.random.default_rng(0)
    randomise(model, random)
    inputs = random.random((32, *model.inputs[0].shape[1:]), np.float32)
    outputs[f"{model.name} folded"] = predict(fold(model), inputs)
    aware = quantization_aware(model)
    aware.compile(optimizer=keras.optimizers.SGD(0.001), loss=loss)
    for _ in range(3):
        aware.train_on_batch(inputs, np.arange(32) % 4 if model.name == "resnet8" else inputs)
    outputs[f"{model.name} aware"] = predict(aware, inputs)
np.savez(sys.argv[1], **outputs)
