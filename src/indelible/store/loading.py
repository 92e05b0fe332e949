"""Reading a journal's rows into memory: at start, at adoption, and, row by row, out of a damaged file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import apsw

from ..errors import StoreDamaged
from ..model import WorkingCopy
from ..notebook.runs import expand
from . import rows
from .holding import SQL, Address, Holding, Row
from .rows import NOTEBOOK, Part

Found = Mapping[Address, tuple[int, int, bytes]]
"""{address: (seq, at_ms, body)}"""


def load(db: apsw.Connection) -> Sequence[tuple[Holding, Found]]:
    """Every working copy with its rows. Raises StoreDamaged at the first row that is not what was written."""
    holdings: dict[str, tuple[Holding, dict[Address, tuple[int, int, bytes]]]] = {}
    for rowid, identity, body, total in _readable(db, "every_working_copy"):
        if rows.checksum(identity, body) != total:
            raise StoreDamaged(f"the row of working copy {identity} does not match its checksum")
        one = rows.working_copy_from(identity, rows.decode(body))
        holdings[identity] = (Holding(one, rowid=rowid), {})
    for rowid, identity, cell, part, index, seq, at_ms, body, total in _readable(db, "every_part"):
        if rows.checksum(identity, cell, part, index, seq, at_ms, body) != total:
            raise StoreDamaged("a row of the journal does not match its checksum")
        if identity in holdings:
            _take(*holdings[identity], (cell, Part(part), index), rowid, seq, at_ms, body)
    for held, found in holdings.values():
        held.keys = _keys(held.working_copy, found)
    return list(holdings.values())


def _readable(db: apsw.Connection, query: str) -> Iterator[tuple[Any, ...]]:
    try:
        yield from db.execute(SQL[query])
    except UnicodeDecodeError as error:
        raise StoreDamaged(f"a row of the journal is no text: {error}") from error


def _take(
    held: Holding,
    found: dict[Address, tuple[int, int, bytes]],
    address: Address,
    rowid: int,
    seq: int,
    at_ms: int,
    body: bytes,
) -> None:
    held.parts[address] = Row(rowid, seq)
    found[address] = (seq, at_ms, body)
    held.working_copy = rows.reached(held.working_copy, seq, at_ms)


def _keys(one: WorkingCopy, found: Found) -> frozenset[int]:
    order = found.get((NOTEBOOK, Part.ORDER, 0))
    return frozenset(expand(rows.runs_from(rows.decode(order[2])) if order else one.base_order))


def salvage(db: apsw.Connection) -> tuple[Sequence[tuple[Holding, Found]], int]:
    """What can still be read: working copies none of whose rows is missing its checksum, and the number of rows lost.

    A damaged page ends a scan; it is taken up behind it by rowid.
    """
    holdings: dict[str, tuple[Holding, dict[Address, tuple[int, int, bytes]]]] = {}
    lost = 0
    for rowid, record in _scan(db, "working_copies"):
        identity, body, total = record
        if rows.checksum(identity, body) != total:
            lost += 1
            continue
        one = rows.working_copy_from(identity, rows.decode(body))
        holdings[identity] = (Holding(one, rowid=rowid), {})
    for rowid, record in _scan(db, "parts"):
        identity, cell, part, index, seq, at_ms, body, total = record
        if rows.checksum(identity, cell, part, index, seq, at_ms, body) != total:
            lost += 1
        elif identity in holdings:
            _take(*holdings[identity], (cell, Part(part), index), rowid, seq, at_ms, body)
    for held, found in holdings.values():
        held.keys = _keys(held.working_copy, found)
    return list(holdings.values()), lost


def _scan(db: apsw.Connection, table: str) -> list[tuple[int, tuple[Any, ...]]]:
    """Every row that can be read, by rising rowid, jumping over what cannot."""
    found: list[tuple[int, tuple[Any, ...]]] = []
    after, misses = -1, 0
    while misses < 1_000:
        try:
            for rowid, *record in db.execute(f"SELECT rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid", (after,)):
                found.append((rowid, tuple(record)))
                after, misses = rowid, 0
            return found
        except (apsw.Error, UnicodeDecodeError):
            after, misses = after + 1, misses + 1
    return found
