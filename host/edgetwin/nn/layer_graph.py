"""A Keras network as the calls of its layers, in order, to be built again with some of them replaced.

Importing this imports Keras.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from edgetwin.nn.backend import load_keras

__all__ = ["LayerCall", "LayerGraph"]

keras = load_keras()
Layer: Any = keras.layers.Layer


@dataclass(frozen=True, eq=False)
class LayerCall:
    """One use of a layer.

    name : of this use alone
    args : its arguments, which hold the tensors that earlier calls gave
    output : the tensor that it gives
    """

    name: str
    layer: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    output: Any

    def copied(self, **changes: Any) -> Any:
        """A layer as the call's, without its weights; its configuration changed."""
        return self.layer.__class__.from_config({**self.layer.get_config(), "name": self.name, **changes})

    def apply_copy(self, args: tuple[Any, ...], **changes: Any) -> Any:
        """What a copy, with the weights of the call's layer, gives for other arguments."""
        copy = self.copied(**changes)
        output = copy(*args, **self.kwargs)
        if getattr(copy, "weights", None):
            copy.set_weights(self.layer.get_weights())
        return output


@dataclass(frozen=True, eq=False)
class LayerGraph:
    """All calls, each after those whose outputs it takes; networks within the network are opened.

    input, output : tensors
    """

    name: str
    calls: list[LayerCall]
    input: Any
    output: Any

    @classmethod
    def of(cls, model: Any) -> LayerGraph:
        """Of a functional or sequential network with one input and one output. The network is left as it is."""
        calls: list[LayerCall] = []

        def record(stand_in: _StandIn, *args: Any, **kwargs: Any) -> Any:
            output = stand_in(*args, **kwargs)
            if not isinstance(stand_in.original, keras.Model):
                calls.append(LayerCall(stand_in.original.name, stand_in.original, args, kwargs, output))
                return output
            inner = cls.of(stand_in.original)
            outer = {id(inner.input): args[0], id(inner.output): output}
            for call in inner.calls:
                inputs = keras.tree.map_structure(lambda x: outer.get(id(x), x), call.args)
                calls.append(replace(call, args=inputs, output=outer.get(id(call.output), call.output)))
            return output

        # A sequential network has the same graph, but cannot be traced as one.
        functional = keras.Model(model.inputs[0], model.outputs[0])
        traced = keras.models.clone_model(functional, clone_function=_StandIn, call_function=record)
        return cls(model.name, _named_apart(calls), traced.inputs[0], traced.outputs[0])

    def only_consumer(self, call: LayerCall) -> LayerCall | None:
        """The call that takes a call's output, if nothing else does and it is not the network's."""
        takers = [taker for taker in self.calls if any(x is call.output for x in keras.tree.flatten(taker.args))]
        return takers[0] if len(takers) == 1 and call.output is not self.output else None

    def rebuild(
        self, apply: Callable[[LayerCall, tuple[Any, ...]], Any], enter: Callable[[Any], Any] = lambda x: x
    ) -> Any:
        """A network whose tensors are what `apply` makes of each call and its new arguments, and `enter` of the input.

        `apply` copies layers: one that is called itself would belong to two networks. A layer that is used twice
        becomes two.
        """
        inputs = keras.Input(self.input.shape[1:], dtype=self.input.dtype)
        tensors = {id(self.input): enter(inputs)}
        for call in self.calls:
            args = keras.tree.map_structure(lambda x: tensors.get(id(x), x), call.args)
            tensors[id(call.output)] = apply(call, args)
        return keras.Model(inputs, tensors[id(self.output)], name=self.name)


class _StandIn(Layer):  # type: ignore[misc]  # Keras has no types
    """Has a layer's shapes, not its weights, so that a network can be traced at no cost."""

    def __init__(self, original: Any) -> None:
        super().__init__(name=original.name)
        self.original = original

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """The layer's outputs."""
        return self.original.call(*args, **kwargs)

    def compute_output_spec(self, *args: Any, **kwargs: Any) -> Any:
        """The layer's."""
        return self.original.compute_output_spec(*args, **kwargs)


def _named_apart(calls: list[LayerCall]) -> list[LayerCall]:
    """With names that are each one call's."""
    used, apart = Counter[str](), []
    for call in calls:
        apart.append(replace(call, name=f"{call.name}_use{used[call.name]}") if used[call.name] else call)
        used[call.name] += 1
    return apart
