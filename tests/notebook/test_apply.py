"""What an edit does to a draft, and what a save takes out of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from indelible.errors import StalePart, Superseded
from indelible.model import (
    UNSET,
    CellChange,
    CellKey,
    Draft,
    Edit,
    Head,
    Opening,
    OutputsChange,
    Saved,
    Seq,
    Splice,
    StoredCell,
    Text,
    TextChange,
    Value,
    ValuePatch,
)
from indelible.notebook.apply import apply_edit, opened_draft
from indelible.notebook.ledger import Ledger, ledger_edit, ledger_saved
from indelible.notebook.text import text_digest

WC, SHA, NEW_SHA = "0" * 32, "b" * 64, "c" * 64
KEY, NEW = CellKey(0), CellKey(7)
META = Value(json={"nbformat": 4, "nbformat_minor": 5, "metadata": {}})
WHOLE = CellChange(
    key=NEW,
    head=Head(cell_type="code"),
    source=Text(origin="x", rev=1),
    metadata=Value(json={}),
    outputs=OutputsChange(length=0),
)


def opened() -> Draft:
    opening = Opening(working_copy=WC, epoch=2, path="a.ipynb", base=SHA, cells=3, seq=Seq(0), mode="full", tab=WC)
    return opened_draft(opening, "root", datetime(2025, 1, 1, tzinfo=timezone.utc))


def edit(seq: int, *cells: CellChange, **fields: Any) -> Edit:
    given = {"working_copy": WC, "epoch": 2, "at_ms": 1_000 * seq, **fields}
    return Edit(seq=Seq(seq), cells=cells, **given)


def after(*edits: Edit) -> Draft:
    draft = opened()
    for one in edits:
        draft = apply_edit(draft, one)
    return draft


def source(origin: str, rev: int | None = None) -> CellChange:
    return CellChange(key=KEY, source=Text(origin=origin, rev=rev))


def spliced(of: int | bytes, *splices: Splice, length: int, rev: int) -> CellChange:
    return CellChange(key=KEY, source=TextChange(splices=splices, of=of, length=length, rev=rev))


def outputs(length: int, **changed: Value | ValuePatch) -> CellChange:
    given = {int(name[1:]): value for name, value in changed.items()}
    return CellChange(key=KEY, outputs=OutputsChange(length=length, changed=given))


A, B, C = (Value(json={"name": name}) for name in "abc")


def test_a_later_edit_of_a_part_supersedes_the_earlier_and_leaves_other_parts() -> None:
    draft = after(edit(1, source("one")), edit(2, CellChange(key=KEY, metadata=A)), edit(3, source("two")))
    assert draft.cells == {KEY: StoredCell(source=Text(origin="two"), metadata=A)}
    assert (draft.working_copy.seq, draft.working_copy.base) == (3, SHA)
    assert draft.working_copy.is_draft


def test_an_edit_at_or_below_the_seq_changes_nothing() -> None:
    draft = after(edit(5, source("one")))
    assert apply_edit(draft, edit(5, source("two"))) is draft
    assert apply_edit(draft, edit(4, source("two"))) is draft


def test_a_lower_epoch_is_superseded() -> None:
    with pytest.raises(Superseded):
        after(edit(1, source("one"), epoch=1))


def test_splices_apply_to_their_revision_only() -> None:
    draft = after(edit(1, source("one", rev=4)), edit(2, spliced(4, Splice(3, 0, "!"), length=4, rev=9)))
    assert draft.cells[KEY].source == Text(origin="one", splices=(Splice(3, 0, "!"),), rev=9)
    for stale in (
        spliced(4, length=4, rev=10),
        spliced(9, length=5, rev=10),
    ):
        with pytest.raises(StalePart) as refusal:
            apply_edit(draft, edit(3, stale))
        assert refusal.value.key == KEY


def test_a_text_without_a_revision_cannot_be_spliced() -> None:
    with pytest.raises(StalePart):
        after(edit(1, source("one")), edit(2, spliced(1, length=3, rev=2)))


def test_a_source_as_in_the_base_is_spliced_by_its_hash() -> None:
    digest = text_digest("base")
    draft = after(edit(1, spliced(digest, Splice(0, 1, "c"), length=4, rev=1)))
    assert draft.cells[KEY].source == Text(origin=digest, splices=(Splice(0, 1, "c"),), rev=1)
    with pytest.raises(StalePart):
        after(edit(1, spliced(3, length=4, rev=4)))


def test_outputs_beyond_the_length_are_dropped_and_the_base_s_do_not_return() -> None:
    draft = after(edit(1, outputs(3, _1=A, _2=B)), edit(2, outputs(2)))
    assert (draft.cells[KEY].outputs, draft.cells[KEY].outputs_length) == ({1: A}, 2)
    draft = apply_edit(draft, edit(3, outputs(1)))
    grown = apply_edit(draft, edit(4, outputs(2, _1=C)))
    assert (grown.cells[KEY].outputs, grown.cells[KEY].outputs_length) == ({1: C}, 2)
    with pytest.raises(StalePart):
        apply_edit(draft, edit(4, outputs(3, _2=C)))


def test_an_output_s_text_is_patched_in_place() -> None:
    stream = Value(json={"text": None}, long={("text",): Text(origin="a", rev=1)})
    more = TextChange(splices=(Splice(1, 0, "b"),), of=1, length=2, rev=2)
    draft = after(edit(1, outputs(1, _0=stream)), edit(2, outputs(1, _0=ValuePatch(changes={("text",): more}))))
    patched = Text(origin="a", splices=(Splice(1, 0, "b"),), rev=2)
    assert draft.cells[KEY].outputs == {0: Value(json={"text": None}, long={("text",): patched})}
    for path, change in ((("text",), more), (("data",), more)):
        with pytest.raises(StalePart):
            apply_edit(draft, edit(3, outputs(1, _0=ValuePatch(changes={path: change}))))
    with pytest.raises(StalePart):
        after(edit(1, outputs(1, _0=ValuePatch(changes={("text",): more}))))


def test_parts_of_cells_that_are_no_longer_in_order_are_dropped() -> None:
    draft = after(edit(1, source("one")), edit(2, WHOLE, order=((1, 2), (7, 1))))
    assert set(draft.cells) == {NEW}
    assert apply_edit(draft, edit(3, source("too late"))).cells == draft.cells


def test_a_cell_that_enters_the_list_is_whole() -> None:
    for change in (CellChange(key=NEW), replace(WHOLE, head=UNSET), replace(WHOLE, outputs=UNSET)):
        with pytest.raises(StalePart):
            after(edit(1, change, order=((0, 3), (7, 1))))
    removed = after(edit(1, source("one"), order=((1, 2),)))
    with pytest.raises(StalePart):
        apply_edit(removed, edit(2, order=((0, 3),)))


def test_a_reset_throws_everything_away() -> None:
    draft = after(edit(1, source("one"), meta=META), edit(2, WHOLE, reset=True, order=((7, 1),), meta=META))
    assert (draft.working_copy.base, draft.working_copy.base_order) == (None, ())
    assert (set(draft.cells), draft.order) == ({NEW}, ((7, 1),))


def saved(seq: int, hash: str | None = NEW_SHA, **fields: Any) -> Saved:
    return Saved(working_copy=WC, epoch=fields.get("epoch", 2), seq=Seq(seq), hash=hash, order=((0, 1), (7, 1)))


def ledger(*edits: Edit) -> Ledger:
    result = Ledger(draft=opened())
    for one in edits:
        result = ledger_edit(result, one)
    return result


PRINTED = CellChange(key=NEW, outputs=OutputsChange(length=1, changed={0: A}))
EDITS = (edit(1, WHOLE, order=((0, 1), (7, 1)), meta=META), edit(2, source("one"), PRINTED))


def test_a_save_of_everything_leaves_the_base_only() -> None:
    draft = ledger_saved(ledger(*EDITS), saved(2)).draft
    assert (draft.cells, draft.order, draft.meta) == ({}, UNSET, UNSET)
    assert (draft.working_copy.base, draft.working_copy.base_order) == (NEW_SHA, ((0, 1), (7, 1)))
    assert not draft.working_copy.is_draft


def test_parts_that_are_newer_than_the_save_stay() -> None:
    draft = ledger_saved(ledger(*EDITS), saved(1)).draft
    assert draft.cells == {
        KEY: StoredCell(source=Text(origin="one")),
        NEW: StoredCell(outputs={0: A}, outputs_length=1),
    }
    assert (draft.order, draft.meta) == (UNSET, UNSET)
    assert draft.working_copy.is_draft


def test_a_source_spliced_before_and_after_the_save_must_be_sent_whole_first() -> None:
    before = spliced(text_digest("base"), Splice(4, 0, "1"), length=5, rev=1)
    later = spliced(1, Splice(5, 0, "2"), length=6, rev=2)
    given = ledger(edit(1, before), edit(2, later))
    with pytest.raises(StalePart) as refusal:
        ledger_saved(given, saved(1))
    assert refusal.value.key == KEY
    result = ledger_saved(ledger_edit(given, edit(3, source("base12", rev=3))), saved(1))
    assert result.draft.cells[KEY].source == Text(origin="base12", rev=3)


def test_with_an_unknown_hash_nothing_leaves() -> None:
    given = ledger(*EDITS)
    draft = ledger_saved(given, saved(2, None)).draft
    assert (draft.cells, draft.working_copy.base) == (given.draft.cells, SHA)
    assert not draft.working_copy.is_draft


def test_a_save_of_a_lower_epoch_is_superseded() -> None:
    with pytest.raises(Superseded):
        ledger_saved(ledger(*EDITS), saved(2, epoch=1))
