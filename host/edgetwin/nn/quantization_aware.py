"""Training that goes on with int8 numbers in sight, for networks that lose too much when they are only rounded.

Source: B. Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
CVPR 2018 (arXiv:1712.05877), section 3.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgetwin.nn.backend import load_keras
from edgetwin.nn.checkpoint import save_weights, weights_digest
from edgetwin.nn.fake_quantization import ActivationRange, QuantisedKernel
from edgetwin.nn.folding import KERNEL_LAYERS, fold
from edgetwin.nn.layer_graph import LayerCall, LayerGraph
from edgetwin.nn.run import Progress, Training, fingerprint
from edgetwin.nn.trained import TrainedNetwork
from edgetwin.nn.training import seed_networks

__all__ = ["CHECKPOINT", "WEIGHTS", "deployable", "fine_tune", "quantization_aware"]

CHECKPOINT, WEIGHTS = "aware_checkpoint.npz", "aware_weights.npz"

# What TensorFlow Lite makes one operator with the rectifier after it, so that int8 has only the rectifier's output.
TAKES_IN_RECTIFIER = {*KERNEL_LAYERS, "Add", "Subtract", "Multiply"}
# Outputs that have the scale of the input, and are among its values ...
PASSES = {"Flatten", "Reshape", "Permute", "Dropout", "MaxPooling1D", "MaxPooling2D", "ZeroPadding1D", "ZeroPadding2D"}
# ... or are rounded to it.
AVERAGES = {"AveragePooling1D", "AveragePooling2D"}
# Outputs whose scale TensorFlow Lite fixes.
FIXED_SCALE = {"softmax", "sigmoid", "tanh"}


def quantization_aware(model: Any) -> Any:
    """A network, folded, that computes what its int8 file will, and can be trained: gradients pass the rounding.

    Weights are quantised as they are; each activation that the file will have as int8 is quantised in a range that
    training finds, so train it for some steps before its outputs are of use.

    model : a functional or sequential network with one input and one output; it is left as it is
    """
    graph = LayerGraph.of(_apart(fold(model)))
    ranges: dict[int, Any] = {}  # by the id of the tensor that has it

    def quantised(x: Any) -> Any:
        new = ActivationRange()
        output = new(x)
        ranges[id(output)] = new
        return output

    def apply(call: LayerCall, args: tuple[Any, ...]) -> Any:
        kind = type(call.layer).__name__
        if kind in KERNEL_LAYERS:
            quantised_layer = QuantisedKernel(call.copied(), name=call.name)
            output = quantised_layer(*args)
            quantised_layer.set_weights(call.layer.get_weights())
        else:
            output = call.apply_copy(args)
        if kind in PASSES or kind in AVERAGES:
            held = ranges.get(id(args[0]))
            if held is not None:
                output = held(output, observe=False) if kind in AVERAGES else output
                ranges[id(output)] = held
            return output
        after = graph.only_consumer(call)
        taken_in = kind in TAKES_IN_RECTIFIER and after is not None and _rectifies(after.layer)
        return output if taken_in or _activation(call.layer) in FIXED_SCALE else quantised(output)

    return graph.rebuild(apply, quantised)


def deployable(aware: Any) -> Any:
    """The network of :func:`quantization_aware`, once trained, for :func:`edgetwin.nn.quantization.to_tflite`.

    Its weights are real numbers, its ranges marked as TensorFlow's converter knows them, by Keras' own layers alone.
    """
    keras = load_keras()

    def marked(call: LayerCall, args: tuple[Any, ...]) -> Any:
        if isinstance(call.layer, ActivationRange):
            if not call.kwargs.get("observe", True):
                return args[0]
            low, high = float(call.layer.low.numpy()), float(call.layer.high.numpy())
            return keras.quantizers.fake_quant_with_min_max_vars(args[0], low, high)
        if isinstance(call.layer, QuantisedKernel):
            return replace(call, layer=call.layer.layer).apply_copy(args)
        return call.apply_copy(args)

    return LayerGraph.of(aware).rebuild(marked)


def fine_tune(
    trained: TrainedNetwork,
    output: Path,
    *,
    resume: bool = False,
    on_step: Callable[[Progress], object] = lambda progress: None,
) -> Any:
    """A trained network made aware of its quantisation, after the epochs that its recipe has for that.

    Writes into the folder `output` a checkpoint after each epoch, and at the end the weights; it is as deterministic as
    :func:`edgetwin.nn.run.carry_out`, and raises what that does.
    """
    recipe = trained.recipe
    how, optimizer = recipe.quantization, recipe.optimizer
    recipe = recipe.model_copy(
        update={
            "optimizer": optimizer.model_copy(update={"learning_rate": recipe.aware_learning_rate}),
            "schedule": recipe.schedule.model_copy(update={"warmup": 0.0}),
        }
    )
    seed_networks(recipe.seed)
    model = quantization_aware(trained.model)
    run = fingerprint(recipe, f"{how.aware_epochs} aware epochs from {weights_digest(trained.model)}", trained.examples)
    training = Training(recipe, how.aware_epochs, model, output / CHECKPOINT, run)
    training.carry_on(trained.examples, on_step, resume=resume)
    save_weights(model, output / WEIGHTS)
    return model


def _apart(model: Any) -> Any:
    """A network in which activation functions are layers of their own."""
    layers = load_keras().layers

    def apply(call: LayerCall, args: tuple[Any, ...]) -> Any:
        if type(call.layer).__name__ not in KERNEL_LAYERS or _activation(call.layer) == "linear":
            return call.apply_copy(args)
        output = call.apply_copy(args, activation="linear", activity_regularizer=None)
        return layers.Activation(call.layer.activation, activity_regularizer=call.layer.activity_regularizer)(output)

    return LayerGraph.of(model).rebuild(apply)


def _activation(layer: Any) -> str:
    """Name of a layer's function; of a layer that is one, too."""
    if hasattr(layer, "activation"):
        return str(layer.activation.__name__)
    return type(layer).__name__.lower()


def _rectifies(layer: Any) -> bool:
    if type(layer).__name__ == "ReLU":
        return layer.max_value in (None, 6) and not layer.negative_slope and not layer.threshold
    return _activation(layer) in ("relu", "relu6")
