"""Client messages of docs/reference/protocol.md, parsed strictly: a value of the model, or a refusal.

Refusals are Malformed and TooLarge, name the field, and mean that nothing was taken. Unknown extra
fields are ignored, unknown `t` are not.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

from ..errors import Malformed, TooLarge
from ..model import UNSET, BlobId, CellChange, CellKey, Edit, Opening, Runs, Save, Saved, Seq
from . import fields as f
from .cellwire import cell_change, notebook_meta
from .chunks import MAXIMUM
from .fields import Object, required
from .messages import Closed, Have, Hello, Message, Ping, Renamed, Upload
from .runs import expand, is_repeated, total
from .valuewire import is_whole

PROTOCOL = 1
MESSAGE_BYTES = 32 * 2**20
"""A text frame, or the body of POST edits."""
CELLS = 100_000
"""Cells of a notebook, and of one edit."""
HASHES = 100_000
"""Hashes in one `have`."""
PATH_LENGTH = 4_096
BATCH = 1_000
"""Messages in one POST."""

_HEX_BYTES = 32


def parse(raw: str | bytes, tab: str = "") -> Message:
    """One text frame. `tab` is the tab that said hello on this connection."""
    return parse_message(decode(raw), tab)


def parse_batch(raw: str | bytes) -> tuple[str, list[Any]]:
    """The body of POST edits: the tab, and its messages, each for `parse_message`."""
    body = f.an_object(decode(raw), "body")
    return f.an_id(required(body, "tab"), "tab"), f.a_list(required(body, "messages"), "messages", BATCH)


def parse_upload(raw: bytes) -> Upload:
    """One binary frame. Whether the bytes are what their name says is not looked at."""
    if len(raw) <= _HEX_BYTES:
        raise Malformed("binary frame: 32 bytes of SHA-256 and the chunk expected")
    if len(raw) > _HEX_BYTES + MAXIMUM:
        raise TooLarge(f"binary frame: {len(raw) - _HEX_BYTES} bytes, at most {MAXIMUM} are accepted")
    return Upload(blob=BlobId(bytes(raw[:_HEX_BYTES])), content=bytes(raw[_HEX_BYTES:]))


def decode(raw: str | bytes) -> Any:
    """JSON without NaN, Infinity, numbers beyond a double's range, and nesting deeper than fields.DEPTH."""
    if len(raw) > MESSAGE_BYTES:
        raise TooLarge(f"message: {len(raw)} bytes, at most {MESSAGE_BYTES} are accepted")
    try:
        value = json.loads(raw, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError:
        raise Malformed("message: nested too deeply") from None
    except ValueError as error:  # also UnicodeDecodeError, and integers of more than 4,300 digits
        raise Malformed(f"message: not JSON ({str(error)[:100]})") from None
    f.check_depth(value, "message")
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is out of range")
    return number


def parse_message(value: Any, tab: str = "") -> Message:
    """A message that `decode` gave."""
    message = f.an_object(value, "message")
    kind = required(message, "t")
    parser = _PARSERS.get(kind) if type(kind) is str else None
    if parser is None:
        raise Malformed(f"t: {str(kind)[:40]!r} is not known")
    return parser(message, tab)


def _hello(message: Object, tab: str) -> Hello:
    if f.an_int(required(message, "protocol"), "protocol", 1) != PROTOCOL:
        raise Malformed(f"protocol: {PROTOCOL} expected; reload the page")
    return Hello(protocol=PROTOCOL, tab=f.an_id(required(message, "tab"), "tab"))


def _opening(message: Object, tab: str) -> Opening:
    return Opening(
        working_copy=_wc(message),
        epoch=_epoch(message),
        path=_path(message),
        base=_hash(message, "base"),
        cells=f.an_int(required(message, "cells"), "cells", 0, CELLS),
        seq=Seq(f.an_int(required(message, "seq"), "seq")),
        mode=f.one_of(required(message, "mode"), "mode", ("full", "record")),
        tab=tab,
    )


def _have(message: Object, tab: str) -> Have:
    hashes = f.a_list(required(message, "hashes"), "hashes", HASHES)
    return Have(
        id=f.an_int(required(message, "id"), "id"),
        hashes=tuple(BlobId(bytes.fromhex(f.a_sha256(one, "hashes[]"))) for one in hashes),
    )


def _edit(message: Object, tab: str) -> Edit:
    changes = f.a_list(message.get("cells", []), "cells", CELLS)
    edit = Edit(
        working_copy=_wc(message),
        epoch=_epoch(message),
        seq=Seq(f.an_int(required(message, "seq"), "seq", 1)),
        at_ms=f.an_int(required(message, "at"), "at"),
        reset=f.a_bool(message.get("reset", False), "reset"),
        order=_order(message) if "order" in message else UNSET,
        meta=notebook_meta(message["meta"], "meta") if "meta" in message else UNSET,
        cells=tuple(cell_change(change, f"cells[{index}]") for index, change in enumerate(changes)),
    )
    if len({change.key for change in edit.cells}) != len(edit.cells):
        raise Malformed("cells: a key stands there twice")
    if edit.reset:
        _check_reset(edit)
    return edit


def _check_reset(edit: Edit) -> None:
    """A reset carries everything: order, meta, and every cell whole."""
    if edit.order is UNSET or edit.meta is UNSET:
        raise Malformed("reset: order and meta expected")
    changes: dict[CellKey, CellChange] = {change.key: change for change in edit.cells}
    for key in expand(edit.order):
        if key not in changes or not is_whole(changes[key]):
            raise Malformed(f"reset: cell {key} is not whole")
    if len(changes) != total(edit.order):
        raise Malformed("reset: cells that are not in order")


def _saved(message: Object, tab: str) -> Saved:
    saved = Saved(
        working_copy=_wc(message),
        epoch=_epoch(message),
        seq=Seq(f.an_int(required(message, "seq"), "seq")),
        hash=_hash(message, "hash"),
        order=_order(message),
    )
    if f.an_int(required(message, "cells"), "cells", 0, CELLS) != total(saved.order):
        raise Malformed("cells: as many as order has keys expected")
    return saved


def _save(message: Object, tab: str) -> Save:
    return Save(
        working_copy=_wc(message),
        epoch=_epoch(message),
        seq=Seq(f.an_int(required(message, "seq"), "seq")),
        id=f.an_int(required(message, "id"), "id"),
        path=_path(message),
        file=_hash(message, "file"),
        digest=f.a_sha256(required(message, "digest"), "digest"),
        is_trusted=f.a_bool(required(message, "trusted"), "trusted"),
        creates=f.a_bool(message.get("creates", False), "creates"),
        by=None if message.get("by") is None else f.one_of(message["by"], "by", ("user", "autosave")),
    )


def _renamed(message: Object, tab: str) -> Renamed:
    return Renamed(working_copy=_wc(message), epoch=_epoch(message), path=_path(message))


def _closed(message: Object, tab: str) -> Closed:
    how = f.one_of(required(message, "how"), "how", ("clean", "discard", "away"))
    return Closed(working_copy=_wc(message), epoch=_epoch(message), how=how)


def _ping(message: Object, tab: str) -> Ping:
    return Ping(n=f.an_int(required(message, "n"), "n"))


_PARSERS: dict[str, Callable[[Object, str], Message]] = {
    "hello": _hello,
    "open": _opening,
    "have": _have,
    "edit": _edit,
    "save": _save,
    "saved": _saved,
    "renamed": _renamed,
    "closed": _closed,
    "ping": _ping,
}


def _wc(message: Object) -> str:
    return f.an_id(required(message, "wc"), "wc")


def _epoch(message: Object) -> int:
    return f.an_int(required(message, "epoch"), "epoch", 1)


def _path(message: Object) -> str:
    return f.a_path(required(message, "path"), "path", PATH_LENGTH)


def _hash(message: Object, name: str) -> str | None:
    value = required(message, name)
    return None if value is None else f.a_sha256(value, name)


def _order(message: Object) -> Runs:
    order = []
    for index, run in enumerate(f.a_list(required(message, "order"), "order", CELLS)):
        where = f"order[{index}]"
        first, count = f.a_tuple(run, where, "first", "count")
        order.append((f.an_int(first, where), f.an_int(count, where, 1, CELLS)))
    runs = tuple(order)
    if total(runs) > CELLS:
        raise TooLarge(f"order: {total(runs)} cells, at most {CELLS} are accepted")
    if is_repeated(runs):
        raise Malformed("order: a key stands there twice")
    return runs
