"""The whole study: each form of the images, and the network on the original ones quantised."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.bench.cmi.base import Base, random_base
from edgetwin.bench.cmi.budget import Budget, scaled
from edgetwin.bench.cmi.data import ImageSet, TwoClasses
from edgetwin.bench.cmi.images import ORIGINAL, WAVELET, Form, quality_for, render
from edgetwin.bench.cmi.results import DYNAMIC, FLOAT, INT8, Confusion, File, FormResult, Results
from edgetwin.bench.cmi.transfer import BATCH, features, inputs, train_head
from edgetwin.nn.interpreter import Interpreter
from edgetwin.nn.quantization import Mode, to_tflite
from edgetwin.nn.training import seed_networks

__all__ = ["Tracker", "forms", "run"]

Float32Array = npt.NDArray[np.float32]

#: Begins a stretch of so many steps under a title; what it returns is called after each step.
Tracker = Callable[[str, int], Callable[[], None]]

# Modes that the network on the original images is tried in: the paper's, and the one that boards run.
PAPER_MODES: tuple[Mode, ...] = (FLOAT, DYNAMIC)
MODES: tuple[Mode, ...] = (*PAPER_MODES, INT8)
# Training images that JPEG's qualities are chosen on.
TRIED = 64


def run(name: str, budget: Budget, images: TwoClasses, base: Base, *, seed: int, track: Tracker) -> Results:
    """The study on `images` with a head on `base`; `name` is of the budget, for the record."""
    started = time.monotonic()
    found, files = [], {}
    for form in forms(budget, images):
        network, result, content = _transferred(form, images, base, budget, seed, track)
        found.append(result)
        if form.name == ORIGINAL:
            files = _files(network, content, images, base, form, budget, track)
    return Results(
        budget=name,
        seed=seed,
        seconds=time.monotonic() - started,
        data=images.name,
        classes=images.classes,
        images=len(images.train),
        test_images=len(images.test),
        base=base.title,
        width=base.width,
        forms=tuple(found),
        files=files,
        full_width=_full_width(budget.side, seed, track) if budget.full_width and base.width != 1 else {},
    )


def forms(budget: Budget, images: TwoClasses) -> list[Form]:
    """The original images, the budget's normalisations with compression ratios near the paper's, and the wavelet's."""
    side = budget.side
    made = [Form(ORIGINAL, side, side)]
    for normalisation in budget.normalisations:
        form = Form(normalisation.name, side, scaled(side, normalisation.side))
        quality = quality_for(normalisation.ratio, images.train.pixels[:TRIED], form)
        made.append(replace(form, quality=quality))
    return [*made, Form(WAVELET, side, side, wavelet=True)]


def _transferred(
    form: Form, images: TwoClasses, base: Base, budget: Budget, seed: int, track: Tracker
) -> tuple[Any, FormResult, bytes]:
    """The network with a head trained on images of a form, what was found, and its float file."""
    seed_networks(seed)
    network = base.network(form.seen)
    parts = (images.train, images.validation, images.test)
    advance = track(f"{form.name}: features at {form.seen} x {form.seen}", sum(_batches(part) for part in parts))
    train, validation, test = (features(network, base, part, form, advance) for part in parts)
    advance = track(f"{form.name}: head of {train.values.shape[1] + 1:,} parameters", budget.epochs[-1])
    history, accuracies, confusion = train_head(network, train, validation, test, budget.epochs, advance)
    advance = track(f"{form.name}: {FLOAT}", 1)
    sample = _sample(images, base, form)
    content = to_tflite(network, sample, FLOAT)
    milliseconds = Interpreter(content).milliseconds(sample[0])
    advance()
    image_bytes = sum(part.image_bytes for part in (train, validation, test))
    result = FormResult(
        form,
        network.layers[-1].count_params(),
        image_bytes,
        image_bytes / sum(map(len, parts)),
        history,
        accuracies,
        confusion,
        len(content),
        milliseconds,
    )
    return network, result, content


def _files(
    network: Any, exact: bytes, images: TwoClasses, base: Base, form: Form, budget: Budget, track: Tracker
) -> dict[str, File]:
    """The network in each mode, `exact` its float file, and how it does on the test images."""
    sample = _sample(images, base, form, budget.representative)
    made: dict[str, File] = {}
    for mode in MODES:
        advance = track(f"{form.name}: {mode} on test images", _batches(images.test))
        content = exact if mode == FLOAT else to_tflite(network, sample, mode)
        interpreter = Interpreter(content)
        milliseconds = interpreter.milliseconds(sample[0])
        outputs = []
        for batch, _ in inputs(base, images.test, form):
            outputs.append(interpreter.predict(batch))
            advance()
        confusion = Confusion.of(np.concatenate(outputs), images.test.labels)
        made[mode] = File(mode, len(content), milliseconds, confusion)
    return made


def _full_width(side: int, seed: int, track: Tracker) -> dict[str, File]:
    """Bytes and time of VGG16 as wide as the paper's; neither depends on what it learned."""
    network = random_base(1.0, seed=seed).network(side)
    sample = np.random.default_rng(seed).random((1, side, side, 3), np.float32)
    advance = track("full width", 2)
    made: dict[str, File] = {}
    for mode in PAPER_MODES:
        content = to_tflite(network, sample, mode)
        made[mode] = File(mode, len(content), Interpreter(content).milliseconds(sample[0]))
        advance()
    return made


def _batches(images: ImageSet) -> int:
    return -(-len(images) // BATCH)


def _sample(images: TwoClasses, base: Base, form: Form, count: int = 1) -> Float32Array:
    """The first `count` training images as a network takes them; they are in no order."""
    return base.prepare(render(images.train.pixels[:count], form)[0])
