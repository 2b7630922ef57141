"""The shelf: every committed file is the one on its card, made of the committed recipe, and as good as the card says.

Recomputed on the examples that each entry keeps, and on the whole test part where EDGETWIN_DATA names a folder that has
the data set.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="running the files needs edgetwin[train]")
pytest.importorskip("onnxruntime", reason="running the files needs edgetwin[train]")

from edgetwin.data import DataError
from edgetwin.deploy import Model, ModelBundle
from edgetwin.deploy.card import CARD, PAGE, render
from edgetwin.deploy.compiler.compile import compile_to
from edgetwin.deploy.export import SAMPLES, read_samples, too_lossy
from edgetwin.deploy.shelf import shelf_table
from edgetwin.nn.description import Preprocessing, read_tflite
from edgetwin.nn.examples import load_examples
from edgetwin.nn.interpreter import Interpreter
from edgetwin.nn.onnx_export import OnnxNetwork
from edgetwin.nn.recipe import FILE, load_recipe
from edgetwin.nn.scoring import figure

SHELF = Path(__file__).resolve().parents[2] / "models"
ENTRIES = sorted(card.parent for card in SHELF.glob(f"*/{CARD}"))
MOST_BYTES = 25e6
# Another processor rounds other sums: one example in a thousand, or in so few as there are, may change sides.
ONE_IN = 1000

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(params=ENTRIES, ids=lambda folder: folder.name)
def folder(request) -> Path:
    return request.param


@pytest.fixture
def card(folder: Path) -> dict:
    return json.loads((folder / CARD).read_text(encoding="utf-8"))


@pytest.fixture
def networks(folder: Path) -> dict:
    """The entry's files, by their names on the card."""
    return {
        "int8": Interpreter((folder / f"{folder.name}.tflite").read_bytes()),
        "onnx": OnnxNetwork((folder / f"{folder.name}.onnx").read_bytes()),
        "qdq": OnnxNetwork((folder / f"{folder.name}.int8.onnx").read_bytes()),
    }


def agree(found: float, told: float, card: dict, examples: int) -> bool:
    tolerance = max(1 / ONE_IN, 1 / examples) if card["figure"] == "accuracy" else 0.01 * told
    return abs(found - told) <= tolerance + 1e-12


def test_the_whole_shelf_is_small() -> None:
    assert sum(file.stat().st_size for file in SHELF.rglob("*") if file.is_file()) <= MOST_BYTES


def test_every_recipe_has_its_entry() -> None:
    assert sorted(recipe.parent for recipe in SHELF.glob(f"*/{FILE}")) == ENTRIES
    assert shelf_table(SHELF) in (SHELF / "README.md").read_text(encoding="utf-8")


def test_the_models_that_commands_help_names_are_on_the_shelf() -> None:
    verbs = list((SHELF.parent / "host" / "edgetwin" / "cli").glob("*.py"))
    named = {name for verb in verbs for name in re.findall(r"(?<!/)\bmodels/(\w+)", verb.read_text(encoding="utf-8"))}
    assert "autoencoder_asd" in named
    assert named <= {folder.name for folder in ENTRIES}


def test_files_are_those_of_the_card(folder: Path, card: dict) -> None:
    for name, told in card["files"].items():
        content = (folder / name).read_bytes()
        assert told == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}, name
    assert (folder / PAGE).read_text(encoding="utf-8") == render(card)


def test_the_recipe_is_that_of_the_card(folder: Path, card: dict) -> None:
    found = hashlib.sha256((folder / FILE).read_bytes()).hexdigest()
    assert found == card["provenance"]["recipe_sha256"], "the recipe has changed: train and export again"
    assert card["provenance"]["budget"] == "full"


def test_the_files_say_what_the_card_says(folder: Path, card: dict, networks: dict) -> None:
    told = read_tflite((folder / f"{folder.name}.tflite").read_bytes())
    assert told is not None
    assert told == networks["onnx"].description == networks["qdq"].description
    plain = told.model_dump(mode="json")
    assert plain == {key: card[key] for key in plain}


def test_boards_compute_the_figure_on_the_card(folder: Path, card: dict) -> None:
    compiled = compile_to(folder / f"{folder.name}.tflite")
    assert card["arena_bytes"] == compiled.plan.workspace_size
    examples = read_samples((folder / SAMPLES).read_bytes(), Preprocessing(**card["preprocessing"]))
    model = Model(ModelBundle.from_bytes(compiled.bundle))
    found = figure(model.predict(examples.inputs), examples, card["task"])
    assert found == pytest.approx(card["samples"]["board"], rel=1e-9), "boards are exact, wherever they are computed"


def test_figures_on_the_kept_examples_are_those_of_the_card(folder: Path, card: dict, networks: dict) -> None:
    examples = read_samples((folder / SAMPLES).read_bytes(), Preprocessing(**card["preprocessing"]))
    assert len(examples) == card["samples"]["examples"]
    for kind, network in networks.items():
        found = figure(network.predict(examples.inputs), examples, card["task"])
        assert agree(found, card["samples"][kind], card, len(examples)), kind


def test_figures_on_the_whole_test_part_are_those_of_the_card(folder: Path, card: dict, networks: dict) -> None:
    recipe = load_recipe(folder)
    if not os.environ.get("EDGETWIN_DATA") and recipe.data.server is None:
        pytest.skip("EDGETWIN_DATA names no folder")
    try:
        examples = load_examples(recipe, recipe.budget.full).test
    except DataError as error:
        pytest.skip(str(error))
    assert len(examples) == card["test"]["examples"]
    for kind, network in networks.items():
        found = figure(network.predict(np.ascontiguousarray(examples.inputs)), examples, card["task"])
        assert agree(found, card["test"][kind], card, len(examples)), kind


def test_int8_loses_no_more_than_is_asked(card: dict) -> None:
    assert "int8" not in too_lossy(card)
