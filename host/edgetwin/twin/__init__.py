"""The digital twin: reconstructs what the board saw, and proves that the board computed it."""

from edgetwin.twin.reconstruct import Reconstruction, Twin
from edgetwin.twin.validate import Comparison, compare
from edgetwin.twin.validate_model import ModelComparison, compare_model

__all__ = ["Comparison", "ModelComparison", "Reconstruction", "Twin", "compare", "compare_model"]
