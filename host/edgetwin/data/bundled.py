"""Data that come with the package: telemetry of three servers of the Application Server Dataset (ASD).

19 metrics every 5 minutes, 30 days to learn from and 15 days held out, scaled to 0..1 by the authors: Z. Li et al.,
"Multivariate Time Series Anomaly Detection and Interpretation using Hierarchical Inter-Metric and Temporal Embedding"
(InterFusion), KDD 2021. MIT licence, in asd_LICENSE.txt. Made by tools/data/make_bundled_asd.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from edgetwin.data.samples import DataError

__all__ = ["ASD_SERVERS", "AsdServer", "load_asd"]

#: Servers in the package, by the names of the data set.
ASD_SERVERS = ("omi-1", "omi-6", "omi-7")


@dataclass(frozen=True, eq=False)
class AsdServer:
    """One server.

    train : (8640, 19) float32, 30 days in rows of 5 minutes
    test : (4320, 19) float32, the 15 days after
    names : metric_1 to metric_19; the data set does not say what they measure
    """

    train: npt.NDArray[np.float32]
    test: npt.NDArray[np.float32]
    names: tuple[str, ...]


def load_asd(server: str = ASD_SERVERS[0]) -> AsdServer:
    """A bundled server by its name in the data set. Raises DataError for one that is not in the package."""
    if server not in ASD_SERVERS:
        raise DataError(f"no bundled server {server!r}; there are {', '.join(ASD_SERVERS)}")
    with files("edgetwin.data").joinpath("asd.npz").open("rb") as file, np.load(file, allow_pickle=False) as archive:
        # Stored channel by channel, which compresses better.
        train, test = (np.ascontiguousarray(archive[f"{server}/{part}"].T) for part in ("train", "test"))
    return AsdServer(train, test, tuple(f"metric_{i}" for i in range(1, train.shape[1] + 1)))
