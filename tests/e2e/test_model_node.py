"""Models on nodes: uploaded, invoked and streamed over the link, with TensorFlow Lite Micro as the oracle."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite_micro", reason="the oracle needs edgetwin[dev]")

import operator_cases
from fault_proxy import FaultProxy, Faults
from tflite_models import ModelBuilder, Tflm

from edgetwin import boards
from edgetwin.boards import Board, BuildError, Firmware, RunningNode
from edgetwin.deploy import DictionaryBundle, Model, ModelBundle, RecordingBundle
from edgetwin.deploy.compiler.compile import compile_model
from edgetwin.link import DoesNotFit, LinkError, Refused, Session, load_key
from edgetwin.link.frame import FrameType
from edgetwin.link.status import Status
from edgetwin.signals import ChannelScaling
from edgetwin.twin import Twin, compare, compare_model
from edgetwin.twin.collect import collect
from edgetwin.twin.inputs import load_inputs
from edgetwin.twin.results import results_of

EMULATED = [name for name, board in boards.boards().items() if board.emulator]
EDGETWIN = [sys.executable, "-c", "from edgetwin.cli import main; main()"]
SCALE, ZERO_POINT = 0.5, -3


def network(side: int, classes: int = 5, last: int = 0) -> bytes:
    """A small convolutional network with a skip connection, as a .tflite; `last` seeds the last layer's weights."""
    random = np.random.default_rng(0)
    model = ModelBuilder()
    half, channels = (side + 1) // 2, 4
    x = model.tensor((1, side, side, 3), scale=SCALE, zero_point=ZERO_POINT)
    convolved = model.tensor((1, half, half, channels), scale=1.5, zero_point=7)
    again, total = (model.tensor((1, half, half, channels), scale=s, zero_point=3) for s in (2.0, 2.5))

    def weights(*shape: int) -> list[int]:
        scales = [0.02] * shape[0]
        biases = random.integers(-500, 500, shape[0])
        return [
            model.tensor(shape, scale=scales, data=random.integers(-127, 128, shape)),
            model.tensor((shape[0],), "int32", scale=[0.01] * shape[0], data=biases),
        ]

    model.operator("CONV_2D", [x, *weights(channels, 3, 3, 3)], [convolved], padding="SAME", stride_w=2, stride_h=2)
    model.operator("CONV_2D", [convolved, *weights(channels, 3, 3, channels)], [again], padding="SAME")
    model.operator("ADD", [convolved, again], [total], fused_activation_function="RELU")
    random = np.random.default_rng(last)
    scores = model.tensor((1, classes), scale=4.0, zero_point=-2)
    model.operator("FULLY_CONNECTED", [total, *weights(classes, half * half * channels)], [scores])
    return model.build([x], [scores])


def rows_of(bundle: ModelBundle, count: int) -> np.ndarray:
    shape = (count, *bundle.inputs[0].shape)
    return np.random.default_rng(1).integers(-128, 128, shape).astype(np.int8)


def expected(tflite: bytes, rows: np.ndarray) -> np.ndarray:
    oracle = Tflm(tflite)
    return np.stack([oracle.invoke([row])[0] for row in rows])


def dictionary() -> DictionaryBundle:
    atoms = np.random.default_rng(0).standard_normal((16, 8))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    return DictionaryBundle.from_components(
        atoms, s=2, atom_type="int8", scaling=ChannelScaling(np.float32([0]), np.float32([1]))
    )


@pytest.fixture(scope="module")
def tflite() -> bytes:
    return network(8)


@pytest.fixture(scope="module")
def bundle(tflite: bytes) -> ModelBundle:
    return ModelBundle.from_bytes(compile_model(tflite))


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    return boards.build("native", tmp_path_factory.mktemp("node"), key=load_key(None))


@pytest.fixture
def start(firmware: Firmware) -> Iterator[Callable[..., RunningNode]]:
    """Starts a native node; all of them end with the test."""
    nodes: list[RunningNode] = []

    def start_node(firmware: Firmware = firmware, **options: object) -> RunningNode:
        nodes.append(boards.run("native", firmware, **options))
        return nodes[-1]

    yield start_node
    for node in nodes:
        node.kill()


