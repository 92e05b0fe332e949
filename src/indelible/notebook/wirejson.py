"""The inverse of wire.py: values of the model as protocol JSON, for tests, benchmarks and the CLI."""

from __future__ import annotations

from typing import Any

from ..model import (
    UNSET,
    CellChange,
    Edit,
    Head,
    Opening,
    OutputsChange,
    Path,
    Saved,
    Splice,
    Text,
    TextChange,
    Value,
    ValuePatch,
)
from .runs import total

Object = dict[str, Any]


def edit_to_json(edit: Edit) -> Object:
    """The edit message. Raises ValueError for a Text that only a journal can hold (with splices)."""
    message: Object = {
        "t": "edit",
        "wc": edit.working_copy,
        "epoch": edit.epoch,
        "seq": edit.seq,
        "at": edit.at_ms,
    }
    if edit.reset:
        message["reset"] = True
    if edit.order is not UNSET:
        message["order"] = [list(run) for run in edit.order]
    if edit.meta is not UNSET:
        message["meta"] = value_to_json(edit.meta)
    if edit.cells:
        message["cells"] = [_cell(change) for change in edit.cells]
    return message


def opening_to_json(opening: Opening) -> Object:
    """The open message."""
    return {
        "t": "open",
        "wc": opening.working_copy,
        "epoch": opening.epoch,
        "path": opening.path,
        "base": opening.base,
        "cells": opening.cells,
        "seq": opening.seq,
        "mode": opening.mode,
    }


def saved_to_json(saved: Saved) -> Object:
    """The saved message."""
    return {
        "t": "saved",
        "wc": saved.working_copy,
        "epoch": saved.epoch,
        "seq": saved.seq,
        "hash": saved.hash,
        "order": [list(run) for run in saved.order],
        "cells": total(saved.order),
    }


def text_to_json(text: Text | TextChange) -> Any:
    """TEXT: a bare string when it is inline and has no revision."""
    if isinstance(text, TextChange):
        of = text.of if isinstance(text.of, int) else f"base:{text.of.hex()}"
        return _with_rev({"splices": _splices(text.splices), "of": of, "len": text.length}, text.rev)
    if text.splices or isinstance(text.origin, bytes):
        raise ValueError("only a journal holds a text with splices")
    if isinstance(text.origin, str):
        return text.origin if text.rev is None else {"text": text.origin, "rev": text.rev}
    return _with_rev({"chunks": [[chunk.blob.hex(), chunk.length] for chunk in text.origin]}, text.rev)


def _with_rev(form: Object, rev: int | None) -> Object:
    return form if rev is None else {**form, "rev": rev}


def _splices(splices: tuple[Splice, ...]) -> list[list[Any]]:
    return [[one.position, one.deleted, one.inserted] for one in splices]


def value_to_json(value: Value | ValuePatch) -> Object:
    """VALUE, or an output's patch."""
    if isinstance(value, ValuePatch):
        return {"patch": [[list(path), text_to_json(change)] for path, change in value.changes.items()]}
    if not value.long:
        return {"json": value.json}
    return {"json": value.json, "long": [_lifted(path, text) for path, text in value.long.items()]}


def _lifted(path: Path, text: Text) -> list[Any]:
    return [list(path), text_to_json(text)]


def _cell(change: CellChange) -> Object:
    cell: Object = {"key": change.key}
    if change.head is not UNSET:
        cell["head"] = _head(change.head)
    if change.source is not UNSET:
        cell["source"] = text_to_json(change.source)
    if change.metadata is not UNSET:
        cell["metadata"] = value_to_json(change.metadata)
    if change.attachments is not UNSET:
        cell["attachments"] = None if change.attachments is None else value_to_json(change.attachments)
    if change.outputs is not UNSET:
        cell["outputs"] = _outputs(change.outputs)
    return cell


def _head(head: Head) -> Object:
    return {
        "cell_type": head.cell_type,
        "id": head.id,
        "execution_count": head.execution_count,
        "trusted": head.trusted,
    }


def _outputs(outputs: OutputsChange) -> Object:
    changed = [[index, value_to_json(output)] for index, output in outputs.changed.items()]
    return {"len": outputs.length, "set": changed}
