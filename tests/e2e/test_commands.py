"""The commands as a user types them, on a node that runs as a process: by hand from a CSV file to validated codes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import cbor2
import numpy as np
import pytest

from edgetwin.boards import build, run
from edgetwin.boards.registry import sources
from edgetwin.data import load_asd
from edgetwin.deploy import DictionaryBundle
from edgetwin.link import Session, load_key
from edgetwin.link.frame import Frame, FrameReader, FrameType, encode
from edgetwin.link.messages import StatusReply
from edgetwin.link.status import Status

EDGETWIN = [sys.executable, "-c", "from edgetwin.cli import main; main()"]


def edgetwin(*words, cwd, code=0):
    """Runs a command; returns the object that --json prints, or what it says on stderr if it must fail."""
    done = subprocess.run([*EDGETWIN, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=200)
    assert done.returncode == code, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    if code == 2:
        assert "Traceback" not in done.stderr
        lines = done.stderr.strip().splitlines()
        assert lines, "no error was said"
        assert lines[-1].startswith("edgetwin: ")
        assert done.stdout == ""
        return lines[-1]
    return json.loads(done.stdout) if "--json" in words else done.stdout


@contextmanager
def running_node(cwd, *words):
    """`edgetwin run --board native`, as a user has it in another terminal; gives the URL."""
    process = subprocess.Popen(
        [*EDGETWIN, "run", "--board", "native", *map(str, words)],
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        yield process.stdout.readline().strip()
    finally:
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(timeout=20) == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A user's folder with a CSV of telemetry and a dictionary learned from it."""
    folder = tmp_path_factory.mktemp("user")
    server = load_asd()
    header = ",".join(server.names)
    np.savetxt(folder / "sensor.csv", server.train[:2400], delimiter=",", header=header, comments="", fmt="%.6g")
    np.savetxt(folder / "later.csv", server.test[:400], delimiter=",", header=header, comments="", fmt="%.6g")
    edgetwin("learn", "sensor.csv", "-o", "D.etd", "--iterations", "3", "--json", cwd=folder)
    return folder


def test_learn_prints_what_it_made_and_a_board_takes_it(folder):
    result = edgetwin(
        "learn", "sensor.csv", "-o", "D2.etd", "--iterations", "2", "--nonzero", "5", "--json", cwd=folder
    )
    assert (result["m"], result["n"], result["s"]) == (76, 256, 5)
    assert result["signals"] == 600
    assert result["bundle_bytes"] == (folder / "D2.etd").stat().st_size
    assert 0 < result["nrmse"] < 0.3
    assert DictionaryBundle.load(folder / "D2.etd").s == 5


def test_the_same_seed_gives_the_same_dictionary(folder):
    a = edgetwin("learn", "sensor.csv", "-o", "E.etd", "--iterations", "2", "--json", cwd=folder)
    b = edgetwin("learn", "sensor.csv", "-o", "F.etd", "--iterations", "2", "--json", cwd=folder)
    assert a["id"] == b["id"]


def test_stream_and_validate_by_hand(folder):
    with running_node(folder) as url:
        result = edgetwin("stream", url, "--dictionary", "D.etd", "later.csv", "-o", "twin.npy", "--json", cwd=folder)
        assert result["signals"] == 100
        assert result["missing"] == result["refused"] == 0
        assert result["sent_bytes"] < result["triplet_bytes"] < result["raw_bytes"]
        twin = np.load(folder / "twin.npy")
        assert twin.shape == (100, 76)
        raw = np.loadtxt(folder / "later.csv", delimiter=",", skiprows=1)[:400].reshape(100, 76)
        assert np.abs(twin - raw).mean() < 0.05
        result = edgetwin("validate", url, "--dictionary", "D.etd", "later.csv", "--json", cwd=folder)
        assert (result["signals"], result["differing_bits"], result["missing"]) == (100, 0, 0)


def test_validate_says_1_when_the_board_computes_something_else(folder, tmp_path, monkeypatch):
    """A node whose sums run in another order than the contract's: right to the last digit, and found out."""
    root = sources()
    for part in ("device", "firmware"):
        shutil.copytree(root / part, tmp_path / part)
    kernel = tmp_path / "device" / "src" / "portable" / "dot_f32.c"
    contract, other = "(p[0] + p[1]) + (p[2] + p[3])", "((p[0] + p[1]) + p[2]) + p[3]"
    assert contract in kernel.read_text()
    kernel.write_text(kernel.read_text().replace(contract, other))
    monkeypatch.setattr(sys.modules["edgetwin.boards.build"], "sources", lambda: tmp_path)
    firmware = build("native", tmp_path / "build", key=load_key(None))
    words = ("validate", "-d", "D.etd", "later.csv", "--full", "--json")
    with run("native", firmware) as node:
        result = edgetwin(words[0], node.url, *words[1:], cwd=folder, code=1)
    assert result["differing_bits"] > 0
    assert result["first_difference"] is not None
    with running_node(folder) as url:
        assert edgetwin(words[0], url, *words[1:], cwd=folder)["differing_bits"] == 0