@pytest.fixture
def node(start: Callable[..., RunningNode]) -> RunningNode:
    return start()


@pytest.mark.parametrize("name", EMULATED)
def test_every_emulated_board_computes_every_tensor_as_the_host_and_the_outputs_as_tflm(
    name: str, tflite: bytes, bundle: ModelBundle, need_board: Callable[[str], Board], tmp_path: Path
) -> None:
    board = need_board(name)
    rows = rows_of(bundle, 4)
    other = dictionary()
    firmware = boards.build(board, tmp_path, key=load_key(None))
    with (
        boards.run(board, firmware, pty=True) as node,
        Session(node.url, load_key(None), timeout=10.0) as session,
    ):
        assert session.info.model_id == 0
        assert session.info.kernels >> 1 & 7 == 7
        session.upload(other.to_bytes())
        session.upload_model(bundle)
        outputs = np.stack([session.invoke([row])[0] for row in rows])
        comparison = compare_model(session, bundle, Model(bundle), [rows], layers=True)
        ticks = [run.ticks for run in session.run_layers([rows[0]])]
        signals = np.random.default_rng(2).standard_normal((5, 8)).astype(np.float32)
        codes = compare(collect(session.encode(signals)), Twin(other).core, signals)
    assert np.array_equal(outputs, expected(tflite, rows))
    assert comparison.exact, comparison
    assert comparison.tensors == 4 * sum(layer.size > 0 for layer in bundle.layers)
    assert all(ticks)
    assert codes.exact


def test_an_input_of_many_frames_and_outputs_of_many(start: Callable[..., RunningNode]) -> None:
    """27,648 bytes go in and 13,824 come out; the largest payload of native is 16,400."""
    model = ModelBuilder()
    x = model.tensor((1, 96, 96, 3), scale=1.0)
    y = model.tensor((1, 48, 96, 3), scale=1.0)
    begin, end = (model.tensor((4,), "int32", data=corner) for corner in ([0, 48, 0, 0], [1, 96, 96, 3]))
    strides = model.tensor((4,), "int32", data=[1, 1, 1, 1])
    model.operator("STRIDED_SLICE", [x, begin, end, strides], [y])
    tflite = model.build([x], [y])
    bundle = ModelBundle.from_bytes(compile_model(tflite))
    rows = rows_of(bundle, 2)
    with Session(start().url, load_key(None)) as session:
        session.upload_model(bundle)
        outputs = np.stack([session.invoke([row])[0] for row in rows])
    assert np.array_equal(outputs, expected(tflite, rows))


@pytest.mark.parametrize("mac", [False, True])
def test_invocations_survive_every_fault_of_the_line(
    node: RunningNode, tflite: bytes, bundle: ModelBundle, mac: bool
) -> None:
    rows = rows_of(bundle, 60)
    with (
        FaultProxy(node.url, Faults.each(0.02), seed=5) as proxy,
        Session(proxy.url, load_key(None), mac=mac, timeout=1.0) as session,
    ):
        session.upload_model(bundle)
        outputs = np.stack([session.invoke([row])[0] for row in rows])
        comparison = compare_model(session, bundle, Model(bundle), [rows[:5]], layers=True)
    assert np.array_equal(outputs, expected(tflite, rows))
    assert comparison.exact, comparison


def test_a_killed_node_is_given_its_model_again(
    start: Callable[..., RunningNode], tflite: bytes, bundle: ModelBundle
) -> None:
    rows = rows_of(bundle, 20)
    node = start()
    with Session(node.url, load_key(None), timeout=1.0) as session:
        session.upload_model(bundle)
        outputs = [session.invoke([row])[0] for row in rows[:10]]
        node.kill()
        start(port=int(node.url.rpartition(":")[2]))
        outputs += [session.invoke([row])[0] for row in rows[10:]]
        assert session.recoveries >= 1
    assert np.array_equal(np.stack(outputs), expected(tflite, rows))


