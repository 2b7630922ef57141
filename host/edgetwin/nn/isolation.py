"""A converter in a process of its own: some crash, and all of them write to the terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.errors import UserError
from edgetwin.nn.backend import load_keras

__all__ = ["convert_alone", "load_job"]

NETWORK, REPRESENTATIVE = "network.keras", "representative.npy"


def convert_alone(
    what: str,
    module: str,
    model: Any,
    representative: npt.NDArray[np.float32],
    results: tuple[str, ...],
    options: tuple[str, ...] = (),
) -> list[bytes]:
    """What ``python -m module FOLDER OPTIONS`` writes into FOLDER, on Keras with TensorFlow; see :func:`load_job`.

    what : does the converting, as the error names it
    model : a Keras network
    representative : (N, ...) inputs
    results : names of the files to read

    Raises UserError, with the last line that it wrote, if the process fails.
    """
    with tempfile.TemporaryDirectory(prefix="edgetwin-") as name:
        folder = Path(name)
        model.save(folder / NETWORK)
        np.save(folder / REPRESENTATIVE, np.asarray(representative, np.float32))
        environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
        command = [sys.executable, "-m", module, name, *options]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment)
        if done.returncode != 0:
            raise UserError(f"{what} cannot convert {model.name}: {_reason(done)}")
        return [(folder / result).read_bytes() for result in results]


def load_job(folder: Path) -> tuple[Any, npt.NDArray[np.float32]]:
    """The network and the representative inputs, in the process."""
    model = load_keras().models.load_model(folder / NETWORK, compile=False)
    return model, np.load(folder / REPRESENTATIVE, allow_pickle=False)


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode < 0:
        return f"the converter ended by {signal.Signals(-done.returncode).name}"
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"the converter ended with {done.returncode}"
