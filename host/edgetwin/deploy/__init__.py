"""What goes to a board: bundles, and how they are made."""

from edgetwin.deploy.bundle import BundleError, DictionaryBundle, RecordingBundle
from edgetwin.deploy.model import Model, ModelBundle

__all__ = ["BundleError", "DictionaryBundle", "Model", "ModelBundle", "RecordingBundle"]
