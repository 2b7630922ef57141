"""A .tflite file run on the host by LiteRT."""

from __future__ import annotations

import importlib
import os
import queue
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import tflite

from edgetwin.errors import UserError
from edgetwin.nn.backend import no_greeting
from edgetwin.signals.affine import dequantise, quantise

__all__ = ["Interpreter"]

Float32Array = npt.NDArray[np.float32]

# Invocations before the clock runs, and the least and most that are timed.
WARM_UP, LEAST_TIMED, MOST_TIMED, TIMED_SECONDS = 3, 20, 1000, 1.0
# What gives its input's values in another shape.
MOVING = {tflite.BuiltinOperator.RESHAPE, tflite.BuiltinOperator.EXPAND_DIMS, tflite.BuiltinOperator.SQUEEZE}
# Inputs that a thread of predict takes at once, and most threads: each has activations of its own.
PART, MOST_THREADS = 32, 16


class Interpreter:
    """Real values in and out, one input at a time, whatever types the file has at its edges.

    network : a .tflite file's bytes, one input, one output
    keep_tensors : so that :meth:`tensors` can be asked; LiteRT then runs its own kernels without its delegate
        (XNNPACK), which keeps none and rounds in other places

    Raises UserError where LiteRT is not installed or cannot run the file.
    """

    def __init__(self, network: bytes, *, keep_tensors: bool = False) -> None:
        self._network, self._keep_tensors = network, keep_tensors
        self._interpreter = self._loaded()
        self._others: list[Any] = []  # further threads'
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    def predict(self, inputs: Float32Array, on_part: Callable[[int], object] = lambda count: None) -> Float32Array:
        """Outputs (N, ...) for inputs (N, ...), the same whatever N is.

        Inputs are not put into batches, which files with a fixed shape refuse, but on a thread a core, each with an
        interpreter.

        on_part : called with how many inputs more are done
        """
        parts = [inputs[start : start + PART] for start in range(0, len(inputs), PART)]
        threads = min(os.cpu_count() or 1, MOST_THREADS, len(parts))
        idle: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._others += (self._loaded() for _ in range(threads - 1 - len(self._others)))
        for interpreter in (self._interpreter, *self._others):
            idle.put(interpreter)

        def run(part: Float32Array) -> Float32Array:
            interpreter = idle.get()
            try:
                return np.concatenate([self._invoke(sample, interpreter) for sample in part])
            finally:
                idle.put(interpreter)

        outputs = []
        with ThreadPoolExecutor(threads) as pool:
            for found in pool.map(run, parts):
                outputs.append(found)
                on_part(len(found))
        return np.concatenate(outputs)

    def tensors(self, sample: Float32Array) -> dict[str, Float32Array]:
        """What each operator computes of one input, by the tensor's name, in the order in which they run.

        Only real values and quantised ones with one scale; the latter as the real values that they stand for.
        """
        if not self._keep_tensors:
            raise ValueError("the interpreter was made without keep_tensors")
        self._invoke(sample, self._interpreter)
        model = tflite.Model.GetRootAs(self._network, 0)
        graph = model.Subgraphs(0)
        operators = map(graph.Operators, range(graph.OperatorsLength()))
        computing = (one for one in operators if model.OperatorCodes(one.OpcodeIndex()).BuiltinCode() not in MOVING)
        made = [int(output) for operator in computing for output in operator.OutputsAsNumpy()]
        details = {tensor["index"]: tensor for tensor in self._interpreter.get_tensor_details()}
        return {
            details[index]["name"]: _real(self._interpreter.get_tensor(index), details[index])
            for index in made
            if details[index]["dtype"] == np.float32 or details[index]["quantization"][0]
        }

    def milliseconds(self, sample: Float32Array) -> float:
        """Median time of an invocation on one input and thread, the setting and getting of values included."""
        for _ in range(WARM_UP):
            self._invoke(sample, self._interpreter)
        times: list[float] = []
        while len(times) < LEAST_TIMED or (sum(times) < TIMED_SECONDS and len(times) < MOST_TIMED):
            started = time.perf_counter()
            self._invoke(sample, self._interpreter)
            times.append(time.perf_counter() - started)
        return 1000 * statistics.median(times)

    def _loaded(self) -> Any:
        try:
            litert: Any = importlib.import_module("ai_edge_litert.interpreter")
        except ImportError as error:
            raise UserError(
                f"running a .tflite file on the host needs LiteRT: pip install 'edgetwin[train]' ({error})"
            ) from error
        resolver = litert.OpResolverType.AUTO
        if self._keep_tensors:
            resolver = litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        try:
            with no_greeting():
                interpreter = litert.Interpreter(
                    model_content=self._network,
                    num_threads=1,
                    experimental_preserve_all_tensors=self._keep_tensors,
                    experimental_op_resolver_type=resolver,
                )
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"LiteRT cannot run this .tflite file: {error}") from error
        return interpreter

    def _invoke(self, sample: Float32Array, interpreter: Any) -> Float32Array:
        """The output (1, ...) for one input."""
        interpreter.set_tensor(self._input["index"], _quantised(sample[np.newaxis], self._input))
        interpreter.invoke()
        return _real(interpreter.get_tensor(self._output["index"]), self._output)


def _quantised(values: Float32Array, tensor: dict[str, Any]) -> npt.NDArray[Any]:
    scale, zero_point = tensor["quantization"]
    return values if tensor["dtype"] == np.float32 else quantise(values, scale, zero_point, tensor["dtype"])


def _real(values: npt.NDArray[Any], tensor: dict[str, Any]) -> Float32Array:
    return values if values.dtype == np.float32 else dequantise(values, *tensor["quantization"])
