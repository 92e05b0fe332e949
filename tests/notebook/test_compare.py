"""Whether two notebooks mean the same, and how far a draft is from its base."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import pytest

from indelible.model import UNSET, CellKey, Draft, Opening, Runs, Seq, StoredCell, Text
from indelible.notebook.apply import opened_draft
from indelible.notebook.compare import cells_changed, same_notebook
from indelible.notebook.runs import compress

Notebook = dict[str, Any]


def notebook(minor: int = 5) -> Notebook:
    return {
        "nbformat": 4,
        "nbformat_minor": minor,
        "metadata": {"kernelspec": {"name": "python3"}},
        "cells": [
            {"cell_type": "markdown", "id": "m", "metadata": {}, "source": "# 标题"},
            {
                "cell_type": "code",
                "id": "c",
                "metadata": {"tags": ["x"]},
                "source": "a😀",
                "execution_count": 1,
                "outputs": [{"output_type": "display_data", "data": {"application/json": {"a": [1, None]}}}],
            },
        ],
    }


def data_of(nb: Notebook) -> Any:
    return nb["cells"][1]["outputs"][0]["data"]


NOISE: dict[str, Callable[[Notebook], object]] = {
    "trust": lambda nb: nb["cells"][1]["metadata"].update(trusted=True),
    "execution state": lambda nb: nb["cells"][1].update(execution_state="idle"),
    "order of keys": lambda nb: nb.update(cells=[dict(reversed(cell.items())) for cell in nb["cells"]]),
    "the form of a number": lambda nb: data_of(nb)["application/json"].update(a=[1.0, None]),
    "halves of an emoji": lambda nb: nb["cells"][1].update(source="a\ud83d\ude00"),
    "no attachments": lambda nb: nb["cells"][0].update(attachments={}),
    "a former version": lambda nb: nb["metadata"].update(orig_nbformat=3),
}
MEANING: dict[str, Callable[[Notebook], object]] = {
    "source": lambda nb: nb["cells"][0].update(source="# 标題"),
    "id": lambda nb: nb["cells"][0].update(id="other"),
    "true for one": lambda nb: data_of(nb)["application/json"].update(a=[True, None]),
    "length of a list": lambda nb: data_of(nb)["application/json"].update(a=[1]),
    "execution count": lambda nb: nb["cells"][1].update(execution_count=2),
    "outputs": lambda nb: nb["cells"][1].update(outputs=[]),
    "cell metadata": lambda nb: nb["cells"][1]["metadata"].update(tags=[]),
    "metadata": lambda nb: nb["metadata"].update(title="x"),
    "order of cells": lambda nb: nb["cells"].reverse(),
    "one cell less": lambda nb: nb["cells"].pop(),
    "version": lambda nb: nb.update(nbformat_minor=4),
    "a lone surrogate": lambda nb: nb["cells"][1].update(source="a\ud83d"),
}


@pytest.mark.parametrize("noise", NOISE)
def test_noise_makes_no_difference(noise: str) -> None:
    other = notebook()
    NOISE[noise](other)
    assert same_notebook(notebook(), other)
    assert same_notebook(other, notebook())


@pytest.mark.parametrize("meaning", MEANING)
def test_whatever_means_something_makes_a_difference(meaning: str) -> None:
    other = notebook()
    MEANING[meaning](other)
    assert not same_notebook(notebook(), other)
    assert not same_notebook(other, notebook())


def test_ids_mean_nothing_below_4_5() -> None:
    other = copy.deepcopy(notebook(4))
    other["cells"][0]["id"] = "made anew"
    del other["cells"][1]["id"]
    assert same_notebook(notebook(4), other)


def test_outputs_nested_beyond_the_stack_can_be_compared() -> None:
    deep: list[Any] = []
    for _ in range(50_000):
        deep = [deep]
    one = notebook()
    data_of(one)["x"] = deep
    assert same_notebook(one, one)
    assert not same_notebook(one, notebook())


def draft(order: list[int] | None, edited: list[int], base: str | None = "b" * 64) -> Draft:
    wc = "0" * 32
    opening = Opening(working_copy=wc, epoch=1, path="a.ipynb", base=base, cells=5, seq=Seq(0), mode="full", tab=wc)
    runs: Runs | None = None if order is None else compress(order)
    return replace(
        opened_draft(opening, "root", datetime(2025, 1, 1, tzinfo=timezone.utc)),
        order=UNSET if runs is None else runs,
        cells={CellKey(key): StoredCell(source=Text(origin="x")) for key in edited},
    )


@pytest.mark.parametrize(
    ("order", "edited", "count"),
    [
        (None, [], 0),
        (None, [1, 3], 2),
        ([0, 1, 2, 3, 4], [], 0),
        ([0, 1, 2, 3, 4, 5], [5], 1),
        ([0, 1, 3, 4], [], 1),
        ([4, 0, 1, 2, 3], [], 1),
        ([4, 0, 1, 2, 3], [4], 1),
        ([2, 6, 0], [6, 0], 5),
        ([], [], 5),
    ],
)
def test_cells_edited_added_removed_and_moved_count_once(
    order: list[int] | None, edited: list[int], count: int
) -> None:
    assert cells_changed(draft(order, edited)) == count


def test_without_a_base_every_cell_counts() -> None:
    assert cells_changed(draft([0, 1], [0, 1], base=None)) == 2
