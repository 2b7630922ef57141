"""A .tflite file run on the host by LiteRT, on one thread."""

from __future__ import annotations

import importlib
import statistics
import time
from typing import Any

import numpy as np
import numpy.typing as npt

from edgetwin.errors import UserError

__all__ = ["Interpreter"]

Float32Array = npt.NDArray[np.float32]

# Invocations before the clock runs, and the least and most that are timed.
WARM_UP, LEAST_TIMED, MOST_TIMED, TIMED_SECONDS = 3, 20, 1000, 1.0


class Interpreter:
    """Real values in and out, one input at a time, whatever types the file has at its edges.

    network : a .tflite file's bytes, one input, one output
    keep_tensors : so that :meth:`tensors` can be asked

    Raises UserError where LiteRT is not installed or cannot run the file.
    """

    def __init__(self, network: bytes, *, keep_tensors: bool = False) -> None:
        try:
            litert: Any = importlib.import_module("ai_edge_litert.interpreter")
        except ImportError as error:
            raise UserError(
                f"running a .tflite file on the host needs LiteRT: pip install 'edgetwin[train]' ({error})"
            ) from error
        try:
            self._interpreter = litert.Interpreter(
                model_content=network, num_threads=1, experimental_preserve_all_tensors=keep_tensors
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"LiteRT cannot run this .tflite file: {error}") from error
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    def predict(self, inputs: Float32Array) -> Float32Array:
        """Outputs (N, ...) for inputs (N, ...)."""
        return np.concatenate([self._invoke(sample) for sample in inputs])

    def milliseconds(self, sample: Float32Array) -> float:
        """Median time of an invocation on one input, the setting and getting of values included."""
        for _ in range(WARM_UP):
            self._invoke(sample)
        times: list[float] = []
        while len(times) < LEAST_TIMED or (sum(times) < TIMED_SECONDS and len(times) < MOST_TIMED):
            started = time.perf_counter()
            self._invoke(sample)
            times.append(time.perf_counter() - started)
        return 1000 * statistics.median(times)

    def _invoke(self, sample: Float32Array) -> Float32Array:
        """The output (1, ...) for one input."""
        self._interpreter.set_tensor(self._input["index"], _quantised(sample[np.newaxis], self._input))
        self._interpreter.invoke()
        return _real(self._interpreter.get_tensor(self._output["index"]), self._output)


def _quantised(values: Float32Array, tensor: dict[str, Any]) -> npt.NDArray[Any]:
    if tensor["dtype"] == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    limits = np.iinfo(tensor["dtype"])
    quantised: npt.NDArray[Any] = np.clip(np.round(values / scale) + zero_point, limits.min, limits.max)
    return quantised.astype(tensor["dtype"])


def _real(values: npt.NDArray[Any], tensor: dict[str, Any]) -> Float32Array:
    if values.dtype == np.float32:
        return values
    scale, zero_point = tensor["quantization"]
    return np.float32(scale) * (values.astype(np.float32) - np.float32(zero_point))
