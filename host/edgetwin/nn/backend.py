"""The one place where Keras is imported: it takes seconds and 2 GB on disk, so only what trains a network pays."""

from __future__ import annotations

import importlib
import importlib.util
import os
from typing import Any

from edgetwin.errors import UserError

__all__ = ["load_keras", "require_keras"]

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
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # else TensorFlow greets on stderr with its build options
    try:
        return importlib.import_module("keras")
    except ImportError as error:
        raise UserError(_REMEDY.format(error)) from error
