"""What the link says of models, without a node."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from edgetwin.deploy.container import Kind, wrap
from edgetwin.link import CodeFrame, LinkError, NodeInfo
from edgetwin.link.frame import Frame, FrameType
from edgetwin.link.messages import InvokeReply, NodeStats, PayloadError, pack_map, pack_read, unpack_read
from edgetwin.link.upload import Bundle
from edgetwin.twin.collect import collect
from edgetwin.twin.results import npz_bytes

HELLO = {
    **{0: bytes(16), 1: "any", 2: "1", 3: 256, 4: 1000, 5: 500, 6: "ram", 7: b"", 8: False, 9: 1},
    **{10: 0, 11: 0, 12: 0, 13: bytes(16)},
}


def test_a_node_says_which_model_and_kernels_it_has() -> None:
    fields = {**HELLO, 14: bytes(range(8)), 15: 192, 16: 5, 17: 400, 18: 800, 19: struct.pack("<Q", 1 << 35 | 6)}
    info = NodeInfo.parse(Frame(FrameType.HELLO_ANSWER, pack_map(fields), credit=2))
    assert info.model_id == int.from_bytes(bytes(range(8)), "little")
    assert (info.input_bytes, info.output_bytes, info.workspace_bytes, info.model_room) == (192, 5, 400, 800)
    assert info.kernels == 1 << 35 | 6


def test_a_node_without_models_says_nothing_of_them() -> None:
    info = NodeInfo.parse(Frame(FrameType.HELLO_ANSWER, pack_map(HELLO), credit=2))
    assert (info.model_id, info.kernels, info.model_room) == (0, 0, 0)
    stats = NodeStats.parse(pack_map({key: key for key in range(8)}))
    assert (stats.dictionary_arena_bytes, stats.inferences, stats.inference_ticks) == (7, 0, 0)


@pytest.mark.parametrize("fields", [{14: bytes(7)}, {15: -1}, {19: 3}, {17: "4"}])
def test_impossible_fields_of_a_hello_are_refused(fields: dict[int, int | bytes | str]) -> None:
    with pytest.raises(PayloadError):
        NodeInfo.parse(Frame(FrameType.HELLO_ANSWER, pack_map(HELLO | fields), credit=2))


def test_answers_to_invoke_and_read_are_checked() -> None:
    assert InvokeReply.parse(Frame(FrameType.INVOKE_ANSWER, pack_map({0: 1, 1: 2, 2: 3}))) == InvokeReply(1, 2, 3)
    with pytest.raises(PayloadError):
        InvokeReply.parse(Frame(FrameType.INVOKE_ANSWER, pack_map({0: 1, 1: 2})))
    assert pack_read(1, 2) == b"\1\0\0\0\2\0\0\0"
    assert unpack_read(b"\1\0\0\0xy") == (1, b"xy")
    with pytest.raises(PayloadError):
        unpack_read(b"\1\0\0")


def test_a_bundle_knows_its_kind_and_boards_take_two_of_them() -> None:
    assert Bundle(wrap(Kind.MODEL, bytes(32))).kind == Kind.MODEL
    assert Bundle(wrap(Kind.DICTIONARY, bytes(32))).kind == Kind.DICTIONARY
    with pytest.raises(LinkError, match="dictionaries"):
        Bundle(wrap(Kind.RECORDING, bytes(32)))
    with pytest.raises(LinkError, match="not an edgetwin bundle"):
        Bundle(b"PK" + bytes(60))


def test_collected_windows_keep_their_status() -> None:
    received = collect([CodeFrame(0, 0, b"ab", 2), CodeFrame(2, 3), CodeFrame(3, None, windows=4)])
    assert received.counts == [2, 1, 4]
    assert received.statuses == [0, 3, 0]
    assert received.missing == 4
    assert received.refused == 1


def test_arrays_may_have_any_name(tmp_path) -> None:
    arrays = {"file": np.arange(3), "StatefulPartitionedCall:0": np.zeros((2, 2), np.int8), "a/b": np.float32([1])}
    (tmp_path / "x.npz").write_bytes(npz_bytes(arrays))
    with np.load(tmp_path / "x.npz") as loaded:
        assert all(np.array_equal(loaded[name], array) for name, array in arrays.items())
