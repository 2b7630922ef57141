"""What `edgetwin export` makes of trained networks: files that answer as the network does and say what they are."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="networks need edgetwin[train]")
pytest.importorskip("tflite_micro", reason="the oracle needs edgetwin[dev]")

import onnx
import onnxruntime
import tflite
from PIL import Image
from sklearn.metrics import roc_auc_score
from tflite_models import Tflm

from edgetwin.cli.console import show_result
from edgetwin.cli.export import _show as show_exported
from edgetwin.cli.quantize import _show as show_quantised
from edgetwin.data import DataError
from edgetwin.deploy import Model, ModelBundle
from edgetwin.deploy.card import render
from edgetwin.deploy.compiler.compile import compile_model
from edgetwin.deploy.export import (
    CARD,
    PAGE,
    SAMPLES,
    Exported,
    _aware,
    _description,
    export,
    kept_samples,
    read_samples,
    too_lossy,
)
from edgetwin.errors import UserError
from edgetwin.nn.backend import load_keras
from edgetwin.nn.checkpoint import OtherRunError
from edgetwin.nn.description import Description, Preprocessing, describe_tflite
from edgetwin.nn.examples import ExampleSet
from edgetwin.nn.exportable import check_layers
from edgetwin.nn.interpreter import Interpreter
from edgetwin.nn.onnx_export import OnnxNetwork, to_onnx
from edgetwin.nn.recipe import load_recipe
from edgetwin.nn.run import METRICS, WEIGHTS, carry_out
from edgetwin.nn.tflite_metadata import read_entry, with_entry
from edgetwin.nn.trained import load_trained
from edgetwin.twin.inputs import load_inputs
from edgetwin.twin.meaning import labels_of

# Conversions take seconds each, and many times that where other tests have the processors.
pytestmark = pytest.mark.timeout(900)

SHELF = Path(__file__).resolve().parents[2] / "models"
IMAGES = """
title = "Dark and light"
task = "classification"
seed = 1
[data]
name = "pictures"
images = {}
[architecture]
name = "mnist_convnet"
[optimizer]
learning_rate = 3e-3
[schedule]
batch_size = 8
[budget.full]
epochs = 4
"""


def edgetwin(*words, code=0, **environment):
    """The command's standard output and error."""
    command = [sys.executable, "-c", "from edgetwin.cli import main; main()", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == code, done.stderr
    return done.stdout, done.stderr


def trained_and_exported(recipe, budget, folder, data):
    """The network, its examples and the folder of its files."""
    carry_out(load_recipe(recipe), budget, folder, data=data)
    return SimpleNamespace(
        recipe=recipe, folder=folder, data=data, weights=folder / WEIGHTS, name=recipe.name,
        trained=load_trained(recipe, folder / WEIGHTS, data),
    )  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A convolutional network that tells dark images from light ones."""
    root, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name, low in (("dark", 0), ("light", 120)):
        (root / "data" / "pictures" / name).mkdir(parents=True)
        for number in range(60):
            pixels = random.integers(low, low + 136, (12, 12), dtype=np.uint8)
            Image.fromarray(pixels).save(root / "data" / "pictures" / name / f"{number}.png")
    (root / "small").mkdir()
    (root / "small" / "recipe.toml").write_text(IMAGES)
    made = trained_and_exported(root / "small", "full", root / "build", root / "data")
    made.card = export(made.recipe, made.folder, weights=made.weights, data=made.data).card
    return made


@pytest.fixture(scope="module")
def telemetry(tmp_path_factory):
    """The shelf's autoencoder, trained for seconds, exported by the command."""
    made = trained_and_exported(SHELF / "autoencoder_asd", "smoke", tmp_path_factory.mktemp("asd"), None)
    words = ("export", made.recipe, "-o", made.folder, "--weights", made.weights, "--json")
    # What so short a training loses by int8 is not looked at here.
    command = [sys.executable, "-c", "from edgetwin.cli import main; main()", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    made.card, made.said = json.loads(done.stdout), done.stderr
    return made


@pytest.fixture(params=["pictures", "telemetry"])
def made(request):
    return request.getfixturevalue(request.param)


def keras_outputs(made):
    return np.asarray(made.trained.model(made.trained.examples.test.inputs, training=False))


def file(made, ending):
    return (made.folder / f"{made.name}.{ending}").read_bytes()


def test_the_float_onnx_file_answers_as_keras_does(made) -> None:
    session = onnxruntime.InferenceSession(file(made, "onnx"))
    inputs, expected = made.trained.examples.test.inputs[:64], keras_outputs(made)[:64]
    assert session.get_inputs()[0].shape == [1, *inputs.shape[1:]]
    found = np.concatenate([session.run(None, {"input": sample[None]})[0] for sample in inputs])
    assert np.abs(found - expected).max() <= 1e-4 * np.ptp(expected)


def test_the_int8_files_answer_nearly_as_keras_does(made) -> None:
    inputs, expected = made.trained.examples.test.inputs[:64], keras_outputs(made)[:64]
    operators = {node.op_type for node in onnx.load_model_from_string(file(made, "int8.onnx")).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= operators
    for network in (OnnxNetwork(file(made, "int8.onnx")), Interpreter(file(made, "tflite"))):
        error = network.predict(inputs) - expected
        assert np.sqrt(np.mean(error**2)) < 0.05 * np.ptp(expected)


def test_tflm_runs_the_described_file_as_boards_do(made) -> None:
    content = file(made, "tflite")
    model = Model(compile_model(content))
    inputs = model.inputs[0].quantised(made.trained.examples.test.inputs[:5])
    oracle = Tflm(content)
    expected = np.concatenate([oracle.invoke([row[np.newaxis]])[0] for row in inputs])
    np.testing.assert_array_equal(model.invoke(inputs), expected)
    assert made.card["tflm_arena_bytes"] > made.card["arena_bytes"] == model.bundle.workspace_size


def test_each_file_says_the_same_of_itself(made) -> None:
    model = tflite.Model.GetRootAs(file(made, "tflite"), 0)
    entries = {model.Metadata(i).Name(): model.Metadata(i).Buffer() for i in range(model.MetadataLength())}
    told = json.loads(model.Buffers(entries[b"edgetwin"]).DataAsNumpy().tobytes())
    for ending in ("onnx", "int8.onnx"):
        properties = onnx.load_model_from_string(file(made, ending)).metadata_props
        assert json.loads({entry.key: entry.value for entry in properties}["edgetwin"]) == told
    metadata = ModelBundle.from_bytes(compile_model(file(made, "tflite"))).metadata
    for key in ("labels", "preprocessing", "provenance"):
        assert metadata.get(key, []) == told[key] == made.card[key]
    assert told["provenance"]["recipe_sha256"] == hashlib.sha256((made.recipe / "recipe.toml").read_bytes()).hexdigest()
    assert told["provenance"]["epochs"] == (4 if made.name == "small" else 1)


def test_what_the_files_say_is_so(pictures, telemetry) -> None:
    assert pictures.card["labels"] == ["dark", "light"]
    preprocessing = {"shape": [12, 12, 1], "raw": "pixels, 0 to 255", "scale": 1 / 255, "offset": 0.0}
    assert pictures.card["preprocessing"] == preprocessing
    assert telemetry.card["labels"] == []  # a reconstruction has none
    assert telemetry.card["preprocessing"]["shape"] == [152]
    assert telemetry.card["preprocessing"]["raw"].startswith("8 rows, the oldest first, of 19 metrics")


def test_labels_that_are_given_go_before_those_of_the_file(pictures) -> None:
    metadata = ModelBundle.from_bytes(compile_model(file(pictures, "tflite"), metadata={"labels": ["a", "b"]})).metadata
    assert metadata["labels"] == ["a", "b"]
    assert metadata["preprocessing"] == pictures.card["preprocessing"]


def test_the_card_is_of_the_files(made) -> None:
    card = json.loads((made.folder / CARD).read_text())
    assert card == {key: value for key, value in made.card.items() if key != "folder"}
    assert set(card["files"]) == {f"{made.name}{end}" for end in (".tflite", ".onnx", ".int8.onnx")} | {SAMPLES}
    for name, told in card["files"].items():
        content = (made.folder / name).read_bytes()
        assert told == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    page = (made.folder / PAGE).read_text()
    for value in (card["title"], f"{card['arena_bytes']:,}", f"{card['tflm_arena_bytes']:,}"):
        assert value in page
    assert card["files"][f"{made.name}.tflite"]["sha256"] in page
    assert (
        sum(card["operators"].values())
        == tflite.Model.GetRootAs(file(made, "tflite"), 0).Subgraphs(0).OperatorsLength()
    )


def test_the_card_says_how_the_weights_were_trained(made) -> None:
    metrics, origin = json.loads((made.folder / METRICS).read_text()), made.card["provenance"]
    for key in ("budget", "epochs", "seed", "weights_sha256"):
        assert origin[key] == metrics[key]
    smoke = " --budget smoke" if origin["budget"] == "smoke" else ""
    assert origin["command"] == f"edgetwin train {made.recipe}{smoke} && edgetwin export {made.recipe}"
    assert f"seed {metrics['seed']}." in (made.folder / PAGE).read_text()


@pytest.fixture
def edited(pictures, tmp_path):
    """The recipe of `pictures` in a folder of the same name, with some words replaced."""

    def get(old, new):
        assert old in IMAGES
        (tmp_path / "small").mkdir(exist_ok=True)
        (tmp_path / "small" / "recipe.toml").write_text(IMAGES.replace(old, new))
        return tmp_path / "small"

    return get


@pytest.mark.parametrize(
    ("old", "new"), [("seed = 1", "seed = 2"), ("3e-3", "1e-3"), ("batch_size = 8", "batch_size = 9")]
)
def test_weights_that_another_recipe_trained_are_refused(old, new, pictures, edited, tmp_path) -> None:
    recipe = edited(old, new)
    with pytest.raises(UserError, match=r"trained by another recipe than .*: run edgetwin train .* again"):
        export(recipe, tmp_path / "out", weights=pictures.weights, data=pictures.data)
    assert not (tmp_path / "out").exists()


def test_a_recipe_of_another_title_is_still_that_of_its_weights(pictures, edited) -> None:
    recipe = edited("Dark and light", "Light and dark")
    trained = load_trained(recipe, pictures.weights, pictures.data)
    assert _description(trained, recipe, pictures.weights).provenance["epochs"] == 4


@pytest.mark.parametrize("lacks", ["all metrics", "recipe_digest", "weights_sha256"])
def test_how_unknown_weights_were_trained_is_not_said(lacks, pictures, tmp_path) -> None:
    weights = tmp_path / "old ones" / WEIGHTS
    weights.parent.mkdir()
    weights.write_bytes(pictures.weights.read_bytes())
    if lacks != "all metrics":
        metrics = json.loads((pictures.folder / METRICS).read_text())
        del metrics[lacks]
        (weights.parent / METRICS).write_text(json.dumps(metrics))
    origin = _description(pictures.trained, pictures.recipe, weights).provenance
    assert origin["budget"] is origin["seed"] is None
    assert origin["command"] == f"edgetwin export {pictures.recipe} --weights '{weights}'"
    page = render({**pictures.card, "provenance": origin})
    assert "How it was trained is not known" in page
    assert "seed" not in page.lower()


def test_the_cards_figures_are_those_of_the_files(pictures, telemetry) -> None:
    with np.load(pictures.folder / SAMPLES, allow_pickle=False) as samples:
        raw, labels = samples["raw"], samples["labels"]
    assert raw.dtype == np.uint8
    assert len(raw) == 24
    outputs = Interpreter(file(pictures, "tflite")).predict(raw.astype(np.float32) / np.float32(255))
    assert np.mean(outputs.argmax(axis=1) == labels) == pictures.card["samples"]["int8"]
    assert pictures.card["samples"]["int8"] == pictures.card["test"]["int8"] > 0.9
    with np.load(telemetry.folder / SAMPLES, allow_pickle=False) as samples:
        raw, labels = samples["raw"], samples["labels"]
    assert (len(raw), raw.dtype) == (200, np.float32)
    errors = np.square(Model(compile_model(file(telemetry, "tflite"))).predict(raw) - raw).mean(axis=1)
    assert roc_auc_score(labels, errors) == pytest.approx(telemetry.card["samples"]["board"])


def test_raw_values_are_scaled_and_rows_labelled_as_the_model_says(pictures, tmp_path) -> None:
    bundle = ModelBundle.from_bytes(compile_model(file(pictures, "tflite")))
    with np.load(pictures.folder / SAMPLES, allow_pickle=False) as samples:
        raw, labels = samples["raw"], samples["labels"]
    np.save(tmp_path / "raw.npy", raw)
    np.save(tmp_path / "real.npy", raw.astype(np.float32) / np.float32(255))
    (inputs,) = load_inputs(tmp_path / "raw.npy", bundle, raw=True)
    np.testing.assert_array_equal(inputs, load_inputs(tmp_path / "real.npy", bundle)[0])
    named = labels_of(bundle, Model(bundle).predict(Preprocessing(**pictures.card["preprocessing"]).apply(raw)))
    assert np.mean(np.array(named) == np.array(["dark", "light"])[labels]) == pictures.card["samples"]["board"]


def test_one_output_is_the_probability_of_the_second_label(pictures) -> None:
    bundle = ModelBundle.from_bytes(compile_model(file(pictures, "tflite")))
    assert labels_of(bundle, np.array([[0.2], [0.7]], np.float32)) == ["dark", "light"]
    assert labels_of(bundle, np.zeros((2, 3), np.float32)) is None


def test_a_model_that_does_not_say_how_takes_no_raw_values(pictures, tmp_path) -> None:
    bare = file(pictures, "tflite").replace(b"edgetwin", b"EDGETWIN")  # the entry's name
    np.save(tmp_path / "raw.npy", np.zeros((1, 12, 12, 1), np.uint8))
    bundle = ModelBundle.from_bytes(compile_model(bare))
    with pytest.raises(UserError, match="does not say how raw values are scaled"):
        load_inputs(tmp_path / "raw.npy", bundle, raw=True)
    damaged = ModelBundle.from_bytes(compile_model(bare, metadata={"preprocessing": {"scale": "much"}}))
    with pytest.raises(UserError, match="compile it again"):
        load_inputs(tmp_path / "raw.npy", damaged, raw=True)


def test_an_entry_leaves_the_file_as_it_was_and_constants_where_they_are_aligned(made) -> None:
    before = file(made, "tflite")
    after = with_entry(before, "more", b"x" * 1001)
    assert read_entry(after, "more") == b"x" * 1001
    assert read_entry(after, "edgetwin") == read_entry(before, "edgetwin")
    assert read_entry(after, "less") is None
    assert before in after
    assert after.index(before) % 16 == 0
    inputs = made.trained.examples.test.inputs[:8]
    np.testing.assert_array_equal(Interpreter(after).predict(inputs), Interpreter(before).predict(inputs))
    with pytest.raises(UserError, match="has metadata 'more' already"):
        with_entry(after, "more", b"")


@pytest.mark.parametrize("content", [b"", b"{", b'{"name": "x"}', b"\xff\xfe"])
def test_a_damaged_description_is_one_clear_error(pictures, content) -> None:
    bare = file(pictures, "tflite").replace(b"edgetwin", b"EDGETWIN")
    with pytest.raises(UserError, match=r"description of itself is damaged .*: export it again"):
        compile_model(with_entry(bare, "edgetwin", content))


def test_a_cut_file_is_one_clear_error(pictures) -> None:
    content = file(pictures, "tflite")
    for size in (8, 40, 200, 700):
        with pytest.raises(UserError):
            compile_model(content[:size])


def test_a_file_is_described_once(pictures) -> None:
    told = Description(name="x", task="classification", preprocessing=Preprocessing(shape=(1,), raw="x", scale=1))
    with pytest.raises(UserError, match="already"):
        describe_tflite(file(pictures, "tflite"), told)


def test_what_the_files_are_made_of_must_be_there_and_fit(pictures, tmp_path) -> None:
    _, said = edgetwin("export", pictures.recipe, "--data", pictures.data, "--weights", tmp_path / "gone.npz", code=2)
    assert "no such weights: run edgetwin train" in said
    assert "Traceback" not in said
    with pytest.raises(UserError, match="weights of another network than dense_autoencoder"):
        export(SHELF / "autoencoder_asd", tmp_path / "out", weights=pictures.weights)
    with pytest.raises(DataError, match="no such folder of images"):
        export(pictures.recipe, tmp_path / "out", weights=pictures.weights, data=tmp_path)
    assert not (tmp_path / "out").exists()


def test_layers_without_a_form_are_named_with_the_nearest_that_has_one() -> None:
    keras = load_keras()

    class Twice(keras.layers.Layer):
        def call(self, x):
            return 2 * x

    def network(shape, *layers):
        return keras.Sequential([keras.Input(shape), *layers], name="odd")

    for model, said in (
        (network((8, 8, 1), keras.layers.UpSampling2D(name="up")), r"layer up of odd is a UpSampling2D.*Conv2DTranspo"),
        (network((8, 3), keras.layers.LSTM(4, name="memory")), r"layer memory of odd is a LSTM.*unroll=True"),
        (network((8,), keras.layers.Dense(4, "gelu", name="soft")), r"layer soft of odd has the activation gelu.*relu"),
        (network((8,), Twice(name="own")), r"layer own of odd is a class of your own, Twice.*Dense"),
        (network((8,), keras.layers.Discretization([0.0], name="steps")), "layer steps of odd is a Discretization"),
        (network((8, 8, 1), network((8, 8, 1), keras.layers.PReLU(name="slope"))), r"layer slope of odd.*LeakyReLU"),
    ):
        with pytest.raises(UserError, match=said):
            check_layers(model)
    with pytest.raises(UserError, match="UpSampling2D"):
        to_onnx(network((8, 8, 1), keras.layers.UpSampling2D()), np.zeros((1, 8, 8, 1), np.float32))


def test_a_file_that_is_no_onnx_network_is_one_clear_error() -> None:
    with pytest.raises(UserError, match=r"cannot run this \.onnx file"):
        OnnxNetwork(b"not a network")


def test_int8_that_loses_too_much_is_told() -> None:
    def card(task, value, int8, qdq):
        return {"task": task, "test": {"float": value, "int8": int8, "qdq": qdq}}

    assert too_lossy(card("classification", 0.9, 0.896, 0.91)) == {}
    assert too_lossy(card("classification", 0.9, 0.89, 0.9)) == {"int8": pytest.approx(0.01)}
    assert too_lossy(card("detection", 0.9, 0.9, 0.8)) == {"qdq": pytest.approx(0.1)}
    assert too_lossy(card("reconstruction", 0.2, 0.209, 0.22)) == {"qdq": pytest.approx(0.1)}


def test_samples_have_the_few_anomalies_that_there_are() -> None:
    labels = np.zeros(5000, np.int64)
    labels[3210:3212] = 1
    told = Preprocessing(shape=(2,), raw="rows", scale=0.5)
    test = ExampleSet(np.arange(10_000, dtype=np.float32).reshape(-1, 2), labels)
    kept = read_samples(kept_samples(test, told), told)
    assert len(kept) == 200
    assert kept.labels.sum() >= 1
    numbers = (kept.inputs[:, 0] / 2).astype(int)
    np.testing.assert_array_equal(kept.labels, labels[numbers])
    assert np.diff(np.sort(numbers)).max() < 60


def test_training_with_quantisation_in_mind_starts_anew_for_other_weights(monkeypatch, tmp_path) -> None:
    def fine_tune(trained, folder, *, resume=False):
        if resume:
            raise OtherRunError("of other weights")
        return trained, folder

    monkeypatch.setattr("edgetwin.nn.quantization_aware.fine_tune", fine_tune)
    monkeypatch.setattr("edgetwin.nn.quantization_aware.deployable", lambda aware: aware)
    assert _aware("these", tmp_path) == ("these", tmp_path)


def test_what_that_training_gives_lies_beside_the_files_not_the_weights(
    pictures, edited, monkeypatch, tmp_path
) -> None:
    folders = []

    def stop(trained, folder):
        folders.append(folder)
        raise UserError("enough")

    monkeypatch.setattr("edgetwin.deploy.export._aware", stop)
    recipe = edited("[budget", "[quantization]\naware_epochs = 1\n[budget")
    with pytest.raises(UserError, match="enough"):
        export(recipe, tmp_path / "out", weights=pictures.weights, data=pictures.data)
    assert folders == [tmp_path / "out"]


def test_titles_and_folders_are_shown_as_they_are(pictures, monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    odd = "[red]a[/red] [/b]"
    show_result(odd, {}, {}, as_json=False)
    show_exported(Exported({**pictures.card, "title": odd}, {}), Path(odd))
    subject = SimpleNamespace(name=odd, test=[], task="classification")
    show_quantised(subject, Path(odd), SimpleNamespace(reference=0.5, measured={}))
    # A title that is longer than its table goes over several lines.
    assert " ".join(capsys.readouterr().out.split()).count(odd) == 5


def test_a_folder_that_takes_no_files_is_refused_before_anything_is_made(pictures, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    for verb in ("train", "export", "quantize"):
        _, said = edgetwin(verb, pictures.recipe, "--data", pictures.data, "-o", tmp_path / "file" / "x", code=2)
        assert said.startswith("edgetwin: cannot write into")


def test_models_are_compiled_and_files_run_without_keras() -> None:
    modules = "edgetwin.deploy.compiler.compile, edgetwin.deploy.export, edgetwin.twin.meaning, edgetwin.nn.onnx_export"
    program = f"import sys, {modules}; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
