"""A session with a node: what the rest of edgetwin uses of the link."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any

import numpy.typing as npt

from edgetwin.deploy import ModelBundle
from edgetwin.deploy.container import Kind
from edgetwin.link.connection import Connection
from edgetwin.link.errors import ForeignCode, LinkError, NoAnswer, Refused, SessionLost, Unplugged
from edgetwin.link.frame import FrameType
from edgetwin.link.inference import Inference, LayerRun, Snapshot
from edgetwin.link.messages import MOST_BATCH, CodeFrame, NodeInfo, NodeStats, PayloadError
from edgetwin.link.replay import Replay, check_signals
from edgetwin.link.status import Status
from edgetwin.link.streaming import Streaming
from edgetwin.link.transport import is_remote, open_transport
from edgetwin.link.upload import Bundle, Progress, upload

_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0

#: Windows that share a frame of a stream at most, if not said otherwise: the header is then little beside their codes.
DEFAULT_BATCH = 16


class Session:
    """A connection to a node that survives faults of the line, restarts of the board and a pulled plug.

    Use it as a context manager, or call `open` and `close`.

    Parameters
    ----------
    url : socket://host:port, /dev/ttyACM0, COM3, or another URL of pySerial.
    key : pre-shared key (`load_key`), or None if the node has none.
    mac : a MAC on every frame; None: if the URL is TCP beyond loopback.
    insecure : go on without a MAC where the node has no key.
    timeout : seconds after which a silent node counts as not answering.
    retries : times that a window is sent again before it is reported missing.
    patience : seconds for which a lost connection is tried again before the error is raised; counted from the last
        progress, so that a long job survives many interruptions.
    restore : gives the bundle of the dictionary to upload to a board that came back without it; needed only if it was
        not uploaded through this session, which remembers it, as it does a model.
    baudrate : of a serial port.
    """

    recoverable = (Unplugged, NoAnswer, SessionLost)

    def __init__(
        self,
        url: str,
        key: bytes | None = None,
        mac: bool | None = None,
        *,
        insecure: bool = False,
        timeout: float = 3.0,
        retries: int = 8,
        patience: float = 10.0,
        restore: Callable[[], bytes] | None = None,
        baudrate: int = 115200,
    ) -> None:
        self.url = url
        self._key = key
        self._mac = is_remote(url) if mac is None else mac
        self._insecure = insecure
        self._timeout = timeout
        self._retries = retries
        self._patience = patience
        self._restore = restore
        self._baudrate = baudrate
        self._connection: Connection | None = None
        self._bundles: dict[Kind, Bundle] = {}
        self._ids = {Kind.DICTIONARY: 0, Kind.MODEL: 0}
        self._inference: Inference | None = None
        self._trouble_since: float | None = None
        self.recoveries = 0

    def __enter__(self) -> Session:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def open(self) -> NodeInfo:
        """Connects, says hello and authenticates.

        Raises
        ------
        Unplugged, NoAnswer : nothing there, or nobody who speaks the protocol.
        NotAuthenticated, WrongKey : the keys of host and node do not go together.
        """
        self._connect(self._timeout)
        self._ids = {Kind.DICTIONARY: self.info.dictionary_id, Kind.MODEL: self.info.model_id}
        return self.info

    def close(self) -> None:
        """Says goodbye and closes the connection; the node keeps its dictionary and its model."""
        if self._connection is not None:
            with contextlib.suppress(LinkError):
                self._connection.send(FrameType.BYE, b"")
            self._connection.transport.close()
            self._connection = None

    @property
    def connection(self) -> Connection:
        """The connection as it now is; recovery may put another in its place."""
        if self._connection is None:
            raise LinkError(f"the session with {self.url} is closed: open it first")
        return self._connection

    @property
    def info(self) -> NodeInfo:
        """What the node said in its last hello, with dictionary and model as they are now."""
        return self.connection.info

    @property
    def dictionary_id(self) -> int:
        """Content id of the dictionary that codes are expected from; 0: none."""
        return self.current_id(Kind.DICTIONARY)

    def current_id(self, kind: Kind) -> int:
        """Content id of the dictionary or model that the node is expected to work with; 0: none."""
        return self._ids[kind]

    def upload(self, bundle: bytes, progress: Progress | None = None) -> NodeInfo:
        """Uploads a dictionary or a model and makes it current; goes on where an interrupted upload stopped.

        Parameters
        ----------
        progress : called with the bytes that the node holds and the bytes in all.

        Raises
        ------
        DoesNotFit : says by how many bytes.
        Refused : the node found the bundle at fault, or could not write it.
        """
        checked = Bundle(bundle)
        held = 0

        def report(done: int, total: int) -> None:
            nonlocal held
            if done > held:
                self.progressed()
            held = done
            if progress:
                progress(done, total)

        while True:
            try:
                upload(self.connection, checked, report)
                self.progressed()
                break
            except self.recoverable as reason:
                self.recover(reason, restore=False)
        self._remember(checked)
        return self.info

    def upload_model(self, model: ModelBundle, progress: Progress | None = None) -> NodeInfo:
        """Uploads a model, makes it current, and lets `invoke` and `results` use it. As `upload`."""
        self.upload(model.to_bytes(), progress)
        self._inference = Inference(self, model)
        return self.info

    def invoke(self, inputs: Sequence[npt.NDArray[Any]], *, reset: bool = False) -> list[npt.NDArray[Any]]:
        """Has the node run its model once.

        Parameters
        ----------
        inputs : an array for each input, of exactly its shape and type.
        reset : begin a new series: what the model remembers is as before its first invocation. A session begins so.

        Returns an array for each output.

        Raises
        ------
        Refused : an upload is under way, or a stream of results.
        LinkError : no model was uploaded through this session, the inputs are of another shape or type, or the session
            broke and what the model remembered is lost.
        """
        return self._invocations().invoke(inputs, reset=reset)

    def run_layers(
        self,
        inputs: Sequence[npt.NDArray[Any]],
        snapshots: Sequence[Snapshot] | None = None,
        *,
        reset: bool = False,
    ) -> list[LayerRun]:
        """Has the node run its model once, layer by layer; as `invoke`.

        Parameters
        ----------
        snapshots : for each layer (place, bytes) of what is read from the workspace after it; None: nothing.

        Returns for each layer the node's ticks for it, and what was read.
        """
        return self._invocations().run_layers(inputs, snapshots, reset=reset)

    def encode(self, signals: npt.ArrayLike, first: int = 0, window: int | None = None) -> Iterator[CodeFrame]:
        """Has the node encode signals; yields each window's outcome once, in order.

        Parameters
        ----------
        signals : (N, m), raw samples; sent as float32.
        first : number of the first window.
        window : most signals under way at once; None: as many as the node grants.

        Raises
        ------
        ForeignCode : a code was made with another dictionary.
        Refused : the node has no dictionary.
        LinkError : the signals do not have the dictionary's shape, or the node did not come back within `patience`.
        """
        if window is not None and window < 1:
            raise LinkError(f"at least 1 signal must be under way at once, not {window}")
        if not self.dictionary_id:
            raise Refused("to encode", Status.NO_DICTIONARY)
        return Replay(self, check_signals(signals, self.info.m, first), first, window, self._retries).run()

    def stream(
        self, first: int = 0, count: int = 0, period_ms: int = 1000, batch: int = DEFAULT_BATCH
    ) -> Iterator[CodeFrame]:
        """Starts the board's own source; yields its windows in order, packet by packet, those lost with status None.

        Parameters
        ----------
        first : number of the first window.
        count : windows; 0: without end.
        period_ms : milliseconds from one window to the next.
        batch : windows that share a frame at most, 1 to 255; the board waits a second for them at most.

        Raises
        ------
        ForeignCode : a code was made with another dictionary.
        Refused : the board has no source of its own, or no dictionary.
        LinkError : a number is out of range, or the node did not come back within `patience`.
        """
        if not (0 <= first < 2**32 and 0 <= count <= 2**32 - first and 0 <= period_ms < 2**32):
            raise LinkError("first, count and period_ms must lie from 0 to 2**32 - 1")
        if not 1 <= batch <= MOST_BATCH:
            raise LinkError(f"a frame carries 1 to {MOST_BATCH} windows, not {batch}")
        return Streaming(self, first, count, period_ms, batch).run()

    def results(
        self, first: int = 0, count: int = 0, period_ms: int = 1000, batch: int = DEFAULT_BATCH
    ) -> Iterator[CodeFrame]:
        """Starts the board's own source, whose windows go through its model; yields the results as `stream` does.

        The model begins with its initial state. A frame's packet holds each window's outputs, one after
        the other (`edgetwin.twin.results` makes arrays of them).

        Raises
        ------
        DoesNotFit : the outputs exceed a frame, or the samples of a window the memory beside the model.
        Refused : the board has no source of its own, or the model has several inputs.
        LinkError : as `stream`; or the stream broke, and with it what the model remembered.
        """
        if not (0 <= first < 2**32 and 0 <= count <= 2**32 - first and 0 <= period_ms < 2**32):
            raise LinkError("first, count and period_ms must lie from 0 to 2**32 - 1")
        if not 1 <= batch <= MOST_BATCH:
            raise LinkError(f"a frame carries 1 to {MOST_BATCH} windows, not {batch}")
        keeps_state = self._invocations().bundle.state_size > 0
        return Streaming(self, first, count, period_ms, batch, Kind.MODEL, keeps_state).run()

    def stop(self) -> None:
        """Ends a stream."""
        reply = self.connection.request(FrameType.STOP, {})
        self.connection.forget_codes()
        if reply.status != Status.OK:
            raise Refused("to stop", reply.status)

    def stats(self) -> NodeStats:
        """What the node counted since its dictionary became current."""
        while True:
            try:
                answer = self.connection.query(FrameType.STATS, FrameType.STATS_ANSWER)
                self.progressed()
                return NodeStats.parse(answer.payload)
            except self.recoverable as reason:
                self.recover(reason)
            except PayloadError as reason:
                raise LinkError(f"the board at {self.url} sends statistics of another version: {reason}") from reason

    def progressed(self) -> None:
        """Notes that the work goes on: patience starts anew."""
        self._trouble_since = None

    def recover(self, reason: LinkError, restore: bool = True) -> None:
        """Brings the session back: hello, authentication and, if the board has lost them, dictionary and model.

        Raises the last error if that does not succeed within `patience` of the first trouble.
        """
        now = time.monotonic()
        if self._trouble_since is None:
            self._trouble_since = now
        deadline = self._trouble_since + self._patience
        if isinstance(reason, Unplugged):
            self.close()
        pause = _FIRST_PAUSE
        while True:
            if time.monotonic() >= deadline:
                raise reason
            try:
                self._connect(min(self._timeout, max(_FIRST_PAUSE, deadline - time.monotonic())))
                if restore:
                    self._restore_bundles()
                self.recoveries += 1
                return
            except self.recoverable as again:
                reason = again
                self.close()
            time.sleep(max(0.0, min(pause, deadline - time.monotonic())))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _connect(self, timeout: float) -> None:
        """Hello on the open transport, so that a serial board is not reset by opening its port anew; else opens one."""
        try:
            if self._connection is None:
                transport = open_transport(self.url, timeout, self._baudrate)
                self._connection = Connection(transport, self._key, self._mac, self._insecure, self._timeout)
            self._connection.handshake(timeout)
        except LinkError:
            self.close()
            raise

    def _restore_bundles(self) -> None:
        for kind, found in ((Kind.DICTIONARY, self.info.dictionary_id), (Kind.MODEL, self.info.model_id)):
            expected = self._ids[kind]
            if found == expected:
                continue
            if kind == Kind.DICTIONARY and kind not in self._bundles and self._restore is not None:
                self._bundles[kind] = Bundle(self._restore())
            bundle = self._bundles.get(kind)
            if bundle is None or bundle.id != expected:
                raise ForeignCode(expected & 0xFFFFFFFF, found & 0xFFFFFFFF, kind.name.lower())
            upload(self.connection, bundle)
            self._remember(bundle)

    def _remember(self, bundle: Bundle) -> None:
        """The node works with this dictionary or model from now on."""
        self._bundles[bundle.kind] = bundle
        self._ids[bundle.kind] = bundle.id
        if bundle.kind == Kind.MODEL:
            self.connection.info = replace(self.info, model_id=bundle.id)
            return
        m, n, s = bundle.shape
        self.connection.info = replace(self.info, dictionary_id=bundle.id, m=m, n=n, s=s)

    def _invocations(self) -> Inference:
        if self._inference is None or self._inference.bundle.id != self.current_id(Kind.MODEL):
            raise LinkError("upload the model through this session first: upload_model")
        return self._inference
