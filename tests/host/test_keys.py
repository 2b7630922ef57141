"""Where the pre-shared key comes from, and what is said when there is none."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edgetwin.link import BadKeyFile, load_key


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.delenv("EDGETWIN_KEY", raising=False)
    return tmp_path


def test_the_first_use_makes_a_key_that_stays(home: Path) -> None:
    key = load_key()
    path = home / ".config" / "edgetwin" / "key"
    assert len(key) == 32
    assert path.read_text() == key.hex() + "\n"
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_key() == key
    assert list(path.parent.iterdir()) == [path]


def private(path: Path, content: bytes) -> None:
    """A file that only its owner may read."""
    path.write_bytes(content)
    path.chmod(0o600)


def test_a_key_that_others_may_use_is_refused(home: Path) -> None:
    private(home / "shown", b"11" * 32)
    (home / "shown").chmod(0o640)
    with pytest.raises(BadKeyFile, match="chmod 600"):
        load_key(home / "shown")


def test_first_uses_at_the_same_time_agree(home: Path) -> None:
    keys: list[bytes] = []
    threads = [threading.Thread(target=lambda: keys.append(load_key())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(keys) == 8 and len(set(keys)) == 1


def test_a_given_file_comes_before_the_environment_and_that_before_the_default(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private(home / "given", b"11" * 32)
    private(home / "named", b"22" * 16 + b"\n")
    monkeypatch.setenv("EDGETWIN_KEY", str(home / "named"))
    assert load_key(home / "given") == b"\x11" * 32
    assert load_key() == b"\x22" * 16
    monkeypatch.setenv("EDGETWIN_KEY", "")
    assert len(load_key()) == 32


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"not hexadecimal", "not hexadecimal text"),
        ("é".encode() * 32, "not hexadecimal text"),
        (b"", "holds 0 bytes"),
        (b"11" * 15, "holds 15 bytes, a key has at least 16"),
    ],
)
def test_a_bad_file_is_named_with_what_to_do(home: Path, content: bytes, says: str) -> None:
    private(home / "bad", content)
    with pytest.raises(BadKeyFile, match=says) as error:
        load_key(home / "bad")
    assert str(home / "bad") in str(error.value)


def test_a_missing_file_is_not_made(home: Path) -> None:
    with pytest.raises(BadKeyFile, match="cannot read the key file"):
        load_key(home / "missing")
    assert not (home / "missing").exists()


def test_a_home_that_cannot_be_written_is_named(home: Path) -> None:
    (home / ".config").write_text("a file where a folder should be")
    with pytest.raises(BadKeyFile, match="cannot make the key file"):
        load_key()
