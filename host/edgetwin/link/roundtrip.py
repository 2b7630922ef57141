"""How long to wait for an answer before asking again: the estimator of TCP (RFC 6298)."""

from __future__ import annotations

_MOST_DOUBLINGS = 3


class RoundTrip:
    """Smoothed round-trip time and its variation, in seconds.

    Parameters
    ----------
    initial : wait while nothing has been measured.
    least : the wait is never shorter, so that the jitter of an operating system or an emulator does not look like loss.
    """

    def __init__(self, initial: float = 0.25, least: float = 0.1) -> None:
        self._initial = initial
        self._least = least
        self._mean: float | None = None
        self._deviation = 0.0
        self._timeouts = 0

    def sample(self, seconds: float) -> None:
        """Takes a measurement; only of what was sent once, or it is not known which sending was answered (Karn)."""
        self._timeouts = 0
        if self._mean is None:
            self._mean, self._deviation = seconds, seconds / 2
        else:
            self._deviation += (abs(seconds - self._mean) - self._deviation) / 4
            self._mean += (seconds - self._mean) / 8

    def timed_out(self) -> None:
        """Notes that a wait was in vain: all are twice as long until the next measurement, should the peer be slow."""
        self._timeouts = min(self._timeouts + 1, _MOST_DOUBLINGS)

    def wait(self, resends: int = 0) -> float:
        """Seconds to wait after having sent `resends` + 1 times: twice as long each time, up to a limit."""
        base = self._initial if self._mean is None else max(self._least, self._mean + 4 * self._deviation)
        return base * float(2 ** min(max(resends, self._timeouts), _MOST_DOUBLINGS))
