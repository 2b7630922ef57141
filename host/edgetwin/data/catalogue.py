"""Named public data sets, read from a folder of the user's: where each lies in it, and what it holds.

FOLDER is given, or $EDGETWIN_DATA:

    mnist/mnist.npz                         x_train (60000, 28, 28) uint8, y_train, x_test, y_test; as Keras keeps it
    cifar10/cifar10.npz                     the same, images (32, 32, 3); cifar10_subset/cifar10_subset.npz: fewer
    pneumoniamnist/pneumoniamnist.npz       the same, and x_val, y_val; images (28, 28)
    fashion_mnist/                          train- and t10k-, images-idx3-ubyte.gz and labels-idx1-ubyte.gz
    ucr_forda/forda.npz                     the same four arrays, x (N, 500), y in {0, 1}; ucr_ecg5000/ecg5000.npz alike
    ucr_forda/FordA_TRAIN.tsv, _TEST.tsv    instead of it: as the UCR archive has it, label -1 or 1 first
    asd_application_server/asd.npz          x_train_NN, x_test_NN (rows, 19), y_test_NN; omi-1 is NN = 01
    smd_server_machine/machine-*.npz        x_train, x_test (rows, 38), y_test, one file a machine

Three ASD servers are in the package. MNIST, Fashion-MNIST and CIFAR-10 are downloaded by Keras where they are in no
folder; Fashion-MNIST is read from Debian's package dataset-fashion-mnist too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgetwin.data.bundled import ASD_SERVERS, load_asd
from edgetwin.data.labelled import LabelledSignals, load_labelled
from edgetwin.data.samples import DataError
from edgetwin.data.stored import absent, data_folder, read_arrays

__all__ = ["LabelledSignals", "LabelledTelemetry", "load_labelled", "load_telemetry", "telemetry_servers"]

Float32Array = npt.NDArray[np.float32]

ASD, SMD = "asd", "smd"
_ASD_FILE = Path("asd_application_server", "asd.npz")
_SMD_FOLDER = Path("smd_server_machine")

# Rows [first, last] of the bundled servers' test part that the authors of ASD label as anomalous (InterFusion's
# interpretation_label files).
_ASD_ANOMALIES = {
    "omi-1": ((760, 765), (1064, 1298), (2758, 2772), (2874, 2885), (3012, 3025), (3160, 3305), (3626, 3638)),
    "omi-6": (
        *((357, 392), (750, 788), (1278, 1293), (1590, 1615), (2592, 2604), (2734, 2765)),
        *((3066, 3072), (3596, 3605), (3610, 3622), (4159, 4164)),
    ),
    "omi-7": ((738, 778), (1625, 1660), (3311, 3320)),
}


@dataclass(frozen=True, eq=False)
class LabelledTelemetry:
    """A server's metrics over time, scaled to 0..1 by the authors; the training part is taken for normal.

    train, test : (rows, channels) float32
    anomalous : (test rows,) bool
    """

    name: str
    train: Float32Array
    test: Float32Array
    anomalous: npt.NDArray[np.bool_]


def telemetry_servers(collection: str, folder: Path | None = None) -> tuple[str, ...]:
    """Names of the servers of "asd" (the bundled ones at least) or "smd" that can be loaded.

    Raises DataError where there is none.
    """
    root = data_folder(folder)
    if collection == ASD:
        if root is None or not (root / _ASD_FILE).exists():
            return ASD_SERVERS
        numbers = sorted(int(key[-2:]) for key in read_arrays(root / _ASD_FILE) if re.fullmatch(r"y_test_\d\d", key))
        return tuple(f"omi-{number}" for number in numbers)
    if collection == SMD:
        machines = [] if root is None else sorted(file.stem for file in (root / _SMD_FOLDER).glob("machine-*.npz"))
        if not machines:
            raise absent("the Server Machine Dataset (SMD)", root, f"{_SMD_FOLDER}/machine-1-7.npz and others")
        return tuple(machines)
    raise DataError(f"no collection {collection!r} of servers; there are {ASD} and {SMD}")


def load_telemetry(collection: str, server: str, folder: Path | None = None) -> LabelledTelemetry:
    """A server of :func:`telemetry_servers`. Raises DataError for another one."""
    known = telemetry_servers(collection, folder)
    if server not in known:
        raise DataError(f"no server {server!r} in {collection}; there are {', '.join(known)}")
    root = data_folder(folder)
    if collection == SMD:
        assert root is not None  # else no server is known
        return _telemetry(server, root / _SMD_FOLDER / f"{server}.npz", "")
    if root is not None and (root / _ASD_FILE).exists():
        return _telemetry(server, root / _ASD_FILE, f"_{int(server.removeprefix('omi-')):02d}")
    bundled = load_asd(server)
    anomalous = np.zeros(len(bundled.test), dtype=np.bool_)
    for first, last in _ASD_ANOMALIES[server]:
        anomalous[first : last + 1] = True
    return LabelledTelemetry(server, bundled.train, bundled.test, anomalous)


def _telemetry(server: str, file: Path, suffix: str) -> LabelledTelemetry:
    keys = [f"x_train{suffix}", f"x_test{suffix}", f"y_test{suffix}"]
    train, test, labels = read_arrays(file, *keys).values()
    matching = train.ndim == test.ndim == 2 and train.shape[1:] == test.shape[1:] and labels.shape == test.shape[:1]
    if not matching or not (np.isfinite(train).all() and np.isfinite(test).all()):
        raise DataError(f"{file}: {', '.join(keys)} do not fit each other, or hold values that are not finite")
    return LabelledTelemetry(server, train.astype(np.float32), test.astype(np.float32), labels.astype(np.bool_))
