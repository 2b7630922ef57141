"""All rules: importing their modules registers them."""

from __future__ import annotations

import importlib
import pkgutil

from edgetwin.deploy.compiler import lowering


def load() -> None:
    """Imports every module of this package."""
    for module in pkgutil.iter_modules(lowering.__path__):
        importlib.import_module(f"{lowering.__name__}.{module.name}")
