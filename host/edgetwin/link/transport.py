"""Byte streams to a node: TCP by the standard library, everything else by pySerial."""

from __future__ import annotations

import ipaddress
import select
import socket
import time
from typing import Protocol
from urllib.parse import urlsplit

import serial

from edgetwin.link.errors import LinkError, NoAnswer, Unplugged

_CHUNK = 65536
_WRITE_TIMEOUT = 10.0
_POLL = 0.05


class Transport(Protocol):
    """A byte stream. Every method raises `Unplugged` when the peer is gone."""

    url: str

    def read(self, timeout: float) -> bytes:
        """What is there, as soon as something is; b"" if nothing came within `timeout` seconds."""

    def write(self, data: bytes) -> None:
        """Sends all bytes; `NoAnswer` if the peer takes none for long."""

    def close(self) -> None:
        """Closes the stream; may be called twice."""


def open_transport(url: str, timeout: float = 3.0, baudrate: int = 115200) -> Transport:
    """Opens a stream by a pySerial URL: socket://host:port, /dev/ttyACM0, COM3, rfc2217://host:port.

    Parameters
    ----------
    timeout : seconds that a TCP connection may take to be made.
    baudrate : of a serial port.

    Raises
    ------
    LinkError : the URL is malformed.
    Unplugged : nobody listens there, or the port is missing, in use, or not allowed to the user.
    """
    if _scheme(url) == "socket":
        return _SocketTransport(url, timeout)
    return _SerialTransport(url, baudrate)


def is_remote(url: str) -> bool:
    """Whether the URL names TCP beyond this machine: a host that is neither `localhost` nor a loopback address."""
    if _scheme(url) not in ("socket", "rfc2217"):
        return False
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return False
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        return True


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError as reason:
        raise LinkError(f"{url} is not a URL: {reason}") from reason


class _SocketTransport:
    def __init__(self, url: str, timeout: float) -> None:
        self.url = url
        host, port = _address(url)
        try:
            self._socket = socket.create_connection((host, port), timeout)
        except OSError as reason:
            raise _cannot_open(url, reason) from reason
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(_WRITE_TIMEOUT)

    def read(self, timeout: float) -> bytes:
        try:
            if not select.select([self._socket], [], [], max(0.0, timeout))[0]:
                return b""
            data = self._socket.recv(_CHUNK)
        except (OSError, ValueError) as reason:
            raise _broken(self.url, reason) from reason
        if not data:
            raise _broken(self.url, "closed by the other side")
        return data

    def write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except TimeoutError as reason:
            raise NoAnswer(self.url, _WRITE_TIMEOUT) from reason
        except OSError as reason:
            raise _broken(self.url, reason) from reason

    def close(self) -> None:
        self._socket.close()


class _SerialTransport:
    def __init__(self, url: str, baudrate: int) -> None:
        self.url = url
        try:
            self._port = serial.serial_for_url(
                url, baudrate=baudrate, timeout=_POLL, write_timeout=_WRITE_TIMEOUT, exclusive=True
            )
        except (OSError, ValueError) as reason:
            raise _cannot_open(url, reason) from reason

    def read(self, timeout: float) -> bytes:
        # The port's own timeout stays as it is: to change it would set up the port anew at every call.
        deadline = time.monotonic() + timeout
        try:
            while True:
                waiting = self._port.in_waiting
                if waiting or time.monotonic() < deadline:
                    data = bytes(self._port.read(max(1, waiting)))
                    if data:
                        return data + bytes(self._port.read(self._port.in_waiting))
                if time.monotonic() >= deadline:
                    return b""
        except (OSError, TypeError, ValueError) as reason:
            raise _broken(self.url, reason) from reason

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except serial.SerialTimeoutException as reason:
            raise NoAnswer(self.url, _WRITE_TIMEOUT) from reason
        except (OSError, TypeError, ValueError) as reason:
            raise _broken(self.url, reason) from reason

    def close(self) -> None:
        try:
            self._port.close()
        except OSError:
            return


def _address(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port:
        raise LinkError(f"{url} is not an address: write socket://host:port")
    return host, port


def _reason_text(reason: BaseException | str) -> str:
    text = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
    return " ".join(text.split())


def _cannot_open(url: str, reason: BaseException) -> Unplugged:
    return Unplugged(f"cannot open {url}: {_reason_text(reason)}; is the board plugged in, the port right and free?")


def _broken(url: str, reason: BaseException | str) -> Unplugged:
    return Unplugged(f"the connection to {url} broke: {_reason_text(reason)}; plug the board in again and retry")
