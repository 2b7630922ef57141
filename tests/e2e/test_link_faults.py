"""The link on a bad line: what arrives is right, what does not is reported, and what breaks is picked up again."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cobs import cobs
from fault_proxy import FaultProxy, Faults

from edgetwin.boards import Firmware, RunningNode, build, run
from edgetwin.boards.registry import sources
from edgetwin.codec import CodecPlan
from edgetwin.core import Dictionary, node_buffers_size
from edgetwin.deploy import DictionaryBundle, RecordingBundle
from edgetwin.deploy.coding import with_codec
from edgetwin.link import (
    CodeFrame,
    DoesNotFit,
    ForeignCode,
    NoAnswer,
    NotAuthenticated,
    Refused,
    Session,
    Status,
    Unplugged,
    WrongKey,
)
from edgetwin.link.frame import FrameType
from edgetwin.link.messages import unpack_map
from edgetwin.signals import ChannelScaling
from edgetwin.twin import compare
from edgetwin.twin.collect import collect

KEY = bytes(range(32))
M = 16


@pytest.fixture(scope="session")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    return build("native", tmp_path_factory.mktemp("node"), key=KEY)


@pytest.fixture
def start(firmware: Firmware) -> Iterator[Callable[..., RunningNode]]:
    """Starts a native node; all of them end with the test."""
    nodes: list[RunningNode] = []

    def start_node(firmware: Firmware = firmware, port: int = 0, slots: Path | None = None) -> RunningNode:
        nodes.append(run("native", firmware, port=port, slots=slots))
        return nodes[-1]

    yield start_node
    for node in nodes:
        node.kill()


@pytest.fixture
def node(start: Callable[..., RunningNode]) -> RunningNode:
    return start()


@pytest.fixture(scope="session")
def bundle() -> bytes:
    return dictionary()


def dictionary(m: int = M, n: int = 32, s: int = 3, seed: int = 0) -> bytes:
    """A bundle of random float32 atoms."""
    atoms = np.random.default_rng(seed).standard_normal((n, m))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    scaling = ChannelScaling(np.float32([0.5]), np.float32([2.0]))
    return DictionaryBundle.from_components(atoms, s=s, atom_type="float32", scaling=scaling).to_bytes()


def signals_of(count: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, M)).astype(np.float32)


def host_codes(bundle: bytes, signals: np.ndarray) -> list[bytes]:
    return Dictionary(bundle).encode(signals)[0]


def assert_right(received: list[CodeFrame], expected: list[bytes], most_missing: int = 0) -> None:
    """Each window once, in order, with the host core's code or reported missing."""
    assert [code.window for code in received] == list(range(len(expected)))
    missing = [code.window for code in received if code.missing]
    wrong = [c.window for c, right in zip(received, expected, strict=True) if not c.missing and c.packet != right]
    assert wrong == []
    assert len(missing) <= most_missing


def assert_stream_right(
    received: list[CodeFrame], bundle: bytes, signals: np.ndarray, most_missing: int = 0, most_windows: int = 16
) -> None:
    """All windows once, in order, in packets that the host core makes of the same windows, or reported missing."""
    starts = np.cumsum([0, *(code.windows for code in received)])
    assert [code.window for code in received] == list(starts[:-1])
    assert max(code.windows for code in received if not code.missing) <= most_windows
    comparison = compare(collect(received), Dictionary(bundle), signals)
    assert comparison.differing_bits == 0, comparison
    assert comparison.missing <= most_missing


def until_window(codes: Iterator[CodeFrame], window: int) -> list[CodeFrame]:
    """The first packets, up to one that ends at this window or beyond."""
    received = [next(codes)]
    while received[-1].end < window:
        received.append(next(codes))
    return received


def later(seconds: float, work: Callable[[], object]) -> threading.Timer:
    timer = threading.Timer(seconds, work)
    timer.start()
    return timer


