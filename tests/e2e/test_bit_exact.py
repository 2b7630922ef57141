"""Promise 2: what a board computes equals, bit for bit, what the host computes. 1,000 windows of each data set."""

from __future__ import annotations

import numpy as np
import pytest

from edgetwin import boards
from edgetwin.data import Samples, load_asd
from edgetwin.deploy import DictionaryBundle
from edgetwin.deploy.learning import LearningPlan, learn_bundle, signals_for
from edgetwin.link import Session, load_key
from edgetwin.signals import ChannelScaling
from edgetwin.twin import Twin, compare
from edgetwin.twin.collect import collect

WINDOWS = 1000
BOARDS = ("native", "netduinoplus2", "mps2-an386")
TYPES = ("float32", "int16", "int8")


def learned(samples, window):
    """A float32 dictionary of the samples, and their first 1,000 windows."""
    plan = LearningPlan(window=window, n_components=192, n_nonzero_coefs=8, atom_type="float32", max_iter=2)
    bundle = learn_bundle(samples, plan).bundle
    signals = signals_for(samples, bundle)[:WINDOWS]
    assert len(signals) == WINDOWS
    return bundle, signals


@pytest.fixture(scope="session")
def asd():
    server = load_asd()
    return learned(Samples(np.concatenate([server.train, server.test]), server.names), 4)


@pytest.fixture(scope="session")
def engine_noise(forda):
    """FordA in windows of 125 samples: an odd m, so that every kernel's tail runs."""
    return learned(Samples(forda[:300].reshape(-1, 1), ("engine",)), 125)


def stored_as(bundle, atom_type):
    """The same atoms in another storage type."""
    return DictionaryBundle.from_components(
        bundle.dequantised(),
        s=bundle.s,
        atom_type=atom_type,
        scaling=ChannelScaling(bundle.offsets, bundle.gains),
        coefficient_bits=32,  # every bit of every coefficient: fewer would hide a last digit
    )


def validate_on(board, bundle, signals, folder):
    """Boots the board with the dictionary (uploaded, or linked in where a slot is too small) and compares all codes."""
    firmware = boards.build(board, folder / board.name, key=load_key(None))
    with boards.run(board, firmware) as node, Session(node.url, load_key(None)) as session:
        slot = session.info.slot_bytes
    if len(bundle.to_bytes()) > slot:
        bundle.save(folder / "linked.etd")
        firmware = boards.build(
            board, folder / f"{board.name}-linked", key=load_key(None), dictionary=folder / "linked.etd"
        )
    with boards.run(board, firmware) as node, Session(node.url, load_key(None)) as session:
        session.upload(bundle.to_bytes())
        received = collect(session.encode(signals))
    return compare(received, Twin(bundle).core, signals)


@pytest.mark.parametrize("atom_type", TYPES)
@pytest.mark.parametrize("name", BOARDS)
@pytest.mark.parametrize("data", ["asd", "engine_noise"])
def test_no_bit_differs_between_board_and_host(data, name, atom_type, request, need_board, tmp_path):
    board = need_board(name)
    bundle, signals = request.getfixturevalue(data)
    comparison = validate_on(board, stored_as(bundle, atom_type), signals, tmp_path)
    assert comparison.signals == WINDOWS
    assert comparison.exact, comparison


@pytest.mark.parametrize("atom_type", TYPES)
def test_no_bit_differs_on_a_board_without_fpu(atom_type, need_board, tmp_path):
    board = need_board("microbit")
    server = load_asd()
    samples = Samples(server.train[:4000], server.names)
    plan = LearningPlan(window=1, n_components=64, n_nonzero_coefs=4, atom_type="float32", max_iter=2)
    bundle = learn_bundle(samples, plan).bundle
    signals = signals_for(samples, bundle)[:200]
    comparison = validate_on(board, stored_as(bundle, atom_type), signals, tmp_path)
    assert comparison.exact, comparison
