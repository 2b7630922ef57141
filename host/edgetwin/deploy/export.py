"""A trained network as an entry of the shelf: its files, each run and compared with Keras, and their card."""

from __future__ import annotations

import hashlib
import io
import json
import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import edgetwin
from edgetwin.deploy.card import CARD, PAGE, render
from edgetwin.deploy.compiler.compile import Compiled, compile_to
from edgetwin.deploy.compiler.tflite import read_tflite
from edgetwin.deploy.model import Model
from edgetwin.errors import UserError
from edgetwin.files import writing
from edgetwin.nn.checkpoint import OtherRunError, weights_digest
from edgetwin.nn.cost import macs
from edgetwin.nn.description import Description, Preprocessing, describe_tflite
from edgetwin.nn.examples import ExampleSet
from edgetwin.nn.exportable import check_layers
from edgetwin.nn.interpreter import Interpreter
from edgetwin.nn.onnx_export import OnnxNetwork, describe_onnx, to_onnx
from edgetwin.nn.quantization import to_tflite
from edgetwin.nn.recipe import FILE as RECIPE
from edgetwin.nn.recipe import Recipe
from edgetwin.nn.run import METRICS, WEIGHTS, recipe_digest
from edgetwin.nn.scoring import FIGURES, MOST_LOST, figure, lost
from edgetwin.nn.tflm import arena_bytes
from edgetwin.nn.trained import TrainedNetwork, default_output, load_trained
from edgetwin.nn.training import predict

__all__ = ["SAMPLES", "Exported", "export", "kept_samples", "read_samples", "too_lossy"]

Float32Array = npt.NDArray[np.float32]
Network = Callable[[Float32Array], Float32Array]

SAMPLES = "test_samples.npz"
# What of the test part an entry keeps, so that its figures can be recomputed anywhere: at most so many examples, and
# bytes of raw values.
MOST_SAMPLES, MOST_BYTES = 200, 190_000
#: Of a float ONNX file, the largest error, as a share of the outputs' range.
FLOAT_TOLERANCE = 1e-4


@dataclass(frozen=True)
class Exported:
    """card : as in card.json; files : by name, all that were written, the card too."""

    card: dict[str, Any]
    files: dict[str, bytes]


def export(
    recipe: Path,
    output: Path | None = None,
    *,
    weights: Path | None = None,
    data: Path | None = None,
    on_stage: Callable[[str], object] = lambda stage: None,
) -> Exported:
    """Makes NAME.tflite (int8), NAME.onnx (float), NAME.int8.onnx, test_samples.npz, card.json and card.md.

    Parameters
    ----------
    recipe : its folder
    output : folder of the files, which appear together or not at all; default build/models/NAME
    weights, data : as :func:`edgetwin.nn.trained.load_trained` takes them
    on_stage : called with what begins

    Raises
    ------
    UserError : what the files are made of cannot be had, the weights are known to be of another recipe, a layer has no
        form in the files, a converter fails, or the float ONNX file does not answer as Keras does. Whether int8 loses
        too much, :func:`too_lossy` says.
    """
    output = output or default_output(recipe)
    on_stage("loading weights and data")
    trained = load_trained(recipe, weights, data)
    check_layers(trained.model)
    source = weights or default_output(recipe) / WEIGHTS
    description = _description(trained, recipe, source)
    network = trained.model
    if _is_aware(trained.recipe):
        on_stage(f"training {trained.recipe.quantization.aware_epochs} epochs on with quantisation in mind")
        network = _aware(trained, output)
    on_stage("converting to TensorFlow Lite")
    tflite = describe_tflite(to_tflite(network, trained.representative), description)
    on_stage("converting to ONNX")
    onnx = to_onnx(trained.model, trained.representative)
    name = trained.name
    files = {
        f"{name}.tflite": tflite,
        f"{name}.onnx": describe_onnx(onnx.float32, description),
        f"{name}.int8.onnx": describe_onnx(onnx.int8, description),
        SAMPLES: kept_samples(trained.examples.test, description.preprocessing),
    }
    on_stage("compiling for boards")
    compiled = compile_to(tflite)
    networks: dict[str, Network] = {
        "float": lambda inputs: predict(trained.model, inputs),
        "onnx": OnnxNetwork(files[f"{name}.onnx"]).predict,
        "int8": Interpreter(tflite).predict,
        "qdq": OnnxNetwork(files[f"{name}.int8.onnx"]).predict,
    }
    card = _card(trained, description, files, compiled, networks, on_stage)
    files[PAGE] = render(card).encode()
    files[CARD] = (json.dumps(card, indent=1) + "\n").encode()
    _write(output, files)
    return Exported(card, files)