def port_of(node: RunningNode) -> int:
    return int(node.url.rpartition(":")[2])


@pytest.mark.parametrize("mac", [False, True])
def test_ten_thousand_windows_survive_every_fault_at_one_percent(node: RunningNode, bundle: bytes, mac: bool) -> None:
    signals = signals_of(10_000)
    with FaultProxy(node.url, Faults.each(0.01), seed=mac) as proxy, Session(proxy.url, KEY, mac) as session:
        session.upload(bundle)
        received = list(session.encode(signals))
    assert all(proxy.made[fault] > 50 for fault in ("drop", "repeat", "reorder", "cut", "flip"))
    assert_right(received, host_codes(bundle, signals), most_missing=10)


def test_one_window_at_a_time_survives_every_fault(node: RunningNode, bundle: bytes) -> None:
    signals = signals_of(150)
    with FaultProxy(node.url, Faults.each(0.02)) as proxy, Session(proxy.url, KEY) as session:
        session.upload(bundle)
        assert_right(list(session.encode(signals, window=1)), host_codes(bundle, signals))


@pytest.mark.parametrize("windows", [40, 8], ids=["among others", "at the end"])
def test_a_window_that_never_gets_through_is_reported_missing_in_its_place(
    node: RunningNode, bundle: bytes, windows: int
) -> None:
    def is_window_7(direction: str, frame: bytes) -> bool:
        raw = cobs.decode(frame)
        return raw[1] == FrameType.SIGNAL and raw[12:16] == bytes([7, 0, 0, 0])

    signals = signals_of(windows)
    with FaultProxy(node.url, drops=is_window_7) as proxy, Session(proxy.url, KEY, timeout=0.5, retries=3) as session:
        session.upload(bundle)
        received = list(session.encode(signals))
    assert [code.window for code in received if code.missing] == [7]
    assert_right(received, host_codes(bundle, signals), most_missing=1)


def test_a_signal_with_nan_has_its_error_and_the_others_their_codes(node: RunningNode, bundle: bytes) -> None:
    signals = signals_of(20)
    signals[3, 5] = np.nan
    with Session(node.url, KEY) as session:
        session.upload(bundle)
        received = list(session.encode(signals, first=100))
    assert [code.window for code in received] == list(range(100, 120))
    assert [code.status for code in received] == [Status.NOT_FINITE if i == 3 else Status.OK for i in range(20)]
    assert [code.packet for code in received] == host_codes(bundle, signals)


def test_wrong_key_and_no_key_are_told_apart(node: RunningNode) -> None:
    with pytest.raises(WrongKey, match="does not match"):
        Session(node.url, bytes(32)).open()
    with pytest.raises(NotAuthenticated, match="asks for a key"):
        Session(node.url).open()
    with Session(node.url, KEY, mac=True) as session:
        assert session.info.needs_key


def test_an_open_node_is_refused_where_a_mac_is_wanted(
    start: Callable[..., RunningNode], tmp_path: Path, bundle: bytes
) -> None:
    node = start(build("native", tmp_path))
    with pytest.raises(NotAuthenticated, match="has no key"):
        Session(node.url, KEY, mac=True).open()
    signals = signals_of(5)
    with Session(node.url, KEY, mac=True, insecure=True) as session:
        session.upload(bundle)
        assert_right(list(session.encode(signals)), host_codes(bundle, signals))


def test_a_node_that_never_answers_is_named_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"socket://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(NoAnswer, match=r"no answer from socket://127\.0\.0\.1:\d+ within 0\.3 s"):
            Session(url, timeout=0.3).open()


def test_nobody_listening_is_named_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"socket://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(Unplugged, match="cannot open socket"):
        Session(url).open()


