"""Byte streams over TCP and terminals: what is there is read at once, and a lost peer is named."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from edgetwin.link import LinkError, Unplugged, is_remote, open_transport


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def url_of(listener: socket.socket) -> str:
    return f"socket://127.0.0.1:{listener.getsockname()[1]}"


def test_tcp_carries_bytes_both_ways(listener: socket.socket) -> None:
    transport = open_transport(url_of(listener))
    peer, _ = listener.accept()
    transport.write(b"hello")
    assert peer.recv(100) == b"hello"
    peer.sendall(b"\0world")
    assert transport.read(1.0) == b"\0world"
    transport.close()
    transport.close()
    peer.close()


def test_reading_returns_at_once_when_bytes_are_there_and_empty_after_the_time(listener: socket.socket) -> None:
    transport = open_transport(url_of(listener))
    peer, _ = listener.accept()
    assert transport.read(0.0) == b""
    assert transport.read(0.02) == b""
    later = threading.Timer(0.05, peer.sendall, [b"x"])
    later.start()
    started = time.monotonic()
    assert transport.read(10.0) == b"x"
    assert time.monotonic() - started < 5
    transport.close()
    peer.close()


def test_a_peer_that_closes_is_named(listener: socket.socket) -> None:
    transport = open_transport(url_of(listener))
    listener.accept()[0].close()
    with pytest.raises(Unplugged, match="closed by the other side"):
        transport.read(1.0)
    transport.close()
    with pytest.raises(Unplugged, match="broke"):
        transport.write(b"x")


def test_a_closed_port_is_named(listener: socket.socket) -> None:
    url = url_of(listener)
    listener.close()
    with pytest.raises(Unplugged, match=r"cannot open socket://.*refused"):
        open_transport(url)


@pytest.mark.parametrize("url", ["socket://", "socket://host", "socket://host:port", "socket://:5", "socket://h:99999"])
def test_malformed_addresses_say_how_to_write_them(url: str) -> None:
    with pytest.raises(LinkError, match="write socket://host:port"):
        open_transport(url)


def test_a_missing_serial_port_is_named() -> None:
    with pytest.raises(Unplugged, match="cannot open /dev/ttyMISSING0"):
        open_transport("/dev/ttyMISSING0")


def test_an_unknown_scheme_is_named() -> None:
    with pytest.raises(Unplugged, match="cannot open warp://9"):
        open_transport("warp://9")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals on this system")
def test_a_terminal_carries_all_bytes_and_its_loss_is_named() -> None:
    master, slave = os.openpty()
    transport = open_transport(os.ttyname(slave))
    os.close(slave)
    every_byte = bytes(range(256))
    transport.write(every_byte)
    assert os.read(master, 1000) == every_byte
    os.write(master, every_byte)
    received = b""
    while len(received) < 256:
        received += transport.read(1.0)
    assert received == every_byte
    assert transport.read(0.0) == b""
    os.close(master)
    with pytest.raises(Unplugged, match="broke"):
        transport.read(1.0)
    transport.close()


@pytest.mark.parametrize(
    ("url", "remote"),
    [
        ("socket://127.0.0.1:5555", False),
        ("socket://127.9.9.9:5555", False),
        ("socket://localhost:5555", False),
        ("socket://[::1]:5555", False),
        ("socket://192.168.1.4:5555", True),
        ("socket://0.0.0.0:5555", True),
        ("socket://localhost.example.org:5555", True),
        ("socket://127.0.0.1.example.org:5555", True),
        ("SOCKET://gateway:5555", True),
        ("rfc2217://gateway:5555", True),
        ("rfc2217://127.0.0.1:5555", False),
        ("/dev/ttyACM0", False),
        ("COM3", False),
    ],
)
def test_remote_is_tcp_beyond_loopback(url: str, remote: bool) -> None:
    assert is_remote(url) is remote
