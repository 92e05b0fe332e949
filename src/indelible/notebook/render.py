"""A draft as the bytes of its .ipynb, most of them taken over from the file that it was made from. Pure.

What has not changed keeps the file's bytes; what has is written as nbformat writes it, so that a file that nbformat
wrote comes out as if nbformat had written the whole of it (tests/notebook/test_render.py compares the two).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import StoreDamaged
from ..model import UNSET, CellKey, Draft
from .compare import same_json
from .compose import composed_cell
from .layout import CellMark, CellSpan, Layout, mark_of
from .lifting import assemble
from .nbjson import Notebook, file_cell, file_metadata, has_cell_ids, page_cell, write_json
from .runs import expand
from .text import GetBlob

ReadSpan = Callable[[int, int], bytes]
"""The base's bytes from `start` to before `end`."""


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of the base that stay as they are."""

    start: int
    end: int


Piece = bytes | Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The new file in pieces, the key of each of its cells, and what tells whether the page holds the same."""

    pieces: Sequence[Piece]
    keys: Sequence[CellKey]
    digest: str
    layout: Layout
    """Of the new file."""
    changed: int
    """Number of cells whose bytes are new."""


_BETWEEN = b",\n  "
_AFTER = b"\n ]"


def render(draft: Draft, layout: Layout, read: ReadSpan, get_blob: GetBlob) -> Rendered:
    """Compose the file. `layout` and `read` are of the base that the draft names; a draft without one takes from them
    the bytes of cells that mean the same.

    Raises BlobUnknown and BlobDamaged from `get_blob`, StoreDamaged when the rows do not fit the base.
    """
    ground = _Ground(draft, layout, read)
    keys = expand(draft.working_copy.base_order if draft.order is UNSET else draft.order)
    if len(set(keys)) != len(keys):
        raise StoreDamaged("the order of cells names one twice")
    rest = dict(layout.rest) if draft.meta is UNSET else dict(assemble(draft.meta, get_blob))
    with_ids = has_cell_ids(rest)
    takes_over = with_ids == has_cell_ids(layout.rest)
    cells = [_rendered_cell(key, draft, ground, get_blob, with_ids=with_ids, takes_over=takes_over) for key in keys]
    is_same_rest = draft.meta is UNSET or same_json(file_rest(rest), file_rest(layout.rest))
    pieces = _joined(cells, layout, read) if is_same_rest and layout.cells else _written(cells, rest)
    return Rendered(
        pieces=tuple(_coalesced(pieces)),
        keys=keys,
        digest=digest_of([cell.mark for cell in cells], with_ids=with_ids),
        layout=_new_layout(pieces, cells, layout.rest if is_same_rest else file_rest(rest)),
        changed=sum(1 for cell in cells if isinstance(cell.body, bytes)),
    )


def digest_of(marks: Iterable[CellMark], *, with_ids: bool) -> str:
    """SHA-256 over one line a cell; a page computes the same."""
    lines = "".join(mark.line(with_id=with_ids) + "\n" for mark in marks)
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()


def file_rest(notebook: Notebook) -> Notebook:
    """Everything besides the cells, as it is written."""
    kept = {name: value for name, value in notebook.items() if name != "cells"}
    return {**kept, "metadata": file_metadata(notebook["metadata"])}


@dataclass(frozen=True, slots=True, eq=False)
class _Cell:
    body: Piece
    mark: CellMark


def length_of(piece: Piece) -> int:
    """In bytes."""
    return len(piece) if isinstance(piece, bytes) else piece.end - piece.start


def _new_layout(pieces: Sequence[Piece], cells: Sequence[_Cell], rest: Notebook) -> Layout:
    spans = []
    bodies = iter([*cells, None])
    cell = next(bodies)
    at = 0
    for piece in pieces:
        end = at + length_of(piece)
        # The very object: a separator may have the same bytes as a cell.
        if cell is not None and piece is cell.body:
            spans.append(CellSpan(start=at, end=end, mark=cell.mark))
            cell = next(bodies)
        at = end
    return Layout(size=at, cells=spans, rest=rest)


