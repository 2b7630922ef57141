"""Entries of a .tflite file's metadata: named bytes that interpreters pass over (schema.fbs, table Metadata)."""

from __future__ import annotations

import importlib
import struct
from collections.abc import Iterable
from typing import Any

import tflite

from edgetwin.errors import UserError

__all__ = ["read_entry", "with_entry"]

# Buffers are placed at multiples of this (schema.fbs, force_align of Buffer.data).
_ALIGNMENT = 16
_UNREADABLE = (struct.error, IndexError, ValueError, TypeError, OverflowError)


def read_entry(file: bytes, name: str) -> bytes | None:
    """The bytes of an entry of a .tflite file; None if there is none. Raises UserError for a cut or corrupted file."""
    try:
        model = tflite.Model.GetRootAs(file, 0)
        for number in range(model.MetadataLength()):
            entry = model.Metadata(number)
            if entry.Name() == name.encode():
                buffer = model.Buffers(entry.Buffer())
                return bytes(buffer.DataAsNumpy()) if buffer.DataLength() else b""
    except _UNREADABLE as error:
        raise UserError("the .tflite file's metadata are cut or corrupted: copy or convert it again") from error
    return None


def with_entry(file: bytes, name: str, content: bytes) -> bytes:
    """A .tflite file with one entry more.

    The file keeps its bytes and their alignment, which a rewriting by flatbuffers' Python classes would lose: a new
    root is put before them. Raises UserError if the file has an entry of that name, or constants behind the flatbuffer
    (Buffer.offset), whose places would change.
    """
    if read_entry(file, name) is not None:
        raise UserError(f"the .tflite file has metadata {name!r} already")
    model = tflite.Model.GetRootAs(file, 0)
    buffers = [model.Buffers(number) for number in range(model.BuffersLength())]
    if any(buffer.Offset() > 1 for buffer in buffers):
        raise UserError("the .tflite file is too large for metadata: its constants are outside the flatbuffer")
    flatbuffers: Any = importlib.import_module("flatbuffers")
    # A builder goes from the end to the front: the old file is what it has built already.
    old = file + bytes(-len(file) % _ALIGNMENT)
    builder = flatbuffers.Builder(len(old) + len(content) + 4096)
    builder.Prep(_ALIGNMENT, len(old))
    builder.head -= len(old)
    builder.Bytes[builder.head : builder.head + len(old)] = old
    data = _aligned_bytes(builder, content)
    text = builder.CreateString(name)
    tflite.BufferStart(builder)
    tflite.BufferAddData(builder, data)
    buffer = tflite.BufferEnd(builder)
    tflite.MetadataStart(builder)
    tflite.MetadataAddName(builder, text)
    tflite.MetadataAddBuffer(builder, len(buffers))
    entry = tflite.MetadataEnd(builder)

    def old_offset(position: int) -> int:
        return len(old) - position

    entries = [old_offset(model.Metadata(number)._tab.Pos) for number in range(model.MetadataLength())]
    all_entries = _vector(builder, [*entries, entry])
    all_buffers = _vector(builder, [*(old_offset(part._tab.Pos) for part in buffers), buffer])
    tflite.ModelStart(builder)
    tflite.ModelAddVersion(builder, model.Version())
    for field, add in _KEPT.items():
        place = model._tab.Offset(field)
        if place:
            add(builder, old_offset(model._tab.Indirect(model._tab.Pos + place)))
    tflite.ModelAddBuffers(builder, all_buffers)
    tflite.ModelAddMetadata(builder, all_entries)
    builder.Finish(tflite.ModelEnd(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


# Fields of the table Model that refer to what stays where it is, by their places in its vtable.
_KEPT = {
    6: tflite.ModelAddOperatorCodes,
    8: tflite.ModelAddSubgraphs,
    10: tflite.ModelAddDescription,
    14: tflite.ModelAddMetadataBuffer,
    18: tflite.ModelAddSignatureDefs,
}


def _aligned_bytes(builder: Any, content: bytes) -> int:
    builder.StartVector(1, len(content), _ALIGNMENT)
    builder.head -= len(content)
    builder.Bytes[builder.head : builder.head + len(content)] = content
    return int(builder.EndVector())


def _vector(builder: Any, offsets: Iterable[int]) -> int:
    listed = list(offsets)
    builder.StartVector(4, len(listed), 4)
    for offset in reversed(listed):
        builder.PrependUOffsetTRelative(offset)
    return int(builder.EndVector())