def test_a_session_ends_with_its_connection(folder):
    """Nobody can go on without the key where somebody with it left off."""
    firmware = build("native", folder / "left", key=load_key(None))
    for orderly in (True, False):
        with run("native", firmware) as node:
            session = Session(node.url, load_key(None))
            session.open()
            if orderly:
                session.close()
            else:
                session.connection.transport.close()
            with socket.create_connection(("127.0.0.1", int(node.url.rpartition(":")[2]))) as stranger:
                stranger.sendall(b"\0" + encode(Frame(FrameType.STOP, cbor2.dumps({}), sequence=100, credit=1), None))
                reader, frames = FrameReader(), []
                stranger.settimeout(5)
                while not frames:
                    frames = reader.feed(stranger.recv(4096))
        assert StatusReply.parse(frames[0]).status == Status.STATE


def test_windows_with_nan_are_named_and_the_stream_goes_on(folder):
    values = np.loadtxt(folder / "later.csv", delimiter=",", skiprows=1)
    values[5, 2] = np.nan
    np.save(folder / "holes.npy", values.astype(np.float32))
    said = edgetwin("learn", "holes.npy", "-o", "X.etd", cwd=folder, code=2)
    assert "row 6, column 3" in said
    assert not (folder / "X.etd").exists()
    with running_node(folder) as url:
        words = ("stream", url, "--dictionary", "D.etd", "holes.npy", "--allow-nan", "-o", "holes_twin.npy", "--json")
        result = edgetwin(*words, cwd=folder)
    assert (result["signals"], result["refused"], result["missing"]) == (100, 1, 0)
    twin = np.load(folder / "holes_twin.npy")
    assert np.isnan(twin[1]).all()
    assert np.isfinite(np.delete(twin, 1, axis=0)).all()


def test_a_board_streams_its_own_recording(folder):
    with running_node(folder, "--recording", "later.csv", "--out", "recorded") as url:
        words = ("stream", url, "--dictionary", "D.etd", "--windows", "250", "--json")
        together = edgetwin(*words, "-o", "together.npy", cwd=folder)
        result = edgetwin(*words, "--batch", "1", "-o", "own.npy", cwd=folder)
        replayed = ("stream", url, "--dictionary", "D.etd", "later.csv", "-o", "replayed.npy", "--json")
        edgetwin(*replayed, cwd=folder)
    assert (result["signals"], result["missing"]) == (together["signals"], together["missing"]) == (250, 0)
    assert together["sent_bytes"] < result["sent_bytes"]
    own, replayed = np.load(folder / "own.npy"), np.load(folder / "replayed.npy")
    assert np.abs(np.load(folder / "together.npy") - own).mean() < 0.05
    np.testing.assert_array_equal(own, np.concatenate([replayed, replayed, replayed])[:250])


def test_a_recording_with_other_channels_is_refused_window_by_window(folder):
    np.save(folder / "seven.npy", np.ones((400, 7), np.float32))
    with running_node(folder, "--recording", "seven.npy", "--out", "seven") as url:
        result = edgetwin("stream", url, "--dictionary", "D.etd", "--windows", "5", "--json", cwd=folder)
    assert (result["refused"], result["missing"], result["triplet_bytes"]) == (5, 0, 0)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (None, "sensor"),
        (b"", "empty"),
        (b"a,b\nx,y\n", "number"),
        (b"a,b\n1,2\n3\n", "line 3"),
    ],
)
def test_a_bad_file_gets_one_clear_line(folder, content, named):
    path = folder / "bad_sensor.csv"
    path.unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)
    said = edgetwin("learn", path.name, "-o", "never.etd", cwd=folder, code=2)
    assert named in said.lower()
    assert not (folder / "never.etd").exists()


def test_a_broken_bundle_gets_one_clear_line(folder):
    whole = (folder / "D.etd").read_bytes()
    for name, content in {
        "cut": whole[:1000],
        "corrupted": whole[:500] + bytes([whole[500] ^ 1]) + whole[501:],
        "newer": whole[:4] + b"\x02\x00" + whole[6:],
        "foreign": b"PK\x03\x04" + whole[4:],
    }.items():
        (folder / f"{name}.etd").write_bytes(content)
        said = edgetwin(
            "validate", "socket://127.0.0.1:1", "--dictionary", f"{name}.etd", "later.csv", cwd=folder, code=2
        )
        assert f"{name}.etd" in said