def too_lossy(card: Mapping[str, Any]) -> dict[str, float]:
    """The int8 files ("int8", "qdq") that lose more than :data:`~edgetwin.nn.scoring.MOST_LOST` on the test part, and
    what they :func:`~edgetwin.nn.scoring.lost`."""
    test, task = card["test"], card["task"]
    losses = {kind: lost(test["float"], test[kind], task) for kind in ("int8", "qdq")}
    return {kind: loss for kind, loss in losses.items() if loss > MOST_LOST[task]}


def kept_samples(test: ExampleSet, preprocessing: Preprocessing) -> bytes:
    """A test_samples.npz: raw values of examples that are spread evenly over each class, and their labels."""
    raw = (test.inputs.astype(np.float64) - preprocessing.offset) / preprocessing.scale
    # Pixels are bytes; other values are kept as they are.
    values = np.round(raw).astype(np.uint8) if preprocessing.scale == 1 / 255 else raw.astype(np.float32)
    count = max(1, min(MOST_SAMPLES, MOST_BYTES // values[0].nbytes, len(values)))
    # In the order of their labels: some of each, also of rare anomalies.
    order = np.argsort(test.labels, kind="stable")
    chosen = np.sort(order[np.linspace(0, len(values) - 1, count).round().astype(np.intp)])
    content = io.BytesIO()
    np.savez_compressed(content, raw=values[chosen], labels=test.labels[chosen].astype(np.int16))
    return content.getvalue()


def read_samples(content: bytes, preprocessing: Preprocessing) -> ExampleSet:
    """The examples of a test_samples.npz."""
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        return ExampleSet(preprocessing.apply(archive["raw"]), archive["labels"].astype(np.int64))


def _aware(trained: TrainedNetwork, folder: Path) -> Any:
    """The network trained on with quantisation in mind.

    folder : of the weights that this training gives; what has been trained already is taken up
    """
    from edgetwin.nn.quantization_aware import deployable, fine_tune  # imports Keras, which a card is read without

    try:
        return deployable(fine_tune(trained, folder, resume=True))
    except OtherRunError:  # of weights that were since trained again
        return deployable(fine_tune(trained, folder))


def _is_aware(recipe: Recipe) -> bool:
    """Whether it has a table for that."""
    return "quantization" in recipe.model_fields_set


def _description(trained: TrainedNetwork, recipe: Path, weights: Path) -> Description:
    examples, told = trained.examples, trained.recipe
    digest = weights_digest(trained.model)
    training = _training(told, recipe, weights, digest)
    given = shlex.quote(recipe.as_posix())
    if training["budget"] is None:
        command = f"edgetwin export {given} --weights {shlex.quote(weights.as_posix())}"
    else:
        budget = "" if training["budget"] == "full" else f" --budget {training['budget']}"
        command = f"edgetwin train {given}{budget} && edgetwin export {given}"
    return Description(
        name=trained.name,
        task=told.task,
        labels=examples.names if told.task == "classification" else (),
        preprocessing=Preprocessing(shape=examples.shape, raw=examples.raw.meaning, scale=1 / examples.raw.divisor),
        provenance={
            "recipe_sha256": hashlib.sha256((recipe / RECIPE if recipe.is_dir() else recipe).read_bytes()).hexdigest(),
            "data": told.data.name,
            **training,
            "aware_epochs": told.quantization.aware_epochs if _is_aware(told) else 0,
            "weights_sha256": digest,
            "edgetwin": edgetwin.__version__,
            "command": command,
        },
    )


def _training(told: Recipe, recipe: Path, weights: Path, digest: str) -> dict[str, Any]:
    """How the weights were trained, as the metrics beside them say, if those are theirs; else None for each.

    Raises UserError if they were trained by another recipe.
    """
    keys = ("budget", "epochs", "cpu_seconds", "backend", "keras", "seed")
    unknown: dict[str, Any] = dict.fromkeys(keys)
    try:
        metrics = json.loads((weights.parent / METRICS).read_text(encoding="utf-8"))
        if metrics["weights_sha256"] != digest:
            return unknown
        trained_by, training = metrics["recipe_digest"], {key: metrics[key] for key in keys}
    except (OSError, ValueError, KeyError, TypeError):
        return unknown
    if trained_by != recipe_digest(told):
        raise UserError(
            f"{weights} were trained by another recipe than {recipe}: run edgetwin train {recipe} again, or give the "
            "recipe that they are of"
        )
    return training


def _card(
    trained: TrainedNetwork,
    description: Description,
    files: Mapping[str, bytes],
    compiled: Compiled,
    networks: dict[str, Network],
    on_stage: Callable[[str], object],
) -> dict[str, Any]:
    recipe, examples = trained.recipe, trained.examples
    tflite = files[f"{trained.name}.tflite"]
    on_stage(f"running the files on {len(examples.test):,} examples")
    outputs = {kind: network(examples.test.inputs) for kind, network in networks.items()}
    _check_float(outputs["float"], outputs["onnx"])
    kept = read_samples(files[SAMPLES], description.preprocessing)
    on_samples = {**networks, "board": Model(compiled.bundle).predict}
    plain = description.model_dump(mode="json")
    return {
        **{key: plain[key] for key in ("name", "task")},
        "title": recipe.title,
        **{key: plain[key] for key in ("labels", "preprocessing")},
        "data": {
            "name": recipe.data.name,
            "server": recipe.data.server,
            "train": len(examples.train),
            "validation": len(examples.validation) if examples.validation is not None else 0,
            "test": len(examples.test),
        },
        "figure": FIGURES[recipe.task],
        "test": {
            "examples": len(examples.test),
            **{kind: figure(found, examples.test, recipe.task) for kind, found in outputs.items()},
        },
        "samples": {
            "examples": len(kept),
            **{kind: figure(run(kept.inputs), kept, recipe.task) for kind, run in on_samples.items()},
        },
        "parameters": trained.model.count_params(),
        "macs": macs(trained.model),
        "flash_bytes": len(compiled.bundle),
        "arena_bytes": compiled.plan.workspace_size,
        "tflm_arena_bytes": arena_bytes(tflite),
        "operators": dict(Counter(operator.code for operator in read_tflite(tflite, trained.name).operators)),
        "files": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in files.items()
        },
        "provenance": plain["provenance"],
    }


def _check_float(expected: Float32Array, found: Float32Array) -> None:
    """Raises UserError where an ONNX file of floats does not answer as Keras does."""
    error = float(np.abs(expected - found).max() / max(float(np.ptp(expected)), 1e-9))
    if not error <= FLOAT_TOLERANCE:
        raise UserError(
            f"the ONNX file's outputs are off by {error:.1e} of Keras' range, more than {FLOAT_TOLERANCE:g}: "
            "the network has a layer that tf2onnx converts wrongly; leave layers out until it agrees"
        )


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """All of them, or none: none takes its name before all are written. The card is the last to take it."""
    with ExitStack() as stack:
        opened = {name: stack.enter_context(writing(folder / name)) for name in reversed(files)}
        for name, content in files.items():
            opened[name].write(content)
            opened[name].flush()
