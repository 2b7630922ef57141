"""Writes device/vectors.json as a C header, for the C tests: a board has no file system and no JSON.

python tools/vectors/make_header.py build/vectors.h
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).resolve().parents[2] / "device" / "vectors.json"

HEAD = """\
/* device/vectors.json, by tools/vectors/make_header.py. */
#ifndef EDGETWIN_VECTORS_H
#define EDGETWIN_VECTORS_H

#include <stddef.h>
#include <stdint.h>

typedef struct vector_bytes {
    const uint8_t *bytes;
    size_t size;
} vector_bytes;

"""

#: C type and fields of each section. A "bytes" field is hexadecimal in the file; an absent "bytes" field is NULL.
SECTIONS: dict[str, dict[str, str]] = {
    "cobs": {"decoded": "bytes", "encoded": "bytes"},
    "crc32": {"data": "bytes", "crc32": "hex"},
    "hmac": {"key": "bytes", "data": "bytes", "hmac": "bytes"},
    "frames": {
        "type": "number",
        "payload": "bytes",
        "sequence": "number",
        "credit": "number",
        "id": "number",
        "key": "bytes",
        "direction": "letter",
        "wire": "bytes",
    },
    "bundles": {"bundle": "bytes", "status": "number", "id": "hex", "m": "number", "n": "number"},
    "codes": {"bundle": "bundle", "signal": "bytes", "status": "number", "code": "bytes"},
    "packets": {"bundle": "bundle", "windows": "number", "signals": "bytes", "packet": "bytes"},
}
TYPES = {"bytes": "vector_bytes", "hex": "uint64_t", "number": "uint32_t", "letter": "char", "bundle": "unsigned"}


def literal(data: bytes) -> str:
    """A C string; octal escapes, since a hexadecimal one would swallow the digits behind it."""
    return '"' + "".join(f"\\{byte:03o}" for byte in data) + '"'


def field_value(kind: str, value: Any, bundles: list[str]) -> str:
    """The C initialiser of one field; absent numbers are 0."""
    if kind == "bytes":
        if value is None:
            return "{NULL, 0}"
        data = bytes.fromhex(value)
        return f"{{(const uint8_t *){literal(data)}, {len(data)}}}"
    if kind == "hex":
        return f"UINT64_C(0x{value or '0'})"
    if kind == "letter":
        return f"'{value}'" if value else "0"
    if kind == "bundle":
        return f"{bundles.index(value)}"
    return f"{value or 0}u"


def make_header(vectors: dict[str, list[dict[str, Any]]]) -> str:
    """The text of the header."""
    bundles = [bundle["name"] for bundle in vectors["bundles"]]
    parts = [HEAD]
    for section, fields in SECTIONS.items():
        parts.append("static const struct {\n")
        parts += [f"    {TYPES[kind]} {name};\n" for name, kind in fields.items()]
        parts.append(f"}} {section}_vectors[] = {{\n")
        for vector in vectors[section]:
            values = ", ".join(field_value(kind, vector.get(name), bundles) for name, kind in fields.items())
            parts.append(f"    {{{values}}},\n")
        parts.append("};\n\n")
    return "".join([*parts, "#endif\n"])


def main() -> int:
    """Writes the header to the path given."""
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    Path(sys.argv[1]).write_text(make_header(json.loads(VECTORS.read_text(encoding="utf-8"))), encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
