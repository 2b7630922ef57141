"""What goes to a board: bundles, and how they are made."""

from edgetwin.deploy.bundle import BundleError, DictionaryBundle, RecordingBundle

__all__ = ["BundleError", "DictionaryBundle", "RecordingBundle"]