def test_a_board_that_is_not_there_or_never_answers(folder):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        said = edgetwin("validate", f"socket://127.0.0.1:{port}", "-d", "D.etd", "later.csv", cwd=folder, code=2)
        assert "no answer" in said
    said = edgetwin("validate", f"socket://127.0.0.1:{port}", "-d", "D.etd", "later.csv", cwd=folder, code=2)
    assert str(port) in said


@pytest.mark.parametrize(
    "words",
    [
        ("learn", "sensor.csv", "-o", "n.etd", "--seed", "-1"),
        ("learn", "sensor.csv"),
        ("stream", "socket://127.0.0.1:1", "-d", "D.etd", "--windows", "0"),
        ("validate", "socket://[::1", "-d", "D.etd", "later.csv"),
        ("unknown",),
    ],
)
def test_a_bad_command_line_gets_one_clear_line(folder, words):
    edgetwin(*words, cwd=folder, code=2)


def test_columns_in_another_order_are_refused(folder):
    lines = (folder / "later.csv").read_text().splitlines()
    turned = [",".join(reversed(line.split(","))) for line in lines]
    (folder / "turned.csv").write_text("\n".join(turned) + "\n")
    said = edgetwin("validate", "socket://127.0.0.1:1", "-d", "D.etd", "turned.csv", cwd=folder, code=2)
    assert "another order" in said


def test_a_key_that_others_may_read_is_refused(folder):
    shown = folder / "shown.key"
    shown.write_text("00" * 32)
    shown.chmod(0o644)
    said = edgetwin("validate", "socket://127.0.0.1:1", "-d", "D.etd", "later.csv", "--key", shown, cwd=folder, code=2)
    assert "chmod 600" in said


def test_a_wrong_key_is_said(folder):
    other = folder / "other.key"
    other.write_text("00" * 32)
    other.chmod(0o600)
    with running_node(folder) as url:
        said = edgetwin("validate", url, "-d", "D.etd", "later.csv", "--key", other, cwd=folder, code=2)
    assert "key" in said


def test_a_dictionary_that_does_not_fit_says_by_how_much(folder, need_board):
    need_board("microbit")
    edgetwin("learn", "sensor.csv", "-o", "large.etd", "--iterations", "1", "--nonzero", "60", "--json", cwd=folder)
    said = edgetwin("demo", "--board", "nowhere", cwd=folder, code=2)
    assert "netduinoplus2" in said, "the boards there are"
    firmware = build("microbit", folder / "mb", key=load_key(None))
    with run("microbit", firmware) as node:
        said = edgetwin("validate", node.url, "-d", "large.etd", "later.csv", cwd=folder, code=2)
    assert "bytes" in said
    assert "too many" in said


def test_a_window_of_the_wrong_width_is_refused(folder):
    np.save(folder / "narrow.npy", np.zeros((100, 7), np.float32))
    said = edgetwin("validate", "socket://127.0.0.1:1", "-d", "D.etd", "narrow.npy", cwd=folder, code=2)
    assert "7 columns" in said
    assert "19 channels" in said


def test_doctor_names_what_is_there_and_how_to_get_the_rest(folder):
    report = edgetwin("doctor", "--json", cwd=folder)
    tools = {tool["name"]: tool for tool in report["tools"]}
    assert tools["cc"]["found"]
    assert all(tool["how"] for tool in tools.values())


@pytest.mark.parametrize(
    "verb",
    ["learn", "build", "flash", "run", "upload", "stream", "invoke", "validate", "profile", "demo", "doctor"],
)
def test_help_shows_an_example(verb, folder):
    assert f"Example: edgetwin {verb}" in " ".join(edgetwin(verb, "--help", cwd=folder).split())


def test_the_demo_on_native_proves_every_bit(folder):
    result = edgetwin("demo", "--board", "native", "--json", cwd=folder)
    assert list(result) == [
        *("board", "m", "n", "s", "signals", "differing_bits", "nrmse", "raw_bytes", "triplet_bytes", "sent_bytes"),
        *("instructions_per_signal", "workspace_bytes", "flash_bytes", "ram_bytes", "seconds"),
    ]
    assert result["differing_bits"] == 0
    assert result["nrmse"] < 0.1
    page = (folder / "demo" / "report.html").read_text()
    assert page.count("<svg") == 2
    assert Path(folder / "demo" / "asd.etd").exists()
