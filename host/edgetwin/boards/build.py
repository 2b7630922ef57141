"""Firmware for a board: the core, the board's drivers and a program, compiled and linked."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from edgetwin.boards.kernels import all_kernels, kernel_list, model_kernels
from edgetwin.boards.registry import Board, Memory, find_board, sources
from edgetwin.core import Dictionary, node_buffers_size
from edgetwin.deploy import BundleError, ModelBundle, RecordingBundle
from edgetwin.errors import UserError

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
# No contraction: the arithmetic contract. No errno from sqrtf: it would bring in state, and the core never reads it.
CODE = ["-std=c99", "-g", "-ffp-contract=off", "-fno-math-errno", "-ffunction-sections", "-fdata-sections"]
BARE_METAL = ["-fno-common", "-fno-unwind-tables", "-fno-asynchronous-unwind-tables", "-fstack-usage"]
# newlib for memcpy, memset, memcmp and the square root of a core without FPU; nothing in them allocates.
BARE_METAL_LINK = ["-nostdlib", "-Wl,--gc-sections", "-lm", "-lc", "-lgcc"]

# On a board the core is compiled for size, but for what takes the time: the work on atoms and tensors, and of the codec
# the file that gains most for its bytes.
FAST_FILES = {"omp.c", "magnitude.c"}
FAST_FOLDERS = {"kernels", "portable", "cortex_m4", "helium"}

# Folders of device/src with ports to a kind of core, the better one last. cortex_m4: Armv7E-M and Armv8-M with the DSP
# extension and a single-precision FPU. helium: Armv8.1-M with vectors.
PORTS = {
    "cortex-m4": ["cortex_m4"],
    "cortex-m7": ["cortex_m4"],
    "cortex-m33": ["cortex_m4"],
    "cortex-m55": ["cortex_m4", "helium"],
}

INSTALL = {
    "arm-none-eabi-gcc": "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "arm-none-eabi-objcopy": "apt-get install binutils-arm-none-eabi",
    "arm-none-eabi-size": "apt-get install binutils-arm-none-eabi",
    "riscv64-unknown-elf-gcc": "apt-get install gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf",
    "riscv64-unknown-elf-objcopy": "apt-get install binutils-riscv64-unknown-elf",
    "riscv64-unknown-elf-size": "apt-get install binutils-riscv64-unknown-elf",
    "cc": "apt-get install gcc libc6-dev",
    "size": "apt-get install binutils",
}
BLOBS = ("key", "dictionary", "model", "recording")


class BuildError(UserError):
    """The firmware cannot be built; the message says what is missing or does not fit."""


@dataclass(frozen=True)
class Firmware:
    """A program for a board, and the memory that it takes.

    ``ram_bytes`` counts all memory that the program claims: variables, stack and arena (the last two are 0 on
    native). ``bin``, ``hex`` and ``stack_usage`` (gcc's figures, one function a line) are None on native.
    """

    elf: Path
    bin: Path | None
    hex: Path | None
    stack_usage: Path | None
    flash_bytes: int
    ram_bytes: int
    arena_bytes: int
    stack_bytes: int
    cached: bool


def build(
    target: Board | str,
    out_dir: Path,
    *,
    key: bytes | None = None,
    dictionary: Path | None = None,
    model: Path | None = None,
    recording: Path | None = None,
    kernels: str | Path = "all",
    app: Sequence[Path] | None = None,
    name: str = "node",
    defines: Mapping[str, str | int] | None = None,
    includes: Iterable[Path] = (),
) -> Firmware:
    """Builds ``<out_dir>/<name>.elf`` (and .bin, .hex), unless it is there and made from the same inputs.

    Parameters
    ----------
    target : the board, or its name
    out_dir : where the files go; made if missing
    key : pre-shared key linked into the node, None for an open one
    dictionary, model, recording : bundles linked into the node (.etd, .etm, .etr)
    kernels : what the node's models may use: "all", "none" (then it takes no models), or what this model (.etm) needs
    app : sources of another program than the node, with a ``main`` of its own; it links with the whole core and the
        board's drivers, writes with ``board_puts`` and ends with ``board_exit`` or ``main``'s result, which is the
        exit code of :func:`edgetwin.boards.emulator.run_program`
    name : of the files
    defines, includes : macros and include folders for the sources of ``app``

    Raises
    ------
    BuildError : no compiler, a bundle that cannot be read, or a program that does not fit the board.
    UserError : a bundle that a board would refuse.
    """
    chosen = find_board(target) if isinstance(target, str) else target
    recipe = _Recipe(chosen, app, dict(defines or {}), [Path(path).resolve() for path in includes])
    if app is None:
        recipe.kernel_list = _kernel_list(kernels)
    blobs = {
        "key": key or b"",
        "dictionary": _read_bundle(dictionary),
        "model": _read_bundle(model),
        "recording": _read_bundle(recording),
    }
    linked = Dictionary(blobs["dictionary"]) if dictionary else None
    linked_model = ModelBundle.load(model) if model else None
    if linked_model is not None:
        _check_model_kernels(linked_model, chosen, kernels)
    if recording:
        _check_recording(recording, blobs["recording"])
    compiler = _find_tool(chosen.compiler)
    stamp = recipe.digest(compiler, blobs)
    out_dir = out_dir.resolve()
    firmware = _load_stamp(out_dir, name, stamp)
    if firmware is None:
        try:
            out_dir.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=out_dir) as scratch:
                firmware = _build_in(Path(scratch), recipe, compiler, blobs, out_dir, name, stamp)
        except OSError as error:
            raise BuildError(f"cannot write {error.filename or out_dir}: {error.strerror}") from error
    if linked is not None:
        _check_linked(linked, chosen, firmware)
    if linked_model is not None:
        _check_model_room(linked_model, linked, chosen, firmware)
    return firmware


class _Recipe:
    """What goes into one program: sources and flags."""

    def __init__(
        self, target: Board, app: Sequence[Path] | None, defines: Mapping[str, str | int], includes: Sequence[Path]
    ) -> None:
        self.target = target
        root = sources()
        firmware = root / "firmware"
        drivers = firmware / "boards"
        self.linker_script = drivers / "bare_metal" / "sections.ld"
        self.library = [
            *core_sources(root / "device" / "src", target.core),
            *sorted((drivers / target.name).glob("*.c")),
            *(drivers / path for path in target.shared),
        ]
        if app is None:
            self.app = [firmware / "app" / "main.c", firmware / "app" / "blobs.S"]
        else:
            self.app = [Path(path).resolve() for path in app]
            self.library += [drivers / path for path in target.program_sources]
        self.kernel_list: str | None = None  # C source; None: the core's list of all
        node = target.node
        self.flags = [
            *target.flags,
            *CODE,
            *([] if target.is_native else BARE_METAL),
            *WARNINGS,
            f"-ffile-prefix-map={root}=edgetwin",
            f'-DBOARD_NAME="{target.name}"',
            f"-DBOARD_MAX_PAYLOAD={node.max_payload}",
            f"-DBOARD_CREDIT={node.credit}",
            f"-DBOARD_RECEIVE_BUFFER={node.receive_buffer}",
            f"-I{root / 'device' / 'include'}",
            f"-I{root / 'device' / 'src'}",
            f"-I{firmware / 'app'}",
        ]
        self.app_flags = [*(f"-D{macro}={value}" for macro, value in defines.items()), *(f"-I{i}" for i in includes)]
        self.headers = [
            *sorted((root / "device").rglob("*.h")),
            *sorted(firmware.rglob("*.h")),
            *(header for folder in includes for header in sorted(folder.glob("*.h"))),
        ]

    @property
    def link_flags(self) -> list[str]:
        if self.target.is_native:
            return [*self.target.link_flags]
        return ["-L.", f"-T{self.linker_script}", *self.target.link_flags, *BARE_METAL_LINK]

    def digest(self, compiler: str, blobs: Mapping[str, bytes]) -> str:
        """SHA-256 of everything that the result depends on."""
        hash_ = hashlib.sha256(_run([compiler, "--version"]).encode())
        options = [self.flags, self.app_flags, self.link_flags, repr(self.target.memory), self.kernel_list]
        options += [optimisation(source, self.target) for source in self.library]
        hash_.update(json.dumps(options).encode())
        files = [*self.library, *self.app, *self.headers, *([] if self.target.is_native else [self.linker_script])]
        for file in files:
            try:
                content = file.read_bytes()
            except OSError as error:
                raise BuildError(f"cannot read {file}: {error.strerror}") from error
            hash_.update(f"{file.name} {len(content)} ".encode() + content)
        for blob in BLOBS:
            hash_.update(f"{blob} {len(blobs[blob])} ".encode() + blobs[blob])
        return hash_.hexdigest()


def core_sources(core: Path, kind: str) -> list[Path]:
    """The sources in device/src: of each inner loop the best port to this kind of core, else the portable one."""
    folders = ["portable", *PORTS.get(kind, [])]
    loops = {file.name: file for folder in folders for file in (core / folder).glob("*.c")}
    return [
        *sorted(core.glob("*.c")),
        *sorted((core / "kernels").glob("*.c")),
        *(loops[name] for name in sorted(loops)),
    ]


def optimisation(source: Path, target: Board) -> str:
    """The compiler's option for a source of the core or of the drivers."""
    fast = target.is_native or source.name in FAST_FILES or source.parent.name in FAST_FOLDERS
    return "-O2" if fast else "-Os"


def _build_in(
    scratch: Path,
    recipe: _Recipe,
    compiler: str,
    blobs: Mapping[str, bytes],
    out_dir: Path,
    name: str,
    stamp: str,
) -> Firmware:
    """Makes all files in ``scratch``, then moves them to ``out_dir``, the stamp last."""
    for blob, content in blobs.items():
        _write_private(scratch / f"{blob}.blob", content)
    if recipe.target.memory:
        (scratch / "memory.ld").write_text(_memory_script(recipe.target.memory), encoding="ascii")
    log = out_dir / f"{name}.log"
    log.unlink(missing_ok=True)
    objects = _compile(scratch, recipe, compiler, log)
    elf = f"{name}.elf"
    _link(scratch, [compiler, *recipe.target.flags, *objects, *recipe.link_flags, "-o", elf], recipe.target, log)
    made = [elf]
    if not recipe.target.is_native:
        objcopy = _find_tool(recipe.target.tool_prefix + "objcopy")
        _run([objcopy, "-O", "binary", elf, f"{name}.bin"], scratch)
        _run([objcopy, "-O", "ihex", elf, f"{name}.hex"], scratch)
        usage = sorted(line for file in scratch.glob("*.su") for line in file.read_text().splitlines())
        (scratch / f"{name}.su").write_text("\n".join(usage) + "\n", encoding="utf-8")
        made += [f"{name}.bin", f"{name}.hex", f"{name}.su"]
    firmware = _measure(scratch / elf, recipe.target, out_dir, name)
    record = {"stamp": stamp, "sha256": {file: _sha256(scratch / file) for file in made}, **asdict(firmware)}
    (scratch / f"{name}.json").write_text(json.dumps(record, default=str), "ascii")
    for file in [*made, f"{name}.json"]:
        (scratch / file).chmod(0o700 if file == elf else 0o600)  # the key is in them
        (scratch / file).replace(out_dir / file)
    return firmware


def _compile(scratch: Path, recipe: _Recipe, compiler: str, log: Path) -> list[str]:
    """Compiles every source, on all processors; returns the objects' names."""
    jobs = [(source, [*recipe.flags, optimisation(source, recipe.target)]) for source in recipe.library]
    app_flags = [*recipe.flags, "-O2", *recipe.app_flags]
    if recipe.kernel_list is not None:
        linked = scratch / "linked_kernels.c"
        linked.write_text(recipe.kernel_list, encoding="ascii")
        jobs.append((linked, recipe.flags))
        app_flags.append("-DNODE_KERNELS=linked_kernels")
    jobs += [(source, app_flags) for source in recipe.app]
    objects = [f"{index:02}-{source.stem}.o" for index, (source, _) in enumerate(jobs)]

    def compile_one(job: tuple[tuple[Path, list[str]], str]) -> None:
        (source, flags), object_ = job
        _run(
            [compiler, *flags, f"-ffile-prefix-map={scratch}=build", "-c", str(source), "-o", object_],
            scratch,
            f"{source.name} does not compile",
            log,
        )

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(compile_one, zip(jobs, objects, strict=True)))
    return objects


