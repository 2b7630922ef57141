"""The real firmware runs: on each emulated board and as a process, over TCP and over a pseudo-terminal."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgetwin.boards import EmulatorError, Firmware, RunningNode, boards, build, find_board, run, run_program
from edgetwin.boards.emulator import INSTALL
from edgetwin.link import Session
from edgetwin.link.frame import Frame, FrameReader, FrameType, encode
from edgetwin.link.messages import StatusReply
from edgetwin.link.status import Status
from edgetwin.link.transport import open_transport

KEY = bytes(range(32))
PROGRAM = """
#include "board.h"

int main(int argc, char **argv) {
    const board_resources *board = board_init(argc, argv);
    unsigned char nonces[2][ET_NODE_NONCE];
    const uint32_t words[4] = {0x01234567u, 0x89ABCDEFu, 0u, 0xFFFFFFFFu};
    board_puts("hello from " BOARD_NAME "\\n");
    for (unsigned slot = 0; slot < ET_NODE_SLOTS; slot++) {
        if (slot >= 2 && board->slots[slot].size == 0) continue; /* a board may have two alone */
        size_t offset = board->slots[slot].size - sizeof words;
        if (board_slot_erase(slot) != ET_OK) return 10;
        if (board_slot_program(slot, offset, (const uint8_t *)words, sizeof words) != ET_OK) return 11;
        if (memcmp(board->slots[slot].bytes + offset, words, sizeof words) != 0) return 12;
        if (board->slots[slot].bytes[0] != board->slots[slot].bytes[1]) return 13;
    }
    if (((uintptr_t)board->arena & 7u) != 0) return 14;
    board_entropy(nonces[0]);
    board_entropy(nonces[1]);
    if (memcmp(nonces[0], nonces[1], ET_NODE_NONCE) == 0) return 15;
    uint32_t start = board_clock_ms();
    while (board_clock_ms() - start < 20) board_idle();
    return CODE;
}
"""
FAULT = """
#include "board.h"

int main(int argc, char **argv) {
    (void)board_init(argc, argv);
    __builtin_trap();
}
"""


OVERFLOW = """
#include "board.h"
#pragma GCC diagnostic ignored "-Winfinite-recursion"

static volatile int depth;

static int dive(int level) {
    volatile unsigned char room[256];
    room[0] = (unsigned char)level;
    depth = level;
    return dive(level + 1) + room[0];
}

