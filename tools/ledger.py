"""The memory ledger: what the core and every board's node take, kept in device/LEDGER.json.

    python tools/ledger.py            # exit 1 and a line for each thing that changed, if anything did
    python tools/ledger.py --update   # writes the file

The stack of an entry point is the deepest chain of calls below it, from gcc's -fcallgraph-info=su. What gcc cannot see
is allowed for: LIBRARY bytes for a function of the C library or libgcc, CALLBACK bytes for a function of the port
(et_port, et_source and the frame writer call through pointers; so does model.c, but only kernels). Recursion, frames of
unknown size, memory allocators and variables are refused outright.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from edgetwin import boards
from edgetwin.boards.build import BARE_METAL, CODE, INSTALL, core_sources, optimisation
from edgetwin.core import node_buffers_size, omp_workspace_size

ROOT = Path(__file__).resolve().parents[1]
LEDGER = ROOT / "device" / "LEDGER.json"
SOURCES = ROOT / "device" / "src"
TARGETS = [board for board in boards.boards().values() if not board.is_native]
COMPILERS = sorted({board.compiler for board in TARGETS})

#: Stack in bytes that is allowed for functions which gcc's call graph does not show.
CALLBACK = 256
LIBRARY = 96

#: Stack that a node keeps for main, its read buffer, and one interrupt (104 bytes of frame with the FPU's registers).
PROGRAM = 512

ALLOCATORS = {f"{prefix}{name}" for name in ("malloc", "calloc", "realloc", "free", "sbrk") for prefix in ("", "_")}
ALLOCATORS |= {f"{name}_r" for name in ALLOCATORS}

ENTRY_POINTS = (
    "et_bundle_open",
    "et_code_pack",
    "et_code_unpack",
    "et_dictionary_open",
    "et_encode",
    "et_frame_build",
    "et_frame_check_mac",
    "et_frame_parse",
    "et_model_invoke",
    "et_model_open",
    "et_node_init",
    "et_node_poll",
    "et_node_receive",
    "et_omp",
)

STRUCTS = ("et_dictionary", "et_encoder", "et_hmac", "et_model", "et_node", "et_sha256")

#: m, n, s of the workspaces listed: the two of the benchmarks, a small board's, and the demo's.
WORKSPACES = ((64, 128, 8), (165, 349, 15), (16, 32, 4), (32, 64, 8))


class LedgerError(Exception):
    """Something that no firmware may have."""


class CallGraph(NamedTuple):
    """Functions of all objects: bytes of stack, and what each calls."""

    frames: dict[str, int]
    calls: dict[str, set[str]]

    def depth(self, function: str, above: tuple[str, ...] = ()) -> int:
        """Bytes of stack from the call of a function on."""
        if function == "__indirect_call":
            return CALLBACK
        if function not in self.frames:
            return LIBRARY
        if function in above:
            raise LedgerError(f"recursion: {' -> '.join((*above[above.index(function) :], function))}")
        below = [self.depth(called, (*above, function)) for called in self.calls.get(function, ())]
        return self.frames[function] + max(below, default=0)


def read_call_graph(files: Iterator[Path]) -> CallGraph:
    """gcc's .ci files as one graph. Raises a LedgerError for a frame whose size is not known when compiling."""
    graph = CallGraph({}, {})
    for file in files:
        text = file.read_text(encoding="utf-8")
        for title, label in re.findall(r'^node: \{ title: "([^"]+)" label: "([^"]+)"', text, re.MULTILINE):
            size = re.search(r"(\d+) bytes \((\w[\w,]*)\)", label)
            if size is None:
                continue  # only named here: defined in another file, or in a library
            if size[2] != "static":
                raise LedgerError(f"{title} has a stack frame of {size[2]} size")
            graph.frames[title] = int(size[1])
        for caller, called in re.findall(r'^edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"', text, re.MULTILINE):
            graph.calls.setdefault(caller, set()).add(called)
    return graph


def follow_kernels(graph: CallGraph) -> None:
    """In model.c a call through a pointer is one of a kernel's functions."""
    graph.frames["__kernel"] = 0
    graph.calls["__kernel"] = {name for name in graph.frames if re.search(r"/(kernels|helium)/\w+\.c:", name)}
    for caller, called in graph.calls.items():
        if "__indirect_call" in called and re.match(r"et_model_|.*/model\.c:", caller):
            called.remove("__indirect_call")
            called.add("__kernel")


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=cwd)
    if done.returncode:
        raise LedgerError(done.stderr.strip() or f"{command[0]} failed")
    return done.stdout


def symbols(tool: str, file: Path) -> set[str]:
    """Names in a symbol table."""
    return {line.split()[-1] for line in run(tool, file).splitlines() if line.strip()}


def refuse_allocators(tool: str, file: Path) -> None:
    """Raises a LedgerError if the file defines or calls a memory allocator."""
    found = symbols(tool, file) & ALLOCATORS
    if found:
        raise LedgerError(f"{file.name} has {', '.join(sorted(found))}: nothing on a board allocates memory")


