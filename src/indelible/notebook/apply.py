"""What an edit does to a draft: the meaning that the store's SQL must match. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone

from ..errors import StalePart, Superseded
from ..model import (
    UNSET,
    CellChange,
    CellKey,
    Draft,
    Edit,
    Opening,
    OutputsChange,
    Runs,
    Seq,
    State,
    StoredCell,
    Text,
    TextChange,
    Unset,
    Value,
    ValuePatch,
    WorkingCopy,
)
from .runs import expand
from .text import coalesce, growth, length_of
from .valuewire import is_whole


def opened_draft(opening: Opening, root: str, at: datetime) -> Draft:
    """The empty draft of a working copy that was just opened: as its base."""
    known = opening.base is not None
    working_copy = WorkingCopy(
        id=opening.working_copy,
        path=opening.path,
        root=root,
        loaded_from=opening.base,
        base=opening.base,
        base_order=((0, opening.cells),) if known and opening.cells else (),
        base_chunks=None,
        epoch=opening.epoch,
        seq=Seq(0),
        saved_seq=Seq(0),
        mode=opening.mode,
        state=State.OPEN,
        tab=opening.tab,
        edited_at=at,
    )
    return Draft(working_copy=working_copy, order=UNSET, meta=UNSET, cells={})


def apply_edit(draft: Draft, edit: Edit) -> Draft:
    """The draft after the edit, all of it.

    An edit at or below the draft's seq changes nothing. Raises Superseded for a lower epoch, and
    StalePart when a splice or patch is of another revision or length, or a new cell is not whole.
    """
    working_copy = draft.working_copy
    if edit.epoch < working_copy.epoch:
        raise Superseded(path=working_copy.path)
    if edit.seq <= working_copy.seq:
        return draft
    if edit.reset:
        draft = _emptied(draft)
    order = draft.order if edit.order is UNSET else edit.order
    before = set(_keys(draft, draft.order))
    keys = before if edit.order is UNSET else set(_keys(draft, order))
    _check_new_cells(keys - before, edit)
    cells = {key: cell for key, cell in draft.cells.items() if key in keys}
    for change in edit.cells:
        if change.key in before:
            cells[change.key] = _applied(cells.get(change.key, StoredCell()), change)
        elif change.key in keys:
            cells[change.key] = _applied(StoredCell(), change)
    return replace(
        draft,
        working_copy=_advanced(draft.working_copy, edit),
        order=order,
        meta=draft.meta if edit.meta is UNSET else edit.meta,
        cells=cells,
    )


def _emptied(draft: Draft) -> Draft:
    """Without base and parts, for a reset."""
    working_copy = replace(draft.working_copy, base=None, base_order=(), base_chunks=None)
    return Draft(working_copy=working_copy, order=UNSET, meta=UNSET, cells={})


def _advanced(working_copy: WorkingCopy, edit: Edit) -> WorkingCopy:
    edited_at = datetime.fromtimestamp(edit.at_ms / 1000, timezone.utc)
    return replace(working_copy, epoch=edit.epoch, seq=edit.seq, edited_at=edited_at)


def _keys(draft: Draft, order: Runs | Unset) -> list[CellKey]:
    return expand(draft.working_copy.base_order if order is UNSET else order)


def _check_new_cells(new: set[CellKey], edit: Edit) -> None:
    """A cell that enters the list is sent whole: what the base once had under its key must not come back."""
    changes = {change.key: change for change in edit.cells}
    for key in sorted(new):
        if key not in changes or not is_whole(changes[key]):
            raise StalePart(key, f"cell {key} is new, and is not whole")


def _applied(cell: StoredCell, change: CellChange) -> StoredCell:
    source = change.source
    if isinstance(source, TextChange):
        source = changed_text(cell.source, source, change.key)
    changed = StoredCell(
        head=cell.head if change.head is UNSET else change.head,
        source=cell.source if source is UNSET else source,
        metadata=cell.metadata if change.metadata is UNSET else change.metadata,
        attachments=cell.attachments if change.attachments is UNSET else change.attachments,
        outputs=cell.outputs,
        outputs_length=cell.outputs_length,
    )
    if change.outputs is UNSET:
        return changed
    outputs = _changed_outputs(cell, change.outputs, change.key)
    return replace(changed, outputs=outputs, outputs_length=change.outputs.length)


def changed_text(text: Text | Unset, change: TextChange, key: CellKey) -> Text:
    """The text after a splice; UNSET is the base's. Raises StalePart for a splice of another state.

    Of a text whose origin is the base's the length is not known here, and is not compared.
    """
    if isinstance(change.of, bytes):
        # Counted from the base, the splices say all: whatever the journal has of this text is replaced.
        return Text(origin=change.of, splices=coalesce((), change.splices), rev=change.rev)
    if text is UNSET or text.rev != change.of:
        raise StalePart(key)
    length = length_of(text)
    if length is not None and length + growth(change.splices) != change.length:
        raise StalePart(key, f"cell {key}: the splice is of a text of another length")
    return Text(origin=text.origin, splices=coalesce(text.splices, change.splices), rev=change.rev)


def _changed_outputs(cell: StoredCell, change: OutputsChange, key: CellKey) -> Mapping[int, Value]:
    stored: Mapping[int, Value] = {} if cell.outputs is UNSET else cell.outputs
    outputs = {index: value for index, value in stored.items() if index < change.length}
    if cell.outputs_length is not UNSET:
        # Rows beyond the old length were dropped; the base's must not shine through again.
        for index in range(cell.outputs_length, change.length):
            if not isinstance(change.changed.get(index), Value):
                raise StalePart(key, f"cell {key}: output {index} is new, and is not whole")
    for index, output in change.changed.items():
        if isinstance(output, ValuePatch):
            output = _patched(outputs.get(index), output, key)
        outputs[index] = output
    return outputs


def _patched(value: Value | None, patch: ValuePatch, key: CellKey) -> Value:
    if value is None:
        raise StalePart(key, f"cell {key}: an output that the journal does not have is patched")
    long = dict(value.long)
    for path, change in patch.changes.items():
        if path not in long:
            raise StalePart(key, f"cell {key}: a text that no output has is patched")
        long[path] = changed_text(long[path], change, key)
    return Value(json=value.json, long=long)
