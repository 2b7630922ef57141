"""`edgetwin bench rate`: the signals, what the peers need for them, and what is kept and said of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from edgetwin.bench.rate import BUDGETS, EXTRA_SETS, MAIN_SETS, Budget, Curves, RateData, load_file, load_set, measure
from edgetwin.bench.rate.curves import CODECS, Row, SetShape
from edgetwin.bench.rate.dct import dct_64, level_bits, token_probabilities, tokens_of
from edgetwin.bench.rate.dpcm import BLOCK, PARAMETERS, dpcm_rice, rice_bits
from edgetwin.bench.rate.ours import OURS
from edgetwin.bench.rate.peers import PEERS, Codec
from edgetwin.bench.rate.point import Point, reach
from edgetwin.bench.rate.tables import lines, recommendation_lines, tables
from edgetwin.bench.rate.verdicts import best_dictionary_gain, recommended, verdicts
from edgetwin.cli import app
from edgetwin.data import DataError, load_telemetry
from edgetwin.errors import UserError

SHARED_DATA = Path(os.environ.get("EDGETWIN_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
PEER = {codec.name: codec for codec in PEERS}
EVERYTHING = Budget(train=2**40, test=2**40, run=2**40)


def silent(title, steps):
    return lambda: None


@pytest.fixture
def no_folder(monkeypatch):
    monkeypatch.delenv("EDGETWIN_DATA", raising=False)


@pytest.fixture(scope="module")
def servers():
    """Metrics of a server in the package."""
    return load_set("asd", BUDGETS["smoke"])


@pytest.fixture(scope="module")
def noise():
    """White Gaussian noise, whose rate-distortion function is known: log2(1 / NRMSE) bits a sample."""
    random = np.random.default_rng(0)
    train, test = (random.standard_normal((count, 64)).astype(np.float32) for count in (8192, 1024))
    return RateData("noise", train, test, run=8)


@pytest.fixture
def all_peers():
    for package in ("pysz", "zfpy", "zstandard"):
        pytest.importorskip(package, reason="peers need edgetwin[bench]")


# Signals


@pytest.mark.parametrize(("channels", "run"), [(1, 1), (1, 4), (3, 1), (3, 4)])
def test_windows_of_a_run_are_one_series_of_each_channel(channels, run):
    rows = np.arange(8 * 5 * channels, dtype=np.float32).reshape(-1, channels)  # 8 windows of 5 rows
    data = RateData("rows", rows.reshape(8, -1), rows.reshape(8, -1), channels, run)
    series = data.series(data.test)
    assert series.shape == (8 // run * channels, 5 * run)
    for index, one in enumerate(series):
        start = index // channels * 5 * run
        np.testing.assert_array_equal(one, rows[start : start + 5 * run, index % channels])
    np.testing.assert_array_equal(data.windows(series), data.test)
    np.testing.assert_array_equal(data.windows(data.series(data.test, 1)), data.test)


def test_metrics_are_scaled_by_their_training_part_and_cut_into_windows_in_time(no_folder):
    data, server = load_set("asd", EVERYTHING), load_telemetry("asd", "omi-1")
    metrics = data.series(data.test)
    scaled = (server.test - server.train.mean(axis=0)) / server.train.std(axis=0)
    assert data.run == 4320 // 64
    np.testing.assert_allclose(metrics, scaled.T[:, : data.run * 64], rtol=1e-3, atol=1e-4)


def write_metrics(folder, train, test):
    (folder / "smd_server_machine").mkdir()
    path = folder / "smd_server_machine" / "machine-1-7.npz"
    np.savez(path, x_train=train, x_test=test, y_test=np.zeros(len(test)))


def test_metrics_that_training_says_nothing_of_are_left_out(tmp_path):
    train, test = np.random.default_rng(0).random((2, 4000, 4)).astype(np.float32)
    train[:, 1] = 0.5  # constant
    test[100, 2] = 3  # runs away
    write_metrics(tmp_path, train, test)
    data = load_set("smd", EVERYTHING, tmp_path)
    train, test = train[:, [0, 3]], test[: 62 * 64, [0, 3]]
    expected = (test - train.mean(axis=0)) / train.std(axis=0)
    np.testing.assert_allclose(data.series(data.test), expected.T, atol=1e-4)


def test_a_set_of_constants_is_refused(tmp_path):
    write_metrics(tmp_path, np.ones((4000, 2)), np.ones((4000, 2)))
    with pytest.raises(DataError, match="constant in training"):
        load_set("smd", EVERYTHING, tmp_path)


@pytest.mark.parametrize("name", [*MAIN_SETS, *EXTRA_SETS])
def test_every_set_has_whole_runs_within_the_budget(name):
    budget = BUDGETS["smoke"]
    try:
        data = load_set(name, budget, SHARED_DATA)
    except DataError as error:
        pytest.skip(str(error))
    for part, limit in ((data.train, budget.train), (data.test, budget.test)):
        assert part.dtype == np.float32
        assert len(part) % data.run == 0
        assert 0 < part.size <= limit
    assert data.run * data.m <= max(budget.run, data.m)
    assert np.isfinite(data.test).all()
    assert 0.5 < data.train.std() < 2
    assert abs(data.train.mean()) < 0.2


def test_clips_are_spread_over_the_whole_set():
    if not (SHARED_DATA / "ucr_forda").is_dir():
        pytest.skip(f"FordA is not in {SHARED_DATA} (set EDGETWIN_DATA)")
    few, all_clips = load_set("forda", BUDGETS["smoke"], SHARED_DATA), load_set("forda", EVERYTHING, SHARED_DATA)
    clips, whole = few.series(few.test), all_clips.series(all_clips.test)
    assert whole.shape == (1320, 500)
    np.testing.assert_array_equal(clips[0], whole[0])
    np.testing.assert_array_equal(clips[-1], whole[-1])


def test_ucr_tables_are_read_as_the_archive_has_them(tmp_path):
    (tmp_path / "ucr_ecg5000").mkdir()
    random = np.random.default_rng(0)
    series = random.standard_normal((6, 140))
    for part in ("TRAIN", "TEST"):
        np.savetxt(
            tmp_path / "ucr_ecg5000" / f"ECG5000_{part}.tsv", np.column_stack([np.ones(6), series]), delimiter="\t"
        )
    data = load_set("ecg5000", EVERYTHING, tmp_path)
    np.testing.assert_allclose(data.test, (series - series.mean()) / series.std(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", ["ecg5000", "stork", "forda"])
def test_what_is_not_there_is_said(name, tmp_path, no_folder):
    with pytest.raises(DataError, match="EDGETWIN_DATA"):
        load_set(name, EVERYTHING)
    with pytest.raises(DataError, match=r"\.npz|\.tsv"):
        load_set(name, EVERYTHING, tmp_path)


def test_a_file_is_learned_from_in_its_first_half(tmp_path):
    rows = np.column_stack([np.sin(np.arange(3200) / 9), np.arange(3200) % 7])
    np.savetxt(tmp_path / "walk.csv", rows, delimiter=",", header="a,b", comments="")
    data = load_file(tmp_path / "walk.csv", EVERYTHING)
    assert (data.m, data.channels, data.run) == (64, 2, 50)  # 32 rows of two channels a window
    assert len(data.train) == len(data.test) == 50
    series = data.series(data.test)
    learned = rows[:1600]
    np.testing.assert_allclose(series.T, (rows[1600:] - learned.mean(axis=0)) / learned.std(axis=0), atol=1e-4)
    by_row = load_file(tmp_path / "walk.csv", EVERYTHING, rows_are_signals=True)
    assert (by_row.m, by_row.channels, by_row.run, len(by_row.test)) == (2, 1, 1, 1600)


@pytest.mark.parametrize(
    ("rows", "said"), [(np.ones(4000), "constant"), (np.arange(100.0), "too few"), (np.arange(10.0), "lower --window")]
)
def test_a_file_without_enough_in_it_is_refused(rows, said, tmp_path):
    np.save(tmp_path / "f.npy", rows)
    with pytest.raises(UserError, match=said):
        load_file(tmp_path / "f.npy", EVERYTHING)


# Peers


@pytest.mark.parametrize("peer", PEERS, ids=lambda codec: codec.name)
def test_every_peer_decodes_within_the_error_that_was_asked_for(peer, servers, all_peers):
    points = [peer.measure(servers, target) for target in (0.02, 0.2)]
    for point, target in zip(points, (0.02, 0.2), strict=True):
        assert point.nrmse <= target
        assert point.nrmse >= (0 if peer.fixed else 0.75 * target)
    assert points[0].bits_per_sample >= points[1].bits_per_sample


@pytest.mark.parametrize("peer", PEERS, ids=lambda codec: codec.name)
def test_no_peer_beats_the_rate_distortion_function(peer, noise, all_peers):
    for target in (0.05, 0.3):
        point = peer.measure(noise, target)
        assert point.bits_per_sample > np.log2(1 / max(point.nrmse, 1e-9)) * 0.998 or peer.fixed


def test_white_noise_takes_a_scalar_quantisers_bits_with_dct_64(noise):
    # Gish and Pierce 1968: log2(2πe / 12) / 2 = 0.2546 bits above the rate-distortion function.
    point = dct_64(noise, 0.05)
    assert point.bits_per_sample == pytest.approx(np.log2(1 / point.nrmse) + 0.2546, abs=0.03)


def test_differences_of_white_noise_cost_half_a_bit_more(noise):
    point = dpcm_rice(noise, 0.05)
    ideal = np.log2(1 / point.nrmse) + 0.2546 + 0.5
    # Rice codes are for Laplacian differences: about 0.05 bits for the shape, 4 / 64 for the parameter.
    assert ideal + 4 / 64 < point.bits_per_sample < ideal + 4 / 64 + 0.15


def test_sines_cost_dct_64_less_than_differences_and_those_less_than_noise(noise):
    time = np.arange(64 * 64)
    sines = np.stack([np.sin(time / period) for period in (7.1, 13.3, 29.9, 51.7)]).reshape(-1, 64)
    data = RateData("sines", sines.astype(np.float32), sines.astype(np.float32), run=64)
    assert dct_64(data, 0.05).bits_per_sample < dpcm_rice(data, 0.05).bits_per_sample
    assert dpcm_rice(data, 0.05).bits_per_sample < dpcm_rice(noise, 0.05).bits_per_sample


def test_lossless_and_half_precision_are_what_they_say(servers, all_peers):
    lossless = PEER["zstd"].measure(servers, 0.1)
    assert lossless.nrmse == 0
    assert lossless.bits_per_sample < 32
    assert PEER["float16"].measure(servers, 0.1).bits_per_sample == 16


@pytest.mark.parametrize("name", ["sz3-window", "zfp-window"])
def test_a_window_of_its_own_does_not_gain_from_its_neighbours(name, servers, all_peers):
    windows = servers.test[:40]
    once = RateData("once", servers.train, windows)
    often = RateData("often", servers.train, np.tile(windows, (5, 1)))
    bits = [PEER[name].measure(data, 0.1).bits_per_sample for data in (once, often)]
    assert bits[0] == pytest.approx(bits[1], rel=5e-3)


def test_one_stream_gains_from_what_repeats(servers, all_peers):
    often = RateData("often", servers.train, np.tile(servers.test[:40], (20, 1)))
    assert PEER["sz3"].measure(often, 0.1).bits_per_sample < PEER["sz3-window"].measure(often, 0.1).bits_per_sample


def rice_coded(residuals):
    """Bits of a series, as text, block by block; and what is read back from them."""
    text, back = "", []
    for start in range(0, len(residuals), BLOCK):
        codes = [2 * r if r >= 0 else -2 * r - 1 for r in residuals[start : start + BLOCK]]
        if not any(codes):
            text += "1111"
            continue
        blocks = [
            f"{k:04b}" + "".join("1" * (c >> k) + "0" + format(c & (2**k - 1), f"0{k}b")[:k] for c in codes)
            for k in PARAMETERS
        ]
        text += min(blocks, key=len)
    at = 0
    while len(back) < len(residuals):
        count = min(BLOCK, len(residuals) - len(back))
        k, at = int(text[at : at + 4], 2), at + 4
        if k == 15:
            back += [0] * count
            continue
        for _ in range(count):
            zero = text.index("0", at)
            code = (zero - at) << k | int(text[zero + 1 : zero + 1 + k] or "0", 2)
            at = zero + 1 + k
            back.append(-(code + 1) // 2 if code % 2 else code // 2)
    assert at == len(text)
    return text, back


def test_rice_bits_are_those_of_a_stream_that_can_be_read():
    random = np.random.default_rng(0)
    series = np.rint(random.laplace(size=(4, 150)) * np.array([[0.1], [1], [30], [3000]])).astype(np.int64)
    series[1, 64:128] = 0
    streams = [rice_coded(one.tolist()) for one in series]
    assert rice_bits(series) == sum(len(text) for text, _ in streams)
    assert [back for _, back in streams] == series.tolist()


def test_tokens_and_raw_bits_name_every_level():
    levels = np.arange(-5000, 5001)[:, None]
    tokens, raw_bits = tokens_of(levels)
    whole = levels[:, 0][np.abs(levels[:, 0]) < 4096]  # the octave from 4096 on is cut
    for token in np.unique(tokens[np.abs(levels[:, 0]) < 4096]):
        sharing = whole[tokens[np.abs(levels[:, 0]) < 4096, 0] == token]
        bits = raw_bits[tokens[:, 0] == token]
        assert np.all(2**bits == len(sharing))


def test_a_block_ends_after_its_last_level():
    tokens, raw_bits = tokens_of(np.array([[3, 0, -1, 0, 0], [0, 0, 0, 0, 0], [0, 0, 0, 0, 2]]))
    np.testing.assert_array_equal(tokens, [[4, 1, 2, 0, -1], [0, -1, -1, -1, -1], [1, 1, 1, 1, 3]])
    np.testing.assert_array_equal(raw_bits, [[1, 0, 1, 0, 0], [0] * 5, [0, 0, 0, 0, 1]])


def test_probabilities_are_of_a_code_for_every_token():
    random = np.random.default_rng(0)
    learned, coded = (np.rint(random.laplace(size=(300, 6)) * 3).astype(np.int64) for _ in range(2))
    probabilities = token_probabilities(tokens_of(learned)[0])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities > 0).all()
    tokens, raw_bits = tokens_of(coded)
    one_by_one = sum(
        -np.log2(probabilities[place, token]) + raw
        for row, raws in zip(tokens, raw_bits, strict=True)
        for place, (token, raw) in enumerate(zip(row, raws, strict=True))
        if token >= 0
    )
    assert level_bits(coded, learned) == pytest.approx(one_by_one)


def test_a_target_that_no_parameter_reaches_is_said(noise):
    with pytest.raises(UserError, match="out of a codec's reach"):
        reach(noise, 0.1, lambda step: (np.zeros_like(noise.test), 0.0), 1.0)


@pytest.mark.parametrize("start", [1e-6, 1.0, 1e6])
def test_the_search_finds_the_step_from_anywhere(start, noise):
    def trial(step):
        return (np.rint(noise.test / step) * step).astype(np.float32), 1 / step

    assert reach(noise, 0.1, trial, start).nrmse == pytest.approx(0.1, rel=0.006)


# Curves


def test_a_killed_run_goes_on_where_it_was(noise, tmp_path):
    measured = []

    def count(data, target):
        measured.append(target)
        if len(measured) == 3:
            raise KeyboardInterrupt
        return Point(1 / target, target)

    codec, path, targets = Codec("dct-64", "DCT-64", count, small=True), tmp_path / "rate.json", (0.1, 0.2, 0.3)
    curves = Curves()
    with pytest.raises(KeyboardInterrupt):
        measure(curves, noise, [codec], targets, track=silent, keep=lambda: curves.save(path))
    resumed = Curves.load(path)
    assert resumed == curves
    measure(resumed, noise, [codec], targets, track=silent, keep=lambda: resumed.save(path))
    assert measured == [0.1, 0.2, 0.3, 0.3]
    assert [row.target for row in resumed.rows] == [0.1, 0.2, 0.3]
    assert Curves.load(path) == resumed
    with pytest.raises(UserError, match="other data"):
        resumed.begin(RateData("noise", noise.train, noise.test[:512], run=8))


def test_a_codec_of_one_rate_is_measured_once(noise):
    measured = []
    codec = Codec("float16", "float16", lambda data, target: measured.append(target) or Point(16, 0), True, fixed=True)
    curves = Curves()
    measure(curves, noise, [codec], track=silent, keep=lambda: None)
    assert len(measured) == 1
    assert len(curves.rows) == 7
    assert {row.ratio_to_float32 for row in curves.rows} == {2}


def test_another_file_is_not_gone_on_with(tmp_path):
    for content in ("{", '{"rows": [1]}', '[{"set": "asd"}]'):
        (tmp_path / "rate.json").write_text(content)
        with pytest.raises(UserError, match="--output"):
            Curves.load(tmp_path / "rate.json")
    assert Curves.load(tmp_path / "none.json") == Curves()


@pytest.fixture
def known():
    """Curves of one set, made up: auto is level at 1 %, behind DCT-64 at 10 %, where SZ3 needs fewer bits too."""
    bits = {
        0.01: {"auto": 4.1, "sparse": 5.0, "dct": 4.0, "dpcm": 4.2, "dct-64": 4.5, "sz3": 6.0},
        0.1: {"auto": 1.2, "sparse": 0.5, "dct": 1.1, "dpcm": 2.0, "dct-64": 1.0, "sz3": 0.6},
    }
    rows = [
        Row("walk", codec, target, target, value, 32 / value, 33000 if codec == "sparse" else 0)
        for target, by_codec in bits.items()
        for codec, value in by_codec.items()
    ]
    return Curves({"walk": SetShape("0", 64, 1, 5, 1000, 500)}, rows)


def test_verdicts_compare_auto_with_what_fits_a_board(known):
    near, far = verdicts(known)
    assert (near.first, near.level) == ("dct", True)
    assert near.behind == pytest.approx(0.025)
    assert near.sz3_saves == pytest.approx(1 - 6 / 4.1)
    assert (far.first, far.level) == ("sparse", False)
    assert far.behind == pytest.approx(1.4)
    assert far.sz3_saves == pytest.approx(0.5)
    assert best_dictionary_gain(known.of("walk")) == (2.0, 0.1)
    assert {target: row.codec for target, row in recommended(known.of("walk")).items()} == {0.01: "dct", 0.1: "sparse"}
    kept = {key: row for key, row in known.of("walk").items() if key[0] in ("auto", "dpcm")}
    assert {target: row.codec for target, row in recommended(kept).items()} == {0.01: "dpcm", 0.1: "auto"}


def test_verdicts_are_told_in_words(known):
    (line,) = lines(known)
    assert "within 5% of first at 1 of 2 errors" in line
    assert "behind ours, dictionary by 140.0% at 10 %" in line
    assert "SZ3 over the whole series needs fewer bits than auto at 10 % (50%)" in line
    assert "DCT-64 needs 2.00 times the dictionary's bits at 10 %" in line
    near, far = recommendation_lines(known, "walk.csv")
    assert "learn walk.csv -o OUTPUT --codec dct --target-nrmse 0.01 " in near
    assert "--codec sparse --target-nrmse 0.1  # 0.500 bits a sample" in far
    assert "33,000 bytes" in far
    (table,) = tables(known)
    assert table.row_count == 6 + 2


def test_peers_alone_are_judged_without_ours(known):
    rows = [row for row in known.rows if row.codec in ("dct-64", "sz3")]
    peers = Curves(known.sets, rows)
    assert [(one.first, one.behind) for one in verdicts(peers)] == [("dct-64", None)] * 2
    assert lines(peers) == ["walk: SZ3 over the whole series needs fewer bits than the first at 10 % (40%)"]
    assert recommendation_lines(peers, "walk.csv") == []


def test_every_codec_has_a_name_of_its_own():
    assert len(CODECS) == len(OURS) + len(PEERS)
    assert {name for name, codec in CODECS.items() if not codec.small} == {"sz3", "sz3-window", "zfp", "zstd"}


# The command


@pytest.fixture
def two_peers(monkeypatch, all_peers):
    """Only the two codecs that take no time."""
    monkeypatch.setattr("edgetwin.bench.rate.codecs", lambda: (PEER["dpcm-rice"], PEER["float16"]))


def run(*arguments, **options):
    return CliRunner().invoke(app, ["bench", "rate", *map(str, arguments)], **options)


def test_the_command_writes_curves_a_picture_and_one_object(tmp_path, two_peers, no_folder):
    pytest.importorskip("matplotlib", reason="pictures need edgetwin[report]")
    output, picture = tmp_path / "rate.json", tmp_path / "rate.png"
    result = run("--budget", "smoke", "-o", output, "--picture", picture, "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    assert {row["codec"] for row in printed["rows"]} == {"dpcm-rice", "float16"}
    assert set(printed["not_run"]) == {"forda", "ecg5000", "smd", "stork"}
    assert [one["first"] for one in printed.pop("verdicts")] == ["dpcm-rice"] * 7
    assert printed == json.loads(output.read_text())
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_resumed_curves_are_not_measured_again(tmp_path, two_peers, no_folder, monkeypatch):
    arguments = ("--budget", "smoke", "--sets", "asd", "-o", tmp_path / "rate.json", "--json")
    first = run(*arguments)
    again = Codec("dpcm-rice", "DPCM + Rice", lambda data, target: pytest.fail("measured"), small=True)
    monkeypatch.setattr("edgetwin.bench.rate.codecs", lambda: (again,))
    resumed = run(*arguments, "--resume")
    assert resumed.exit_code == 0, resumed.output
    assert resumed.stdout == first.stdout
    other = run("--sets", "asd", "-o", tmp_path / "rate.json", "--resume")
    assert isinstance(other.exception, UserError)
    assert "--budget" in str(other.exception)


def test_a_file_is_measured_and_tables_are_printed(tmp_path, two_peers):
    np.save(tmp_path / "walk.npy", np.cumsum(np.random.default_rng(0).standard_normal(20000)))
    result = run(tmp_path / "walk.npy", "-o", tmp_path / "rate.json", env={"COLUMNS": "100"})
    assert result.exit_code == 0, result.output
    assert "walk.npy: bits a sample" in result.stdout
    assert "DPCM + Rice *" in result.stdout


def test_every_set_can_be_asked_for():
    said = run("--help", env={"COLUMNS": "200"}).stdout
    assert all(name in said for name in (*MAIN_SETS, *EXTRA_SETS))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sets", "forda"), "EDGETWIN_DATA"),
        (("f.csv", "--sets", "asd"), "not both"),
        (("--window", "64"), "of FILE"),
        (("nothing.csv",), "no such file"),
        (("--output", "."), "a folder"),
        (("--output", "/proc/nope/rate.json"), "cannot write"),
        (("--picture", "rate.gif"), "known kind of picture"),
    ],
)
def test_bad_input_is_said_before_anything_is_measured(arguments, said, tmp_path, two_peers, no_folder, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert isinstance(result.exception, UserError)
    assert said in str(result.exception)
    assert not result.stdout
