"""The memory that the core and the nodes take is known, and does not change unnoticed."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from edgetwin.boards import boards, find_board
from edgetwin.boards.build import INSTALL

# The whole ledger is compiled first, which takes minutes beside other tests.
pytestmark = pytest.mark.timeout(900)

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


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """The whole ledger of this compiler: measuring refuses allocators, variables, recursion and small stacks."""
    for compiler in ledger.COMPILERS:
        if not shutil.which(compiler):
            pytest.skip(f"{compiler} is not installed: {INSTALL[compiler]}")
    return ledger.measure()


def test_ledger_is_up_to_date(measured: dict[str, Any]) -> None:
    kept = json.loads(ledger.LEDGER.read_text(encoding="ascii"))
    if kept["compilers"] != measured["compilers"]:
        pytest.skip(f"the ledger's figures are those of {kept['compilers']}, here are {measured['compilers']}")
    report = "\n".join(ledger.differences(kept, measured))
    assert not report, f"{report}\nif that is meant: python tools/ledger.py --update"


def test_every_node_has_the_stack_that_its_core_may_take(measured: dict[str, Any]) -> None:
    assert set(measured["firmware"]) == {name for name, board in boards().items() if not board.is_native}
    for name, firmware in measured["firmware"].items():
        stacks = measured["core"][find_board(name).core]["stack_bytes"]
        assert max(stacks.values()) + ledger.PROGRAM <= firmware["stack_bytes"], name


def test_too_small_a_stack_is_refused(measured: dict[str, Any]) -> None:
    small = measured | {"firmware": {"microbit": measured["firmware"]["microbit"] | {"stack_bytes": 256}}}
    with pytest.raises(ledger.LedgerError, match=r"microbit needs \d+ bytes of stack and has 256"):
        ledger.check_stacks(small)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("void *f(void) { return malloc(4); }", "has malloc: nothing on a board allocates memory"),
        ("int counter = 1; int f(void) { return counter++; }", "4 bytes of variables: the core has no static state"),
        ("int f(void) { static int counter; return counter++; }", "4 bytes of variables"),
        ("int f(int n) { return n ? n * f(g(n)) : 1; } int g(int n) { return f(n - 2) + 1; }", "recursion: "),
        ("int h(char *); int f(int n) { char buffer[n]; return h(buffer); }", "f has a stack frame of dynamic"),
    ],
)
def test_what_no_core_may_have_is_refused(
    line: str, complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shutil.which("arm-none-eabi-gcc"):
        pytest.skip("arm-none-eabi-gcc is not installed: apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi")
    source = tmp_path / "sample.c"
    source.write_text(f"#include <stdlib.h>\nint g(int n);\n{line}\n")
    monkeypatch.setattr(ledger, "SOURCES", tmp_path)
    with pytest.raises(ledger.LedgerError, match=complaint):
        ledger.measure_core(find_board("microbit"), tmp_path)


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
