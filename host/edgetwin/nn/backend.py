"""The one place where Keras is imported: it takes seconds and 2 GB on disk, so only what trains a network pays."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgetwin.errors import UserError

__all__ = ["load_keras", "no_greeting", "require_keras"]

_REMEDY = "training a network needs Keras 3 and its backend ({}): pip install 'edgetwin[train]'"


def require_keras() -> None:
    """Raises UserError if Keras or its backend is not installed, without importing them: better before long work."""
    for module in ("keras", os.environ.get("KERAS_BACKEND", "tensorflow")):
        if importlib.util.find_spec(module) is None:
            raise UserError(_REMEDY.format(f"no module named {module}"))


def load_keras() -> Any:
    """The module `keras`, on the backend that KERAS_BACKEND names; tensorflow if it names none.

    Raises UserError if Keras or its backend is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    try:
        with no_greeting() if "keras" not in sys.modules else contextlib.nullcontext():
            return importlib.import_module("keras")
    except ImportError as error:
        raise UserError(_REMEDY.format(error)) from error


@contextlib.contextmanager
def no_greeting() -> Iterator[None]:
    """TensorFlow's C++ code, and LiteRT's, greets on stderr when it is loaded, whatever the level of its log."""
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
