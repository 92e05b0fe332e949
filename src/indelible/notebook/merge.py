"""Three-way merge of notebooks by cell. Pure.

Cells are paired (matching.py); what one side did to a cell is done, what both did alike is done once, and where they
differ their texts are merged by line (mergetext.py). What cannot be merged is a conflict, in which nothing is dropped.
A clean merge does not depend on which side is called ours.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .compare import same_json
from .matching import pair_cells
from .mergetext import ABSENT, merge_text, merge_values
from .nbjson import Notebook, has_cell_ids

Cell = dict[str, Any]

_FREE_OF_NOTEBOOK = frozenset({"kernelspec", "language_info", "widgets"})
_FREE_OF_CELL = frozenset({"execution", "trusted", "collapsed", "scrolled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedCell:
    """A cell of the result, and its index in each of the three; None where it is not there."""

    cell: Cell
    base: int | None
    ours: int | None
    theirs: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Both sides changed the same thing, differently.

    `at` is the cell's index in the result, -1 for the notebook's metadata (`kind` "notebook_metadata", each side an
    object with `metadata`). Other kinds: source, outputs, metadata, attachments, cell_type; deleted_here (ours deleted
    the cell, theirs changed it) and deleted_there.
    """

    at: int
    kind: str
    base: Cell | None
    ours: Cell | None
    theirs: Cell | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The merged notebook. At a conflict it holds ours; a cell that only one side deleted is there."""

    notebook: Notebook
    cells: Sequence[MergedCell]
    conflicts: Sequence[Conflict]

    @property
    def is_clean(self) -> bool:
        return not self.conflicts


def merge(base: Notebook, ours: Notebook, theirs: Notebook) -> Merged:
    """Merge two states that come from `base`. The arguments, as `read_notebook` gives them, are not changed."""
    head, is_clean = _merged_head(base, ours, theirs)
    table = _Table(base["cells"], ours["cells"], theirs["cells"], _with_ids(base, ours, theirs))
    rows = table.ordered()
    conflicts = []
    if not is_clean:
        sides = [{"metadata": one["metadata"]} for one in (base, ours, theirs)]
        conflicts.append(Conflict(at=-1, kind="notebook_metadata", base=sides[0], ours=sides[1], theirs=sides[2]))
    cells: list[MergedCell] = []
    for row in rows:
        cell, kind = row.merged()
        if kind is not None:
            conflicts.append(
                Conflict(at=len(cells), kind=kind, base=row.cells[0], ours=row.cells[1], theirs=row.cells[2])
            )
        cells.append(MergedCell(cell=cell, base=row.at[0], ours=row.at[1], theirs=row.at[2]))
    if has_cell_ids(head):
        cells = list(_with_unique_ids(cells))
    notebook = {**head, "cells": [one.cell for one in cells]}
    return Merged(notebook=notebook, cells=cells, conflicts=conflicts)


def _with_ids(base: Notebook, ours: Notebook, theirs: Notebook) -> tuple[bool, bool, bool]:
    """Whether ids mean something between base and ours, base and theirs, ours and theirs."""
    has = [has_cell_ids(one) for one in (base, ours, theirs)]
    return has[0] and has[1], has[0] and has[2], has[1] and has[2]


def _merged_head(base: Notebook, ours: Notebook, theirs: Notebook) -> tuple[Notebook, bool]:
    """Everything but the cells."""
    metadata, is_clean = merge_values(base["metadata"], ours["metadata"], theirs["metadata"], _FREE_OF_NOTEBOOK)
    others = [{name: value for name, value in one.items() if name not in _PARTS} for one in (base, ours, theirs)]
    rest, _ = merge_values(others[0], others[1], others[2])
    minor = max(ours.get("nbformat_minor", 0), theirs.get("nbformat_minor", 0))
    return {**rest, "nbformat": 4, "nbformat_minor": minor, "metadata": metadata}, is_clean


_PARTS = frozenset({"cells", "metadata", "nbformat", "nbformat_minor"})


@dataclass(eq=False, slots=True)
class _Row:
    """One cell of the three notebooks: base, ours, theirs; where it is missing, None."""

    at: list[int | None] = field(default_factory=lambda: [None, None, None])
    cells: list[Cell | None] = field(default_factory=lambda: [None, None, None])

    @property
    def is_kept(self) -> bool:
        base, ours, theirs = self.cells
        if base is None or (ours is not None and theirs is not None):
            return True
        side = ours if ours is not None else theirs
        return side is not None and _is_edited(base, side)

    def merged(self) -> tuple[Cell, str | None]:
        """The result, and the kind of conflict that it is."""
        base, ours, theirs = self.cells
        if ours is None or theirs is None:
            one = ours if ours is not None else theirs
            assert one is not None
            if base is None:
                return one, None
            return one, "deleted_here" if ours is None else "deleted_there"
        return _merged_cell(base or {}, ours, theirs)


class _Table:
    """The rows of three lists of cells."""

    def __init__(
        self, base: Sequence[Cell], ours: Sequence[Cell], theirs: Sequence[Cell], with_ids: tuple[bool, bool, bool]
    ) -> None:
        self._lists = (base, ours, theirs)
        rows = [_row(0, index, cell) for index, cell in enumerate(base)]
        self._rows: list[list[_Row]] = [rows]
        for side in (1, 2):
            to_base = {b: a for a, b in pair_cells(base, self._lists[side], with_ids=with_ids[side - 1]).items()}
            mine = []
            for index, cell in enumerate(self._lists[side]):
                row = rows[to_base[index]] if index in to_base else _Row()
                row.at[side], row.cells[side] = index, cell
                mine.append(row)
            self._rows.append(mine)
        self._join_new(with_ids[2])

    def _join_new(self, with_ids: bool) -> None:
        """Cells that both sides have added alike: with one id, or with one content behind the same neighbour."""
        mine: dict[Any, _Row] = {}
        for row, name in self._new(1, with_ids):
            mine.setdefault(name, row)
        taken = set()
        for row, name in self._new(2, with_ids):
            same = mine.get(name)
            if same is None or id(same) in taken:
                continue
            taken.add(id(same))
            same.at[2], same.cells[2] = row.at[2], row.cells[2]
            index = row.at[2]
            assert index is not None
            self._rows[2][index] = same

    def _new(self, side: int, with_ids: bool) -> Iterable[tuple[_Row, Any]]:
        anchor = None
        for row in self._rows[side]:
            if row.at[0] is not None:
                anchor = row.at[0]
                continue
            cell = row.cells[side]
            assert cell is not None
            identity = cell.get("id") if with_ids else None
            yield row, identity or (anchor, cell["cell_type"], cell["source"])

    def ordered(self) -> list[_Row]:
        """The rows that stay: old ones in the order of the side that moved them, new ones behind their neighbour."""
        kept = {id(row) for rows in self._rows for row in rows if row.is_kept}
        spine = self._spine(kept)
        placed = {id(row) for row in spine}
        result: list[_Row] = []
        runs = [self._runs(side, placed, kept) for side in (1, 2)]
        for anchor in [None, *spine]:
            if anchor is not None:
                result.append(anchor)
            found = [run.get(None if anchor is None else id(anchor), []) for run in runs]
            result += _interleaved(*found)
        seen: set[int] = set()
        return [row for row in result if not (id(row) in seen or seen.add(id(row)))]  # type: ignore[func-returns-value]

    def _spine(self, kept: set[int]) -> list[_Row]:
        """Cells of both sides, in one order."""
        common = [
            [row for row in self._rows[side] if id(row) in kept and row.at[1] is not None and row.at[2] is not None]
            for side in (1, 2)
        ]
        old = [[row.at[0] for row in rows if row.at[0] is not None] for rows in common]
        is_moved = [numbers != sorted(numbers) for numbers in old]
        if is_moved[0] == is_moved[1]:
            # Neither, or both: then it must not matter which side is called ours.
            return min(common, key=lambda rows: _order_key(rows))
        return common[0] if is_moved[0] else common[1]

    def _runs(self, side: int, placed: set[int], kept: set[int]) -> dict[int | None, list[_Row]]:
        """What one side alone has, by the cell of both that stands before it."""
        runs: dict[int | None, list[_Row]] = {}
        anchor: int | None = None
        for row in self._rows[side]:
            if id(row) in placed:
                anchor = id(row)
            elif id(row) in kept:
                runs.setdefault(anchor, []).append(row)
        return runs


def _row(side: int, index: int, cell: Cell) -> _Row:
    row = _Row()
    row.at[side], row.cells[side] = index, cell
    return row


def _order_key(rows: Sequence[_Row]) -> list[Any]:
    return [(0, row.at[0], "") if row.at[0] is not None else (1, 0, _canonical(row)) for row in rows]


def _interleaved(ours: list[_Row], theirs: list[_Row]) -> list[_Row]:
    """Two runs at the same place, whichever side is called ours."""
    if not ours or not theirs:
        return ours or theirs
    # Old cells that one side deleted keep their place among themselves; new ones follow.
    runs = sorted((ours, theirs), key=lambda run: [_canonical(row) for row in run])
    return [*runs[0], *runs[1]]


def _canonical(row: _Row) -> str:
    cell = next(cell for cell in row.cells[1:] if cell is not None)
    return json.dumps([cell.get("id"), cell["cell_type"], cell["source"], repr(cell)], sort_keys=True)


def _is_edited(base: Cell, cell: Cell) -> bool:
    """Beyond what a mere run or a look leaves behind."""
    names = ("cell_type", "source", "attachments")
    if any(not same_json(base.get(name) or "", cell.get(name) or "") for name in names):
        return True
    return not same_json(base.get("outputs", []), cell.get("outputs", [])) and bool(cell.get("outputs"))


def _merged_cell(base: Cell, ours: Cell, theirs: Cell) -> tuple[Cell, str | None]:
    if same_json(ours, theirs) or same_json(base, theirs):
        return ours, None
    if same_json(base, ours):
        return theirs, None
    kinds: list[str] = []

    def value(name: str, missing: Any = ABSENT, free: frozenset[str] = frozenset()) -> Any:
        merged, is_clean = merge_values(
            base.get(name, missing), ours.get(name, missing), theirs.get(name, missing), free
        )
        if not is_clean:
            kinds.append(name)
        return merged

    source = merge_text(base.get("source", ""), ours["source"], theirs["source"])
    if source is None:
        kinds.append("source")
        source = ours["source"]
    cell = {"cell_type": value("cell_type"), "metadata": value("metadata", {}, _FREE_OF_CELL), "source": source}
    attachments = value("attachments")
    if attachments is not ABSENT and cell["cell_type"] != "code":
        cell["attachments"] = attachments
    if cell["cell_type"] == "code":
        cell["outputs"], cell["execution_count"], is_clean = _results(base, ours, theirs)
        if not is_clean:
            kinds.append("outputs")
    identity = _identity(base, ours, theirs)
    if identity is not None:
        cell["id"] = identity
    if "cell_type" in kinds:
        return ours, "cell_type"
    return cell, kinds[0] if kinds else None


def _results(base: Cell, ours: Cell, theirs: Cell) -> tuple[list[Any], int | None, bool]:
    """Outputs and execution count belong together; a count alone never conflicts."""
    sides = [(one.get("outputs", []), one.get("execution_count")) for one in (base, ours, theirs)]
    if same_json(sides[1][0], sides[2][0]):
        old = sides[0][1]
        changed = [count for _, count in sides[1:] if count != old]
        counts = [count for count in changed if count is not None]
        return sides[1][0], (max(counts) if counts else None) if changed else old, True
    if same_json(sides[0][0], sides[2][0]):
        return *sides[1], True
    if same_json(sides[0][0], sides[1][0]):
        return *sides[2], True
    return *sides[1], False


def _identity(base: Cell, ours: Cell, theirs: Cell) -> str | None:
    names: list[str | None] = [one.get("id") for one in (base, ours, theirs)]
    if names[1] == names[2] or names[2] in (names[0], None):
        return names[1] if names[1] is not None else names[2]
    if names[1] in (names[0], None):
        return names[2]
    return min(str(name) for name in names[1:])


def _with_unique_ids(cells: Sequence[MergedCell]) -> Iterable[MergedCell]:
    """Each cell with an id of its own; one that is taken, or missing, is made from the cell."""
    taken: set[str] = set()
    own = {one.cell["id"] for one in cells if "id" in one.cell}
    for number, one in enumerate(cells):
        identity = one.cell.get("id")
        if not isinstance(identity, str) or identity in taken:
            identity = _new_id(one.cell, number, taken | own)
            one = MergedCell(cell={**one.cell, "id": identity}, base=one.base, ours=one.ours, theirs=one.theirs)
        taken.add(identity)
        yield one


def _new_id(cell: Cell, number: int, taken: set[str]) -> str:
    text = json.dumps([cell["cell_type"], cell["source"]])
    while True:
        identity = hashlib.sha256(f"{number}:{text}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
        if identity not in taken:
            return identity
        number += 1
