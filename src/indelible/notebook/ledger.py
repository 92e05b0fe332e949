"""A draft that remembers which edit each part is from, and so can be saved: the journal's meaning, pure.

This is what the store's contract tests compare the SQL with; the server does not use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from ..errors import StalePart, Superseded
from ..model import UNSET, CellKey, Draft, Edit, Saved, Seq, StoredCell
from .apply import apply_edit

Part = tuple[str, int, int]
"""("order" | "meta", 0, 0), (name of a StoredCell's field, key, 0), ("output", key, index)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """A draft, and the seq of the last edit of each of its parts."""

    draft: Draft
    stamps: Mapping[Part, Seq] = field(default_factory=dict)


def ledger_edit(ledger: Ledger, edit: Edit) -> Ledger:
    """Apply an edit. Raises what `apply_edit` raises."""
    draft = apply_edit(ledger.draft, edit)
    if draft is ledger.draft:
        return ledger
    stamps: dict[Part, Seq] = {} if edit.reset else dict(ledger.stamps)
    stamps.update(dict.fromkeys(_touched(edit), edit.seq))
    present = _present(draft)
    return Ledger(draft=draft, stamps={part: seq for part, seq in stamps.items() if part in present})


def _touched(edit: Edit) -> list[Part]:
    parts: list[Part] = []
    if edit.order is not UNSET:
        parts.append(("order", 0, 0))
    if edit.meta is not UNSET:
        parts.append(("meta", 0, 0))
    for change in edit.cells:
        for name in ("head", "source", "metadata", "attachments"):
            if getattr(change, name) is not UNSET:
                parts.append((name, change.key, 0))
        if change.outputs is not UNSET:
            parts.append(("outputs_length", change.key, 0))
            parts.extend(("output", change.key, index) for index in change.outputs.changed)
    return parts


def _present(draft: Draft) -> set[Part]:
    parts: set[Part] = {("order", 0, 0), ("meta", 0, 0)}
    for key, cell in draft.cells.items():
        parts.update((name, key, 0) for name in ("head", "source", "metadata", "attachments", "outputs_length"))
        parts.update(("output", key, index) for index in (() if cell.outputs is UNSET else cell.outputs))
    return parts


def ledger_saved(ledger: Ledger, saved: Saved) -> Ledger:
    """The file holds everything up to `saved.seq`: those parts leave, `saved.hash` is the base.

    With an unknown hash nothing leaves. Raises Superseded, and StalePart for a source that starts from the
    old base and has splices from after the save: the tab sends it whole, then says `saved` again.
    """
    working_copy = ledger.draft.working_copy
    if saved.epoch < working_copy.epoch:
        raise Superseded(path=working_copy.path)
    reached = replace(
        working_copy,
        epoch=saved.epoch,
        seq=max(working_copy.seq, saved.seq),
        saved_seq=max(working_copy.saved_seq, saved.seq),
    )
    if saved.hash is None:
        return replace(ledger, draft=replace(ledger.draft, working_copy=reached))
    stamps = {part: seq for part, seq in ledger.stamps.items() if seq > saved.seq}
    cells = {key: _left(key, cell, stamps) for key, cell in ledger.draft.cells.items()}
    draft = Draft(
        working_copy=replace(reached, base=saved.hash, base_order=saved.order, base_chunks=None),
        order=ledger.draft.order if ("order", 0, 0) in stamps else UNSET,
        meta=ledger.draft.meta if ("meta", 0, 0) in stamps else UNSET,
        cells={key: cell for key, cell in cells.items() if cell != StoredCell()},
    )
    return Ledger(draft=draft, stamps=stamps)


def _left(key: CellKey, cell: StoredCell, stamps: Mapping[Part, Seq]) -> StoredCell:
    """The parts of a cell that are newer than the save."""
    source = cell.source if ("source", key, 0) in stamps else UNSET
    if source is not UNSET and isinstance(source.origin, bytes):
        raise StalePart(key, f"cell {key} was changed in place before and after the save")
    stored = {} if cell.outputs is UNSET else cell.outputs
    outputs = {index: value for index, value in stored.items() if ("output", key, index) in stamps}
    has_length = ("outputs_length", key, 0) in stamps
    return StoredCell(
        head=cell.head if ("head", key, 0) in stamps else UNSET,
        source=source,
        metadata=cell.metadata if ("metadata", key, 0) in stamps else UNSET,
        attachments=cell.attachments if ("attachments", key, 0) in stamps else UNSET,
        outputs=outputs if has_length else UNSET,
        outputs_length=cell.outputs_length if has_length else UNSET,
    )
