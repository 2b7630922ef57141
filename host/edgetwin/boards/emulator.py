"""Running firmware without the board: nodes and programs in QEMU, or as processes of this computer."""

from __future__ import annotations

import ctypes
import json
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple

from edgetwin.boards.build import Firmware
from edgetwin.boards.registry import Board, Emulator, find_board
from edgetwin.errors import UserError

INSTALL = {
    "qemu-system-arm": "apt-get install qemu-system-arm",
    "qemu-system-riscv32": "apt-get install qemu-system-misc",
}
STOP_SECONDS = 5.0
PR_SET_PDEATHSIG = 1


class EmulatorError(UserError):
    """The emulator or the native node cannot start, or went away."""


class ProgramResult(NamedTuple):
    """How a program ended, and what it wrote to its UART."""

    exit_code: int
    output: str


class RunningNode:
    """A node program that runs; a context manager that stops it.

    Attributes
    ----------
    url : where to connect, as pyserial takes it. Hosts may come, go and come back.
    """

    def __init__(self, process: subprocess.Popen[bytes], url: str, messages: IO[bytes], qmp: _Qmp | None) -> None:
        self.url = url
        self._process = process
        self._messages = messages
        self._qmp = qmp
        # Also at the interpreter's exit, if nobody stopped it.
        self._finalizer = weakref.finalize(self, _end, process)

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def messages(self) -> str:
        """What the process said on its standard error."""
        return _read_back(self._messages)

    def reset(self) -> None:
        """Presses the emulated board's reset button: the program starts anew, the slots keep their bundles."""
        if self._qmp is None:
            raise EmulatorError("a native node has no reset button: stop it and run it again with the same --slots")
        self._qmp.command("system_reset")

    def stop(self) -> None:
        """Ends the process in good order; does nothing if it has ended."""
        self._finalizer()

    def kill(self) -> None:
        """Ends the process at once, as a power cut does."""
        self._process.kill()
        self._finalizer()

    def wait(self) -> int:
        """Waits for the process to end by itself; returns its exit code."""
        return self._process.wait()

    def __enter__(self) -> RunningNode:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def run(
    target: Board | str, firmware: Firmware | Path, *, pty: bool = False, slots: Path | None = None, port: int = 0
) -> RunningNode:
    """Starts a node and returns when it can be connected to.

    Parameters
    ----------
    target : the board, or its name
    firmware : what :func:`edgetwin.boards.build.build` made for it
    pty : link over a pseudo-terminal instead of TCP on 127.0.0.1
    slots : file that keeps the bundle slots (native only: an emulated board forgets them when it is stopped)
    port : TCP port; 0 takes a free one

    Raises
    ------
    EmulatorError : QEMU is not installed, the port is taken, or the process ended at once.
    """
    chosen = find_board(target) if isinstance(target, str) else target
    elf = firmware.elf if isinstance(firmware, Firmware) else firmware
    if chosen.is_native:
        return _run_native(elf, pty=pty, slots=slots, port=port)
    if slots is not None:
        raise EmulatorError(f"{chosen.name} keeps its slots in the emulator: --slots is for native")
    return _run_qemu(_emulator_of(chosen), elf, pty=pty, port=port)


def run_program(
    target: Board | str, elf: Path, timeout: float = 60.0, args: Sequence[str] | None = None
) -> ProgramResult:
    """Runs a program that was built with ``app=...`` to its end.

    Parameters
    ----------
    target : the board, or its name
    elf : the program
    timeout : seconds before it is killed
    args : arguments of QEMU in place of those of board.toml (which make it count instructions)

    Raises
    ------
    EmulatorError : no QEMU, or the program did not end in time; the message ends with its last output.
    """
    chosen = find_board(target) if isinstance(target, str) else target
    if chosen.is_native:
        command = [str(elf), "--stdio"]
    else:
        emulator = _emulator_of(chosen)
        semihosting = ["-semihosting-config", "enable=on,target=native"]
        command = [*_qemu_command(emulator, elf, args), *semihosting, "-monitor", "none", "-serial", "stdio"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, preexec_fn=_die_with_parent()
        )
    except subprocess.TimeoutExpired as error:
        tail = (error.stdout or b"")[-200:].decode(errors="replace")
        raise EmulatorError(
            f"{elf.name} on {chosen.name} did not end in {timeout:g} s; last output: {tail!r}"
        ) from error
    except OSError as error:
        raise EmulatorError(f"cannot run {elf}: {error.strerror}") from error
    output = done.stdout.decode(errors="replace")
    if done.returncode and not output and done.stderr:
        raise EmulatorError(f"{elf.name} on {chosen.name}: {_first_line(done.stderr.decode(errors='replace'))}")
    return ProgramResult(done.returncode, output)


