"""Data sets: the user's files, and the ones in the package."""

from edgetwin.data.bundled import ASD_SERVERS, AsdServer, load_asd
from edgetwin.data.readers import read_samples
from edgetwin.data.samples import DataError, Samples

__all__ = ["ASD_SERVERS", "AsdServer", "DataError", "Samples", "load_asd", "read_samples"]