def _link(scratch: Path, command: list[str], target: Board, log: Path) -> None:
    result = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
    overflow = re.search(r"region [`'](\w+)' overflowed by (\d+) bytes", result.stderr)
    if overflow:
        memory = {"FLASH": "flash", "RAM": "RAM"}[overflow[1]]
        raise BuildError(
            f"the program and what is linked into it exceed the {memory} of {target.name} by {overflow[2]} bytes"
        )
    if result.returncode:
        raise _failure("the program does not link", result.stderr, log)


def _memory_script(memory: Memory) -> str:
    regions = (("FLASH (rx)", memory.flash), ("RAM (rwx)", memory.ram))
    lines = [f"  {name} : ORIGIN = {region.origin:#x}, LENGTH = {region.length:#x}" for name, region in regions]
    return "\n".join(["MEMORY", "{", *lines, "}", f"__stack_size = {memory.stack};", ""])


def _measure(elf: Path, target: Board, out_dir: Path, name: str) -> Firmware:
    """The sizes, from the sections that are loaded and the sections that only take memory."""
    size = _find_tool(target.tool_prefix + "size")
    text, data, bss = (int(field) for field in _run([size, "-B", str(elf)]).splitlines()[1].split()[:3])
    sections = dict(re.findall(r"^(\.\w+)\s+(\d+)\s", _run([size, "-A", "-d", str(elf)]), re.MULTILINE))
    native = target.is_native
    return Firmware(
        elf=out_dir / f"{name}.elf",
        bin=None if native else out_dir / f"{name}.bin",
        hex=None if native else out_dir / f"{name}.hex",
        stack_usage=None if native else out_dir / f"{name}.su",
        flash_bytes=text + data,
        ram_bytes=data + bss,
        arena_bytes=int(sections.get(".arena", 0)),
        stack_bytes=int(sections.get(".stack", 0)),
        cached=False,
    )


