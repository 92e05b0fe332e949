"""One working copy in the journal's database: which rows it has, and what an edit does to them.

The meaning is that of notebook/apply.py and notebook/ledger.py; the contract tests compare the two.
An index in memory leads from a part to its row, so that an edit of one cell touches one page of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import apsw

from ..errors import StalePart, StoreDamaged, Superseded
from ..model import (
    UNSET,
    CellChange,
    CellKey,
    Draft,
    Edit,
    Path,
    Runs,
    Saved,
    Seq,
    StoredCell,
    Text,
    TextChange,
    Unset,
    Value,
    ValuePatch,
    WorkingCopy,
)
from ..notebook.apply import changed_text
from ..notebook.runs import expand
from ..notebook.valuewire import is_whole
from . import rows
from .rows import NOTEBOOK, Part
from .sql import queries

SQL = queries("journal")

Address = tuple[int, Part, int]
"""(cell, part, index of the output)."""


@dataclass(frozen=True, slots=True)
class Row:
    """Where a part is, and the edit that it is from."""

    rowid: int
    seq: int


@dataclass(frozen=True, slots=True)
class HeavyText:
    """A text whose splices have grown: worth folding, away from the acks."""

    working_copy: str
    key: CellKey
    output: int | None
    path: Path
    rev: int


HEAVY_BYTES, HEAVY_SPLICES = 8_192, 200


def is_heavy(text: Text) -> bool:
    return len(text.splices) > HEAVY_SPLICES or sum(len(one.inserted) for one in text.splices) > HEAVY_BYTES


@dataclass(slots=True)
class Holding:
    """Working copy and index. Changes of the database go through a Change and are taken over at its end."""

    working_copy: WorkingCopy
    rowid: int | None = None
    parts: dict[Address, Row] = field(default_factory=dict)
    keys: frozenset[int] = frozenset()

    def draft(self, db: apsw.Connection) -> Draft:
        """Everything, read and checked."""
        cells: dict[CellKey, dict[str, Any]] = {}
        order: Runs | Unset = UNSET
        meta: Value | Unset = UNSET
        for (key, part, index), row in sorted(self.parts.items()):
            form = read_part(db, row.rowid, (self.working_copy.id, key, part, index))
            if part is Part.ORDER:
                order = rows.runs_from(form)
            elif part is Part.META:
                meta = rows.value_from(form)
            else:
                _collect(cells.setdefault(CellKey(key), {}), part, index, form)
        stored = {key: StoredCell(**fields) for key, fields in cells.items()}
        return Draft(working_copy=self.working_copy, order=order, meta=meta, cells=stored)


def _collect(fields: dict[str, Any], part: Part, index: int, form: Any) -> None:
    if part is Part.HEAD:
        fields["head"] = rows.head_from(form)
    elif part is Part.SOURCE:
        fields["source"] = rows.text_from(form)
    elif part is Part.METADATA:
        fields["metadata"] = rows.value_from(form)
    elif part is Part.ATTACHMENTS:
        fields["attachments"] = None if form is None else rows.value_from(form)
    elif part is Part.OUTPUTS_LENGTH:
        fields["outputs_length"] = form
        fields.setdefault("outputs", {})
    else:
        fields.setdefault("outputs", {})[index] = rows.value_from(form)


def read_part(db: apsw.Connection, rowid: int, expected: tuple[str, int, int, int]) -> Any:
    """A part's form. Raises StoreDamaged when the row is gone, or is not what was written."""
    try:
        found = db.execute(SQL["one_part"], (rowid,)).fetchone()
    except UnicodeDecodeError as error:
        raise StoreDamaged("a row of the journal is no text") from error
    if found is None:
        raise StoreDamaged("a row of the journal is gone")
    *fields, total = found
    if tuple(fields[:4]) != expected or rows.checksum(*fields) != total:
        raise StoreDamaged("a row of the journal does not match its checksum")
    return rows.decode(fields[6])


