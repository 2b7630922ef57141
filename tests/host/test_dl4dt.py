"""The paper's experiment: its formula, its scores, and every part of it once with tiny settings."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics

from edgetwin.bench.dl4dt import BUDGETS, Budget, draw_figures, run, tables
from edgetwin.bench.dl4dt.budget import ClassificationPlan, TelemetryPlan
from edgetwin.bench.dl4dt.compress import compress, keep_at_random
from edgetwin.bench.dl4dt.results import Confusion, NotRun
from edgetwin.bench.dl4dt.server_signals import ServerSignals
from edgetwin.cli import main
from edgetwin.data import DataError, load_telemetry
from edgetwin.dictionary.compression import atoms_for, compression_of
from edgetwin.errors import UserError
from edgetwin.link.frame import Frame, FrameType, encode
from edgetwin.nn.backend import load_keras, require_keras
from edgetwin.nn.training import Schedule
from edgetwin.twin.wire import sent_bytes

SHARED_DATA = Path(os.environ.get("EDGETWIN_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))

QUICK = Schedule(epochs=1, batch_size=64, validation_share=0.2)
TINY = Budget(
    mnist=ClassificationPlan((0.8,), 0.8, 1, QUICK, n_nonzero_coefs=10, training_signals=400, test_signals=100),
    forda=ClassificationPlan((0.7,), 0.6, 1, QUICK, n_nonzero_coefs=10, training_signals=200, test_signals=100),
    telemetry=TelemetryPlan(
        replace(QUICK, epochs=2), servers=("omi-6",), collections=("asd",), compressions=(0.5, 0.8), iterations=1
    ),
)


def silent(title, steps):
    return lambda: None


def run_tiny(*parts, folder=None, seed=0, budget=TINY):
    return run("tiny", budget, parts, folder=folder, seed=seed, track=silent)


@pytest.fixture
def no_folder(monkeypatch):
    monkeypatch.delenv("EDGETWIN_DATA", raising=False)


@pytest.fixture(scope="module")
def keras():
    pytest.importorskip("tensorflow", reason="networks need edgetwin[train]")
    return load_keras()


@pytest.fixture(scope="module")
def telemetry(keras):
    return run_tiny("telemetry")


@pytest.fixture(scope="module")
def partial(keras, tmp_path_factory):
    """Results from a folder without any data set."""
    return run_tiny("forda", "telemetry", folder=tmp_path_factory.mktemp("data"))[0]


@pytest.mark.parametrize(
    ("compression", "m", "signals", "s", "n"),
    [
        (0.8, 784, 60000, 50, 8173),  # MNIST, thesis table 3.1
        (0.7, 784, 60000, 50, 14173),
        (0.4, 784, 60000, 50, 32173),
        (0.8, 784, 60000, 30, 9704),
        (0.8, 784, 60000, 20, 10469),
        (0.6, 500, 3601, 50, 1080),  # FordA, thesis table 3.2
        (0.5, 500, 3601, 60, 1368),
        (0.7, 500, 3601, 40, 792),
        (0.8, 165, 4432, 20, 349),  # D.A.V.I.D.E., section 4.3
    ],
)
def test_a_compression_gives_the_atoms_that_the_authors_had(compression, m, signals, s, n):
    assert atoms_for(compression, m, signals, s) == n
    assert compression_of(m, n, signals, s) == pytest.approx(compression, abs=1 / signals)


def test_compressed_signals_are_what_the_dictionary_says_of_them():
    signals = load_telemetry("asd", "omi-1").train[:800].reshape(100, 152)
    steps = []
    options = {"iterations": 3, "algorithm": "ksvd", "seed": 0, "title": "t"}
    learned = compress(signals, 0.7, 5, track=lambda title, total: lambda: steps.append(total), **options)
    assert steps == [3, 3, 3]
    assert len(learned.atoms) == atoms_for(0.7, 152, 100, 5)
    assert learned.error == pytest.approx(np.sqrt(np.mean((signals - learned.signals) ** 2)), rel=1e-5)
    with pytest.raises(UserError, match="out of reach"):
        compress(signals, 0.97, 5, track=silent, **options)


def test_random_compression_keeps_its_share_once_each():
    kept = keep_at_random(1000, 0.8, seed=3)
    assert len(kept) == len(set(kept)) == 200
    assert not np.array_equal(kept, keep_at_random(1000, 0.8, seed=4))


def test_scores_are_those_of_scikit_learn():
    random = np.random.default_rng(0)
    anomalous, flagged = random.random(500) < 0.2, random.random(500) < 0.3
    confusion = Confusion.of(anomalous, flagged)
    expected = metrics.precision_recall_fscore_support(anomalous, flagged)
    np.testing.assert_allclose(confusion.normal, [score[0] for score in expected[:3]])
    np.testing.assert_allclose(confusion.anomaly, [score[1] for score in expected[:3]])
    assert confusion.accuracy == metrics.accuracy_score(anomalous, flagged)


def test_servers_add_up_as_if_they_were_one():
    random = np.random.default_rng(1)
    anomalous, flagged = random.random(60) < 0.4, random.random(60) < 0.5
    halves = [Confusion.of(anomalous[part], flagged[part]) for part in (slice(20), slice(20, None))]
    assert sum(halves, Confusion()) == Confusion.of(anomalous, flagged)
    assert Confusion.of(np.zeros(3, bool), np.zeros(3, bool)).anomaly == (0, 0, 0)


def test_a_signal_is_an_anomaly_if_any_of_its_rows_is():
    server = load_telemetry("asd", "omi-6")
    cut = ServerSignals.cut(server, TINY.telemetry, seed=0)
    assert cut.test.shape == (540, 152)
    assert len(cut.train) + len(cut.held_out) == 1080
    for index in (44, 45, 100):  # rows 357 to 392 are anomalous: windows 44 to 49
        np.testing.assert_array_equal(cut.test[index].reshape(8, 19), server.test[8 * index : 8 * index + 8])
        assert cut.anomalous[index] == server.anomalous[8 * index : 8 * index + 8].any()


@pytest.mark.parametrize(("part", "folder", "file"), [("mnist", "mnist", "mnist"), ("forda", "ucr_forda", "forda")])
def test_networks_are_trained_on_every_form_of_the_data(part, folder, file, keras):
    if not (SHARED_DATA / folder / f"{file}.npz").exists():
        pytest.skip(f"{file}.npz is not in {SHARED_DATA} (set EDGETWIN_DATA)")
    results, examples = run_tiny(part, folder=SHARED_DATA)
    found = results.classification[part]
    assert [row.training for row in found.rows] == ["original", "dictionary", "random"]
    original, dictionary, random = found.rows
    assert dictionary.atoms == atoms_for(dictionary.compression, found.m, found.signals, 10)
    assert 0 < dictionary.error < examples[0].signals.std()
    assert all(0 <= row.accuracy <= 1 for row in found.rows)
    assert dictionary.accuracy_reconstructed is not None
    assert original.paper > dictionary.paper > random.paper


def test_every_server_is_judged_for_every_form_of_the_data(telemetry):
    found = telemetry[0].telemetry["asd"]
    forms = [(row.training, row.compression) for row in found.rows]
    assert forms == [("original", 0), ("dictionary", 0.5), ("dictionary", 0.8), ("random", 0.8)]
    for row in found.rows:
        counts = row.servers["omi-6"]
        assert counts.normal_as_normal + counts.normal_as_anomaly == 540 - 34
        assert row.total == counts
    assert found.rows[1].errors["omi-6"] < found.rows[2].errors["omi-6"]


def test_representativity_counts_what_is_really_sent(telemetry):
    found = telemetry[0].telemetry["asd"].representativity
    assert list(found.tests) == ["original", "omp", "wire", "random"]
    assert found.triplet_gain == pytest.approx(1 - 3 * 15 / 152)
    # 15 indices of 7 bits and 15 coefficients of 8 bits, scale and frame, of 608 bytes: less than 64.
    assert found.triplet_gain < 1 - 64 / 608 < found.wire_gain < 1
    sizes = {way: sum(vars(confusion).values()) for way, confusion in found.tests.items()}
    assert sizes == {"original": 540, "omp": 540, "wire": 540, "random": 162}


def test_codes_are_sent_in_code_frames():
    codes = [b"\x00", bytes(range(40)), None]  # the last one: a signal with NaN
    frames = [encode(Frame(FrameType.CODE, bytes([1, 0, 0, 0, 0, 0, 1]) + (code or b""), 1, 1, 0, 7)) for code in codes]
    assert sent_bytes(codes) == sum(map(len, frames))


def test_a_part_without_its_data_is_reported(partial):
    assert isinstance(partial.classification["forda"], NotRun)
    assert "ucr_forda" in json.loads(json.dumps(partial.to_dict()))["classification"]["forda"]["reason"]
    assert tables(partial)[-1].title == "Not run"


def test_the_same_seed_gives_the_same_results(partial, telemetry):
    assert partial.telemetry["asd"].rows == telemetry[0].telemetry["asd"].rows


def test_no_part_with_data_is_an_error(tmp_path):
    with pytest.raises(DataError, match="ucr_forda"):
        run_tiny("forda", folder=tmp_path)


def test_figures_are_pictures(telemetry, tmp_path):
    pytest.importorskip("matplotlib", reason="figures need edgetwin[report]")
    paths = draw_figures(*telemetry, tmp_path)
    assert [path.name for path in paths] == ["detection_asd.png", "signals_omi-6.png"]
    for path in paths:
        assert path.read_bytes().startswith(b"\x89PNG")


def test_the_command_writes_results_and_prints_one_object(keras, tmp_path, monkeypatch, capsys, no_folder):
    pytest.importorskip("matplotlib", reason="figures need edgetwin[report]")
    monkeypatch.setitem(BUDGETS, "smoke", TINY)
    output = tmp_path / "out"
    arguments = ["edgetwin", "bench", "dl4dt", "--only", "telemetry", "-o", str(output), "--json"]
    monkeypatch.setattr(sys, "argv", arguments)
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    printed = json.loads(capsys.readouterr().out)
    assert printed.pop("figures") == [str(output / "detection_asd.png"), str(output / "signals_omi-6.png")]
    assert printed == json.loads((output / "results.json").read_text())
    total = printed["telemetry"]["asd"]["rows"][0]["total"]
    right = total["normal_as_normal"] + total["anomaly_as_anomaly"]
    assert total["accuracy"] == pytest.approx(right / 540)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "cifar"], "cifar"),
        (["--budget", "huge"], "huge"),
        (["--data", "/nowhere"], "not a folder"),
        (["--data", "/nowhere", "--output", f"{__file__}/out"], "cannot write"),
    ],
)
def test_a_bad_option_is_one_line_and_exit_code_2(arguments, said, keras, monkeypatch, capsys):
    pytest.importorskip("matplotlib", reason="figures need edgetwin[report]")
    monkeypatch.setattr(sys, "argv", ["edgetwin", "bench", "dl4dt", "--only", "forda", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("needed", [load_keras, require_keras])
def test_without_keras_the_extra_is_named(needed, monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(UserError, match=r"edgetwin\[train\]"):
        needed()