def _load_stamp(out_dir: Path, name: str, stamp: str) -> Firmware | None:
    """The firmware that lies in ``out_dir``, if it was made from the same inputs and is whole.

    The files are moved there one by one: a build that was interrupted, or another one at the same time, may have left
    files of one build under the stamp of another. So the stamp holds the digests of its files.
    """
    try:
        record = json.loads((out_dir / f"{name}.json").read_text(encoding="ascii"))
        if record.pop("stamp") != stamp:
            return None
        digests = record.pop("sha256")
        paths = {field: record[field] and Path(record[field]) for field in ("elf", "bin", "hex", "stack_usage")}
        firmware = Firmware(**{**record, **paths})
        files = [path for path in paths.values() if path]
        if any(path.parent != out_dir or digests[path.name] != _sha256(path) for path in files):
            return None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return replace(firmware, cached=True)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _check_recording(path: Path, bundle: bytes) -> None:
    """A node passes over a linked recording that is not whole: say so before it is flashed."""
    try:
        RecordingBundle.from_bytes(bundle)
    except BundleError as error:
        raise BuildError(f"{path}: {error}") from error


def _check_linked(dictionary: Dictionary, target: Board, firmware: Firmware) -> None:
    """A node passes over a linked dictionary that it has no room for (node_slots.c): say so before it is flashed."""
    frame = max(4 + 4 * dictionary.m, 7 + dictionary.packet_max_size)  # a SIGNAL, a CODE
    if frame > target.node.max_payload:
        raise BuildError(
            f"a window of {dictionary.m} samples needs a payload of {frame} bytes, {target.name} takes "
            f"{target.node.max_payload}: {frame - target.node.max_payload} too many"
        )
    arena = firmware.arena_bytes - node_buffers_size(target.node.max_payload)
    if not target.is_native and dictionary.arena_size > arena:
        raise BuildError(
            f"the dictionary needs {dictionary.arena_size} bytes of working memory, {target.name} has {arena}: "
            f"{dictionary.arena_size - arena} too many"
        )


