"""The memory that the core and the nodes take is known, and does not change unnoticed."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load_ledger() -> ModuleType:
    """tools/ledger.py, which lies in no package."""
    spec = importlib.util.spec_from_file_location("ledger", ROOT / "tools" / "ledger.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["ledger"] = module
    spec.loader.exec_module(module)
    return module


ledger = load_ledger()


def test_ledger_is_up_to_date() -> None:
    if not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("arm-none-eabi-gcc is not installed: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi")
    kept = json.loads(ledger.LEDGER.read_text(encoding="ascii"))
    if kept["compiler"] != ledger.compiler_version():
        pytest.skip(f"the ledger's figures are those of {kept['compiler']}, here is {ledger.compiler_version()}")
    changes = list(ledger.differences(kept, ledger.measure()))
    report = "\n".join(changes)
    assert not changes, f"{report}\nif that is meant: python tools/ledger.py --update"


def test_recursion_is_refused() -> None:
    graph = ledger.CallGraph({"a": 8, "b": 16}, {"a": {"b"}, "b": {"a"}})
    with pytest.raises(ledger.LedgerError, match="a -> b -> a"):
        graph.depth("a")


def test_stack_is_that_of_the_deepest_chain() -> None:
    graph = ledger.CallGraph({"a": 8, "b": 16, "c": 100}, {"a": {"b", "c"}, "b": {"memcpy", "__indirect_call"}})
    assert graph.depth("b") == 16 + ledger.CALLBACK
    assert graph.depth("c") == 100
    assert graph.depth("a") == 8 + 16 + ledger.CALLBACK


def test_frame_of_unknown_size_is_refused(tmp_path: Path) -> None:
    graph = tmp_path / "x.ci"
    graph.write_text('node: { title: "f" label: "f\\nx.c:1:1\\n64 bytes (dynamic)" }\n')
    with pytest.raises(ledger.LedgerError, match="f has a stack frame of dynamic size"):
        ledger.read_call_graph(iter([graph]))