def test_a_model_outlives_a_restart_beside_a_dictionary(
    start: Callable[..., RunningNode], bundle: ModelBundle, tmp_path: Path
) -> None:
    slots = tmp_path / "slots"
    other = dictionary()
    for _ in range(2):
        node = start(slots=slots)
        with Session(node.url, load_key(None)) as session:
            if not session.info.model_id:
                session.upload_model(bundle)
                session.upload(other.to_bytes())
            node.kill()
    with Session(start(slots=slots).url, load_key(None)) as session:
        assert session.info.model_id == bundle.id
        assert session.info.dictionary_id == other.id
        assert session.info.input_bytes == bundle.inputs[0].size
        assert session.info.workspace_bytes == bundle.workspace_size


def stateful() -> tuple[operator_cases.Case, ModelBundle]:
    """An LSTM whose memory goes on from one invocation to the next."""
    case = operator_cases.lstm(np.random.default_rng(3))
    bundle = ModelBundle.from_bytes(compile_model(case.model))
    assert bundle.state_size > 0
    return case, bundle


def test_what_a_model_remembers_stays_on_the_board(node: RunningNode) -> None:
    case, bundle = stateful()
    series = [[np.asarray(array) for array in inputs] for inputs in case.series] * 3
    oracle = Tflm(case.model)
    right = [oracle.invoke(inputs)[0] for inputs in series]
    with Session(node.url, load_key(None)) as session:
        session.upload_model(bundle)
        for _ in range(2):
            for row, inputs in enumerate(series):
                (output,) = session.invoke(inputs, reset=row == 0)
                assert np.array_equal(output, right[row])


def test_a_memory_that_is_lost_is_said(start: Callable[..., RunningNode]) -> None:
    case, bundle = stateful()
    node = start()
    with Session(node.url, load_key(None), timeout=1.0) as session:
        session.upload_model(bundle)
        session.invoke(case.series[0])
        node.kill()
        start(port=int(node.url.rpartition(":")[2]))
        with pytest.raises(LinkError, match="what the model remembered is lost"):
            session.invoke(case.series[0])
        session.invoke(case.series[0], reset=True)


@pytest.mark.parametrize("name", ["native", "netduinoplus2"])
def test_a_boards_own_source_goes_through_its_model(
    name: str, tflite: bytes, bundle: ModelBundle, need_board: Callable[[str], Board], tmp_path: Path
) -> None:
    """Model and recording are linked in; the line is bad; a window has a NaN."""
    board = need_board(name)
    samples = np.random.default_rng(4).normal(0, 30, (40, *bundle.inputs[0].shape)).astype(np.float32)
    samples[7, 0, 3, 2, 1] = np.nan
    bundle.save(tmp_path / "m.etm")
    RecordingBundle(samples.reshape(-1, 3)).save(tmp_path / "r.etr")
    firmware = boards.build(
        board,
        tmp_path,
        key=load_key(None),
        model=tmp_path / "m.etm",
        recording=tmp_path / "r.etr",
        kernels=tmp_path / "m.etm",
    )
    with (
        boards.run(board, firmware) as node,
        FaultProxy(node.url, Faults.each(0.02), seed=3) as proxy,
        Session(proxy.url, load_key(None), timeout=1.0) as session,
    ):
        assert session.info.model_id == bundle.id
        session.upload_model(bundle)
        received = collect(session.results(0, 80, 0))
    results = results_of(received, bundle)
    quantised = np.clip(np.round(samples.astype(np.float64) / SCALE) + ZERO_POINT, -128, 127)
    right = expected(tflite, np.nan_to_num(quantised).astype(np.int8))
    came = np.arange(80) % 40 != 7
    assert np.array_equal(results["status"] == 0, came)
    assert set(results["status"][~came]) == {Status.NOT_FINITE}
    assert np.array_equal(results[bundle.outputs[0].name][came], np.concatenate([right, right])[came])
    assert received.missing == 0