def _kernel_list(kernels: str | Path) -> str | None:
    """C source of the list that --kernels asks for; None for all."""
    if kernels == "all":
        return None
    return kernel_list(_core(), _asked_kernels(kernels))


def _asked_kernels(kernels: str | Path) -> set[int]:
    """Numbers of the kernels that --kernels asks for, which is not "all"."""
    if kernels == "none":
        return set()
    path = Path(kernels)
    try:
        return model_kernels(_read_bundle(path))
    except BundleError as error:
        raise BuildError(f"{path}: {error}") from error


def _check_model_kernels(model: ModelBundle, target: Board, kernels: str | Path) -> None:
    """A node passes over a linked model with a kernel that it lacks (node_slots.c): say so before it is flashed."""
    helium = target.is_native or "helium" in PORTS.get(target.core, [])
    needed = model_kernels(model.bundle)
    if needed - all_kernels(_core(), helium=helium):
        raise BuildError(
            f"the model is packed for {model.target}, which {target.name} does not have: compile it with "
            f"--board {target.name}"
        )
    if kernels != "all" and needed - _asked_kernels(kernels):
        raise BuildError(f"the model needs kernels that --kernels {kernels} does not link: leave --kernels out")


def _check_model_room(model: ModelBundle, dictionary: Dictionary | None, target: Board, firmware: Firmware) -> None:
    """A node passes over a linked model that it has no room for (node_slots.c): say so before it is flashed."""
    needed = model.workspace_size
    arena = firmware.arena_bytes - node_buffers_size(target.node.max_payload)
    arena -= dictionary.arena_size if dictionary else 0
    if not target.is_native and needed > arena:
        raise BuildError(
            f"the model needs {needed} bytes of working memory, {target.name} has {arena}"
            f"{' beside the dictionary' if dictionary else ''}: {needed - arena} too many"
        )


