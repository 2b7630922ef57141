"""Fixtures that several levels of tests share."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from edgetwin.boards import find_board

REPOSITORY = Path(__file__).resolve().parents[1]

#: Where the larger data sets lie: EDGETWIN_DATA, or ../shared/data beside the checkout.
SHARED_DATA = Path(os.environ.get("EDGETWIN_DATA", REPOSITORY.parent / "shared" / "data"))


@pytest.fixture(scope="session", autouse=True)
def ctrl_c():
    """What the tests start can be interrupted, also where a shell runs them in the background and ignores Ctrl-C."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_key(tmp_path_factory):
    """Tests never touch the user's pre-shared key."""
    path = tmp_path_factory.mktemp("key") / "key"
    path.write_text("5a" * 32 + "\n")
    path.chmod(0o600)
    os.environ["EDGETWIN_KEY"] = str(path)
    return path


@pytest.fixture(scope="session")
def forda():
    """FordA's training series (3601, 500) float32; skips with the reason where it is absent."""
    path = SHARED_DATA / "ucr_forda" / "forda.npz"
    if not path.exists():
        pytest.skip(f"FordA is not at {path} (set EDGETWIN_DATA)")
    with np.load(path, allow_pickle=False) as archive:
        return archive["x_train"]


@pytest.fixture(scope="session")
def need_board():
    """Gives a board by name; skips with the reason where its compiler or emulator is not installed."""

    def get(name):
        board = find_board(name)
        for tool in (board.compiler, board.emulator.command if board.emulator else None):
            if tool is not None and shutil.which(tool) is None:
                pytest.skip(f"{tool} is not installed")
        return board

    return get
