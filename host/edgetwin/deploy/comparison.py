"""A network's files of each kind side by side: what they answer, weigh and take, and whether boards run them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from edgetwin.deploy.compiler.compile import compile_to
from edgetwin.errors import UserError
from edgetwin.nn.exportable import check_layers
from edgetwin.nn.interpreter import Interpreter
from edgetwin.nn.isolation import ending_converters
from edgetwin.nn.noise import LayerNoise, layer_names, layer_noise
from edgetwin.nn.quantization import Mode, to_tflite
from edgetwin.nn.scoring import figure, lost
from edgetwin.nn.subject import Subject
from edgetwin.nn.training import predict

__all__ = ["Comparison", "Measured", "Track", "convert_all"]

#: A stretch of work: its title and how much it is. What it gives is called with how much more is done.
Track = Callable[[str, int], Callable[[int], object]]

# What noise is measured against, and on how many inputs.
REAL: Mode = "float32"
NOISE_INPUTS = 64
# TensorFlow takes half a gigabyte a conversion.
MOST_CONVERSIONS = 4


@dataclass(frozen=True)
class Measured:
    """A .tflite file's figures.

    figure : its task's (:data:`edgetwin.nn.scoring.FIGURES`), on the whole test part
    lost : against Keras' own (:func:`edgetwin.nn.scoring.lost`); below 0 where it is better
    milliseconds : of one input, by LiteRT on one thread
    boards : why our compiler does not take it; None: it does
    """

    figure: float
    lost: float
    bytes: int
    milliseconds: float
    boards: str | None


class Comparison:
    """The files of a network, by the names of their modes or by others (:meth:`add`).

    reference : the figure of the network itself
    files, measured, failed, noise : what there is so far; `failed` says why a mode has no file or figures

    Raises UserError if none of the modes can be had.
    """

    def __init__(
        self, subject: Subject, modes: Sequence[Mode], track: Track, *, per_tensor_dense: bool = False
    ) -> None:
        self._subject, self._track = subject, track
        self.files: dict[str, bytes] = {}
        self.failed: dict[str, str] = {}
        self.measured: dict[str, Measured] = {}
        done = track("converting", len(modes))
        for mode, file in convert_all(subject, modes, per_tensor_dense=per_tensor_dense):
            if isinstance(file, UserError):
                self.failed[mode] = str(file)
            else:
                self.files[mode] = file
            done(1)
        if not self.files:
            raise UserError(next(iter(self.failed.values())))
        self.reference = figure(predict(subject.model, subject.test.inputs), subject.test, subject.task)

    def add(self, name: str, file: bytes) -> None:
        """One more file of the network, however it was made."""
        self.files[name] = file

    def measure(self, name: str) -> None:
        """Runs a file on the whole test part; it has failed if LiteRT has no kernel for it (of int16x8, some lack)."""
        subject, inputs = self._subject, self._subject.test.inputs
        try:
            interpreter = Interpreter(self.files[name])
        except UserError as error:
            self.failed[name] = f"{name}: {error}"
            return
        found = figure(interpreter.predict(inputs, self._track(name, len(inputs))), subject.test, subject.task)
        self.measured[name] = Measured(
            found,
            lost(self.reference, found, subject.task),
            len(self.files[name]),
            interpreter.milliseconds(inputs[0]),
            self._obstacle(self.files[name]),
        )

    def noise(self, name: str) -> list[LayerNoise]:
        """The layers of a file, the noisiest first, on inputs that are spread over the test part.

        Nothing without a float32 file to compare with.
        """
        if REAL not in self.files:
            return []
        inputs = self._subject.test.inputs
        chosen = np.linspace(0, len(inputs) - 1, min(NOISE_INPUTS, len(inputs))).round().astype(np.intp)
        self._track(f"noise of {name}", 1)
        return layer_noise(self.files[REAL], self.files[name], inputs[chosen], layer_names(self._subject.model))

    def _obstacle(self, file: bytes) -> str | None:
        try:
            compile_to(file)
        except UserError as error:
            try:
                check_layers(self._subject.model)
            except UserError as cause:
                return str(cause)
            return str(error)
        return None


def convert_all(
    subject: Subject, modes: Sequence[Mode], *, per_tensor_dense: bool = False
) -> Iterator[tuple[Mode, bytes | UserError]]:
    """Each mode's .tflite file, or why there is none, as they become ready, in the order of the modes."""

    def convert(mode: Mode) -> bytes | UserError:
        try:
            return to_tflite(subject.model, subject.representative, mode, per_tensor_dense=per_tensor_dense)
        except UserError as error:
            return error

    with ThreadPoolExecutor(min(os.cpu_count() or 1, MOST_CONVERSIONS)) as pool, ending_converters():
        yield from zip(modes, pool.map(convert, modes), strict=True)