def _core() -> Path:
    return sources() / "device" / "src"


def _read_bundle(path: Path | None) -> bytes:
    if path is None:
        return b""
    try:
        return path.read_bytes()
    except OSError as error:
        raise BuildError(f"cannot read {path}: {error.strerror}") from error


def _write_private(path: Path, content: bytes) -> None:
    """A file that only its owner can read: it may hold the key."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)


def _find_tool(tool: str) -> str:
    found = shutil.which(tool)
    if not found:
        raise BuildError(f"{tool} is not installed: {INSTALL[tool]}")
    return found


def _run(command: Sequence[str], folder: Path | None = None, what: str = "", log: Path | None = None) -> str:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if result.returncode:
        raise _failure(what or f"{Path(command[0]).name} failed", result.stderr, log)
    return result.stdout


def _failure(what: str, output: str, log: Path | None) -> BuildError:
    """One line: the first complaint; all of them go to the log."""
    if log:
        with log.open("a", encoding="utf-8") as file:
            file.write(output)
    complaints = [
        line for line in output.splitlines() if re.search(r": (fatal )?error: |undefined (reference|symbol)", line)
    ]
    first = (complaints or output.splitlines() or ["no message"])[0]
    return BuildError(f"{what}: {first}" + (f" (all of it: {log})" if log else ""))
