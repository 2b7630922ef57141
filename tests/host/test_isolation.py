"""A converter in a process of its own: Ctrl-C and SIGTERM end it with its parent, and leave no files."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from edgetwin.errors import UserError
from edgetwin.nn.isolation import convert_alone

pytestmark = pytest.mark.timeout(60)

CONVERTERS = 2
# A converter that holds a lock for as long as it lives, and does nothing for longer than any test.
SLOW = """
import fcntl, sys, time
from pathlib import Path
from types import SimpleNamespace

import edgetwin.nn.isolation as isolation

isolation.load_keras = lambda: SimpleNamespace(models=SimpleNamespace(load_model=lambda file, compile: None))
isolation.load_job(folder := Path(sys.argv[1]))
lock = open(Path(sys.argv[2]) / f"{folder.name}.lock", "w")
fcntl.flock(lock, fcntl.LOCK_EX)
Path(lock.name).rename(Path(lock.name).with_suffix(".held"))
time.sleep(300)
"""
WAITING = f"""
import signal, sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np

from edgetwin.nn.isolation import convert_alone, ending_converters

signal.signal(signal.SIGTERM, signal.default_int_handler)
model = SimpleNamespace(name="net", save=lambda file: file.write_text("network"))
convert = lambda number: convert_alone("Slow", "slow", model, np.zeros((1, 2)), ("result",), (sys.argv[1],))
with ThreadPoolExecutor({CONVERTERS}) as pool, ending_converters():
    list(pool.map(convert, range(3 * {CONVERTERS})))
"""


class Network:
    name = "net"

    def save(self, file):
        file.write_text("network")


@pytest.fixture
def environment(tmp_path):
    for folder in ("modules", "locks", "temporary"):
        (tmp_path / folder).mkdir()
    (tmp_path / "modules" / "slow.py").write_text(SLOW)
    return {**os.environ, "PYTHONPATH": str(tmp_path / "modules"), "TMPDIR": str(tmp_path / "temporary")}


def wait_until(happened):
    until = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.02)


def is_free(lock):
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["alone", "group"])
def test_a_signal_ends_the_converters_of_all_threads_and_removes_their_files(number, send, environment, tmp_path):
    locks, temporary = tmp_path / "locks", tmp_path / "temporary"
    waiting = subprocess.Popen(
        [sys.executable, "-c", WAITING, locks], env=environment, start_new_session=True, stderr=subprocess.DEVNULL
    )
    wait_until(lambda: len(list(locks.glob("*.held"))) == CONVERTERS)
    assert len(list(temporary.iterdir())) == CONVERTERS
    send(waiting.pid, number)
    assert waiting.wait(timeout=20) == -signal.SIGINT
    wait_until(lambda: all(map(is_free, locks.iterdir())) and not any(temporary.iterdir()))
    assert len(list(locks.iterdir())) == CONVERTERS


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import sys; sys.exit('no such layer')", "Bad cannot convert net: no such layer"),
        ("import os; os.abort()", "the converter ended by SIGABRT"),
        ("import os; os._exit(3)", "the converter ended with 3"),
    ],
)
def test_a_converter_that_ends_early_is_one_clear_error(code, said, environment, tmp_path, monkeypatch):
    (tmp_path / "modules" / "bad.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", environment["PYTHONPATH"])
    with pytest.raises(UserError, match=said):
        convert_alone("Bad", "bad", Network(), np.zeros((1, 2)), ("result",))