def test_invoking_in_the_middle_of_an_upload_is_refused_and_the_model_stays(
    node: RunningNode, tflite: bytes, bundle: ModelBundle
) -> None:
    rows = rows_of(bundle, 1)
    fresh = ModelBundle.from_bytes(compile_model(network(10)))
    with Session(node.url, load_key(None)) as session:
        session.upload_model(bundle)
        content = fresh.to_bytes()
        session.connection.request(FrameType.UPLOAD, {0: 2, 1: len(content), 2: content[16:24]})
        with pytest.raises(Refused, match="the node is at work"):
            session.invoke([rows[0]])
    with Session(node.url, load_key(None)) as session:
        session.upload_model(bundle)
        assert np.array_equal(session.invoke([rows[0]])[0], expected(tflite, rows)[0])
        session.upload_model(fresh)
        session.invoke([rows_of(fresh, 1)[0]])


def test_what_a_board_cannot_run_is_said_with_its_remedy(
    bundle: ModelBundle, need_board: Callable[[str], Board], tmp_path: Path
) -> None:
    need_board("microbit")
    with pytest.raises(BuildError, match=r"needs \d+ bytes of working memory, microbit has \d+: \d+ too many"):
        large = ModelBundle.from_bytes(compile_model(network(64)))
        large.save(tmp_path / "large.etm")
        boards.build("microbit", tmp_path / "mb", key=load_key(None), model=tmp_path / "large.etm")
    none = boards.build("native", tmp_path / "none", key=load_key(None), kernels="none")
    with (
        boards.run("native", none) as node,
        Session(node.url, load_key(None)) as session,
        pytest.raises(Refused, match="build its firmware with --kernels all"),
    ):
        session.upload_model(bundle)
    small = ModelBuilder()
    x, y = (small.tensor((1, 8), scale=0.5) for _ in range(2))
    small.operator("RELU", [x], [y])
    (tmp_path / "relu.etm").write_bytes(compile_model(small.build([x], [y])))
    one = boards.build("native", tmp_path / "one", key=load_key(None), kernels=tmp_path / "relu.etm")
    with boards.run("native", one) as node, Session(node.url, load_key(None)) as session:
        session.upload_model(ModelBundle.load(tmp_path / "relu.etm"))
        with pytest.raises(Refused, match=r"a kernel that is not linked here.*--kernels"):
            session.upload_model(bundle)
        session.upload_model(ModelBundle.load(tmp_path / "relu.etm"))
        assert session.invoke([np.arange(-4, 4, dtype=np.int8)[None]])[0].min() == 0


def dense() -> bytes:
    """A layer that is packed in another way for Helium."""
    model = ModelBuilder()
    x, y = model.tensor((1, 40), scale=0.5), model.tensor((1, 5), scale=0.5)
    weights = np.random.default_rng(0).integers(-127, 128, (5, 40))
    model.operator("FULLY_CONNECTED", [x, model.tensor((5, 40), scale=0.01, data=weights), -1], [y])
    return model.build([x], [y])


def test_a_linked_model_that_would_not_run_is_refused_before_anything_is_built(
    bundle: ModelBundle, tmp_path: Path
) -> None:
    bundle.save(tmp_path / "network.etm")
    for target in ("portable", "helium"):
        (tmp_path / f"{target}.etm").write_bytes(compile_model(dense(), target))
    words = ("--model", "helium.etm", "--kernels", "helium.etm")
    said = edgetwin("build", "--board", "microbit", *words[:2], cwd=tmp_path, code=2)
    assert "packed for helium, which microbit does not have: compile it with --board microbit" in str(said)
    assert edgetwin("build", "--board", "microbit", *words, cwd=tmp_path, code=2) == said
    for kernels in ("none", "portable.etm"):
        said = edgetwin("run", "--board", "native", "-m", "network.etm", "--kernels", kernels, cwd=tmp_path, code=2)
        assert f"the model needs kernels that --kernels {kernels} does not link: leave --kernels out" in str(said)
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize("name", ["native", "mps3-an547"])
def test_a_linked_model_for_helium_is_validated_without_another(
    name: str, need_board: Callable[[str], Board], tmp_path: Path
) -> None:
    board = need_board(name)
    (tmp_path / "m.etm").write_bytes(compile_model(network(8), "helium"))
    bundle = ModelBundle.load(tmp_path / "m.etm")
    np.save(tmp_path / "X.npy", rows_of(bundle, 3))
    firmware = boards.build(board, tmp_path, key=load_key(None), model=tmp_path / "m.etm", kernels=tmp_path / "m.etm")
    with boards.run(board, firmware) as node:
        with Session(node.url, load_key(None), timeout=10.0) as session:
            assert session.info.model_id == bundle.id
        words = ("--model", "m.etm", "--data", "X.npy", "--layers", "--json")
        result = edgetwin("validate", node.url, *words, cwd=tmp_path)
    assert (result["differing_values"], result["tensors"]) == (0, 3 * sum(layer.size > 0 for layer in bundle.layers))


