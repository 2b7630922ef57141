"""The memory that TensorFlow Lite Micro's interpreter would take for a .tflite file, beside ours."""

from __future__ import annotations

import importlib
import importlib.util
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["arena_bytes"]

# Room for any network whose file has so many bytes: activations are seldom larger than all weights.
_ARENA, _ARENA_A_BYTE = 1 << 22, 20
_TOTAL = re.compile(r"Arena allocation total (\d+) bytes")


def arena_bytes(network: bytes) -> int | None:
    """Bytes of its arena, all that its `print_allocations` counts.

    None where tflite_micro is not installed (the extra dev) or does not take the file. It runs in a process of its own,
    since it prints past Python, and ends its process for some files.
    """
    if importlib.util.find_spec("tflite_micro") is None:
        return None
    with tempfile.TemporaryDirectory(prefix="edgetwin-") as folder:
        file = Path(folder, "network.tflite")
        file.write_bytes(network)
        command = [sys.executable, "-m", __spec__.name, str(file)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    found = _TOTAL.search(done.stdout + done.stderr)
    return int(found[1]) if found and done.returncode == 0 else None


def _main(name: str) -> None:
    network = Path(name).read_bytes()
    runtime: Any = importlib.import_module("tflite_micro").runtime
    arena = max(_ARENA, _ARENA_A_BYTE * len(network))
    runtime.Interpreter.from_bytes(network, arena_size=arena).print_allocations()


if __name__ == "__main__":
    _main(*sys.argv[1:])
