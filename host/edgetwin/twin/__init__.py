"""The digital twin: reconstructs what the board saw, and proves that the board computed it."""

from edgetwin.twin.reconstruct import Reconstruction, Twin
from edgetwin.twin.validate import Comparison, compare

__all__ = ["Comparison", "Reconstruction", "Twin", "compare"]
