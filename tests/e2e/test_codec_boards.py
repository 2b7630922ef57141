"""Promise 2 for packets: what boards make of each kind of window, and read back, is the host's to the last bit."""

from __future__ import annotations

import os
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgetwin import boards
from edgetwin.boards.registry import sources
from edgetwin.codec import CodecPlan
from edgetwin.core import KINDS, Dictionary
from edgetwin.data import load_asd
from edgetwin.deploy import DictionaryBundle, RecordingBundle
from edgetwin.deploy.coding import centre, is_centred, with_codec
from edgetwin.dictionary import DictionaryLearner
from edgetwin.signals import ChannelScaling

HERE = Path(__file__).resolve().parent
BOARDS = ("native", "netduinoplus2", "microbit")
WINDOWS, PACKET = 1000, 16
N, S = 48, 5
#: Codecs: kinds of window (none: packed codes), atom type, windows that follow each other. Those are predicted from the
#: one before whether that pays or not.
CODECS = {
    "sparse": (("sparse",), "int8", PACKET),
    "dct": (("dct",), "int8", PACKET),
    "dpcm": (("dpcm",), "int8", PACKET),
    "auto": (("sparse", "dct", "dpcm"), "int8", PACKET),
    "auto, float32 atoms, each window alone": (("sparse", "dct", "dpcm"), "float32", 1),
    "packed": ((), "int16", 1),
}


def asd() -> tuple[np.ndarray, int]:
    """Pairs of server metrics in windows of 12 rows."""
    server = load_asd()
    moving = np.flatnonzero(server.train.std(axis=0) > 1e-6)[:6]
    pairs = server.train[:, moving].astype(np.float32).reshape(len(server.train), 3, 2)
    whole = len(pairs) // (12 * PACKET) * 12 * PACKET
    return pairs[:whole].swapaxes(0, 1).reshape(-1, 24), 2


@pytest.fixture(params=["asd", "forda", "ecg5000"])
def data(request) -> tuple[np.ndarray, int]:
    """Windows that follow each other, and their channels."""
    if request.param == "asd":
        return asd()
    if request.param == "forda":
        return request.getfixturevalue("forda")[:, :400].reshape(-1, 25), 1
    folder = Path(os.environ.get("EDGETWIN_DATA", HERE.parents[2] / "shared" / "data"))
    path = folder / "ucr_ecg5000" / "ecg5000.npz"
    if not path.exists():
        pytest.skip(f"ECG5000 is not at {path} (set EDGETWIN_DATA)")
    with np.load(path, allow_pickle=False) as archive:
        return archive["x_test"].reshape(-1, 20), 1


def make_bundles(windows: np.ndarray, channels: int) -> dict[str, bytes]:
    """A bundle of each codec, learned from the first windows."""
    scaling = ChannelScaling.fit(windows.reshape(-1, channels))
    scaled = scaling.transform(windows)
    seen = centre(scaled, channels) if is_centred(windows.shape[1], channels) else scaled
    atoms = DictionaryLearner(N, S, algorithm="aksvd", max_iter=3, random_state=0).fit(seen).components_
    bundles = {}
    for name, (kinds, atom_type, follow) in CODECS.items():
        bundle = DictionaryBundle.from_components(atoms, s=S, atom_type=atom_type, scaling=scaling)
        if kinds:
            runs = windows[: len(windows) // follow * follow].reshape(-1, follow, windows.shape[1])
            plan = CodecPlan(kinds=kinds, windows=follow)
            bundle, _ = with_codec(bundle, runs, plan, np.arange(len(runs)) % 5 == 4)
            assert bundle.tables is not None
            bundle = replace(bundle, tables=replace(bundle.tables, chained=follow > 1))
        bundles[name] = bundle.to_bytes()
    return bundles


def on_host(bundle: bytes, windows: np.ndarray) -> list[int]:
    """What codec_board.c prints."""
    core = Dictionary(bundle)
    counts = [min(PACKET, len(windows) - first) for first in range(0, len(windows), PACKET)]
    packets, status = core.encode_packets(windows, counts)
    decoded = core.decode(packets, counts)
    assert not status.any() and not decoded.status.any()
    written = b"".join(len(packet).to_bytes(2, "little") + packet for packet in packets)
    kinds = np.bincount(decoded.kinds, minlength=len(KINDS)).tolist()
    return [zlib.crc32(written), zlib.crc32(decoded.signals.tobytes()), sum(map(len, packets)), *kinds]


def test_no_bit_of_a_packet_differs_between_boards_and_host(data, need_board, tmp_path) -> None:
    signals, channels = data
    bundles = make_bundles(signals[: 2 * WINDOWS], channels)
    windows = signals[-WINDOWS:].copy()
    windows[::50] *= np.float32(1e12)  # what a broken sensor says: no quantiser takes it
    expected = {name: on_host(bundle, windows) for name, bundle in bundles.items()}
    kinds = np.sum([numbers[3:] for numbers in expected.values()], axis=0)
    assert (kinds > 0).all(), kinds

    (tmp_path / "all.etd").write_bytes(b"".join(bundles.values()))
    RecordingBundle(windows.reshape(-1, 1)).save(tmp_path / "windows.etr")
    for name in BOARDS:
        board = need_board(name)
        firmware = boards.build(
            board,
            tmp_path / name,
            app=[HERE / "codec_board.c", sources() / "firmware" / "app" / "blobs.S"],
            name="codec",
            dictionary=tmp_path / "all.etd",
            recording=tmp_path / "windows.etr",
            defines={"PACKET_WINDOWS": PACKET},
        )
        done = boards.run_program(board, firmware.elf, timeout=240)
        assert done.exit_code == 0, done.output
        found = [[int(number) for number in line.split()] for line in done.output.splitlines()]
        assert dict(zip(bundles, found, strict=True)) == expected, name
