"""edgetwin: sparse codes and small networks on IoT boards, with their digital twin on the host."""

from edgetwin.core import VERSION

__all__ = ["__version__"]

__version__ = VERSION
