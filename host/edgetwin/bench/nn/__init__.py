"""Instructions and bytes that layers and whole networks take on emulated boards (``edgetwin bench nn``)."""
