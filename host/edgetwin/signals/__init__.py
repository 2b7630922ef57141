"""What happens to samples before they are encoded: windows and scaling."""

from edgetwin.signals.scaling import ChannelScaling
from edgetwin.signals.windows import from_windows, to_windows

__all__ = ["ChannelScaling", "from_windows", "to_windows"]
