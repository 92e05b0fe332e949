"""A save's bytes: what nbformat would write, and nothing of an unchanged cell touched."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import nbformat
import pytest

from indelible.model import UNSET, CellKey, Draft, Head, Opening, Seq, StoredCell, Text, Value
from indelible.notebook.apply import opened_draft
from indelible.notebook.compose import materialise
from indelible.notebook.layout import read_layout
from indelible.notebook.nbjson import has_cell_ids, read_notebook, write_notebook
from indelible.notebook.render import Rendered, render
from indelible.notebook.runs import compress

REAL = sorted((Path(__file__).parents[3] / "shared/data/real-notebooks").rglob("*.ipynb"))
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").rglob("*.ipynb"))
NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)


def as_nbformat_writes(notebook: dict[str, Any]) -> str:
    text: str = nbformat.writes(nbformat.from_dict(notebook))  # type: ignore[no-untyped-call]
    return text + "\n"


def no_blob(blob: bytes) -> bytes:
    raise AssertionError(f"nothing asked for {blob!r}")


def draft_of(
    base: bytes, cells: dict[int, StoredCell], order: list[int] | None = None, meta: Value | None = None
) -> Draft:
    layout = read_layout(base)
    assert layout is not None
    opening = Opening(
        working_copy="a" * 32,
        epoch=1,
        path="x.ipynb",
        base="0" * 64,
        cells=len(layout.cells),
        seq=Seq(0),
        mode="full",
        tab="b" * 32,
    )
    empty = opened_draft(opening, "r", NOW)
    one = replace(empty.working_copy, base=hash_of(base))
    return Draft(
        working_copy=one,
        order=UNSET if order is None else compress([CellKey(key) for key in order]),
        meta=UNSET if meta is None else meta,
        cells={CellKey(key): cell for key, cell in cells.items()},
    )


def hash_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def written(base: bytes, draft: Draft) -> tuple[bytes, Rendered]:
    layout = read_layout(base)
    assert layout is not None
    rendered = render(draft, layout, lambda start, end: base[start:end], no_blob)
    content = b"".join(one if isinstance(one, bytes) else base[one.start : one.end] for one in rendered.pieces)
    assert rendered.layout == read_layout(content)
    return content, rendered


def whole(draft: Draft, base: bytes) -> dict[str, Any]:
    return materialise(draft, base, no_blob).content


def new_cell(text: str, identity: str | None, kind: str = "code") -> StoredCell:
    return StoredCell(
        head=Head(cell_type=kind, id=identity, execution_count=7 if kind == "code" else None, trusted=True),
        source=Text(origin=text),
        metadata=Value(json={"tags": ["b", "a"]}),
        attachments=None,
        outputs={},
        outputs_length=0,
    )


def random_draft(base: bytes, rng: random.Random) -> Draft:
    layout = read_layout(base)
    assert layout is not None
    with_ids = has_cell_ids(layout.rest)
    order = list(range(len(layout.cells)))
    rng.shuffle(order) if rng.random() < 0.3 else None
    cells: dict[int, StoredCell] = {}
    for key in list(order):
        chance = rng.random()
        if chance < 0.1:
            order.remove(key)
        elif chance < 0.3:
            cells[key] = StoredCell(source=Text(origin=rng.choice(["", "x = 1\n\ty\n", "数据\r\n😀\u2028z", "\ud83d"])))
    for number in range(rng.randrange(3)):
        key = 1000 + number
        cells[key] = new_cell(
            "new\ncell", f"new-{number}" if with_ids else None, rng.choice(["code", "markdown", "raw"])
        )
        order.insert(rng.randrange(len(order) + 1), key)
    meta = None
    if rng.random() < 0.3:
        kept = {name: value for name, value in layout.rest.items() if name.startswith("nbformat")}
        meta = Value(json={**kept, "metadata": {**layout.rest["metadata"], "z": [1, {"b": 2, "a": "é"}]}})
    return draft_of(base, cells, order, meta)


@pytest.mark.parametrize("path", [*REAL, *EXAMPLES], ids=lambda path: path.name)
def test_a_file_that_nbformat_wrote_comes_out_as_nbformat_writes_it(path: Path) -> None:
    base = as_nbformat_writes(nbformat.read(path, as_version=4)).encode()  # type: ignore[no-untyped-call]
    layout = read_layout(base)
    assert layout is not None
    rng = random.Random(path.name)
    for _ in range(8):
        draft = random_draft(base, rng)
        content, _ = written(base, draft)
        page = whole(draft, base)
        assert content == write_notebook(page)
        if b"\\ud83d" not in content:
            assert content.decode() == as_nbformat_writes(page)
            nbformat.validate(json.loads(content))


@pytest.mark.parametrize("path", [*REAL, *EXAMPLES], ids=lambda path: path.name)
@pytest.mark.parametrize("indent", [None, 0, 2, "\t"])
def test_a_foreign_form_is_kept_where_nothing_changed(path: Path, indent: int | str | None) -> None:
    notebook = json.loads(path.read_bytes())
    base = json.dumps(notebook, indent=indent).encode()
    if read_layout(base) is None:
        assert notebook["nbformat"] != 4
        return
    same, rendered = written(base, draft_of(base, {}))
    assert same == base
    assert rendered.changed == 0
    rng = random.Random(path.name)
    for _ in range(5):
        draft = random_draft(base, rng)
        content, _ = written(base, draft)
        page = whole(draft, base)
        assert read_notebook(content) == read_notebook(write_notebook(page))


def test_an_edit_that_was_undone_leaves_the_bytes_of_its_cell() -> None:
    cell = b'{"metadata":{},"source":["a\\n","b"],"cell_type":"raw"}'
    base = b'{"cells":[' + cell + b'],"metadata":{"x":1.0},"nbformat":4,"nbformat_minor":4}'
    content, rendered = written(base, draft_of(base, {0: StoredCell(source=Text(origin="a\nb"))}))
    assert content == base
    assert rendered.changed == 0


def test_a_draft_without_a_base_takes_the_cells_that_mean_the_same_from_the_file() -> None:
    cells = [{"cell_type": "raw", "id": f"c{index}", "metadata": {}, "source": f"text {index}"} for index in range(3)]
    base = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}).encode()
    stored = {
        index: StoredCell(
            head=Head(cell_type="raw", id=f"c{index}"),
            source=Text(origin="other" if index == 1 else f"text {index}"),
            metadata=Value(json={}),
            attachments=None,
        )
        for index in range(3)
    }
    draft = draft_of(base, stored, [0, 1, 2], Value(json={"nbformat": 4, "nbformat_minor": 5, "metadata": {}}))
    draft = replace(draft, working_copy=replace(draft.working_copy, base=None, base_order=()))
    content, rendered = written(base, draft)
    assert json.loads(content)["cells"][1]["source"] == ["other"]
    assert rendered.changed == 1
    assert json.dumps(cells[0]).encode() in content


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{",
        b"nonsense",
        b"\xff\xfe",
        b'{"cells": [], "cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
        b'{"cells": [,], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
        b'{"cells": [{}], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
        b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5} x',
        b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5,}',
        b'{"metadata": {}, "nbformat": 3, "nbformat_minor": 0, "worksheets": []}',
        b'{"cells": ' + b"[" * 100_000,
    ],
)
def test_what_cannot_be_taken_over_cell_by_cell_is_said_to_be_so(content: bytes) -> None:
    assert read_layout(content) is None


def test_the_last_cell_can_go_and_the_first_can_come() -> None:
    base = write_notebook(
        {
            "cells": [{"cell_type": "raw", "id": "a", "metadata": {}, "source": "x"}],
            "metadata": {},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
    )
    draft = draft_of(base, {}, [])
    empty, _ = written(base, draft)
    assert empty == write_notebook(whole(draft, base))
    draft = draft_of(empty, {0: new_cell("first", "n")}, [0])
    content, _ = written(empty, draft)
    assert content == write_notebook(whole(draft, empty))
