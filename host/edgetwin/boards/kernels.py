"""Which kernels of the core a firmware links: all, none, or those that a model needs."""

from __future__ import annotations

import re
import struct
from pathlib import Path

from edgetwin.deploy.container import Kind, unwrap
from edgetwin.errors import UserError

__all__ = ["all_kernels", "kernel_list", "model_kernels"]

_DEFINITION = re.compile(r"^const et_kernel et_kernel_(\w+) = \{\s*(\d+),", re.MULTILINE)
_TENSOR_SIZE = 48
_FIELDS_SIZE = 32


def model_kernels(bundle: bytes) -> set[int]:
    """Numbers of the kernels that a model's layers name (FORMATS.md, "Model payload").

    Raises BundleError for what is no model.
    """
    payload = unwrap(Kind.MODEL, bundle)
    inputs, outputs, layers = struct.unpack_from("<HHH", payload, 12)
    at = _FIELDS_SIZE + (inputs + outputs) * _TENSOR_SIZE
    numbers = set()
    for _ in range(layers):
        number, words = struct.unpack_from("<HH", payload, at)
        numbers.add(number)
        at += 4 * words
    return numbers


def all_kernels(core: Path, *, helium: bool) -> set[int]:
    """Numbers of the kernels in ``et_kernels_all`` (kernels/all.c).

    core : device/src
    helium : for a core with Helium, or a computer
    """
    return {number for number, name in _kernels(core).items() if helium or not name.endswith("_helium")}


def kernel_list(core: Path, numbers: set[int]) -> str:
    """C source of ``linked_kernels``, a list as ``et_kernels_all`` is, of the kernels with these numbers.

    core : device/src

    Raises UserError if the core has no kernel of a number.
    """
    names = _kernels(core)
    missing = sorted(numbers - names.keys())
    if missing:
        raise UserError(f"the model needs kernel {missing[0]}, which this version of edgetwin does not have: update it")
    chosen = [f"et_kernel_{names[number]}" for number in sorted(numbers)]
    lines = [
        "#include <stddef.h>",
        "",
        '#include "edgetwin/model.h"',
        "",
        *(f"extern const et_kernel {name};" for name in chosen),
        "extern const et_kernel *const linked_kernels[];",
        f"const et_kernel *const linked_kernels[] = {{{''.join(f'&{name}, ' for name in chosen)}NULL}};",
    ]
    return "\n".join(lines) + "\n"


def _kernels(core: Path) -> dict[int, str]:
    """Names by number."""
    return {
        int(number): name
        for file in sorted(core.rglob("*.c"))
        for name, number in _DEFINITION.findall(file.read_text(encoding="utf-8"))
    }
