"""The link between host and node: frames, transports, sessions (`device/PROTOCOL.md`)."""

from edgetwin.link.errors import (
    BadKeyFile,
    DoesNotFit,
    ForeignCode,
    LinkError,
    NoAnswer,
    NotAuthenticated,
    Refused,
    SessionLost,
    Unplugged,
    WrongKey,
)
from edgetwin.link.keys import load_key
from edgetwin.link.messages import MOST_BATCH, CodeFrame, NodeInfo, NodeStats
from edgetwin.link.session import DEFAULT_BATCH, Session
from edgetwin.link.status import Status, status_text
from edgetwin.link.transport import Transport, is_remote, open_transport

__all__ = [
    "DEFAULT_BATCH",
    "MOST_BATCH",
    "BadKeyFile",
    "CodeFrame",
    "DoesNotFit",
    "ForeignCode",
    "LinkError",
    "NoAnswer",
    "NodeInfo",
    "NodeStats",
    "NotAuthenticated",
    "Refused",
    "Session",
    "SessionLost",
    "Status",
    "Transport",
    "Unplugged",
    "WrongKey",
    "is_remote",
    "load_key",
    "open_transport",
    "status_text",
]
