"""What the codec costs: instructions and memory on a board, and how fast the host decodes.

    python tools/bench/codec.py            # tables
    python tools/bench/codec.py --json     # one object

On the board (64 x 128, s = 8, int8, packets of 16 windows): instructions of OMP, and of et_packet_add after it, counted
by the emulator; the program runs twice and must give the same numbers. On the host: float32 samples that one core
decodes, the best of several runs. Windows are those of the bundled server telemetry, metric by metric, standardised;
the dictionary and the codec are learned from the first part and code the second.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from edgetwin import boards
from edgetwin.boards.registry import sources
from edgetwin.codec import CodecPlan
from edgetwin.core import KINDS, Dictionary
from edgetwin.data import load_asd
from edgetwin.deploy import DictionaryBundle, RecordingBundle
from edgetwin.deploy.coding import centre, with_codec
from edgetwin.dictionary import DictionaryLearner

HERE = Path(__file__).resolve().parent
BOARD = "netduinoplus2"
M, N, S = 64, 128, 8
PACKET = 16  # windows
BOARD_WINDOWS = 4 * PACKET
#: Kinds of window that each codec may use, by its name.
CODECS = {"sparse": ("sparse",), "dct": ("dct",), "dpcm": ("dpcm",), "auto": ("sparse", "dct", "dpcm")}
#: What the codec's sources are, beside those that packed codes need, too.
SOURCES = ("chain", "codec", "dct", "dct_code", "dpcm_code", "magnitude", "packet", "range_coder", "sparse_code")
HOST_LENGTHS = (64, 140)
HOST_WINDOWS = 4096


Runs = NDArray[np.float32]


def telemetry_runs(m: int) -> tuple[Runs, Runs]:
    """(R, 16, m) standardised windows that follow each other, to learn from and to code."""
    server = load_asd()
    mean, scale = server.train.mean(axis=0), server.train.std(axis=0)
    moving = scale > 1e-6

    def runs(samples: NDArray[np.float32]) -> Runs:
        series = ((samples - mean)[:, moving] / scale[moving]).T
        whole = series.shape[1] // (PACKET * m) * PACKET * m
        return np.ascontiguousarray(series[:, :whole].reshape(-1, PACKET, m), dtype=np.float32)

    return runs(server.train), runs(server.test)


def learn(m: int, codec: str) -> tuple[DictionaryBundle, Runs]:
    """A dictionary with a codec, and the runs to code."""
    train, test = telemetry_runs(m)
    held_out = np.arange(len(train)) % 5 == 4
    windows = centre(train[~held_out].reshape(-1, m), 1)
    atoms = DictionaryLearner(N, S, algorithm="aksvd", max_iter=5, random_state=0).fit(windows).components_
    bundle = DictionaryBundle.from_components(atoms, s=S, atom_type="int8")
    plan = CodecPlan(kinds=CODECS[codec], windows=PACKET)
    return with_codec(bundle, train, plan, held_out)[0], test


def run_twice(elf: Path) -> list[tuple[str, int]]:
    """The measures that the program prints, by name. Raises a RuntimeError where two runs differ."""
    outputs = [boards.run_program(BOARD, elf, timeout=300) for _ in range(2)]
    if outputs[0] != outputs[1] or outputs[0].exit_code != 0:
        raise RuntimeError(f"two runs differ, or failed: {outputs}")
    lines = [line.rsplit(maxsplit=1) for line in outputs[0].output.splitlines() if line]
    return [(name, int(value)) for name, value in lines]


def codec_text_bytes(elf: Path) -> int:
    """Bytes of code and constants in the program that come from SOURCES."""
    nm = shutil.which("arm-none-eabi-nm")
    if nm is None:
        raise RuntimeError("arm-none-eabi-nm is not installed: apt-get install binutils-arm-none-eabi")
    listed = subprocess.run([nm, "-S", "-l", "--defined-only", elf], capture_output=True, text=True, check=True).stdout
    pattern = re.compile(rf"^\w+ (\w+) [tTrR] \S+\t\S*/device/src/(?:{'|'.join(SOURCES)})\.c:", re.MULTILINE)
    return sum(int(size, 16) for size in pattern.findall(listed))


def on_board(codec: str, folder: Path) -> dict[str, Any]:
    """Instructions a window, and memory."""
    bundle, runs = learn(M, codec)
    recording = RecordingBundle(runs.reshape(-1, M)[:BOARD_WINDOWS].reshape(-1, 1))
    bundle.save(folder / "codec.etd")
    recording.save(folder / "codec.etr")
    firmware = boards.build(
        BOARD,
        folder,
        app=[HERE / "codec.c", sources() / "firmware" / "app" / "blobs.S"],
        name="codec",
        dictionary=folder / "codec.etd",
        recording=folder / "codec.etr",
        defines={"PACKET_WINDOWS": PACKET},
    )
    measures = run_twice(firmware.elf)
    per_tick = boards.find_board(BOARD).instructions_per_tick
    assert per_tick is not None

    def mean(name: str) -> float:
        return float(np.mean([value for measured, value in measures if measured == name]))

    return {
        "codec": codec,
        "omp": mean("omp") * per_tick,
        "add": mean("add") * per_tick,
        "bytes_per_window": mean("bytes") / PACKET,
        "ram_bytes": int(mean("scratch") + mean("packet") - mean("omp workspace")),
        "text_bytes": codec_text_bytes(firmware.elf),
        "tables_bytes": sum(len(section) for section in bundle.tables.sections()) if bundle.tables else 0,
    }


def on_host(m: int, codec: str) -> dict[str, Any]:
    """Decoded float32 samples a second."""
    bundle, runs = learn(m, "auto" if codec == "raw" else codec)
    if codec == "raw":
        runs = runs + np.float32(1e12)
    windows = np.resize(runs, (HOST_WINDOWS // PACKET, PACKET, m))
    core = Dictionary(bundle.to_bytes())
    counts = np.full(len(windows), PACKET)
    packets, _ = core.encode_packets(windows.reshape(-1, m), counts)
    seconds = []
    for _ in range(15):
        start = time.process_time()
        decoded = core.decode(packets, counts)
        seconds.append(time.process_time() - start)
    return {
        "m": m,
        "codec": codec,
        "megabytes_per_second": 4e-6 * windows.size / min(seconds),
        "bits_per_sample": 8 * sum(map(len, packets)) / windows.size,
        "kinds": {kind: float((decoded.kinds == number).mean()) for number, kind in enumerate(KINDS)},
    }


def print_tables(board: list[dict[str, Any]], host: list[dict[str, Any]]) -> None:
    """For people."""
    console = Console(width=120)
    table = Table(title=f"Instructions a window on {BOARD}, {M} x {N}, s = {S}, int8, packets of {PACKET}")
    for column in ("codec", "et_omp", "et_packet_add", "of OMP", "bytes a window", "RAM", "code", "tables"):
        table.add_column(column, justify="left" if column == "codec" else "right")
    for row in board:
        table.add_row(
            row["codec"],
            f"{row['omp']:,.0f}",
            f"{row['add']:,.0f}",
            f"{row['add'] / row['omp']:.1%}",
            f"{row['bytes_per_window']:.1f}",
            f"{row['ram_bytes']:,}",
            f"{row['text_bytes']:,}",
            f"{row['tables_bytes']:,}",
        )
    console.print(table)
    table = Table(title=f"Decoding on one core of this computer, packets of {PACKET}")
    for column in ("m", "codec", "MB/s of float32", "bits a sample", "kinds"):
        table.add_column(column, justify="left" if column in ("codec", "kinds") else "right")
    for row in host:
        kinds = ", ".join(f"{kind} {share:.0%}" for kind, share in row["kinds"].items() if share)
        speed, bits = f"{row['megabytes_per_second']:.0f}", f"{row['bits_per_sample']:.2f}"
        table.add_row(str(row["m"]), row["codec"], speed, bits, kinds)
    console.print(table)


def main() -> int:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description="What the codec costs on an emulated board and on the host.")
    parser.add_argument("--json", action="store_true", help="one object on standard output")
    parser.add_argument("--host-only", action="store_true", help="only the host's speed")
    arguments = parser.parse_args()
    board = []
    for codec in () if arguments.host_only else CODECS:
        with tempfile.TemporaryDirectory() as folder:
            board.append(on_board(codec, Path(folder)))
    host = [on_host(m, codec) for m in HOST_LENGTHS for codec in (*CODECS, "raw")]
    if arguments.json:
        print(json.dumps({"board": BOARD, "m": M, "n": N, "s": S, "packet": PACKET, "on_board": board, "host": host}))
    else:
        print_tables(board, host)
    return 0


if __name__ == "__main__":
    sys.exit(main())
