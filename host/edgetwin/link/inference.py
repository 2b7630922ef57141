"""Inference on a node: inputs go there in pieces, layers run, outputs are read back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from edgetwin.deploy import ModelBundle
from edgetwin.deploy.model import TensorInfo
from edgetwin.link.errors import LinkError, Refused
from edgetwin.link.frame import Frame, FrameType
from edgetwin.link.messages import InvokeReply, PayloadError, pack_map, pack_read, unpack_read
from edgetwin.link.status import Status
from edgetwin.link.upload import Pieces

if TYPE_CHECKING:
    from edgetwin.link.session import Session

__all__ = ["Inference", "LayerRun", "Snapshot"]

# A node answers only after the layers that it was asked for have run: seconds, on a small board.
_FIRST_WAIT = 1.0
_LONGEST_RUN = 60.0
_MOST_TRIES = 3

Snapshot = tuple[int, int]  # place in the workspace, bytes

_Result = TypeVar("_Result")


class LayerRun(NamedTuple):
    """What became of one layer.

    ticks : of the node's counter, in the board's own unit; 0 where it does not count
    read : what was asked for of the workspace after the layer
    """

    ticks: int
    read: bytes


class Inference:
    """Invocations of the model that a session has uploaded.

    Parameters
    ----------
    bundle : the model.
    """

    def __init__(self, session: Session, bundle: ModelBundle) -> None:
        self.bundle = bundle
        self._session = session
        self._number = 0  # of the last invocation
        self._remembers = False  # the node's copy has run since its initial state

    def invoke(self, inputs: Sequence[npt.NDArray[Any]], *, reset: bool = False) -> list[npt.NDArray[Any]]:
        """The outputs of one invocation (`Session.invoke`)."""

        def whole() -> list[npt.NDArray[Any]]:
            self._run(self.bundle.layer_count, reset)
            return [_array(self._read(info.place, info.size), info) for info in self.bundle.outputs]

        return self._with(inputs, reset, whole)

    def run_layers(
        self, inputs: Sequence[npt.NDArray[Any]], snapshots: Sequence[Snapshot] | None, *, reset: bool = False
    ) -> list[LayerRun]:
        """One invocation layer by layer (`Session.run_layers`)."""
        places = snapshots if snapshots is not None else [(0, 0)] * self.bundle.layer_count
        if len(places) != self.bundle.layer_count:
            raise LinkError(f"the model has {self.bundle.layer_count} layers, not {len(places)}")

        def stepwise() -> list[LayerRun]:
            runs = []
            for layer, (place, size) in enumerate(places, 1):
                runs.append(LayerRun(self._run(layer, reset), self._read(place, size)))
                self._session.progressed()
            return runs

        return self._with(inputs, reset, stepwise)

    def _with(self, inputs: Sequence[npt.NDArray[Any]], reset: bool, run: Callable[[], _Result]) -> _Result:
        """Sends the inputs and runs; all over again where the line breaks, unless the model's memory went with it."""
        data = self._packed(inputs)
        for _ in range(_MOST_TRIES):
            try:
                self._number += 1
                if not Pieces(self._session.connection, data, kind=FrameType.INPUT).send():
                    continue
                result = run()
            except self._session.recoverable as reason:
                self._session.recover(reason)
                if self.bundle.state_size and self._remembers and not reset:
                    raise LinkError(
                        "the session broke, and what the model remembered is lost: begin its series again"
                    ) from reason
                continue
            except Refused as refusal:
                if refusal.status != Status.OFFSET:
                    raise
                continue  # a piece that was sent twice came late, and the input began anew
            self._remembers = True
            self._session.progressed()
            return result
        raise LinkError(f"the board at {self._session.url} loses the input again and again: restart it")

    def _packed(self, inputs: Sequence[npt.NDArray[Any]]) -> bytes:
        """All inputs, one after the other. Raises LinkError for another number, shape or type."""
        if len(inputs) != len(self.bundle.inputs):
            raise LinkError(f"the model takes {len(self.bundle.inputs)} inputs, not {len(inputs)}")
        for array, info in zip(inputs, self.bundle.inputs, strict=True):
            if array.shape != info.shape or array.dtype != info.dtype:
                raise LinkError(
                    f"input {info.name} takes {info.dtype} of shape {info.shape}, not {array.dtype} {array.shape}"
                )
        return b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for array in inputs)

    def _run(self, until: int, reset: bool) -> int:
        """Has so many layers run in all; returns the ticks of those that had not run yet."""

        def is_answer(frame: Frame) -> bool:
            try:
                reply = InvokeReply.parse(frame)
            except PayloadError:
                return False
            return (reply.number, reply.layer) == (self._number, until)

        answer = self._session.connection.query(
            FrameType.INVOKE,
            FrameType.INVOKE_ANSWER,
            pack_map({0: self._number, 1: until, 2: reset}),
            is_answer,
            _FIRST_WAIT,
            _LONGEST_RUN,
        )
        return InvokeReply.parse(answer).ticks

    def _read(self, place: int, size: int) -> bytes:
        """Bytes of the node's workspace."""
        connection = self._session.connection
        most = connection.info.max_payload - 4
        data = b""
        while len(data) < size:
            at, part = place + len(data), min(size - len(data), most)

            def is_answer(frame: Frame, at: int = at, part: int = part) -> bool:
                return len(frame.payload) == 4 + part and unpack_read(frame.payload)[0] == at

            frame = connection.query(FrameType.READ, FrameType.READ_ANSWER, pack_read(at, part), is_answer)
            data += unpack_read(frame.payload)[1]
        return data


def _array(data: bytes, info: TensorInfo) -> npt.NDArray[Any]:
    return np.frombuffer(data, info.dtype).reshape(info.shape)
