"""Where the cells of an .ipynb stand: byte spans, found without keeping the parsed notebook. Pure.

A save copies the bytes of every cell that has not changed; only the others are parsed and written again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .chunks import utf16_length

Cell = dict[str, Any]

_decode = json.JSONDecoder().raw_decode
_space = re.compile(r"[ \t\n\r]*").match


@dataclass(frozen=True, slots=True, kw_only=True)
class CellMark:
    """What is cheap to tell of a cell, by a page as by a file: equal marks are no proof, different ones are."""

    id: str | None
    cell_type: str
    source_length: int
    outputs: int
    execution_count: int | None

    def line(self, *, with_id: bool) -> str:
        """One line of the digest that a page sends with a save (docs/reference/protocol.md, "Saving")."""
        count = "" if self.execution_count is None else str(self.execution_count)
        name = (self.id or "") if with_id else ""
        return f"{name}|{self.cell_type}|{self.source_length}|{self.outputs}|{count}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSpan:
    """One cell's bytes in the file, from its `{` to after its `}`."""

    start: int
    end: int
    mark: CellMark


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A file of nbformat 4 whose cells can be taken over by their bytes. `size` is the file's, in bytes."""

    size: int
    cells: Sequence[CellSpan]
    rest: dict[str, Any]
    """Everything in the notebook besides `cells`, parsed."""


class _Irregular(Exception):
    """Not the file of a notebook that can be taken over cell by cell."""


def read_layout(content: bytes) -> Layout | None:
    """Find the cells; None for a file that must be read as a whole (another nbformat, double keys, not a notebook).

    One cell is parsed at a time, so that other threads get their turn however large the notebook is.
    """
    try:
        text = content.decode("utf-8")
        return _Scanner(text, len(content)).layout()
    except (_Irregular, ValueError, RecursionError):
        return None


class _Scanner:
    def __init__(self, text: str, size: int) -> None:
        self._text = text
        self._size = size
        # Positions in the text and in the bytes differ once there is a character beyond ASCII.
        self._is_ascii = len(text) == size
        self._at_character = self._at_byte = 0
        self._cells: list[CellSpan] | None = None

    def layout(self) -> Layout:
        rest: dict[str, Any] = {}
        for name, at in self._members():
            if name == "cells":
                self._position = self._read_cells(at)
            else:
                rest[name], self._position = _decode(self._text, at)
        if self._skip(self._position) != len(self._text):
            raise _Irregular
        if rest.get("nbformat") != 4 or not isinstance(rest.get("metadata"), dict) or self._cells is None:
            raise _Irregular
        return Layout(size=self._size, cells=self._cells, rest=rest)

    def _members(self) -> Iterator[tuple[str, int]]:
        """Name and position of the value of each member; whoever iterates sets `_position` after the value."""
        seen = set()
        at = self._skip(self._expect(self._skip(0), "{"))
        while self._text[at : at + 1] != "}":
            name, at = _decode(self._text, at)
            if not isinstance(name, str) or name in seen:
                raise _Irregular
            seen.add(name)
            yield name, self._skip(self._expect(self._skip(at), ":"))
            at = self._next(self._position, "}")
        self._position = at + 1

    def _read_cells(self, at: int) -> int:
        cells = []
        at = self._skip(self._expect(at, "["))
        while self._text[at : at + 1] != "]":
            cell, end = _decode(self._text, at)
            cells.append(CellSpan(start=self._byte(at), end=self._byte(end), mark=mark_of(cell)))
            at = self._next(end, "]")
        self._cells = cells
        return at + 1

    def _next(self, at: int, close: str) -> int:
        """The next element after a comma, or the closing bracket."""
        at = self._skip(at)
        if self._text[at : at + 1] != ",":
            self._expect(at, close)
            return at
        at = self._skip(at + 1)
        if self._text[at : at + 1] == close:
            raise _Irregular
        return at

    def _expect(self, at: int, character: str) -> int:
        if self._text[at : at + 1] != character:
            raise _Irregular
        return at + 1

    def _skip(self, at: int) -> int:
        found = _space(self._text, at)
        return at if found is None else found.end()

    def _byte(self, at: int) -> int:
        if self._is_ascii:
            return at
        self._at_byte += len(self._text[self._at_character : at].encode())
        self._at_character = at
        return self._at_byte

    _position = 0


def mark_of(cell: Any) -> CellMark:
    """Raises an error for a cell that is not one of nbformat 4."""
    if not isinstance(cell, dict) or not isinstance(cell.get("metadata"), dict):
        raise _Irregular
    outputs = cell.get("outputs", [])
    if not isinstance(outputs, list) or not all(isinstance(output, dict) for output in outputs):
        raise _Irregular
    source = cell.get("source", "")
    text = "".join(source) if isinstance(source, list) and all(isinstance(one, str) for one in source) else source
    if not isinstance(text, str) or not isinstance(cell.get("cell_type"), str):
        raise _Irregular
    is_code = cell["cell_type"] == "code"
    identity, count = cell.get("id"), cell.get("execution_count")
    return CellMark(
        id=identity if isinstance(identity, str) else None,
        cell_type=cell["cell_type"],
        source_length=utf16_length(text),
        outputs=len(outputs) if is_code else 0,
        # A page shows 0 as not run.
        execution_count=count if is_code and type(count) is int and count > 0 else None,
    )
