"""A draft made whole, and what happens when its rows, its base or its blobs are not what they should be."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, NoReturn

import pytest

from indelible.errors import BaseUnavailable, BlobDamaged, BlobUnknown, StoreDamaged
from indelible.model import (
    UNSET,
    BlobId,
    CellKey,
    Chunk,
    Draft,
    Head,
    Opening,
    Runs,
    Seq,
    Splice,
    StoredCell,
    Text,
    Value,
)
from indelible.notebook.apply import opened_draft
from indelible.notebook.compose import materialise
from indelible.notebook.lifting import assemble
from indelible.notebook.text import text_digest

STREAM = {"output_type": "stream", "name": "stdout", "text": "old"}
BASE_CELLS: list[dict[str, Any]] = [
    {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "# 标题", "attachments": {"a": {}}},
    {
        "cell_type": "code", "id": "c", "metadata": {"x": 1}, "source": "a😀", "execution_count": 1,
        "outputs": [STREAM],
    },
]  # fmt: skip
HEAD = Head(cell_type="code", id="new", execution_count=7, trusted=True)
WHOLE = StoredCell(head=HEAD, source=Text(origin="x"), metadata=Value(json={"t": []}), outputs={}, outputs_length=0)
META = Value(
    json={"nbformat": 4, "nbformat_minor": 5, "metadata": {"title": None}},
    long={("metadata", "title"): Text(origin="T")},
)


def base_of(minor: int = 5) -> bytes:
    content = {"cells": BASE_CELLS, "metadata": {"k": 1}, "nbformat": 4, "nbformat_minor": minor}
    return json.dumps(content).encode()


def draft(
    cells: dict[int, StoredCell], order: Runs | None = None, *, base: bytes | None = None, **changes: Any
) -> Draft:
    opening = Opening(
        working_copy="0" * 32,
        epoch=1,
        path="a.ipynb",
        base=None if base is None else hashlib.sha256(base).hexdigest(),
        cells=2,
        seq=Seq(0),
        mode="full",
        tab="0" * 32,
    )
    empty = opened_draft(opening, "root", datetime(2025, 1, 1, tzinfo=timezone.utc))
    stored = {CellKey(key): cell for key, cell in cells.items()}
    return replace(empty, order=UNSET if order is None else order, cells=stored, **changes)


def no_blob(blob: BlobId) -> NoReturn:
    raise BlobUnknown([blob.hex()])


def test_an_untouched_draft_is_its_base_as_parsed() -> None:
    made = materialise(draft({}, base=base_of()), base_of(), no_blob)
    assert made.content == {"cells": BASE_CELLS, "metadata": {"k": 1}, "nbformat": 4, "nbformat_minor": 5}
    assert made.keys == [0, 1]


def test_only_the_parts_that_are_stored_replace_the_base() -> None:
    source = Text(origin=text_digest("a😀"), splices=(Splice(3, 0, "!"),), rev=1)
    made = materialise(
        draft({1: StoredCell(source=source), 0: StoredCell(attachments=None)}, base=base_of()),
        base_of(),
        no_blob,
    )
    markdown, code = made.content["cells"]
    assert code == {**BASE_CELLS[1], "source": "a😀!"}
    assert markdown == {name: value for name, value in BASE_CELLS[0].items() if name != "attachments"}


def test_cells_come_in_the_draft_s_order_with_their_keys() -> None:
    made = materialise(draft({5: WHOLE}, ((5, 1), (1, 1)), base=base_of(), meta=META), base_of(), no_blob)
    new, old = made.content["cells"]
    assert made.keys == [5, 1]
    assert old == BASE_CELLS[1]
    assert new == {
        "cell_type": "code", "id": "new", "execution_count": 7, "source": "x", "outputs": [],
        "metadata": {"t": [], "trusted": True},
    }  # fmt: skip
    assert made.content["metadata"] == {"title": "T"}


def test_outputs_that_are_not_stored_are_the_base_s() -> None:
    fresh = Value(json={"output_type": "stream", "text": None}, long={("text",): Text(origin="new")})
    cell = StoredCell(outputs={1: fresh}, outputs_length=2)
    made = materialise(draft({1: cell}, base=base_of()), base_of(), no_blob)
    assert made.content["cells"][1]["outputs"] == [STREAM, {"output_type": "stream", "text": "new"}]
    cleared = materialise(draft({1: StoredCell(outputs_length=0)}, base=base_of()), base_of(), no_blob)
    assert cleared.content["cells"][1]["outputs"] == []


def test_below_4_5_no_cell_has_an_id() -> None:
    made = materialise(draft({5: WHOLE}, ((0, 2), (5, 1)), base=base_of(4)), base_of(4), no_blob)
    assert [cell for cell in made.content["cells"] if "id" in cell] == []


def test_a_code_cell_that_became_markdown_keeps_neither_count_nor_outputs() -> None:
    head = StoredCell(head=Head(cell_type="markdown", id="c", trusted=True))
    made = materialise(draft({1: head}, base=base_of()), base_of(), no_blob)
    assert made.content["cells"][1] == {
        "cell_type": "markdown", "id": "c", "metadata": {"x": 1}, "source": "a😀",
    }  # fmt: skip


def test_neither_draft_nor_base_are_changed() -> None:
    given = draft({5: WHOLE}, ((0, 2), (5, 1)), base=base_of(), meta=META)
    first = json.dumps(materialise(given, base_of(), no_blob).content)
    assert WHOLE.metadata == Value(json={"t": []})
    assert META.json["metadata"] == {"title": None}
    assert json.dumps(materialise(given, base_of(), no_blob).content) == first


def test_a_draft_that_holds_every_cell_needs_no_base() -> None:
    complete = draft({0: WHOLE}, ((0, 1),), meta=META)
    assert materialise(complete, None, no_blob).content["cells"][0]["source"] == "x"
    replaced = draft({1: WHOLE}, ((1, 1),), base=base_of(), meta=META)
    assert materialise(replaced, None, no_blob).content["cells"][0]["source"] == "x"


@pytest.mark.parametrize("gone", [None, b"{}", base_of(4), b"not json"])
def test_a_base_that_is_gone_or_another_is_unavailable(gone: bytes | None) -> None:
    with pytest.raises(BaseUnavailable):
        materialise(draft({}, base=base_of()), gone, no_blob)


def test_a_base_that_is_no_notebook_is_unavailable() -> None:
    with pytest.raises(BaseUnavailable, match="no notebook"):
        materialise(draft({}, base=b"not json"), b"not json", no_blob)


def test_missing_and_damaged_blobs_pass_through() -> None:
    def damaged(blob: BlobId) -> NoReturn:
        raise BlobDamaged(blob.hex())

    cell = replace(WHOLE, source=Text(origin=(Chunk(BlobId(b"h" * 32), 3),)))
    with pytest.raises(BlobUnknown):
        materialise(draft({0: cell}, ((0, 1),), meta=META), None, no_blob)
    with pytest.raises(BlobDamaged):
        materialise(draft({0: cell}, ((0, 1),), meta=META), None, damaged)


NOWHERE = Value(json={"a": "b"}, long={("a", 0): Text(origin="x")})
CONTRADICTIONS: dict[str, Draft] = {
    "no order": draft({}, meta=META),
    "no metadata": draft({0: WHOLE}, ((0, 1),)),
    "a cell without rows": draft({0: WHOLE}, ((0, 2),), meta=META),
    "a new cell without a source": draft({5: replace(WHOLE, source=UNSET)}, ((0, 2), (5, 1)), base=base_of()),
    "a new cell without its output": draft({5: replace(WHOLE, outputs_length=1)}, ((5, 1),), meta=META),
    "an output beyond the base's": draft({1: StoredCell(outputs_length=2)}, base=base_of()),
    "a key twice": draft({0: WHOLE}, ((0, 1), (0, 1)), meta=META),
    "a long string without a place": draft({0: replace(WHOLE, metadata=NOWHERE)}, ((0, 1),), meta=META),
    "a splice beyond the end": draft(
        {1: StoredCell(source=Text(origin="x", splices=(Splice(2, 0, "y"),)))}, base=base_of()
    ),
    "a splice of another base": draft({1: StoredCell(source=Text(origin=text_digest("b")))}, base=base_of()),
}


@pytest.mark.parametrize("contradiction", CONTRADICTIONS)
def test_rows_that_contradict_each_other_are_damage(contradiction: str) -> None:
    with pytest.raises(StoreDamaged):
        materialise(CONTRADICTIONS[contradiction], base_of(), no_blob)


def test_a_base_with_another_number_of_cells_is_damage() -> None:
    given = draft({}, base=base_of())
    wrong = replace(given, working_copy=replace(given.working_copy, base_order=((0, 3),)))
    with pytest.raises(StoreDamaged, match="2 cells"):
        materialise(wrong, base_of(), no_blob)


def test_long_strings_return_to_their_places() -> None:
    lifted = Value(
        json={"a": [None, {"b": None}], "c": None},
        long={("a", 0): Text(origin="0"), ("a", 1, "b"): Text(origin="1")},
    )
    assert assemble(lifted, no_blob) == {"a": ["0", {"b": "1"}], "c": None}
    assert lifted.json == {"a": [None, {"b": None}], "c": None}


@pytest.mark.parametrize("path", [("x",), ("a", 9), ("a", "b"), ("d", 0), ("a", 1, "b", "c")])
def test_a_path_that_leads_nowhere_is_damage(path: tuple[str | int, ...]) -> None:
    lifted = Value(json={"a": [None, {"b": None}], "d": "text"}, long={path: Text(origin="x")})
    with pytest.raises(StoreDamaged):
        assemble(lifted, no_blob)