def test_garbage_before_hello_is_skipped_on_both_sides(node: RunningNode, bundle: bytes) -> None:
    garbage = bytes(np.random.default_rng(3).integers(0, 256, 5000, np.uint8))
    with socket.create_connection(("127.0.0.1", port_of(node))) as noise:
        noise.sendall(garbage + b"\xff" * 40_000)
    signals = signals_of(5)
    with FaultProxy(node.url, greeting=garbage) as proxy, Session(proxy.url, KEY) as session:
        session.upload(bundle)
        assert_right(list(session.encode(signals)), host_codes(bundle, signals))
        assert session.connection.bad_frames > 0


def test_a_node_that_stops_half_way_is_given_up_after_patience(node: RunningNode, bundle: bytes) -> None:
    with Session(node.url, KEY, timeout=0.2, patience=0.5) as session:
        session.upload(bundle)
        codes = session.encode(signals_of(1000))
        received = [next(codes) for _ in range(100)]
        os.kill(node.pid, signal.SIGSTOP)
        with pytest.raises(NoAnswer):
            received += codes
    os.kill(node.pid, signal.SIGCONT)
    assert 100 <= len(received) < 1000
    assert not any(code.missing for code in received)


def test_a_node_that_pauses_is_waited_for(node: RunningNode, bundle: bytes) -> None:
    signals = signals_of(1000)
    with Session(node.url, KEY, timeout=0.2) as session:
        session.upload(bundle)
        codes = session.encode(signals)
        received = [next(codes) for _ in range(100)]
        os.kill(node.pid, signal.SIGSTOP)
        resume = later(0.7, lambda: os.kill(node.pid, signal.SIGCONT))
        received += codes
        resume.join()
    assert_right(received, host_codes(bundle, signals))


@pytest.mark.parametrize("mac", [False, True])
def test_an_unplugged_node_is_picked_up_without_loss(node: RunningNode, bundle: bytes, mac: bool) -> None:
    signals = signals_of(2000)
    with FaultProxy(node.url) as proxy, Session(proxy.url, KEY, mac) as session:
        session.upload(bundle)
        codes = session.encode(signals)
        received = [next(codes) for _ in range(500)]
        proxy.unplug()
        plug = later(0.3, proxy.plug)
        received += codes
        plug.join()
        assert session.recoveries == 1
    assert_right(received, host_codes(bundle, signals))


@pytest.mark.parametrize("keeps_slots", [False, True])
@pytest.mark.parametrize("mac", [False, True])
def test_a_killed_node_is_picked_up_without_loss(
    start: Callable[..., RunningNode], tmp_path: Path, bundle: bytes, keeps_slots: bool, mac: bool
) -> None:
    slots = tmp_path / "slots" if keeps_slots else None
    node = start(slots=slots)
    signals = signals_of(2000)
    with Session(node.url, KEY, mac, timeout=0.3) as session:
        session.upload(bundle)
        codes = session.encode(signals)
        received = [next(codes) for _ in range(500)]
        node.kill()
        restart = later(0.2, lambda: start(port=port_of(node), slots=slots))
        received += codes
        restart.join()
    assert_right(received, host_codes(bundle, signals))


def test_a_node_that_comes_back_with_another_dictionary_is_not_believed(
    start: Callable[..., RunningNode], tmp_path: Path, bundle: bytes
) -> None:
    other = start(slots=tmp_path / "other")
    with Session(other.url, KEY) as session:
        session.upload(dictionary(seed=9))
    other.stop()
    node = start(slots=tmp_path / "slots")
    with Session(node.url, KEY) as session:
        session.upload(bundle)
    with Session(node.url, KEY) as session:
        codes = session.encode(signals_of(1000))
        next(codes)
        node.kill()
        start(port=port_of(node), slots=tmp_path / "other")
        with pytest.raises(ForeignCode, match="upload the dictionary again"):
            list(codes)
        assert session.recoveries == 0


