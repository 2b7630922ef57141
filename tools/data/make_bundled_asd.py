"""Makes host/edgetwin/data/asd.npz: three whole servers of the Application Server Dataset, every row of them.

Usage: python tools/data/make_bundled_asd.py SOURCE

SOURCE is the data set as one .npz with the arrays x_train_NN and x_test_NN (rows, 19) float32, NN = 01 .. 12 for the
servers omi-1 .. omi-12 (github.com/zhhlee/InterFusion, data/processed). The output is the same, byte for byte,
wherever the same zlib runs.
"""

from __future__ import annotations

import argparse
import io
import zipfile
from pathlib import Path

import numpy as np

from edgetwin.data import ASD_SERVERS

LARGEST = 500_000  # bytes in the package
OUTPUT = Path(__file__).parents[2] / "host" / "edgetwin" / "data" / "asd.npz"


def main() -> None:
    """Reads SOURCE, writes the package's file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="the whole data set as .npz")
    arguments = parser.parse_args()
    with np.load(arguments.source, allow_pickle=False) as archive:
        arrays = {
            f"{server}/{part}": archive[f"x_{part}_{int(server.removeprefix('omi-')):02d}"].T
            for server in ASD_SERVERS
            for part in ("train", "test")
        }
    content = pack(arrays)
    if len(content) > LARGEST:
        raise SystemExit(f"{len(content)} bytes, more than {LARGEST}: bundle fewer servers")
    OUTPUT.write_bytes(content)
    print(f"{OUTPUT.name}: {len(content)} bytes, {', '.join(ASD_SERVERS)}")


def pack(arrays: dict[str, np.ndarray]) -> bytes:
    """What np.savez_compressed writes, with a fixed date in place of the clock's."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, values in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(values), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, member.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return content.getvalue()


if __name__ == "__main__":
    main()
