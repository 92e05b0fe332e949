"""TEXT and VALUE of docs/reference/protocol.md. Raises Malformed and TooLarge, each naming the field."""

from __future__ import annotations

from typing import Any

from ..errors import Malformed
from ..model import (
    UNSET,
    BlobId,
    CellChange,
    Chunk,
    OutputsChange,
    Path,
    Splice,
    Text,
    TextChange,
    Value,
    ValuePatch,
)
from . import fields as f
from .chunks import MAXIMUM
from .fields import Object, required
from .text import growth, normal

CHUNKS = 32_768
"""Chunks of one text: up to 2 GiB."""
SPLICES = 100_000
"""Splices of one text in one edit."""
UNITS = 2**31
"""Length of one text."""
LONG = 100_000
"""Long strings of one value."""
PATH_DEPTH = f.DEPTH
NAME_LENGTH = 65_536
"""A key in a path."""


def a_text(value: Any, where: str) -> Text:
    """A whole text: inline or as chunks."""
    text = a_text_or_change(value, where)
    if isinstance(text, TextChange):
        raise f.malformed(where, "a whole text, not splices,")
    return text


def a_text_or_change(value: Any, where: str) -> Text | TextChange:
    """TEXT in any of its forms."""
    if type(value) is str:
        return Text(origin=normal(value))
    text = f.an_object(value, where)
    forms = [name for name in ("text", "chunks", "splices") if name in text]
    if len(forms) != 1:
        raise f.malformed(where, "text, chunks or splices")
    rev = f.an_int(text["rev"], f"{where}.rev") if text.get("rev") is not None else None
    if forms == ["text"]:
        return Text(origin=normal(f.a_string(text["text"], f"{where}.text", UNITS)), rev=rev)
    if forms == ["chunks"]:
        chunks = f.a_list(text["chunks"], f"{where}.chunks", CHUNKS)
        return Text(origin=tuple(_chunk(one, f"{where}.chunks[]") for one in chunks), rev=rev)
    return _change(text, where, rev)


def _chunk(value: Any, where: str) -> Chunk:
    sha256, length = f.a_tuple(value, where, "hash", "length")
    blob = BlobId(bytes.fromhex(f.a_sha256(sha256, where)))
    return Chunk(blob, f.an_int(length, where, 1, MAXIMUM))


def _change(text: Object, where: str, rev: int | None) -> TextChange:
    splices = f.a_list(text["splices"], f"{where}.splices", SPLICES)
    change = TextChange(
        splices=tuple(_splice(one, f"{where}.splices[]") for one in splices),
        of=_of(required(text, "of", where), f"{where}.of"),
        length=f.an_int(required(text, "len", where), f"{where}.len", 0, UNITS),
        rev=rev,
    )
    _check_fit(change, where)
    return change


def _splice(value: Any, where: str) -> Splice:
    position, deleted, inserted = f.a_tuple(value, where, "position", "deleted", "inserted")
    return Splice(
        f.an_int(position, where, 0, UNITS),
        f.an_int(deleted, where, 0, UNITS),
        f.a_string(inserted, where, UNITS),
    )


def _of(value: Any, where: str) -> int | bytes:
    if type(value) is str and value.startswith("base:"):
        return bytes.fromhex(f.a_sha256(value[5:], where))
    return f.an_int(value, where)


def _check_fit(change: TextChange, where: str) -> None:
    """`len` tells how long the text was before; every splice must lie within it."""
    length = change.length - growth(change.splices)
    for one in change.splices:
        if one.position + one.deleted > length:
            raise Malformed(f"{where}: a splice at {one.position} reaches beyond the text, or len is wrong")
        length += growth((one,))


def a_value(value: Any, where: str) -> Value:
    """VALUE: a JSON object, long strings lifted out."""
    lifted = f.an_object(value, where)
    json = f.an_object(required(lifted, "json", where), f"{where}.json")
    long: dict[Path, Text] = {}
    for entry in f.a_list(lifted.get("long", []), f"{where}.long", LONG):
        path, text = _path_and_text(entry, f"{where}.long[]")
        if path in long or not _is_hole(json, path):
            raise Malformed(f"{where}.long: {list(path)!r:.200} is no null in json, or stands there twice")
        long[path] = a_text(text, f"{where}.long[]")
    return Value(json=json, long=long)


def a_value_or_patch(value: Any, where: str) -> Value | ValuePatch:
    """VALUE, or the patch of an output."""
    if "patch" not in f.an_object(value, where):
        return a_value(value, where)
    changes: dict[Path, TextChange] = {}
    for entry in f.a_list(value["patch"], f"{where}.patch", LONG):
        path, text = _path_and_text(entry, f"{where}.patch[]")
        change = a_text_or_change(text, f"{where}.patch[]")
        if isinstance(change, Text):
            raise f.malformed(f"{where}.patch[]", "splices")
        if path in changes:
            raise Malformed(f"{where}.patch: {list(path)!r:.200} stands there twice")
        changes[path] = change
    return ValuePatch(changes=changes)


def _path_and_text(entry: Any, where: str) -> tuple[Path, Any]:
    steps, text = f.a_tuple(entry, where, "path", "text")
    f.a_list(steps, where, PATH_DEPTH)
    if not steps:
        raise f.malformed(where, "a path")
    path = tuple(f.a_string(step, where, NAME_LENGTH) if type(step) is str else f.an_int(step, where) for step in steps)
    return path, text


def _is_hole(json: Any, path: Path) -> bool:
    """Whether the path leads to a null, by keys of objects and indexes of lists."""
    for step in path:
        is_key = type(step) is str and type(json) is dict and step in json
        if not is_key and not (type(step) is int and type(json) is list and step < len(json)):
            return False
        json = json[step]
    return json is None


def is_whole(change: CellChange) -> bool:
    """Whether the change says everything about its cell (attachments may be absent: none)."""
    if change.head is UNSET or change.metadata is UNSET or not isinstance(change.source, Text):
        return False
    return change.head.cell_type != "code" or are_whole_outputs(change.outputs)


def are_whole_outputs(outputs: object) -> bool:
    """Whether every output is there, none as a patch."""
    return (
        isinstance(outputs, OutputsChange)
        and len(outputs.changed) == outputs.length
        and all(isinstance(output, Value) for output in outputs.changed.values())
    )
