"""`edgetwin learn` as a user runs it: interrupted by real signals, resumed, drawn, and summed up for the wire."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from sklearn.datasets import load_digits

from edgetwin.data import load_asd
from edgetwin.deploy import DictionaryBundle
from edgetwin.link.frame import Frame, FrameType, encode
from edgetwin.twin import Twin

EDGETWIN = [sys.executable, "-c", "from edgetwin.cli import main; main()"]
#: Iterations that take long enough to be interrupted, and all of them a few seconds.
PLAN = ("--rows-are-signals", "-n", "300", "-s", "12", "--iterations", "25", "--jobs", "1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Telemetry in windows of 6 rows, from every other row on: many signals."""
    folder = tmp_path_factory.mktemp("learn")
    server = load_asd()
    np.save(folder / "sensor.npy", server.train)
    windows = np.lib.stride_tricks.sliding_window_view(server.train, 6, axis=0)[::2]
    np.save(folder / "signals.npy", windows.transpose(0, 2, 1).reshape(len(windows), -1))
    return folder


def started(*words, cwd):
    return subprocess.Popen(
        [*EDGETWIN, "learn", *map(str, words)], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def learn(*words, cwd, code=0):
    process = started(*words, cwd=cwd)
    out, err = process.communicate(timeout=200)
    assert process.returncode == code, f"exit {process.returncode}: {out}{err}"
    assert "Traceback" not in err
    return (json.loads(out) if "--json" in words and out else out), err


def wait_for(path, process):
    while not path.exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)


