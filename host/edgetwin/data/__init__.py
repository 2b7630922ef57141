"""Data sets: the user's files, and the ones in the package."""

from edgetwin.data.bundled import ASD_SERVERS, AsdServer, load_asd
from edgetwin.data.catalogue import (
    LabelledSignals,
    LabelledTelemetry,
    load_labelled,
    load_telemetry,
    telemetry_servers,
)
from edgetwin.data.readers import read_samples
from edgetwin.data.samples import DataError, Samples

__all__ = [
    "ASD_SERVERS",
    "AsdServer",
    "DataError",
    "LabelledSignals",
    "LabelledTelemetry",
    "Samples",
    "load_asd",
    "load_labelled",
    "load_telemetry",
    "read_samples",
    "telemetry_servers",
]
