"""A converter in a process of its own: some crash, and all of them write to the terminal."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.errors import UserError
from edgetwin.nn.backend import load_keras

__all__ = ["convert_alone", "ending_converters", "load_job"]

NETWORK, REPRESENTATIVE = "network.keras", "representative.npy"
# Converters of all threads.
_running: set[subprocess.Popen[str]] = set()


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
        # TensorFlow leaves files of its own where it is killed.
        environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "TMPDIR": name}
        with subprocess.Popen(
            [sys.executable, "-m", module, name, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
        ) as process:
            _running.add(process)
            try:
                _, said = process.communicate()
            finally:
                process.kill()
                _running.remove(process)
        if process.returncode != 0:
            raise UserError(f"{what} cannot convert {model.name}: {_reason(process.returncode, said)}")
        return [(folder / result).read_bytes() for result in results]


@contextlib.contextmanager
def ending_converters() -> Iterator[None]:
    """Where its body ends by an exception, such as Ctrl-C, the converters that other threads wait for end too."""
    try:
        yield
    except BaseException:
        for process in tuple(_running):
            process.kill()
        raise


def load_job(folder: Path) -> tuple[Any, npt.NDArray[np.float32]]:
    """The network and the representative inputs, in the process."""
    model = load_keras().models.load_model(folder / NETWORK, compile=False)
    return model, np.load(folder / REPRESENTATIVE, allow_pickle=False)


def _reason(code: int, said: str) -> str:
    if code < 0:
        return f"the converter ended by {signal.Signals(-code).name}"
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1] if lines else f"the converter ended with {code}"