class _Qmp:
    """QEMU's machine protocol on its standard input and output: one JSON object a line."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.command("qmp_capabilities")

    def command(self, name: str) -> Any:
        """Executes a command without arguments and returns its result."""
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps({"execute": name}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise EOFError from None
        for line in self._process.stdout:
            if not line.startswith(b"{"):  # where QEMU says which pseudo-terminal it made
                continue
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise EmulatorError(f"QEMU refused {name}: {answer['error'].get('desc')}")
        raise EOFError


def _run_qemu(emulator: Emulator, elf: Path, *, pty: bool, port: int) -> RunningNode:
    """Starts frozen, asks which port or terminal it got, and lets go: nothing is lost and no port is raced for."""
    serial = "pty" if pty else f"tcp:127.0.0.1:{port},server=on,wait=off,nodelay=on"
    command = [*_qemu_command(emulator, elf), "-S", "-qmp", "stdio", "-monitor", "none", "-serial", serial]
    process, messages = _start(command, stdin=subprocess.PIPE)
    try:
        qmp = _Qmp(process)
        devices = {device["label"]: device["filename"] for device in qmp.command("query-chardev")}
        url = _url_of(devices["serial0"])
        qmp.command("cont")
    except EOFError:
        raise _ended_at_once(process, messages) from None
    return RunningNode(process, url, messages, qmp)


def _run_native(elf: Path, *, pty: bool, slots: Path | None, port: int) -> RunningNode:
    link = ["--pty"] if pty else ["--port", str(port)]
    command = [str(elf.resolve()), *link, *(["--slots", str(slots)] if slots else [])]
    process, messages = _start(command, stdin=subprocess.DEVNULL)
    assert process.stdout
    url = process.stdout.readline().decode().strip()
    if not url:
        raise _ended_at_once(process, messages)
    return RunningNode(process, url, messages, None)


def _qemu_command(emulator: Emulator, elf: Path, args: Sequence[str] | None = None) -> list[str]:
    qemu = shutil.which(emulator.command)
    if not qemu:
        raise EmulatorError(f"{emulator.command} is not installed: {INSTALL[emulator.command]} (or use --board native)")
    chosen = emulator.args if args is None else args
    return [qemu, "-M", emulator.machine, *chosen, *_load_args(emulator, elf), "-display", "none"]


def _load_args(emulator: Emulator, elf: Path) -> list[str]:
    """``load`` with the file; within a list of options QEMU wants a comma twice."""
    option = str(elf).replace(",", ",,")
    return [str(elf) if part == "{elf}" else part.replace("{elf}", option) for part in emulator.load]


def _emulator_of(target: Board) -> Emulator:
    if target.emulator is None:
        raise EmulatorError(f"{target.name} has no emulator: flash it and connect to its serial port")
    return target.emulator


def _url_of(device: str) -> str:
    """``disconnected:tcp:127.0.0.1:40001,server=on`` or ``pty:/dev/pts/3``, as pyserial's URL."""
    if device.startswith("pty:"):
        return device.removeprefix("pty:")
    found = re.search(r"127\.0\.0\.1:\d+", device)
    if not found:
        raise EmulatorError(f"QEMU opened no serial port: {device}")
    return f"socket://{found[0]}"


def _start(command: list[str], stdin: int) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    messages = tempfile.TemporaryFile()  # noqa: SIM115 (it lives as long as the process)
    try:
        process = subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=messages, preexec_fn=_die_with_parent()
        )
    except OSError as error:
        raise EmulatorError(f"cannot run {command[0]}: {error.strerror}") from error
    return process, messages


def _die_with_parent() -> Callable[[], None] | None:
    """Linux ends the child with us, even when we are killed. Only from the main thread: the kernel takes the end of the
    thread that started the child for the end of the parent.
    """
    if not sys.platform.startswith("linux") or threading.current_thread() is not threading.main_thread():
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL) and None


def _ended_at_once(process: subprocess.Popen[bytes], messages: IO[bytes]) -> EmulatorError:
    _end(process)
    return EmulatorError(_first_line(_read_back(messages)) or f"{process.args!r} ended with code {process.returncode}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe:
            pipe.close()


def _read_back(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if lines else ""
