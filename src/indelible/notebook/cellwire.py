"""A cell's parts in an edit message. Raises Malformed and TooLarge, each naming the field."""

from __future__ import annotations

from typing import Any

from ..model import UNSET, CellChange, CellKey, Head, OutputsChange, Unset, Value, ValuePatch
from . import fields as f
from .fields import Object, required
from .valuewire import a_text_or_change, a_value, a_value_or_patch

OUTPUTS = 100_000
"""Outputs of one cell."""
CELL_ID_LENGTH = 1_024
CELL_TYPES = ("code", "markdown", "raw")


def notebook_meta(value: Any, where: str) -> Value:
    """`meta` of an edit: nbformat, nbformat_minor and metadata."""
    meta = a_value(value, where)
    f.an_int(required(meta.json, "nbformat", where), f"{where}.nbformat", 4)
    f.an_int(required(meta.json, "nbformat_minor", where), f"{where}.nbformat_minor")
    f.an_object(required(meta.json, "metadata", where), f"{where}.metadata")
    if "cells" in meta.json:
        raise f.malformed(f"{where}.cells", "nothing")
    return meta


def cell_change(value: Any, where: str) -> CellChange:
    """One entry of an edit's `cells`."""
    cell = f.an_object(value, where)
    return CellChange(
        key=CellKey(f.an_int(required(cell, "key", where), f"{where}.key")),
        head=_head(cell["head"], f"{where}.head") if "head" in cell else UNSET,
        source=a_text_or_change(cell["source"], f"{where}.source") if "source" in cell else UNSET,
        metadata=a_value(cell["metadata"], f"{where}.metadata") if "metadata" in cell else UNSET,
        attachments=_attachments(cell, where),
        outputs=_outputs(cell["outputs"], f"{where}.outputs") if "outputs" in cell else UNSET,
    )


def _head(value: Any, where: str) -> Head:
    head = f.an_object(value, where)
    cell_id, count, trusted = (head.get(name) for name in ("id", "execution_count", "trusted"))
    return Head(
        cell_type=f.one_of(required(head, "cell_type", where), f"{where}.cell_type", CELL_TYPES),
        id=None if cell_id is None else f.a_string(cell_id, f"{where}.id", CELL_ID_LENGTH),
        execution_count=None if count is None else f.an_int(count, f"{where}.execution_count"),
        trusted=None if trusted is None else f.a_bool(trusted, f"{where}.trusted"),
    )


def _attachments(cell: Object, where: str) -> Value | Unset | None:
    if "attachments" not in cell:
        return UNSET
    value = cell["attachments"]
    return None if value is None else a_value(value, f"{where}.attachments")


def _outputs(value: Any, where: str) -> OutputsChange:
    outputs = f.an_object(value, where)
    length = f.an_int(required(outputs, "len", where), f"{where}.len", 0, OUTPUTS)
    changed: dict[int, Value | ValuePatch] = {}
    for entry in f.a_list(outputs.get("set", []), f"{where}.set", OUTPUTS):
        index, output = f.a_tuple(entry, f"{where}.set[]", "index", "output")
        f.an_int(index, f"{where}.set[]")
        if index >= length or index in changed:
            raise f.malformed(f"{where}.set[] index {index}", f"another index below len ({length})")
        changed[index] = a_value_or_patch(output, f"{where}.set[{index}]")
    return OutputsChange(length=length, changed=changed)