def struct_sizes(command: list[str | Path], tool: str, folder: Path) -> dict[str, int]:
    """sizeof, on the target: read from the symbols of arrays of that size."""
    source = folder / "sizes.c"
    lines = [f"char size_of_{name}[sizeof({name})];" for name in STRUCTS]
    source.write_text('#include "edgetwin/node.h"\n' + "\n".join(lines) + "\n", encoding="ascii")
    run(*command, "-c", source, "-o", folder / "sizes.out", cwd=folder)
    listing = run(tool, "-S", folder / "sizes.out")
    return {name: int(size, 16) for size, name in re.findall(r"^\w+ (\w+) \w size_of_(\w+)$", listing, re.MULTILINE)}


def measure_core(board: boards.Board, folder: Path) -> dict[str, Any]:
    """The core for one kind of core: bytes of code an object, stack an entry point, sizes of structs."""
    flags = [*board.flags, *CODE, *BARE_METAL, f"-I{ROOT / 'device' / 'include'}", f"-I{ROOT / 'device' / 'src'}"]
    flags.append(f"-ffile-prefix-map={ROOT}=.")
    command: list[str | Path] = [board.compiler, *flags, "-fcallgraph-info=su"]
    objects = {}
    for source in core_sources(SOURCES, board.core):
        made = folder / f"{source.stem}.o"
        run(*command, optimisation(source, board), "-c", source, "-o", made, cwd=folder)
        refuse_allocators(board.tool_prefix + "nm", made)
        text, data, bss = (int(field) for field in run(board.tool_prefix + "size", made).splitlines()[1].split()[:3])
        if data or bss:
            raise LedgerError(f"{source.name} has {data + bss} bytes of variables: the core has no static state")
        objects[str(source.relative_to(SOURCES))] = text
    graph = read_call_graph(folder.glob("*.ci"))
    follow_kernels(graph)
    for function in graph.frames:
        graph.depth(function)  # none recurses, entry point or not
    return {
        "code_bytes": objects,
        "code_bytes_total": sum(objects.values()),
        "stack_bytes": {name: graph.depth(name) for name in ENTRY_POINTS},
        "sizeof": struct_sizes(command[:-1], board.tool_prefix + "nm", folder),
    }


def measure_firmware(board: boards.Board, folder: Path) -> dict[str, int]:
    """The node program of one board, with all kernels and, in flash bytes only, without any."""
    firmware = boards.build(board, folder)
    small = boards.build(board, folder, name="small", kernels="none")
    refuse_allocators(board.tool_prefix + "nm", firmware.elf)
    return {
        "flash_bytes": firmware.flash_bytes,
        "flash_bytes_without_kernels": small.flash_bytes,
        "variables_bytes": firmware.ram_bytes - firmware.arena_bytes - firmware.stack_bytes,
        "stack_bytes": firmware.stack_bytes,
        "arena_bytes": firmware.arena_bytes,
    }


def check_stacks(ledger: dict[str, Any]) -> None:
    """Raises a LedgerError if a node's stack is smaller than what its deepest chain of calls may take."""
    for name, firmware in ledger["firmware"].items():
        core = ledger["core"][boards.find_board(name).core]
        needed = max(core["stack_bytes"].values()) + PROGRAM
        if needed > firmware["stack_bytes"]:
            raise LedgerError(f"{name} needs {needed} bytes of stack and has {firmware['stack_bytes']}")


def measure() -> dict[str, Any]:
    """The whole ledger. Raises a LedgerError for what no firmware may have."""
    ledger: dict[str, Any] = {
        "compilers": {name: compiler_version(name) for name in COMPILERS},
        "allowance": {"callback": CALLBACK, "library": LIBRARY, "program": PROGRAM},
        "core": {},
        "firmware": {},
        "node_buffers_bytes": {board.name: node_buffers_size(board.node.max_payload) for board in TARGETS},
        "omp_workspace_bytes": {
            f"{m} x {n}, s = {s}": {kind: omp_workspace_size(kind, m, n, s) for kind in ("float32", "int16", "int8")}
            for m, n, s in WORKSPACES
        },
    }
    with tempfile.TemporaryDirectory() as scratch:
        for board in TARGETS:
            if board.core not in ledger["core"]:
                folder = Path(scratch) / board.core
                folder.mkdir()
                ledger["core"][board.core] = measure_core(board, folder)
            ledger["firmware"][board.name] = measure_firmware(board, Path(scratch) / board.name)
    check_stacks(ledger)
    return ledger


def compiler_version(compiler: str) -> str:
    """Which one the figures are those of: others give others."""
    return run(compiler, "--version").splitlines()[0]


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """What changed, a line each."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted(old.keys() | new.keys()):
            yield from differences(old.get(name), new.get(name), f"{where}/{name}" if where else name)
    elif old != new:
        yield f"{where}: {old} -> {new}"


def main() -> int:
    """Checks the ledger, or writes it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--update", action="store_true", help="write the file")
    update = parser.parse_args().update
    for compiler in COMPILERS:
        if not shutil.which(compiler):
            print(f"{compiler} is not installed: {INSTALL[compiler]}", file=sys.stderr)
            return 2
    try:
        ledger = measure()
    except LedgerError as error:
        print(error, file=sys.stderr)
        return 1
    if update:
        LEDGER.write_text(json.dumps(ledger, indent=1, sort_keys=True) + "\n", encoding="ascii")
        return 0
    changes = list(differences(json.loads(LEDGER.read_text(encoding="ascii")), ledger))
    print(*changes, sep="\n", end="\n" if changes else "")
    return int(bool(changes))


if __name__ == "__main__":
    sys.exit(main())