def test_a_model_too_large_for_slot_or_memory_says_by_how_much(
    need_board: Callable[[str], Board], tmp_path: Path
) -> None:
    board = need_board("microbit")
    long, large = (
        ModelBundle.from_bytes(compile_model(network(side, classes))) for side, classes in ((8, 800), (60, 2))
    )
    firmware = boards.build(board, tmp_path, key=load_key(None))
    with boards.run(board, firmware) as node, Session(node.url, load_key(None), timeout=10.0) as session:
        with pytest.raises(DoesNotFit, match="a free bundle slot") as refused:
            session.upload_model(long)
        assert refused.value.needed == len(long.to_bytes())
        with pytest.raises(DoesNotFit, match="working memory") as refused:
            session.upload_model(large)
        assert refused.value.needed == large.workspace_size
        assert refused.value.at_hand == session.info.model_room


def edgetwin(*words: object, cwd: Path, code: int = 0) -> dict[str, object] | str:
    """Runs a command; returns the object that --json prints, or what it says on stderr if it must fail."""
    done = subprocess.run([*EDGETWIN, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=200)
    assert done.returncode == code, f"exit {done.returncode}: {done.stdout}{done.stderr}"
    if code == 2:
        assert "Traceback" not in done.stderr
        return done.stderr.strip().splitlines()[-1]
    return json.loads(done.stdout) if "--json" in words else done.stdout


def test_the_commands_for_models(
    start: Callable[..., RunningNode], tflite: bytes, bundle: ModelBundle, tmp_path: Path
) -> None:
    rows = rows_of(bundle, 6)
    bundle.save(tmp_path / "m.etm")
    np.savez(tmp_path / "X.npz", images=rows.reshape(6, 8, 8, 3), labels=np.arange(6))
    np.save(tmp_path / "real.npy", (rows.reshape(6, -1) - ZERO_POINT) * np.float32(SCALE))
    model = ("--model", "m.etm", "--json")
    url = start().url
    assert edgetwin("upload", url, "m.etm", "--json", cwd=tmp_path)["kind"] == "model"
    said = edgetwin("validate", url, *model, "--data", "X.npz", cwd=tmp_path, code=2)
    assert "images, labels" in str(said)
    np.savez(tmp_path / "X.npz", images=rows.reshape(6, 8, 8, 3))
    result = edgetwin("validate", url, *model, "--data", "X.npz", cwd=tmp_path)
    assert (result["rows"], result["values"], result["differing_values"]) == (6, 30, 0)
    result = edgetwin("validate", url, *model, "--data", "real.npy", "--layers", cwd=tmp_path)
    assert (result["rows"], result["differing_values"], result["first_difference"]) == (6, 0, None)
    assert result["tensors"] == 6 * sum(layer.size > 0 for layer in bundle.layers)
    edgetwin("invoke", url, *model, "--data", "X.npz", "-o", "Y.npz", cwd=tmp_path)
    with np.load(tmp_path / "Y.npz") as outputs:
        assert np.array_equal(outputs[bundle.outputs[0].name], expected(tflite, rows))
    profile = edgetwin("profile", url, *model, cwd=tmp_path)
    assert [layer["macs"] for layer in profile["layers"]] == [layer.macs for layer in bundle.layers]
    for words, named in (
        (("validate", url, "--model", "m.etm"), "--data"),
        (("validate", url, "--model", "m.etm", "-d", "D.etd", "--data", "X.npz"), "one of them"),
        (("invoke", url, "--model", "X.npz", "--data", "X.npz"), "X.npz"),
        (("invoke", url, "--model", "m.etm", "--data", "nowhere.npy"), "no such file"),
        (("stream", url, "--model", "m.etm"), "not supported"),
        (("upload", url, "X.npz"), "X.npz"),
    ):
        assert named in str(edgetwin(*words, cwd=tmp_path, code=2))


def test_raw_values_are_scaled_and_rows_labelled_as_the_model_says(
    start: Callable[..., RunningNode], tflite: bytes, tmp_path: Path
) -> None:
    preprocessing = {"shape": [8, 8, 3], "raw": "counts", "scale": SCALE, "offset": -SCALE * ZERO_POINT}
    described = {"labels": ["a", "b", "c", "d", "e"], "preprocessing": preprocessing}
    bundle = ModelBundle.from_bytes(compile_model(tflite, metadata=described))
    rows = rows_of(bundle, 6)
    bundle.save(tmp_path / "m.etm")
    np.save(tmp_path / "X.npy", rows)
    np.savez(tmp_path / "X.npz", raw=rows, labels=np.zeros(6))
    words = ("--model", "m.etm", "--data", "X.npy", "--raw", "-o", "Y.npz", "--json")
    url = start().url
    result = edgetwin("invoke", url, *words, cwd=tmp_path)
    by_name = edgetwin("invoke", url, "--model", "m.etm", "--data", "X.npz", "--json", cwd=tmp_path)
    assert by_name["labels"] == result["labels"]
    scores = expected(tflite, rows)
    assert result["labels"] == [described["labels"][row.argmax()] for row in scores]
    with np.load(tmp_path / "Y.npz") as outputs:
        assert np.array_equal(outputs[bundle.outputs[0].name], scores)
        assert outputs["label"].tolist() == result["labels"]


def test_validate_names_the_first_layer_that_differs(
    start: Callable[..., RunningNode], bundle: ModelBundle, tmp_path: Path
) -> None:
    """The board runs the same network with another last layer than the host."""
    rows = rows_of(bundle, 2)
    other = ModelBundle.from_bytes(compile_model(network(8, last=1)))
    np.save(tmp_path / "X.npy", rows)
    bundle.save(tmp_path / "believed.etm")
    other.save(tmp_path / "other.etm")
    last = next(i for i, layer in enumerate(other.layers) if layer.title.startswith("FULLY_CONNECTED"))
    words = ("--model", "other.etm", "--reference", "believed.etm", "--data", "X.npy", "--json")
    url = start().url
    result = edgetwin("validate", url, *words, "--layers", cwd=tmp_path, code=1)
    assert result["differing_values"] > 0
    assert result["first_difference"].startswith(f"row 0, layer {last}, FULLY_CONNECTED")
    result = edgetwin("validate", url, *words, cwd=tmp_path, code=1)
    assert result["first_difference"] == f"row 0, {bundle.outputs[0].name}"


def test_inputs_come_in_any_usual_form(bundle: ModelBundle, tmp_path: Path) -> None:
    rows = rows_of(bundle, 3)
    forms = {"whole": rows, "image": rows[:, 0], "flat": rows.reshape(3, -1)}
    for name, array in forms.items():
        np.save(tmp_path / f"{name}.npy", array)
        assert np.array_equal(load_inputs(tmp_path / f"{name}.npy", bundle)[0], rows)
    real = (rows.astype(np.float32) - ZERO_POINT) * np.float32(SCALE)
    np.savetxt(tmp_path / "real.csv", real.reshape(3, -1), delimiter=",")
    assert np.array_equal(load_inputs(tmp_path / "real.csv", bundle)[0], rows)
    np.savez(tmp_path / "named.npz", **{bundle.inputs[0].name: real, "labels": np.arange(3)})
    assert np.array_equal(load_inputs(tmp_path / "named.npz", bundle)[0], rows)


def test_a_model_of_another_session_must_be_uploaded_again(node: RunningNode, bundle: ModelBundle) -> None:
    with Session(node.url, load_key(None)) as session:
        with pytest.raises(LinkError, match="upload the model"):
            session.invoke([rows_of(bundle, 1)[0]])
        session.upload_model(bundle)
        with pytest.raises(LinkError, match="takes int8 of shape"):
            session.invoke([np.zeros((8, 8, 3), np.int8)])
