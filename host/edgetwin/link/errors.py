"""What can go wrong on the link: each error is one line that says what to do."""

# ruff: noqa: N818 - the names say what happened, as in "except NoAnswer"

from __future__ import annotations

from edgetwin.errors import UserError
from edgetwin.link.status import status_text


class LinkError(UserError):
    """Any failure of the link between host and node."""


class Unplugged(LinkError):
    """The port cannot be opened, or the connection broke."""


class NoAnswer(LinkError):
    """The connection stands, but the node does not answer."""

    def __init__(self, url: str, seconds: float) -> None:
        super().__init__(
            f"no answer from {url} within {seconds:.3g} s: is the board powered, its firmware built by this version of "
            "edgetwin, the baud rate right, the port free?"
        )


class SessionLost(LinkError):
    """The node has forgotten the session: it was restarted, or another host said hello."""

    def __init__(self, url: str) -> None:
        super().__init__(f"the board at {url} has lost the session: it was restarted, or another host took it over")


class NotAuthenticated(LinkError):
    """One side asks for a key that the other does not have."""


class WrongKey(LinkError):
    """Host and node hold different keys."""

    def __init__(self, url: str) -> None:
        super().__init__(
            f"the key does not match the one of the board at {url}: give the key file that its firmware was built with"
        )


class BadKeyFile(LinkError):
    """A key file that cannot be read or holds no key."""


class Refused(LinkError):
    """The node answered a request with an error; `status` is its number (`Status`)."""

    def __init__(self, what: str, status: int, remedy: str | None = None) -> None:
        advice = f": {remedy}" if remedy else ""
        super().__init__(f"the board refused {what}: {status_text(status)} (status {status}){advice}")
        self.status = status


class DoesNotFit(LinkError):
    """A bundle needs more memory than the board has; both in bytes."""

    def __init__(self, memory: str, needed: int, at_hand: int) -> None:
        super().__init__(
            f"does not fit: needs {needed} bytes of {memory}, the board has {at_hand}: {needed - at_hand} too many"
        )
        self.needed = needed
        self.at_hand = at_hand


class ForeignCode(LinkError):
    """A code or result, or a board that came back, with another dictionary or model than the one expected."""

    def __init__(self, expected: int, found: int, what: str = "dictionary") -> None:
        held = f"{what} {found:08x}" if found else f"no {what}"
        super().__init__(f"the board works with {held} instead of {expected:08x}: upload the {what} again")
        self.expected = expected
        self.found = found
