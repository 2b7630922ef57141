"""The boards there are: one folder of ``firmware/boards`` with a ``board.toml`` each."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from edgetwin.errors import UserError


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Region(_Table):
    """A range of addresses that the program may use."""

    origin: int = Field(ge=0)
    length: int = Field(gt=0)


class Memory(_Table):
    """The memory map that the linker gets; ``stack`` bytes are kept at the low end of ``ram``."""

    flash: Region
    ram: Region
    stack: int = Field(gt=0)


class NodeLimits(_Table):
    """Sizes of the node program: frames of ``max_payload`` bytes, ``credit`` of them in ``receive_buffer`` bytes."""

    max_payload: int = Field(ge=256, le=16400)
    credit: int = Field(ge=1, le=255)
    receive_buffer: int = Field(gt=0)

    @model_validator(mode="after")
    def _is_power_of_two(self) -> NodeLimits:
        if self.receive_buffer & (self.receive_buffer - 1):
            raise ValueError(f"receive_buffer is {self.receive_buffer}, not a power of two")
        return self


class Emulator(_Table):
    """A QEMU machine, and ``instructions_per_tick`` of the node's tick counter under these ``args``.

    ``load`` are the arguments that start a program; ``{elf}`` in them stands for the file.
    """

    command: str = "qemu-system-arm"
    machine: str
    args: list[str] = []
    load: list[str] = ["-kernel", "{elf}"]
    instructions_per_tick: float = Field(gt=0)


class Flasher(_Table):
    """A tool that writes firmware; ``{elf}``, ``{bin}`` and ``{hex}`` in ``command`` stand for the files."""

    tool: str
    command: list[str]
    install: str


class Board(_Table):
    """One board, as its ``board.toml`` describes it. Paths of sources are relative to ``firmware/boards``."""

    name: str = Field(pattern=r"^[a-z0-9-]{1,31}$")
    title: str
    core: str
    tested_on: str
    compiler: str
    flags: list[str]
    link_flags: list[str] = []
    shared: list[str] = []
    program_sources: list[str] = []
    memory: Memory | None = None
    node: NodeLimits
    emulator: Emulator | None = None
    flashers: list[Flasher] = []

    @property
    def is_native(self) -> bool:
        """Whether the node is a process of this computer."""
        return self.memory is None

    @property
    def tool_prefix(self) -> str:
        """What the names of this board's binary tools start with."""
        return self.compiler.removesuffix("gcc") if self.compiler.endswith("-gcc") else ""

    @property
    def instructions_per_tick(self) -> float | None:
        """Instructions in one tick of the node's statistics when it runs in the emulator, else None."""
        return self.emulator.instructions_per_tick if self.emulator else None


@cache
def sources() -> Path:
    """The folder with ``device`` and ``firmware``: the checkout, or the copy inside the installed package."""
    package = Path(__file__).resolve().parents[1]
    for root in (package.parents[1], package / "_sources"):
        if (root / "device" / "include").is_dir() and (root / "firmware" / "boards").is_dir():
            return root
    raise UserError("the firmware's sources are not installed beside edgetwin: reinstall the package")


@cache
def boards() -> dict[str, Board]:
    """All boards by name, in alphabetical order."""
    files = sorted((sources() / "firmware" / "boards").glob("*/board.toml"))
    return {file.parent.name: _load(file) for file in files}


def find_board(name: str) -> Board:
    """The board of that name.

    Raises
    ------
    UserError : there is none.
    """
    try:
        return boards()[name]
    except KeyError:
        raise UserError(f"there is no board {name!r}: choose one of {', '.join(boards())}") from None


def _load(file: Path) -> Board:
    try:
        loaded = Board.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise UserError(f"{file} does not describe a board: {' '.join(str(error).split())}") from error
    if loaded.name != file.parent.name:
        raise UserError(f"{file} names the board {loaded.name!r}: a board is named after its folder")
    return loaded