class _Ground:
    """The base's cells, each parsed when a part first needs it."""

    def __init__(self, draft: Draft, layout: Layout, read: ReadSpan) -> None:
        self._read = read
        self._spans: dict[CellKey, CellSpan] = {}
        if draft.working_copy.base is not None:
            keys = expand(draft.working_copy.base_order)
            if len(keys) != len(layout.cells):
                raise StoreDamaged(f"the base has {len(layout.cells)} cells, the journal expects {len(keys)}")
            self._spans = dict(zip(keys, layout.cells, strict=True))
        self._by_id = _unique_ids(layout.cells)

    def has(self, key: CellKey) -> bool:
        return key in self._spans

    def span(self, key: CellKey) -> CellSpan:
        if key not in self._spans:
            raise StoreDamaged(f"parts of cell {key} are missing, and no base has them")
        return self._spans[key]

    def cell(self, key: CellKey) -> dict[str, Any]:
        return self.parsed(self.span(key))

    def parsed(self, span: CellSpan) -> dict[str, Any]:
        return page_cell(json.loads(self._read(span.start, span.end)))

    def counterpart(self, key: CellKey, identity: str | None) -> CellSpan | None:
        """The span that a cell may have come from."""
        return self._spans.get(key) or (self._by_id.get(identity) if identity else None)


def _unique_ids(spans: Sequence[CellSpan]) -> dict[str, CellSpan]:
    found: dict[str, CellSpan] = {}
    double = set()
    for span in spans:
        identity = span.mark.id
        if identity in found:
            double.add(identity)
        elif identity is not None:
            found[identity] = span
    return {identity: span for identity, span in found.items() if identity not in double}


def _rendered_cell(
    key: CellKey, draft: Draft, ground: _Ground, get_blob: GetBlob, *, with_ids: bool, takes_over: bool
) -> _Cell:
    stored = draft.cells.get(key)
    if stored is None and takes_over:
        span = ground.span(key)
        return _Cell(Span(span.start, span.end), span.mark)
    cell = ground.cell(key) if stored is None else composed_cell(key, stored, ground, get_blob)
    if not with_ids:
        cell = {name: value for name, value in cell.items() if name != "id"}
    cell = file_cell(cell)
    if takes_over:
        known = ground.counterpart(key, cell.get("id"))
        is_like = known is not None and _is_like(cell, known.mark, with_ids)
        if known is not None and is_like and same_json(cell, file_cell(ground.parsed(known))):
            return _Cell(Span(known.start, known.end), known.mark)
    return _Cell(_indented(cell), mark_of(cell))


def _is_like(cell: dict[str, Any], mark: CellMark, with_ids: bool) -> bool:
    return mark_of(cell).line(with_id=with_ids) == mark.line(with_id=with_ids)


def _indented(cell: dict[str, Any]) -> bytes:
    # No string of JSON holds a newline, so that every one in the text is between elements.
    return write_json(cell).replace(b"\n", b"\n  ")


def _joined(cells: Sequence[_Cell], layout: Layout, read: ReadSpan) -> list[Piece]:
    """The cells in the base's own frame."""
    if not cells:
        return _written(cells, layout.rest)
    spans = layout.cells
    after = {spans[index].end: (spans[index].end, spans[index + 1].start) for index in range(len(spans) - 1)}
    between = read(spans[0].end, spans[1].start) if len(spans) > 1 else _BETWEEN
    pieces: list[Piece] = [Span(0, spans[0].start)]
    for index, cell in enumerate(cells):
        if index:
            pieces.append(_separator(cells[index - 1].body, cell.body, after) or between)
        pieces.append(cell.body)
    return [*pieces, Span(spans[-1].end, layout.size)]


def _separator(one: Piece, other: Piece, after: dict[int, tuple[int, int]]) -> Span | None:
    """What stands between two cells that were neighbours before."""
    if isinstance(one, Span) and isinstance(other, Span):
        found = after.get(one.end)
        if found and found[1] == other.start:
            return Span(*found)
    return None


def _written(cells: Sequence[_Cell], rest: Notebook) -> list[Piece]:
    """The cells in nbformat's frame."""
    members = sorted(file_rest(rest).items())
    before = [_member(name, value) for name, value in members if name < "cells"]
    behind = [_member(name, value) for name, value in members if name > "cells"]
    pieces: list[Piece] = [b"{\n " + b"".join(one + b",\n " for one in before) + b'"cells": [']
    for index, cell in enumerate(cells):
        pieces += [_BETWEEN if index else b"\n  ", cell.body]
    close = _AFTER if cells else b"]"
    return [*pieces, close + b"".join(b",\n " + one for one in behind) + b"\n}\n"]


def _member(name: str, value: Any) -> bytes:
    return write_json(name) + b": " + write_json(value).replace(b"\n", b"\n ")


def _coalesced(pieces: Iterable[Piece]) -> Iterable[Piece]:
    """Neighbouring spans as one, neighbouring bytes as one."""
    last: Piece | None = None
    for piece in pieces:
        if isinstance(last, Span) and isinstance(piece, Span) and last.end == piece.start:
            last = Span(last.start, piece.end)
        elif isinstance(last, bytes) and isinstance(piece, bytes):
            last += piece
        else:
            if last is not None:
                yield last
            last = piece
    if last is not None:
        yield last
