"""edgetwin: sparse codes and small networks on IoT boards, with their digital twin on the host."""

from edgetwin.core import VERSION as __version__

__all__ = ["__version__"]
