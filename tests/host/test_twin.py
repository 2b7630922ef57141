"""The twin: reconstruction, error and proof against formulas written out here."""

from __future__ import annotations

import numpy as np
import pytest

from edgetwin.deploy import DictionaryBundle
from edgetwin.signals import ChannelScaling
from edgetwin.twin import Twin, compare_codes
from edgetwin.twin.reconstruct import nrmse
from edgetwin.twin.report import write_report
from edgetwin.twin.validate import differing_bits


@pytest.fixture(scope="module")
def bundle():
    rng = np.random.default_rng(0)
    atoms = rng.standard_normal((40, 24)).astype(np.float32)
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    scaling = ChannelScaling(np.float32([20, 1013, -5]), np.float32([0.5, 0.01, 2]))
    return DictionaryBundle.from_components(
        atoms, s=5, atom_type="float32", scaling=scaling, coefficient_bits=32, metadata={}
    )


def test_a_signal_made_of_few_atoms_comes_back_in_the_sensors_units(bundle):
    rng = np.random.default_rng(1)
    codes = np.zeros((50, 40), np.float32)
    for row in codes:
        row[rng.choice(40, 3, replace=False)] = rng.uniform(1, 3, 3)
    offsets, gains = np.tile(bundle.offsets, 8), np.tile(bundle.gains, 8)
    raw = (codes @ bundle.dequantised()) / gains + offsets
    twin = Twin(bundle)
    made = twin.reconstruct(twin.encode(raw.astype(np.float32)))
    np.testing.assert_allclose(made.signals, raw, atol=2e-3)  # float32 around 1013
    assert made.triplet_bytes == 12 * made.atoms


def test_codes_that_are_missing_or_broken_are_rows_of_nan(bundle):
    twin = Twin(bundle)
    signals = np.random.default_rng(2).standard_normal((4, 24)).astype(np.float32) + 20
    codes = twin.encode(signals)
    codes[1], codes[2] = None, codes[2][:-1]
    made = twin.reconstruct(codes).signals
    assert np.isnan(made[[1, 2]]).all()
    assert np.isfinite(made[[0, 3]]).all()


def test_a_signal_with_nan_has_no_code(bundle):
    signals = np.full((2, 24), 20, np.float32)
    signals[0, 5] = np.nan
    codes = Twin(bundle).encode(signals)
    assert codes[0] is None
    assert codes[1]


def test_nrmse_is_the_textbook_formula():
    y = np.float32([[1, 10], [3, 30]])
    z = np.float32([[1, 10], [2, 30]])
    assert nrmse(y, y, 2) == 0
    assert nrmse(y, np.float32([[2, 20], [2, 20]]), 2) == pytest.approx(1)
    assert nrmse(y, z, 2) == pytest.approx(1 / np.sqrt(1 + 1 + 100 + 100))
    assert nrmse(np.ones((2, 2), np.float32), np.ones((2, 2), np.float32), 2) == 0
    assert nrmse(np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32), 2) == np.inf
    z[0, 0] = np.nan
    assert nrmse(y, z, 2) == np.inf, "one row is left: it has no spread, and is not reproduced"


def test_differing_bits_count_each_bit_and_every_bit_of_what_is_longer():
    assert differing_bits(b"\x0f\x01", b"\x0f\x01") == 0
    assert differing_bits(b"\x0f\x01", b"\x0e\x03") == 2
    assert differing_bits(b"\x0f", b"\x0f\x00") == 8


def test_a_comparison_names_the_first_difference_and_the_missing():
    comparison = compare_codes([b"a", None, b"c", None], [b"a", None, b"b", b"d"], [False, False, False, True])
    assert (comparison.differing_bits, comparison.missing, comparison.first) == (1, 1, 2)
    assert not comparison.exact
    assert compare_codes([b"a", None], [b"a", None]).exact
    with pytest.raises(ValueError, match="2 codes"):
        compare_codes([b"a", b"b"], [b"a"])


def test_the_report_is_one_page_without_links_to_elsewhere(tmp_path):
    rng = np.random.default_rng(3)
    raw = rng.standard_normal((30, 8)).astype(np.float32)
    made = raw + np.float32(0.1)
    made[4] = np.nan
    write_report(tmp_path / "new" / "r.html", "A <title>", "text", {"bits": "0"}, raw, made, ["a", "b & c"])
    page = (tmp_path / "new" / "r.html").read_text()
    assert "A &lt;title&gt;" in page
    assert page.count("<svg") == 2
    assert "<script" not in page
    assert 'src="' not in page