class Change:
    """One record's effect: written to the database at once, taken over into the Holding by `finish`."""

    def __init__(self, db: apsw.Connection, holding: Holding) -> None:
        self._db = db
        self._holding = holding
        self._fresh: dict[Address, Row | None] = {}
        self._working_copy = holding.working_copy
        self._keys = holding.keys
        self._rowid = holding.rowid
        self.heavy: list[HeavyText] = []

    def finish(self) -> None:
        """Call after the database has committed."""
        for address, row in self._fresh.items():
            if row is None:
                self._holding.parts.pop(address, None)
            else:
                self._holding.parts[address] = row
        self._holding.working_copy = self._working_copy
        self._holding.keys = self._keys
        self._holding.rowid = self._rowid

    # -- records --

    def edit(self, edit: Edit) -> None:
        """Raises Superseded, StalePart; the caller rolls the database back then."""
        if edit.epoch < self._working_copy.epoch:
            raise Superseded(path=self._working_copy.path)
        if edit.reset:
            self._drop(list(self._all()))
            self._working_copy = replace(self._working_copy, base=None, base_order=(), base_chunks=None)
            self._keys = frozenset()
        before = self._keys
        changes = {change.key: change for change in edit.cells}
        if edit.order is not UNSET:
            self._keys = frozenset(expand(edit.order))
            for key in self._keys - before:
                if key not in changes or not is_whole(changes[CellKey(key)]):
                    raise StalePart(key, f"cell {key} is new, and is not whole")
            self._drop([one for one in self._all() if one[0] != NOTEBOOK and one[0] not in self._keys])
            self._put((NOTEBOOK, Part.ORDER, 0), edit, edit.order)
        if edit.meta is not UNSET:
            self._put((NOTEBOOK, Part.META, 0), edit, rows.value_form(edit.meta))
        for change in edit.cells:
            if change.key in self._keys:
                self._cell(change, edit, fresh=change.key not in before)
        needs_row = self._rowid is None or edit.reset or edit.epoch != self._working_copy.epoch or not changes
        self._working_copy = rows.reached(replace(self._working_copy, epoch=edit.epoch), edit.seq, edit.at_ms)
        if needs_row:
            self.write_working_copy(self._working_copy)

    def saved(self, saved: Saved) -> None:
        """The file holds everything up to a seq. Raises Superseded, and StalePart for a source that has splices
        from both sides of the save and starts from the old base: the tab sends it whole, then `saved` again."""
        old = self._working_copy
        if saved.epoch < old.epoch:
            raise Superseded(path=old.path)
        base, base_order, base_chunks = old.base, old.base_order, old.base_chunks
        if saved.hash is not None:
            stale = [one for one in self._all() if self._row(one).seq <= saved.seq]
            left = [one for one in self._all() if self._row(one).seq > saved.seq]
            for key, part, _ in left:
                if part is Part.SOURCE and isinstance(self._text(key, part, 0).origin, bytes):
                    raise StalePart(key, f"cell {key} was changed in place before and after the save")
            self._drop(stale)
            base, base_order, base_chunks = saved.hash, saved.order, None
            if (NOTEBOOK, Part.ORDER, 0) in stale or not self._has((NOTEBOOK, Part.ORDER, 0)):
                self._keys = frozenset(expand(saved.order))
        self.write_working_copy(
            replace(
                old,
                epoch=saved.epoch,
                loaded_from=saved.hash,
                base=base,
                base_order=base_order,
                base_chunks=base_chunks,
                seq=max(old.seq, saved.seq),
                saved_seq=max(old.saved_seq, saved.seq),
                written=None,
                written_seq=Seq(0),
            )
        )

    def fold(self, key: CellKey, output: int | None, path: Path, upto: int, text: Text) -> None:
        """Put `text` in place of what was there at revision `upto`; nothing happens when it has moved on."""
        address = (key, Part.SOURCE, 0) if output is None else (key, Part.OUTPUT, output)
        if not self._has(address):
            return
        row = self._row(address)
        if output is None:
            if self._text(*address).rev == upto:
                self._write(address, row.seq, 0, rows.text_form(text))
            return
        value = rows.value_from(self._form(address))
        if path in value.long and value.long[path].rev == upto:
            folded = Value(json=value.json, long={**value.long, path: text})
            self._write(address, row.seq, 0, rows.value_form(folded))

    def forget(self) -> None:
        """Drop every row."""
        self._drop(list(self._all()))
        if self._rowid is not None:
            self._db.execute(SQL["drop_working_copy"], (self._rowid,))
            self._rowid = None

    def write_working_copy(self, one: WorkingCopy) -> None:
        self._working_copy = one
        body = rows.encode(rows.working_copy_form(one))
        total = rows.checksum(one.id, body)
        if self._rowid is None:
            self._rowid = _added(self._db, "add_working_copy", (one.id, body, total))
        else:
            self._db.execute(SQL["set_working_copy"], (body, total, self._rowid))

    def adopt_rows(self, found: Mapping[Address, tuple[int, int, bytes]], keys: frozenset[int]) -> None:
        """Take rows over from another journal: {address: (seq, at_ms, body)}."""
        for address, (seq, at_ms, body) in found.items():
            self._write_body(address, seq, at_ms, body)
        self._keys = keys

    # -- one cell --

    def _cell(self, change: CellChange, edit: Edit, *, fresh: bool) -> None:
        key = change.key
        if change.head is not UNSET:
            self._put((key, Part.HEAD, 0), edit, rows.head_form(change.head))
        if change.source is not UNSET:
            self._source(key, change.source, edit)
        if change.metadata is not UNSET:
            self._put((key, Part.METADATA, 0), edit, rows.value_form(change.metadata))
        if change.attachments is not UNSET:
            self._put((key, Part.ATTACHMENTS, 0), edit, rows.value_form(change.attachments))
        if change.outputs is UNSET:
            return
        length = change.outputs.length
        known = self._form((key, Part.OUTPUTS_LENGTH, 0)) if self._has((key, Part.OUTPUTS_LENGTH, 0)) else None
        if known is not None or fresh:
            for index in range(known or 0, length):
                if not isinstance(change.outputs.changed.get(index), Value):
                    raise StalePart(key, f"cell {key}: output {index} is new, and is not whole")
            self._drop([(key, Part.OUTPUT, index) for index in range(length, known or 0)])
        # Written each time: never older than an output of the cell, so that a save keeps the number with the outputs.
        self._put((key, Part.OUTPUTS_LENGTH, 0), edit, length)
        for index, output in change.outputs.changed.items():
            value = self._patched(key, index, output) if isinstance(output, ValuePatch) else output
            self._put((key, Part.OUTPUT, index), edit, rows.value_form(value))
            for path, text in value.long.items():
                self._weigh(key, index, path, text)

    def _source(self, key: CellKey, source: Text | TextChange, edit: Edit) -> None:
        if isinstance(source, TextChange):
            present: Text | Unset = self._text(key, Part.SOURCE, 0) if self._has((key, Part.SOURCE, 0)) else UNSET
            source = changed_text(present, source, key)
        self._put((key, Part.SOURCE, 0), edit, rows.text_form(source))
        self._weigh(key, None, (), source)

    def _patched(self, key: CellKey, index: int, patch: ValuePatch) -> Value:
        if not self._has((key, Part.OUTPUT, index)):
            raise StalePart(key, f"cell {key}: an output that the journal does not have is patched")
        value = rows.value_from(self._form((key, Part.OUTPUT, index)))
        long = dict(value.long)
        for path, change in patch.changes.items():
            if path not in long:
                raise StalePart(key, f"cell {key}: a text that no output has is patched")
            long[path] = changed_text(long[path], change, key)
        return Value(json=value.json, long=long)

    def _weigh(self, key: CellKey, output: int | None, path: Path, text: Text) -> None:
        if text.rev is not None and is_heavy(text):
            self.heavy.append(HeavyText(self._working_copy.id, key, output, path, text.rev))

    # -- rows --

    def _all(self) -> Iterator[Address]:
        yield from (one for one in self._holding.parts if self._fresh.get(one, ...) is not None)
        yield from (one for one, row in self._fresh.items() if row and one not in self._holding.parts)

    def _has(self, address: Address) -> bool:
        if address in self._fresh:
            return self._fresh[address] is not None
        return address in self._holding.parts

    def _row(self, address: Address) -> Row:
        row = self._fresh.get(address) or self._holding.parts.get(address)
        if row is None:
            raise StoreDamaged(f"no row for {address}")
        return row

    def _form(self, address: Address) -> Any:
        return read_part(self._db, self._row(address).rowid, (self._working_copy.id, *address))

    def _text(self, key: int, part: Part, index: int) -> Text:
        return rows.text_from(self._form((key, part, index)))

    def _put(self, address: Address, edit: Edit, form: Any) -> None:
        self._write(address, edit.seq, edit.at_ms, form)

    def _write(self, address: Address, seq: int, at_ms: int, form: Any) -> None:
        self._write_body(address, seq, at_ms, rows.encode(form))

    def _write_body(self, address: Address, seq: int, at_ms: int, body: bytes) -> None:
        key = (self._working_copy.id, *address)
        total = rows.checksum(*(*key[:2], int(key[2]), key[3]), seq, at_ms, body)
        if self._has(address):
            rowid = self._row(address).rowid
            self._db.execute(SQL["set_part"], (seq, at_ms, body, total, rowid))
        else:
            rowid = _added(self._db, "add_part", (*key, seq, at_ms, body, total))
        self._fresh[address] = Row(rowid, seq)

    def _drop(self, addresses: list[Address]) -> None:
        for address in addresses:
            if self._has(address):
                self._db.execute(SQL["drop_part"], (self._row(address).rowid,))
                self._fresh[address] = None


def _added(db: apsw.Connection, query: str, values: tuple[Any, ...]) -> int:
    """Insert a row; its rowid."""
    db.execute(SQL[query], values)
    return db.last_insert_rowid()