def test_restore_brings_the_dictionary_back_to_a_node_that_lost_it(
    start: Callable[..., RunningNode], bundle: bytes
) -> None:
    node = start()
    with Session(node.url, KEY) as session:
        session.upload(bundle)
    signals = signals_of(1000)
    with Session(node.url, KEY, restore=lambda: bundle) as session:
        codes = session.encode(signals)
        received = [next(codes)]
        node.kill()
        start(port=port_of(node))
        received += codes
    assert_right(received, host_codes(bundle, signals))


def test_an_upload_cut_anywhere_resumes_and_the_old_dictionary_keeps_working(node: RunningNode, bundle: bytes) -> None:
    new = dictionary(n=512, seed=5)
    signals = signals_of(3)
    with FaultProxy(node.url) as proxy:
        with Session(proxy.url, KEY) as session:
            session.upload(bundle)
        resumed_from = []
        for size in range(400, 40_000, 400):
            held: list[int] = []
            with Session(proxy.url, KEY, patience=0) as session:
                proxy.unplug_after(size)
                try:
                    session.upload(new, progress=lambda done, total, held=held: held.append(done))
                except Unplugged:
                    resumed_from.append(held[0] if held else 0)
                else:
                    break
            proxy.unplug_after(10**9)
            with Session(node.url, KEY) as session:
                assert_right(list(session.encode(signals)), host_codes(bundle, signals))
        assert len(resumed_from) >= 5
        assert resumed_from == sorted(resumed_from)
        assert resumed_from[-1] > len(new) // 2
    with Session(node.url, KEY) as session:
        assert_right(list(session.encode(signals)), host_codes(new, signals))


@pytest.mark.parametrize("mac", [False, True])
def test_an_upload_survives_every_fault(node: RunningNode, mac: bool) -> None:
    bundle = dictionary(n=4096, s=4)
    signals = signals_of(20)
    with FaultProxy(node.url, Faults.each(0.02), seed=7) as proxy, Session(proxy.url, KEY, mac) as session:
        session.upload(bundle)
        assert_right(list(session.encode(signals)), host_codes(bundle, signals))