int main(int argc, char **argv) {
    (void)board_init(argc, argv);
    return dive(0);
}
"""


def need(name: str) -> None:
    board = find_board(name)
    for tool in (board.compiler, *([board.emulator.command] if board.emulator else [])):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")


@pytest.fixture(scope="module", params=list(boards()))
def node_firmware(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Firmware]:
    need(request.param)
    return request.param, build(request.param, tmp_path_factory.mktemp(request.param), key=KEY)


@pytest.fixture(scope="module")
def native(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    need("native")
    return build("native", tmp_path_factory.mktemp("native"), key=KEY)


@pytest.mark.parametrize("pty", [False, True], ids=["tcp", "pty"])
def test_a_node_says_hello(node_firmware: tuple[str, Firmware], pty: bool) -> None:
    name, firmware = node_firmware
    board = find_board(name)
    with run(name, firmware, pty=pty) as node, Session(node.url, KEY) as session:
        assert session.info.board == name
        assert session.info.needs_key
        assert session.info.max_payload == board.node.max_payload
        assert session.info.slot_memory == {"microbit": "flash"}.get(name, "ram")
        assert 0 < session.info.arena_bytes < (firmware.arena_bytes or sys.maxsize)


def test_hosts_come_and_go(node_firmware: tuple[str, Firmware]) -> None:
    name, firmware = node_firmware
    with run(name, firmware) as node:
        nonces = set()
        for _ in range(3):
            with Session(node.url, KEY) as session:
                nonces.add(session.info.nonce)
        assert len(nonces) == 3
        assert node.alive
    assert not node.alive


def test_the_reset_button_restarts_an_emulated_board(node_firmware: tuple[str, Firmware]) -> None:
    name, firmware = node_firmware
    with run(name, firmware) as node:
        if find_board(name).is_native:
            with pytest.raises(EmulatorError, match="no reset button"):
                node.reset()
            return
        with Session(node.url, KEY):
            pass
        node.reset()
        with Session(node.url, KEY) as session:
            assert session.info.board == name


@pytest.mark.parametrize("name", list(boards()))
def test_a_program_uses_the_board_and_reports_its_exit_code(name: str, tmp_path: Path) -> None:
    need(name)
    source = tmp_path / "program.c"
    source.write_text(PROGRAM)
    firmware = build(name, tmp_path, app=[source], name="program", defines={"CODE": 7})
    result = run_program(name, firmware.elf)
    assert result.exit_code == 7
    assert result.output == f"hello from {name}\n"


@pytest.mark.parametrize("name", [name for name, board in boards().items() if board.emulator])
@pytest.mark.parametrize("program", [FAULT, OVERFLOW], ids=["trap", "stack-overflow"])
def test_a_fault_ends_a_program_with_its_own_code(name: str, program: str, tmp_path: Path) -> None:
    need(name)
    source = tmp_path / "fault.c"
    source.write_text(program)
    firmware = build(name, tmp_path, app=[source], name="fault")
    assert run_program(name, firmware.elf).exit_code == 99


def test_a_program_that_does_not_end_is_killed(tmp_path: Path) -> None:
    need("native")
    source = tmp_path / "endless.c"
    source.write_text('#include "board.h"\nint main(void) { for (;;) board_clock_ms(); }\n')
    firmware = build("native", tmp_path, app=[source], name="endless")
    with pytest.raises(EmulatorError, match=r"did not end in 0\.5 s"):
        run_program("native", firmware.elf, timeout=0.5)


def test_a_taken_port_is_one_clear_line(node_firmware: tuple[str, Firmware]) -> None:
    name, firmware = node_firmware
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(EmulatorError, match="in use") as caught:
            run(name, firmware, port=taken.getsockname()[1])
        assert "\n" not in str(caught.value)


def test_a_chosen_port_is_used(native: Firmware) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with run("native", native, port=port) as node:
        assert node.url == f"socket://127.0.0.1:{port}"


def test_native_ends_in_good_order(native: Firmware) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with run("native", native) as node:
            os.kill(node.pid, number)
            assert node.wait() == 0


@pytest.mark.parametrize("pty", [False, True], ids=["tcp", "pty"])
def test_native_ends_the_session_of_a_host_that_is_gone(native: Firmware, pty: bool) -> None:
    with run("native", native, pty=pty) as node:
        for _ in range(2):
            session = Session(node.url, KEY)
            session.open()
            session.connection.transport.close()  # without a BYE
            time.sleep(0.1)
            stranger = open_transport(node.url)
            stranger.write(encode(Frame(FrameType.STATS, sequence=100)))
            reader = FrameReader()
            answers: list[Frame] = []
            deadline = time.monotonic() + 3
            while not answers and time.monotonic() < deadline:
                answers = reader.feed(stranger.read(0.1))
            stranger.close()
            assert [answer.type for answer in answers] == [FrameType.STATUS]
            assert StatusReply.parse(answers[0]).status == Status.STATE


def test_native_keeps_its_slots_in_a_file(native: Firmware, tmp_path: Path) -> None:
    slots = tmp_path / "slots"
    with run("native", native, slots=slots) as node, Session(node.url, KEY) as session:
        assert session.info.slot_memory == "file"
    assert slots.stat().st_size > 0
    assert slots.stat().st_mode & 0o077 == 0


def test_native_leaves_a_foreign_file_alone(native: Firmware, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("dear reader")
    with pytest.raises(EmulatorError, match="not a slots file"):
        run("native", native, slots=letter)
    assert letter.read_text() == "dear reader"


def test_an_emulated_board_has_no_slots_file(node_firmware: tuple[str, Firmware], tmp_path: Path) -> None:
    name, firmware = node_firmware
    if find_board(name).is_native:
        pytest.skip("native has one")
    with pytest.raises(EmulatorError, match="--slots is for native"):
        run(name, firmware, slots=tmp_path / "slots")


def test_no_emulator_is_named_with_the_way_to_get_it(
    node_firmware: tuple[str, Firmware], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, firmware = node_firmware
    emulator = find_board(name).emulator
    if emulator is None:
        pytest.skip("native needs none")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmulatorError, match=f"{emulator.command} is not installed: {INSTALL[emulator.command]}"):
        run(name, firmware)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends a child with its parent")
def test_a_node_ends_with_a_killed_parent(native: Firmware) -> None:
    code = (
        "import sys, time; from pathlib import Path; from edgetwin.boards import run;"
        "node = run('native', Path(sys.argv[1])); print(node.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(native.elf)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}/stat").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_prints_the_url_and_stops_on_ctrl_c(tmp_path: Path, number: signal.Signals) -> None:
    need("native")
    key = tmp_path / "key"
    key.write_text(KEY.hex())
    key.chmod(0o600)
    options = ["run", "--board", "native", "--json", "--key", str(key), "--out", str(tmp_path)]
    command = [sys.executable, "-c", "from edgetwin.cli import main; main()", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        answer = json.loads(process.stdout.readline())
        with Session(answer["url"], KEY) as session:
            assert session.info.board == answer["board"] == "native"
        process.send_signal(number)
        assert process.wait(10) == 0


def test_a_killed_node_is_gone_at_once(native: Firmware) -> None:
    node: RunningNode = run("native", native)
    node.kill()
    assert not node.alive
