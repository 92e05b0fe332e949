"""How values look in a journal row: compact JSON in UTF-8, and a checksum over the whole row."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timezone
from enum import IntEnum
from typing import Any

from ..errors import StoreDamaged
from ..model import BlobId, Chunk, Head, Runs, Seq, Splice, State, Text, Value, WorkingCopy

FORMAT = 1


class Part(IntEnum):
    """What a row of `parts` holds. Numbers are the format's: never reuse one."""

    ORDER = 0
    META = 1
    HEAD = 2
    SOURCE = 3
    METADATA = 4
    ATTACHMENTS = 5
    OUTPUTS_LENGTH = 6
    OUTPUT = 7


NOTEBOOK = -1
"""The `cell` of parts that belong to the notebook itself."""


def checksum(*fields: object) -> bytes:
    """Over everything else in the row: a row that was torn, moved or mixed up does not match."""
    digest = hashlib.blake2b(digest_size=8)
    for field in fields:
        content = field if isinstance(field, bytes) else str(field).encode()
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.digest()


def encode(form: Any) -> bytes:
    """JSON; lone surrogates, which UTF-8 cannot hold, as escapes."""
    text = json.dumps(form, ensure_ascii=False, separators=(",", ":"))
    try:
        return text.encode()
    except UnicodeEncodeError:
        return json.dumps(form, separators=(",", ":")).encode()


def decode(body: bytes) -> Any:
    """The inverse. Raises StoreDamaged."""
    try:
        return json.loads(body)
    except ValueError as error:
        raise StoreDamaged(f"a row is no JSON: {error}") from error


def text_form(text: Text) -> Any:
    form: dict[str, Any] = {}
    if isinstance(text.origin, str):
        form["text"] = text.origin
    elif isinstance(text.origin, bytes):
        form["base"] = text.origin.hex()
    else:
        form["chunks"] = [[chunk.blob.hex(), chunk.length] for chunk in text.origin]
    if text.splices:
        form["splices"] = [[one.position, one.deleted, one.inserted] for one in text.splices]
    if text.rev is not None:
        form["rev"] = text.rev
    return form


def text_from(form: Any) -> Text:
    origin: str | bytes | tuple[Chunk, ...]
    if "text" in form:
        origin = form["text"]
    elif "base" in form:
        origin = bytes.fromhex(form["base"])
    else:
        origin = chunks_from(form["chunks"])
    splices = tuple(Splice(*one) for one in form.get("splices", ()))
    return Text(origin=origin, splices=splices, rev=form.get("rev"))


def chunks_from(form: Any) -> tuple[Chunk, ...]:
    return tuple(Chunk(BlobId(bytes.fromhex(blob)), length) for blob, length in form)


def value_form(value: Value | None) -> Any:
    if value is None:
        return None
    if not value.long:
        return {"json": value.json}
    return {"json": value.json, "long": [[list(path), text_form(text)] for path, text in value.long.items()]}


def value_from(form: Any) -> Value:
    return Value(json=form["json"], long={tuple(path): text_from(text) for path, text in form.get("long", ())})


def head_form(head: Head) -> Any:
    return [head.cell_type, head.id, head.execution_count, head.trusted]


def head_from(form: Any) -> Head:
    cell_type, cell_id, count, trusted = form
    return Head(cell_type=cell_type, id=cell_id, execution_count=count, trusted=trusted)


def runs_from(form: Any) -> Runs:
    return tuple((first, count) for first, count in form)


def working_copy_form(one: WorkingCopy) -> Any:
    chunks = one.base_chunks
    written = {} if one.written is None else {"written": [one.written, one.written_seq]}
    return {
        **written,
        "format": FORMAT,
        "path": one.path,
        "root": one.root,
        "loaded_from": one.loaded_from,
        "base": one.base,
        "base_order": one.base_order,
        "base_chunks": None if chunks is None else [[chunk.blob.hex(), chunk.length] for chunk in chunks],
        "epoch": one.epoch,
        "seq": one.seq,
        "saved_seq": one.saved_seq,
        "mode": one.mode,
        "state": one.state.value,
        "tab": one.tab,
        "edited_at_ms": round(one.edited_at.timestamp() * 1000),
    }


def working_copy_from(identity: str, form: Any) -> WorkingCopy:
    chunks = form["base_chunks"]
    written, written_seq = form.get("written", (None, 0))
    return WorkingCopy(
        id=identity,
        path=form["path"],
        root=form["root"],
        loaded_from=form["loaded_from"],
        base=form["base"],
        base_order=runs_from(form["base_order"]),
        base_chunks=None if chunks is None else chunks_from(chunks),
        epoch=form["epoch"],
        seq=Seq(form["seq"]),
        saved_seq=Seq(form["saved_seq"]),
        mode=form["mode"],
        state=State(form["state"]),
        tab=form["tab"],
        edited_at=from_ms(form["edited_at_ms"]),
        written=written,
        written_seq=Seq(written_seq),
    )


def from_ms(at_ms: int) -> datetime:
    """A time for people; a tab's nonsense becomes the year 1970 rather than an error."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, timezone.utc)
    except (OverflowError, ValueError, OSError):
        return datetime.fromtimestamp(0, timezone.utc)


def reached(one: WorkingCopy, seq: int, at_ms: int) -> WorkingCopy:
    """With a later seq, if it is one."""
    if seq <= one.seq:
        return one
    return replace(one, seq=Seq(seq), edited_at=from_ms(at_ms))