def test_a_bundle_beyond_the_slot_or_the_arena_is_refused_by_the_byte(node: RunningNode, bundle: bytes) -> None:
    with Session(node.url, KEY) as session:
        session.upload(bundle)
        slot = session.info.slot_bytes
        large = dictionary(m=1024, n=slot // 4096 + 1)
        with pytest.raises(DoesNotFit, match="too many") as beyond_slot:
            session.upload(large)
        assert (beyond_slot.value.needed, beyond_slot.value.at_hand) == (len(large), slot)
        wide = DictionaryBundle.from_components(np.eye(1200), s=1200).to_bytes()
        with pytest.raises(DoesNotFit, match="working memory") as beyond_arena:
            session.upload(wide)
        assert beyond_arena.value.needed == Dictionary(wide).arena_size
        assert beyond_arena.value.at_hand == session.info.arena_bytes
        signals = signals_of(3)
        assert_right(list(session.encode(signals)), host_codes(bundle, signals))


def test_a_damaged_bundle_is_refused_and_the_old_one_keeps_working(node: RunningNode, bundle: bytes) -> None:
    damaged = bytearray(dictionary(seed=8))
    damaged[500] ^= 1
    signals = signals_of(3)
    with Session(node.url, KEY) as session:
        session.upload(bundle)
        with pytest.raises(Refused) as refusal:
            session.upload(bytes(damaged))
        assert refusal.value.status == Status.CRC
        assert_right(list(session.encode(signals)), host_codes(bundle, signals))


def test_the_reason_of_a_refusal_arrives_even_if_its_first_answer_is_lost(node: RunningNode) -> None:
    lost = []

    def is_first_answer_to_commit(direction: str, frame: bytes) -> bool:
        raw = cobs.decode(frame)
        if direction == "up" or raw[1] != FrameType.STATUS or unpack_map(raw[12:-4])[2] != FrameType.COMMIT or lost:
            return False
        lost.append(frame)
        return True

    damaged = bytearray(dictionary())
    damaged[500] ^= 1
    with FaultProxy(node.url, drops=is_first_answer_to_commit) as proxy, Session(proxy.url, KEY) as session:
        with pytest.raises(Refused) as refusal:
            session.upload(bytes(damaged))
        assert lost and refusal.value.status == Status.CRC
        session.upload(dictionary())


def test_without_a_dictionary_nothing_is_encoded(node: RunningNode) -> None:
    with Session(node.url, KEY) as session, pytest.raises(Refused, match="holds no dictionary"):
        session.encode(signals_of(1))


@pytest.fixture(scope="session")
def recorded() -> np.ndarray:
    samples = np.cumsum(signals_of(600, seed=4), axis=1, dtype=np.float32)
    samples[11, 2] = np.inf
    return samples


def with_entropy_codec(bundle: bytes, windows: np.ndarray) -> bytes:
    """The same dictionary with a codec whose windows are predicted from those before them."""
    runs = windows[windows.shape[0] % 16 :].reshape(-1, 16, M)
    plan = CodecPlan(target_bits=50)
    return with_codec(DictionaryBundle.from_bytes(bundle), runs, plan, np.ones(len(runs), bool))[0].to_bytes()


@pytest.fixture(scope="session", params=["packed", "entropy"])
def streamed(request: pytest.FixtureRequest, bundle: bytes, recorded: np.ndarray) -> bytes:
    """The dictionary of a board that has a recording."""
    return bundle if request.param == "packed" else with_entropy_codec(bundle, recorded[12:])


@pytest.fixture(scope="session")
def streaming_firmware(tmp_path_factory: pytest.TempPathFactory, streamed: bytes, recorded: np.ndarray) -> Firmware:
    folder = tmp_path_factory.mktemp("streaming")
    (folder / "d.etd").write_bytes(streamed)
    (folder / "r.etr").write_bytes(RecordingBundle(recorded.reshape(-1, 1)).to_bytes())
    return build("native", folder, key=KEY, dictionary=folder / "d.etd", recording=folder / "r.etr")


@pytest.fixture(scope="session")
def forgetful_firmware(
    tmp_path_factory: pytest.TempPathFactory, streaming_firmware: Firmware, streamed: bytes
) -> Firmware:
    """The same with memory for a queue of 2,000 bytes."""
    folder = tmp_path_factory.mktemp("forgetful")
    for part in ("device", "firmware"):
        shutil.copytree(sources() / part, folder / part)
    board = folder / "firmware" / "boards" / "native" / "board.c"
    arena, plenty = node_buffers_size(16400) + Dictionary(streamed).arena_size + 2000, "(8u << 20)"
    assert plenty in board.read_text()
    board.write_text(board.read_text().replace(plenty, f"{arena // 8 * 8}u"))
    linked = streaming_firmware.elf.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["edgetwin.boards.build"], "sources", lambda: folder)
        return build("native", folder, key=KEY, dictionary=linked / "d.etd", recording=linked / "r.etr")


@pytest.mark.parametrize("batch", [1, 5, 255])
@pytest.mark.parametrize("mac", [False, True])
def test_the_boards_own_stream_survives_every_fault(
    start: Callable[..., RunningNode],
    streaming_firmware: Firmware,
    streamed: bytes,
    recorded: np.ndarray,
    mac: bool,
    batch: int,
) -> None:
    node = start(streaming_firmware)
    faults = Faults.each(0.03 if batch > 1 else 0.01)
    with FaultProxy(node.url, faults, seed=2) as proxy, Session(proxy.url, KEY, mac) as session:
        received = list(session.stream(0, 600, 0, batch))
    (refused,) = [code for code in received if code.status]
    assert (refused.window, refused.status, refused.windows) == (11, Status.NOT_FINITE, 1)
    assert_stream_right(received, streamed, recorded, most_windows=batch)