@pytest.fixture(scope="module")
def uninterrupted(folder):
    return learn("signals.npy", "-o", "whole.etd", *PLAN, "--json", cwd=folder)[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_its_dictionary_and_goes_on_where_it_was(folder, uninterrupted, number):
    output, kept = folder / "cut.etd", folder / "cut.etd.checkpoint"
    process = started("signals.npy", "-o", output, *PLAN, "--json", cwd=folder)
    wait_for(kept, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 130, err
    result = json.loads(out)
    assert not result["complete"]
    assert 1 <= result["iterations"] < 25
    assert f"after {result['iterations']} of 25 iterations" in err
    assert "--resume" in err
    assert f"{DictionaryBundle.load(output).id:016x}" == result["id"]
    assert kept.exists()

    result, err = learn("signals.npy", "-o", output, *PLAN, "--resume", "--json", cwd=folder)
    assert result["complete"]
    assert (result["iterations"], result["id"]) == (25, uninterrupted["id"])
    assert result["error"] == uninterrupted["error"]
    assert not kept.exists()
    output.unlink()


def test_an_interrupt_before_the_first_iteration_is_done_writes_nothing(folder):
    process = started("signals.npy", "-o", "none.etd", *PLAN, "-s", "60", "-n", "4000", "--resume", cwd=folder)
    assert "learning starts afresh" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 130, err
    assert (out, err) == ("", "")
    assert not list(folder.glob("none.etd*"))


def test_a_second_interrupt_ends_at_once(folder):
    process = started("signals.npy", "-o", "twice.etd", *PLAN, "-n", "2000", "-s", "60", "--json", cwd=folder)
    wait_for(folder / "twice.etd.checkpoint", process)
    process.send_signal(signal.SIGINT)
    wait_for(folder / "twice.etd", process)  # what follows, coding signals for the summary, takes seconds
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    DictionaryBundle.load(folder / "twice.etd")


def test_a_checkpoint_that_does_not_fit_or_is_broken_gets_one_line(folder):
    words = ("sensor.npy", "-o", "other.etd", "-n", "32", "-s", "4", "--iterations", "2")
    learn(*words, cwd=folder)
    kept = folder / "other.etd.checkpoint"
    kept.write_bytes(b"PK\x03\x04 not an archive")
    _, err = learn(*words, "--resume", cwd=folder, code=2)
    assert "cut or damaged" in err.splitlines()[-1]
    _, err = learn(*words, cwd=folder)
    assert "--resume" in err, "a checkpoint is not replaced silently"
    assert not kept.exists()


def test_the_summary_counts_what_a_node_sends(folder):
    words = ("sensor.npy", "-o", "s.etd", "-n", "64", "-s", "6", "--iterations", "2", "--json")
    result, err = learn(*words, cwd=folder)
    assert err == ""
    keys = ["signals", "m", "n", "s", "nrmse", "code_bytes", "raw_bytes", "bundle_bytes", "workspace_bytes", "id"]
    assert [key for key in result if key in keys] and set(keys) <= result.keys()
    bundle = DictionaryBundle.load(folder / "s.etd")
    signals = load_asd().train.reshape(-1, 76)
    packets, _ = Twin(bundle).core.encode_packets(signals, np.full(len(signals) // 16, 16))
    frames = [
        encode(Frame(FrameType.CODE, bytes([1, 0, 0, 0, 0, 0, 16]) + packet, 1, 1, 0, bundle.id & 0xFFFFFFFF))
        for packet in packets
    ]
    sent = sum(map(len, frames)) / len(signals)
    assert result["sent_bytes"] == pytest.approx(sent)
    assert result["wire_compression"] == pytest.approx(1 - sent / 304)
    assert result["paper_compression"] == pytest.approx(1 - (76 * 64 + 6 * 2160) / (76 * 2160))
    assert (result["algorithm"], result["iterations"], result["complete"]) == ("ksvd", 2, True)


def test_a_search_shows_its_curve(folder):
    words = ("sensor.npy", "-o", "t.etd", "--target-nrmse", "0.2", "--nonzero", "8", "--iterations", "2")
    result, _ = learn(*words, "--picture", "t.png", "--json", cwd=folder)
    assert {trial["s"] for trial in result["search"]} == {8}
    assert result["n"] in {trial["n"] for trial in result["search"] if trial["nrmse"] <= 0.2}
    assert (folder / "t.png").read_bytes().startswith(b"\x89PNG")
    out, _ = learn(*words, cwd=folder)
    assert f"n = {result['n']}" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--picture", "atoms.gif"), ".png"),
        (("--image", "28"), "28x28"),
        (("--image", "5x5"), "19"),
        (("--algorithm", "svd"), "aksvd"),
        (("--compression", "0.8", "--atoms", "3"), "--atoms"),
        (("--target-nrmse", "7"), "between 0 and 1"),
        (("--jobs", "0"), "jobs"),
        (("--bits", "3"), "4 to 16"),
        (("--atom-type", "int7"), "int8"),
        (("--tolerance", "inf"), "finite"),
        (("--tolerance", "nan"), "tolerance"),
        (("--output", "sensor.npy"), "--output would be one file"),
        (("--output", "./twin/../one.png", "--picture", "one.png"), "--picture would be one file"),
        (("--output", "link.npy"), "--output would be one file"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_learned(tmp_path, folder, words, said):
    os.link(folder / "sensor.npy", tmp_path / "sensor.npy")
    (tmp_path / "link.npy").symlink_to("sensor.npy")
    (tmp_path / "twin").mkdir()
    (tmp_path / "never.etd.checkpoint").write_bytes(b"left over")
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    out, err = learn("sensor.npy", "-o", "never.etd", *words, cwd=tmp_path, code=2)
    assert said in err
    assert (out, err.count("\n")) == ("", 1)
    assert before == {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


def test_images_in_an_archive_are_learned_as_images_and_never_overwritten(tmp_path):
    digits = load_digits()
    np.savez(tmp_path / "digits.npz", x_train=digits.images[:200].astype(np.uint8), y_train=digits.target[:200])
    words = ("digits.npz:x_train", "-n", "16", "-s", "3", "--iterations", "2", "--json")
    result, err = learn(*words, "-o", "digits.etd", "--picture", "digits.png", cwd=tmp_path)
    assert (result["signals"], result["m"], result["n"]) == (200, 64, 16)
    assert err == "rows are images of 8 x 8; --init, if not given, is local\n"
    assert DictionaryBundle.load(tmp_path / "digits.etd").channels == 1
    assert (tmp_path / "digits.png").read_bytes().startswith(b"\x89PNG")
    assert learn(*words, "--image", "8x8", "--init", "local", "-o", "digits.etd", cwd=tmp_path)[0]["id"] == result["id"]
    _, err = learn(*words, "-o", "digits.npz", cwd=tmp_path, code=2)
    assert "one file" in err
    _, err = learn("digits.npz", "-o", "digits.etd", cwd=tmp_path, code=2)
    assert "digits.npz:KEY, KEY one of x_train, y_train" in err


def test_the_summary_does_not_wait_for_a_picture_that_cannot_be_written(folder):
    words = ("sensor.npy", "-o", "p.etd", "-n", "8", "-s", "2", "--iterations", "1", "--json")
    result, err = learn(*words, "--picture", "sensor.npy/p.png", cwd=folder, code=2)
    assert result["n"] == 8
    assert "cannot write" in err


def test_a_folder_is_no_output(folder):
    _, err = learn("sensor.npy", "-o", ".", cwd=folder, code=2)
    assert "a folder" in err
