"""``edgetwin doctor``: what is installed, what is missing, how to get it."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from edgetwin.cli.options import AsJson


@dataclass(frozen=True)
class _Need:
    name: str
    kind: str  # "command" or "module"
    purpose: str
    how: str


_NEEDS = (
    _Need("cc", "command", "board native", "apt-get install gcc"),
    _Need(
        "arm-none-eabi-gcc",
        "command",
        "firmware of the ARM boards",
        "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
    ),
    _Need("qemu-system-arm", "command", "emulated ARM boards", "apt-get install qemu-system-arm"),
    _Need(
        "riscv64-unknown-elf-gcc",
        "command",
        "firmware of riscv32-virt",
        "apt-get install gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    ),
    _Need("qemu-system-riscv32", "command", "emulated riscv32-virt", "apt-get install qemu-system-misc"),
    _Need("openocd", "command", "flash netduinoplus2", "apt-get install openocd"),
    _Need("dfu-util", "command", "flash netduinoplus2 over USB", "apt-get install dfu-util"),
    _Need("pyocd", "command", "flash microbit", "pip install 'edgetwin[flash]'"),
    _Need("matplotlib", "module", "report of the demo", "pip install 'edgetwin[report]'"),
    _Need("pyarrow", "module", ".parquet files", "pip install 'edgetwin[parquet]'"),
)


@dataclass(frozen=True)
class _Finding:
    name: str
    purpose: str
    found: bool
    version: str
    how: str


def _version(command: str) -> str:
    try:
        done = subprocess.run([command, "--version"], capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    lines = (done.stdout or done.stderr).splitlines()
    return lines[0] if lines else ""


def _find(need: _Need) -> _Finding:
    if need.kind == "module":
        found = importlib.util.find_spec(need.name) is not None
        return _Finding(need.name, need.purpose, found, "", need.how)
    path = shutil.which(need.name)
    return _Finding(need.name, need.purpose, path is not None, _version(path) if path else "", need.how)


def doctor(as_json: AsJson = False) -> None:
    """Show what is installed, what is missing and how to get it. Nothing that is missing is an error.

    Example: edgetwin doctor
    """
    from edgetwin import __version__

    findings = [_find(need) for need in _NEEDS]
    if as_json:
        print(json.dumps({"version": __version__, "tools": [asdict(finding) for finding in findings]}))
        return
    table = Table(title=f"edgetwin {__version__}", title_justify="left")
    for column in ("tool", "needed for", "found"):
        table.add_column(column)
    for finding in findings:
        state = finding.version or "yes" if finding.found else f"missing: {finding.how}"
        table.add_row(finding.name, finding.purpose, escape(state), style=None if finding.found else "yellow")
    Console().print(table)