def test_windows_that_share_a_frame_share_its_header(
    start: Callable[..., RunningNode], streaming_firmware: Firmware, streamed: bytes, recorded: np.ndarray
) -> None:
    node = start(streaming_firmware)
    with Session(node.url, KEY) as session:
        alone, together = list(session.stream(0, 600, 0, 1)), list(session.stream(0, 600, 0))
    assert [code.windows for code in alone] == [1] * 600
    assert {code.windows for code in together} == {16, 11, 1, (600 - 12) % 16}
    assert_stream_right(together, streamed, recorded)
    header = 24  # 12 of the frame, 7 before the packet, CRC-32, COBS and the end mark
    saved = sum(code.wire_bytes for code in alone) - sum(code.wire_bytes for code in together)
    assert saved >= 0.9 * header * (len(alone) - len(together))


def test_a_live_stream_is_not_late(
    start: Callable[..., RunningNode], streaming_firmware: Firmware, streamed: bytes, recorded: np.ndarray
) -> None:
    node = start(streaming_firmware)
    with Session(node.url, KEY) as session:
        received = list(session.stream(20, 12, 200))
    assert [code.windows for code in received] == [5, 5, 2], "five windows a second"


def test_a_stream_goes_on_after_the_node_was_killed(
    start: Callable[..., RunningNode], streaming_firmware: Firmware, streamed: bytes, recorded: np.ndarray
) -> None:
    node = start(streaming_firmware)
    with Session(node.url, KEY, timeout=0.3) as session:
        codes = session.stream(0, 600, 1)
        received = until_window(codes, 100)
        node.kill()
        restart = later(0.2, lambda: start(streaming_firmware, port=port_of(node)))
        received += codes
        restart.join()
    assert_stream_right(received, streamed, recorded)


def test_a_frame_that_never_gets_through_costs_only_its_windows(
    start: Callable[..., RunningNode], forgetful_firmware: Firmware, streamed: bytes, recorded: np.ndarray
) -> None:
    def is_window_52(direction: str, frame: bytes) -> bool:
        raw = cobs.decode(frame)
        return direction == "down" and raw[1] == FrameType.CODE and raw[12:16] == bytes([52, 0, 0, 0])

    node = start(forgetful_firmware)
    with FaultProxy(node.url, drops=is_window_52) as proxy, Session(proxy.url, KEY) as session:
        received = list(session.stream(12, 580, 1, 10))
    assert [(code.window, code.windows) for code in received if code.missing] == [(52, 10)]
    shifted = [replace(code, window=code.window - 12) for code in received]
    assert_stream_right(shifted, streamed, recorded[12:592], most_missing=10)


def test_windows_that_the_board_had_to_drop_are_reported_missing(
    start: Callable[..., RunningNode], forgetful_firmware: Firmware, streamed: bytes, recorded: np.ndarray
) -> None:
    node = start(forgetful_firmware)
    with FaultProxy(node.url) as proxy, Session(proxy.url, KEY) as session:
        codes = session.stream(0, 590, 1, 4)
        received = until_window(codes, 20)
        proxy.muted = True
        time.sleep(0.5)
        proxy.muted = False
        received += codes
    (gap,) = [code for code in received if code.missing]
    assert gap.windows > 4
    assert_stream_right(received, streamed, recorded[:590], most_missing=590)


def test_a_stream_that_the_host_leaves_ends_on_the_board(
    start: Callable[..., RunningNode], streaming_firmware: Firmware, streamed: bytes
) -> None:
    """Nor is a packet that was still under way taken for the answer to a signal."""
    node = start(streaming_firmware)
    signals = signals_of(50)
    with Session(node.url, KEY) as session:
        for _ in range(20):
            codes = session.stream(0, 0, 0, 1)
            assert [next(codes).window for _ in range(10)] == list(range(10))
            codes.close()
            assert_right(list(session.encode(signals)), host_codes(streamed, signals))
