"""Every emulated board end to end: over a pseudo-terminal as over a serial port, and killed while it works."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from fault_proxy import FaultProxy, Faults

from edgetwin import boards
from edgetwin.boards import Board, Firmware, RunningNode
from edgetwin.codec import CodecPlan
from edgetwin.deploy import DictionaryBundle, RecordingBundle
from edgetwin.deploy.coding import with_codec
from edgetwin.link import Session, load_key
from edgetwin.signals import ChannelScaling
from edgetwin.twin import Twin, compare
from edgetwin.twin.collect import collect

EMULATED = [name for name, board in boards.boards().items() if board.emulator]
M = 16


@pytest.fixture(scope="module", params=EMULATED)
def built(request, need_board, tmp_path_factory) -> tuple[Board, Firmware]:
    board = need_board(request.param)
    return board, boards.build(board, tmp_path_factory.mktemp(board.name), key=load_key(None))


@pytest.fixture
def start(built: tuple[Board, Firmware]) -> Iterator[Callable[..., RunningNode]]:
    """Starts the board's emulator, with empty slots; all of them end with the test."""
    nodes: list[RunningNode] = []

    def start_node(port: int = 0, pty: bool = False) -> RunningNode:
        nodes.append(boards.run(*built, port=port, pty=pty))
        return nodes[-1]

    yield start_node
    for node in nodes:
        node.kill()


@pytest.fixture(scope="module")
def bundle() -> DictionaryBundle:
    """int8 atoms that fit every board, and codes that hold every bit of every coefficient."""
    atoms = np.random.default_rng(0).standard_normal((32, M))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    scaling = ChannelScaling(np.float32([0.5]), np.float32([2.0]))
    return DictionaryBundle.from_components(atoms, s=4, atom_type="int8", scaling=scaling, coefficient_bits=32)


def signals_of(count: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, M)).astype(np.float32)


def test_codes_over_a_pseudo_terminal_are_the_hosts(
    start: Callable[..., RunningNode], bundle: DictionaryBundle
) -> None:
    signals = signals_of(20)
    node = start(pty=True)
    with Session(node.url, load_key(None)) as session:
        session.upload(bundle.to_bytes())
        received = collect(session.encode(signals))
    comparison = compare(received, Twin(bundle).core, signals)
    assert comparison.signals == len(signals)
    assert comparison.exact, comparison


def test_a_killed_board_is_picked_up_without_loss(start: Callable[..., RunningNode], bundle: DictionaryBundle) -> None:
    """The new emulator's slots are empty: the session uploads the dictionary again."""
    signals = signals_of(60)
    node = start()
    with Session(node.url, load_key(None), timeout=1.0) as session:
        session.upload(bundle.to_bytes())
        first_nonce = session.info.nonce
        codes = session.encode(signals)
        received = [next(codes) for _ in range(20)]
        node.kill()
        restart = threading.Timer(0.2, start, kwargs={"port": int(node.url.rpartition(":")[2])})
        restart.start()
        received += codes
        restart.join()
        assert session.recoveries >= 1
        assert session.info.nonce != first_nonce
    assert [code.window for code in received] == list(range(len(signals)))
    assert not any(code.missing for code in received)
    assert [code.packet for code in received] == Twin(bundle).encode(signals)


@pytest.mark.parametrize("codec", ["packed", "entropy"])
def test_a_boards_own_stream_in_packets_is_the_hosts(
    need_board, tmp_path, bundle: DictionaryBundle, codec: str
) -> None:
    board = need_board("netduinoplus2")
    windows = np.cumsum(signals_of(320), axis=1, dtype=np.float32)
    if codec == "entropy":
        runs = windows.reshape(-1, 16, M)
        bundle, _ = with_codec(bundle, runs, CodecPlan(target_bits=50), np.ones(len(runs), bool))
    windows[100, 3] = np.nan
    bundle.save(tmp_path / "d.etd")
    RecordingBundle(windows.reshape(-1, 1)).save(tmp_path / "r.etr")
    firmware = boards.build(
        board, tmp_path, key=load_key(None), dictionary=tmp_path / "d.etd", recording=tmp_path / "r.etr"
    )
    with (
        boards.run(board, firmware) as node,
        FaultProxy(node.url, Faults.each(0.02), seed=3) as proxy,
        Session(proxy.url, load_key(None), timeout=1.0) as session,
    ):
        received = collect(session.stream(0, len(windows), 0))
    assert max(received.counts) == 16
    assert received.refusal == "window 100: the signal holds NaN or infinity"
    comparison = compare(received, Twin(bundle).core, windows)
    assert comparison.exact, comparison
