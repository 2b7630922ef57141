"""Every board's firmware builds, holds what it promises, and says clearly why it cannot be built or flashed."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from edgetwin.boards import BuildError, Firmware, boards, build, find_board, flash, flash_command
from edgetwin.deploy import RecordingBundle
from edgetwin.errors import UserError

KEY = bytes(range(32))
#: KB of flash that a node without linked-in bundles and without kernels may take: its link, OMP and codec.
FLASH_LIMITS = {"microbit": 33, "mps2-an386": 28, "mps3-an547": 29, "netduinoplus2": 29, "riscv32-virt": 37}


def build_or_skip(board_name: str, folder: Path, **options: object) -> Firmware:
    board = find_board(board_name)
    if not shutil.which(board.compiler):
        pytest.skip(f"{board.compiler} is not installed")
    return build(board, folder, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=list(boards()))
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Firmware]:
    return request.param, build_or_skip(request.param, tmp_path_factory.mktemp(request.param), key=KEY)


def test_there_are_the_boards_of_the_manual() -> None:
    assert set(boards()) >= {"microbit", "mps2-an386", "mps3-an547", "native", "netduinoplus2", "riscv32-virt"}


def test_an_unknown_board_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="microbit, mps2-an386, mps3-an547, native, netduinoplus2, riscv32-virt"):
        find_board("microbat")


def test_firmware_has_no_initialised_variables(built: tuple[str, Firmware]) -> None:
    name, firmware = built
    if find_board(name).is_native:
        pytest.skip("the host's C library has some")
    assert firmware.bin is not None
    assert firmware.flash_bytes == firmware.bin.stat().st_size
    size = find_board(name).tool_prefix + "size"
    listing = subprocess.run([size, str(firmware.elf)], capture_output=True, text=True, check=True)
    assert listing.stdout.splitlines()[1].split()[1] == "0"


def test_firmware_fits_its_memory(built: tuple[str, Firmware]) -> None:
    name, firmware = built
    memory = find_board(name).memory
    if memory is None:
        pytest.skip("memory is the host's")
    assert firmware.ram_bytes <= memory.ram.length
    assert firmware.stack_bytes == memory.stack


@pytest.mark.parametrize("name", FLASH_LIMITS)
def test_a_node_without_kernels_keeps_its_size(name: str, tmp_path: Path) -> None:
    assert build_or_skip(name, tmp_path, kernels="none").flash_bytes <= FLASH_LIMITS[name] * 1024


def test_the_receive_buffer_holds_what_the_credit_allows() -> None:
    for board in boards().values():
        raw = 12 + board.node.max_payload + 8 + 4
        assert board.node.credit * (raw + raw // 254 + 2) <= board.node.receive_buffer, board.name


def test_microbit_leaves_10_kb_for_a_dictionary(tmp_path: Path) -> None:
    assert build_or_skip("microbit", tmp_path).arena_bytes >= 10 * 1024


def test_building_again_changes_nothing(tmp_path: Path) -> None:
    first = build_or_skip("microbit", tmp_path, key=KEY)
    content = first.elf.read_bytes()
    again = build_or_skip("microbit", tmp_path, key=KEY)
    assert not first.cached
    assert again == replace(first, cached=True)
    assert not build_or_skip("microbit", tmp_path, key=bytes(32)).cached
    assert not build_or_skip("microbit", tmp_path, key=KEY).cached
    assert first.elf.read_bytes() == content


def test_a_lost_file_is_built_again(tmp_path: Path) -> None:
    first = build_or_skip("microbit", tmp_path)
    first.elf.unlink()
    assert not build_or_skip("microbit", tmp_path).cached
    assert first.elf.is_file()


def test_another_builds_file_is_built_again(tmp_path: Path) -> None:
    first = build_or_skip("microbit", tmp_path)
    content = first.elf.read_bytes()
    first.elf.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert not build_or_skip("microbit", tmp_path).cached
    assert first.elf.read_bytes() == content


def test_files_with_the_key_are_private(tmp_path: Path) -> None:
    firmware = build_or_skip("microbit", tmp_path, key=KEY)
    for file in (firmware.elf, firmware.bin, firmware.hex):
        assert file is not None
        assert file.stat().st_mode & 0o077 == 0


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    build_or_skip("microbit", tmp_path, key=KEY)
    assert {file.name for file in tmp_path.iterdir()} == {"node.bin", "node.elf", "node.hex", "node.json", "node.su"}


def test_a_bundle_that_exceeds_the_flash_is_refused_with_the_bytes(tmp_path: Path) -> None:
    big = tmp_path / "big.etr"
    RecordingBundle(np.zeros((50 * 1024, 1), np.float32)).save(big)
    with pytest.raises(BuildError, match=r"exceed the flash of microbit by \d+ bytes"):
        build_or_skip("microbit", tmp_path, recording=big)


def test_a_corrupt_recording_is_refused_in_one_line(tmp_path: Path) -> None:
    recording = tmp_path / "corrupt.etr"
    bundle = bytearray(RecordingBundle(np.ones((8, 2), np.float32)).to_bytes())
    bundle[-1] ^= 1
    recording.write_bytes(bundle)
    with pytest.raises(BuildError, match=r"corrupt\.etr: ") as caught:
        build_or_skip("native", tmp_path, recording=recording)
    assert "\n" not in str(caught.value)


def test_a_missing_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"cannot read .*none\.etd"):
        build_or_skip("native", tmp_path, dictionary=tmp_path / "none.etd")


def test_a_missing_compiler_is_named_with_the_way_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BuildError, match="arm-none-eabi-gcc is not installed: apt-get install gcc-arm-none-eabi"):
        build("netduinoplus2", tmp_path)


def test_a_source_with_an_error_gives_one_line_and_a_log(tmp_path: Path) -> None:
    source = tmp_path / "wrong.c"
    source.write_text("int main(void) { return missing; }\n")
    with pytest.raises(BuildError, match=r"wrong\.c does not compile: .*missing") as caught:
        build_or_skip("native", tmp_path, app=[source], name="wrong")
    assert "\n" not in str(caught.value)
    assert "missing" in (tmp_path / "wrong.log").read_text()


def test_flash_uses_the_tool_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    firmware = build_or_skip("netduinoplus2", tmp_path)
    openocd = tmp_path / "openocd"
    openocd.write_text("#!/bin/sh\n")
    openocd.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    command = flash_command(find_board("netduinoplus2"), firmware)
    assert command[0] == "openocd"
    assert f"program {firmware.elf} verify reset exit" in command


def test_flash_without_a_tool_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    firmware = build_or_skip("microbit", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match=r"pyocd \(pip install pyocd\), or openocd \(apt-get install openocd\)"):
        flash(find_board("microbit"), firmware)


def test_a_board_without_a_flasher_says_so(tmp_path: Path) -> None:
    firmware = build_or_skip("native", tmp_path)
    with pytest.raises(UserError, match="edgetwin run --board native"):
        flash_command(find_board("native"), firmware)


def test_flash_dry_run_prints_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from edgetwin.cli import app

    build_or_skip("microbit", tmp_path)
    monkeypatch.setenv("EDGETWIN_KEY", str(tmp_path / "key"))
    (tmp_path / "key").write_text(KEY.hex())
    (tmp_path / "key").chmod(0o600)
    options = ["flash", "--board", "microbit", "--tool", "pyocd", "--dry-run", "--out", str(tmp_path)]
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 0, result.output
    assert result.stdout == f"pyocd flash -t nrf51822 {tmp_path / 'node.hex'}\n"
