"""A shelf entry's card: every figure of an exported network, for machines (JSON) and for people (Markdown)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["CARD", "PAGE", "figure_text", "render"]

CARD, PAGE = "card.json", "card.md"

_FIGURES = {
    "accuracy": "accuracy, %",
    "loss": "mean squared error",
    "auc": "area under the ROC curve",
}
_KINDS = {
    "float": "float, Keras",
    "onnx": "float, ONNX",
    "int8": "int8, TensorFlow Lite",
    "qdq": "int8, ONNX (QDQ)",
    "board": "int8, as boards compute it",
}


def render(card: Mapping[str, Any]) -> str:
    """The card as a page of Markdown."""
    return "\n\n".join((_head(card), _figures(card), _sizes(card), _files(card), _origin(card))) + "\n"


def _head(card: Mapping[str, Any]) -> str:
    preprocessing, data = card["preprocessing"], card["data"]
    shape = "x".join(map(str, preprocessing["shape"]))
    source = data["name"] + (f", server {data['server']}" if data["server"] else "")
    lines = [
        f"# {card['title']}",
        "",
        f"A network for {card['task']}, learned from {source}: {data['train']:,} examples to learn from, "
        f"{data['test']:,} to test on.",
        "",
        f"One input is {shape}: {preprocessing['raw']}{_scaled(preprocessing)}.",
    ]
    if card["labels"]:
        lines += ["", f"Classes: {', '.join(card['labels'])}."]
    return "\n".join(lines)


def _scaled(preprocessing: Mapping[str, Any]) -> str:
    scale, offset = preprocessing["scale"], preprocessing["offset"]
    return (f", times {scale:.9g}" if scale != 1 else "") + (f", plus {offset:.9g}" if offset else "")


def _figures(card: Mapping[str, Any]) -> str:
    name, test, samples = card["figure"], card["test"], card["samples"]
    lines = [
        f"| {_FIGURES[name]} | test part ({test['examples']:,}) | test_samples.npz ({samples['examples']:,}) |",
        "|---|---:|---:|",
    ]
    for kind, title in _KINDS.items():
        lines.append(f"| {title} | {figure_text(name, test.get(kind))} | {figure_text(name, samples[kind])} |")
    return "\n".join(lines)


def figure_text(name: str, value: float | None) -> str:
    """A figure of :data:`edgetwin.nn.scoring.FIGURES` as cards show it."""
    if value is None:
        return "-"
    return f"{100 * value:.2f}" if name == "accuracy" else f"{value:.4g}"


def _sizes(card: Mapping[str, Any]) -> str:
    tflm = card["tflm_arena_bytes"]
    rows = {
        "parameters": f"{card['parameters']:,}",
        "multiply-accumulates an input": f"{card['macs']:,}",
        "bytes of flash (.etm, portable)": f"{card['flash_bytes']:,}",
        "bytes of working memory, ours (portable)": f"{card['arena_bytes']:,}",
        "bytes of working memory, TensorFlow Lite Micro": f"{tflm:,}" if tflm else "not measured",
        "layers": ", ".join(f"{count} {name}" for name, count in card["operators"].items()),
    }
    return "\n".join(["| | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _files(card: Mapping[str, Any]) -> str:
    rows = (f"| {name} | {file['bytes']:,} | `{file['sha256']}` |" for name, file in card["files"].items())
    return "\n".join(["| file | bytes | sha256 |", "|---|---:|---|", *rows])


def _origin(card: Mapping[str, Any]) -> str:
    origin = card["provenance"]
    if origin["budget"]:
        trained = (
            f"Trained with budget {origin['budget']}: {origin['epochs']} epochs, {origin['cpu_seconds']:,.0f} seconds "
            f"of processor, Keras {origin['keras']} on {origin['backend']}, seed {origin['seed']}."
        )
    else:
        trained = "How it was trained is not known: beside the weights lay no metrics that name their recipe."
    if origin["aware_epochs"]:
        trained += f" The .tflite file is of {origin['aware_epochs']} epochs more, with quantisation in mind."
    recipe = f"Recipe: `recipe.toml`, sha256 `{origin['recipe_sha256']}`."
    return f"{trained} {recipe} Made by\n\n```\n{origin['command']}\n```"
