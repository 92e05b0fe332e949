"""Both sides of a merge are in its result, or beside each other in a conflict; nothing is lost."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.notebook.merge import Merged, merge
from indelible.notebook.mergetext import merge_text

Notebook = dict[str, Any]
Cell = dict[str, Any]


def cell(source: str, identity: str | None = None, kind: str = "code", **more: Any) -> Cell:
    made: Cell = {"cell_type": kind, "metadata": {}, "source": source, **more}
    if identity is not None:
        made["id"] = identity
    if kind == "code":
        made.setdefault("outputs", [])
        made.setdefault("execution_count", None)
    return made


def book(*cells: Cell, minor: int = 5, **metadata: Any) -> Notebook:
    return {"nbformat": 4, "nbformat_minor": minor, "metadata": metadata, "cells": list(cells)}


def printed(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def three() -> Notebook:
    return book(cell("one\ntwo\nthree", "a"), cell("second", "b"), cell("# third", "c", "markdown"))


def edited(notebook: Notebook, *changes: Callable[[list[Cell]], object]) -> Notebook:
    result = copy.deepcopy(notebook)
    for change in changes:
        change(result["cells"])
    return result


def set_source(index: int, text: str) -> Callable[[list[Cell]], object]:
    return lambda cells: cells[index].update(source=text)


def sources(merged: Merged) -> list[str]:
    return [one["source"] for one in merged.notebook["cells"]]


def both_ways(base: Notebook, ours: Notebook, theirs: Notebook) -> Merged:
    """The merge, after a look that it does not depend on the side, changes no argument, and is a notebook."""
    before = copy.deepcopy((base, ours, theirs))
    merged = merge(base, ours, theirs)
    other = merge(base, theirs, ours)
    assert (base, ours, theirs) == before
    assert merged.is_clean == other.is_clean
    if merged.is_clean:
        assert merged.notebook == other.notebook
    nbformat.validate(copy.deepcopy(merged.notebook))
    return merged


def test_edits_of_different_cells_are_both_there() -> None:
    merged = both_ways(three(), edited(three(), set_source(0, "mine")), edited(three(), set_source(1, "theirs")))
    assert merged.is_clean
    assert sources(merged) == ["mine", "theirs", "# third"]


def test_edits_of_different_lines_of_a_cell_are_both_there() -> None:
    ours = edited(three(), set_source(0, "ONE\ntwo\nthree"))
    theirs = edited(three(), set_source(0, "one\ntwo\nTHREE\nfour"))
    merged = both_ways(three(), ours, theirs)
    assert merged.is_clean
    assert sources(merged)[0] == "ONE\ntwo\nTHREE\nfour"


def test_edits_of_the_same_line_are_shown_side_by_side() -> None:
    merged = both_ways(three(), edited(three(), set_source(1, "mine")), edited(three(), set_source(1, "theirs")))
    [conflict] = merged.conflicts
    assert (conflict.kind, conflict.at) == ("source", 1)
    assert [one and one["source"] for one in (conflict.base, conflict.ours, conflict.theirs)] == [
        "second",
        "mine",
        "theirs",
    ]
    assert sources(merged)[1] == "mine"


def test_the_same_edit_on_both_sides_is_made_once() -> None:
    ours = edited(three(), set_source(1, "same"), lambda cells: cells.insert(1, cell("new", "n")))
    assert both_ways(three(), ours, copy.deepcopy(ours)).notebook == ours


def test_insertions_at_the_same_place_are_both_there() -> None:
    ours = edited(three(), lambda cells: cells.insert(1, cell("mine", "m")))
    theirs = edited(three(), lambda cells: cells.insert(1, cell("theirs", "t")))
    merged = both_ways(three(), ours, theirs)
    assert merged.is_clean
    assert sorted(sources(merged)[1:3]) == ["mine", "theirs"]


def test_a_deleted_cell_goes_when_the_other_side_left_it_alone() -> None:
    merged = both_ways(three(), edited(three(), lambda cells: cells.pop(1)), edited(three(), set_source(0, "x")))
    assert merged.is_clean
    assert sources(merged) == ["x", "# third"]


def test_a_deleted_cell_that_was_edited_elsewhere_stays_and_is_asked_about() -> None:
    merged = both_ways(three(), edited(three(), lambda cells: cells.pop(1)), edited(three(), set_source(1, "theirs")))
    [conflict] = merged.conflicts
    assert (conflict.kind, conflict.ours) == ("deleted_here", None)
    assert sources(merged) == ["one\ntwo\nthree", "theirs", "# third"]
    other = merge(three(), edited(three(), set_source(1, "mine")), edited(three(), lambda cells: cells.pop(1)))
    assert [one.kind for one in other.conflicts] == ["deleted_there"]
    assert sources(other)[1] == "mine"


def test_a_run_does_not_keep_a_deleted_cell() -> None:
    theirs = edited(three(), lambda cells: cells[1].update(execution_count=4))
    assert sources(both_ways(three(), edited(three(), lambda cells: cells.pop(1)), theirs)) == [
        "one\ntwo\nthree",
        "# third",
    ]


def test_a_cell_can_be_moved_here_and_edited_there() -> None:
    ours = edited(three(), lambda cells: cells.append(cells.pop(0)))
    merged = both_ways(three(), ours, edited(three(), set_source(0, "one\ntwo\nthree\nfour")))
    assert merged.is_clean
    assert sources(merged) == ["second", "# third", "one\ntwo\nthree\nfour"]


def test_two_moves_are_no_conflict() -> None:
    ours = edited(three(), lambda cells: cells.append(cells.pop(0)))
    theirs = edited(three(), lambda cells: cells.reverse())
    merged = both_ways(three(), ours, theirs)
    assert merged.is_clean
    assert sorted(sources(merged)) == sorted(one["source"] for one in three()["cells"])


def test_outputs_follow_the_side_that_ran() -> None:
    run = edited(three(), lambda cells: cells[1].update(outputs=[printed("2")], execution_count=3))
    merged = both_ways(three(), run, edited(three(), set_source(0, "x")))
    assert merged.is_clean
    assert merged.notebook["cells"][1]["outputs"] == [printed("2")]
    assert merged.notebook["cells"][1]["execution_count"] == 3


def test_two_runs_with_one_result_have_the_later_number() -> None:
    ours = edited(three(), lambda cells: cells[1].update(outputs=[printed("2")], execution_count=3))
    theirs = edited(three(), lambda cells: cells[1].update(outputs=[printed("2")], execution_count=9))
    assert both_ways(three(), ours, theirs).notebook["cells"][1]["execution_count"] == 9


def test_two_runs_with_two_results_are_a_conflict() -> None:
    ours = edited(three(), lambda cells: cells[1].update(outputs=[printed("2")], execution_count=3))
    theirs = edited(three(), lambda cells: cells[1].update(outputs=[printed("3")], execution_count=3))
    assert [one.kind for one in both_ways(three(), ours, theirs).conflicts] == ["outputs"]


def test_metadata_is_merged_by_key() -> None:
    base = book(cell("x", "a", metadata={"tags": ["t"], "deep": {"k": 1}}), title="a", author="b")
    ours = copy.deepcopy(base)
    theirs = copy.deepcopy(base)
    ours["cells"][0]["metadata"]["deep"]["mine"] = 1
    del theirs["cells"][0]["metadata"]["tags"]
    ours["metadata"]["title"] = "new"
    theirs["metadata"]["kernelspec"] = {"name": "k", "display_name": "k"}
    merged = both_ways(base, ours, theirs)
    assert merged.is_clean
    assert merged.notebook["cells"][0]["metadata"] == {"deep": {"k": 1, "mine": 1}}
    assert merged.notebook["metadata"] == {
        "title": "new",
        "author": "b",
        "kernelspec": {"name": "k", "display_name": "k"},
    }


def test_the_same_key_changed_on_both_sides_is_a_conflict() -> None:
    base = book(cell("x", "a", metadata={"k": 1}), k=1)
    ours, theirs = copy.deepcopy(base), copy.deepcopy(base)
    for side, value in ((ours, 2), (theirs, 3)):
        side["cells"][0]["metadata"]["k"] = value
        side["metadata"]["k"] = value
    merged = both_ways(base, ours, theirs)
    assert [(one.kind, one.at) for one in merged.conflicts] == [("notebook_metadata", -1), ("metadata", 0)]
    assert merged.notebook["metadata"]["k"] == 2


def test_kernels_never_conflict() -> None:
    ours, theirs = three(), three()
    ours["metadata"]["kernelspec"] = {"name": "a", "display_name": "a"}
    theirs["metadata"]["kernelspec"] = {"name": "b", "display_name": "b"}
    assert both_ways(three(), ours, theirs).is_clean


def test_a_cell_of_another_type_is_merged_with_its_new_text() -> None:
    ours = edited(three(), lambda cells: cells.__setitem__(1, cell("second", "b", "markdown")))
    merged = both_ways(three(), ours, edited(three(), set_source(1, "second\nmore")))
    assert merged.is_clean
    assert merged.notebook["cells"][1] == cell("second\nmore", "b", "markdown")


def test_without_ids_cells_are_found_by_what_they_say() -> None:
    base = book(
        *(cell(f"x = {n}\nprint(x)\nprint({n})", minor) for n, minor in ((1, None), (2, None), (3, None))), minor=4
    )
    ours = edited(base, set_source(1, "x = 2\nprint(x)\nprint(2)\nmine"), lambda cells: cells.insert(0, cell("top")))
    theirs = edited(base, set_source(1, "theirs\nx = 2\nprint(x)\nprint(2)"), lambda cells: cells.append(cell("end")))
    merged = both_ways(base, ours, theirs)
    assert merged.is_clean
    assert sources(merged)[2] == "theirs\nx = 2\nprint(x)\nprint(2)\nmine"
    assert (sources(merged)[0], sources(merged)[-1]) == ("top", "end")


def test_ids_that_were_made_anew_do_not_double_the_cells() -> None:
    theirs = edited(three(), lambda cells: [one.update(id=f"new-{n}") for n, one in enumerate(cells)])
    merged = both_ways(three(), edited(three(), set_source(1, "mine")), theirs)
    assert len(sources(merged)) == 3
    assert "mine" in sources(merged)


def test_double_ids_lose_nothing() -> None:
    base = book(cell("a", "x"), cell("b", "x"), cell("c", "y"))
    merged = merge(base, edited(base, set_source(0, "a1")), edited(base, set_source(2, "c1")))
    assert sources(merged) == ["a1", "b", "c1"]
    assert len({one["id"] for one in merged.notebook["cells"]}) == 3


def test_with_nothing_in_common_everything_is_kept() -> None:
    merged = both_ways(book(), book(cell("mine", "a")), book(cell("theirs", "b")))
    assert sorted(sources(merged)) == ["mine", "theirs"]
    assert both_ways(book(), book(), book()).notebook["cells"] == []


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        ("a", "a\nb", "A", "A\nb"),
        ("a\nb\nc", "a\nc", "a\nb\nC", "a\nC"),
        ("a\nb", "x\na\nb", "a\nb\ny", "x\na\nb\ny"),
        ("a", "a\nx", "a\ny", None),
        ("a\nb", "a\nB", "A\nb", "A\nB"),
        ("a\nb\nc", "", "a\nB\nc", None),
        ("", "x", "x", "x"),
        ("a\nb\nc\nd", "a\nX\nd", "a\nb\nY\nc\nd", None),
        ("a\nb\nc\nd", "a\nX\nd", "a\nb\nc\nY\nd", "a\nX\nY\nd"),
    ],
)
def test_lines(base: str, ours: str, theirs: str, merged: str | None) -> None:
    assert merge_text(base, ours, theirs) == merged
    assert merge_text(base, theirs, ours) == merged


def test_ten_thousand_lines_are_merged_at_once() -> None:
    lines = [f"line {number}" for number in range(10_000)]
    ours, theirs = list(lines), list(lines)
    ours[10], theirs[9_990] = "mine", "theirs"
    merged = merge_text("\n".join(lines), "\n".join(ours), "\n".join(theirs))
    assert merged is not None
    assert merged.count("\n") == 9_999
    assert "mine" in merged
    assert "theirs" in merged


# -- any edits --

LINES = st.lists(st.sampled_from(["x = 1", "y", "", "z", "print(x)", "数据"]), max_size=4).map("\n".join)


@st.composite
def notebooks(draw: st.DrawFn) -> Notebook:
    minor = draw(st.sampled_from([4, 5]))
    cells = [
        cell(draw(LINES), f"c{number}" if minor == 5 else None, draw(st.sampled_from(["code", "markdown"])))
        for number in range(draw(st.integers(0, 6)))
    ]
    return book(*cells, minor=minor)


def changed(draw: st.DrawFn, base: Notebook, side: str) -> tuple[Notebook, list[str]]:
    """A side of the base, and the lines that were typed there and are still there."""
    result = copy.deepcopy(base)
    cells = result["cells"]
    typed: list[str] = []
    for number in range(draw(st.integers(0, 5))):
        kind = draw(st.sampled_from(["line", "line", "insert", "delete", "move", "type", "outputs", "metadata"]))
        word = f"{side}{number}"
        if kind == "insert":
            identity = f"{word}" if base["nbformat_minor"] == 5 else None
            cells.insert(draw(st.integers(0, len(cells))), cell(word, identity))
            continue
        if not cells:
            continue
        index = draw(st.integers(0, len(cells) - 1))
        one = cells[index]
        if kind == "line":
            lines = one["source"].split("\n")
            lines.insert(draw(st.integers(0, len(lines))), word)
            one["source"] = "\n".join(lines)
        elif kind == "delete":
            cells.pop(index)
        elif kind == "move":
            cells.insert(draw(st.integers(0, len(cells) - 1)), cells.pop(index))
        elif kind == "type":
            other = "markdown" if one["cell_type"] == "code" else "code"
            cells[index] = cell(one["source"], one.get("id"), other)
        elif kind == "outputs" and one["cell_type"] == "code":
            one["outputs"] = [printed(word)]
        elif kind == "metadata":
            one["metadata"] = {**one["metadata"], draw(st.sampled_from(["k", side])): word}
    typed = [line for one in cells for line in one["source"].split("\n") if line.startswith(side)]
    return result, typed


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_no_edit_is_lost_whatever_was_done(data: st.DataObject) -> None:
    base = data.draw(notebooks())
    ours, mine = data.draw(st.composite(lambda draw: changed(draw, base, "o"))())
    theirs, others = data.draw(st.composite(lambda draw: changed(draw, base, "t"))())
    merged = both_ways(base, ours, theirs)
    shown = "\n".join(sources(merged))
    for conflict in merged.conflicts:
        for side in (conflict.ours, conflict.theirs):
            shown += "\n" + (side or {}).get("source", "")
    for line in mine + others:
        assert line in shown.split("\n")
    for index, side in ((1, ours), (2, theirs)):
        there = {(one.base, one.ours, one.theirs)[index] for one in merged.cells}
        for number, one in enumerate(side["cells"]):
            if any(line.startswith(("o", "t")) for line in one["source"].split("\n")):
                assert number in there


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_one_side_alone_is_the_result(data: st.DataObject) -> None:
    base = data.draw(notebooks())
    side, _ = data.draw(st.composite(lambda draw: changed(draw, base, "o"))())
    for merged in (merge(base, side, base), merge(base, base, side), merge(base, side, copy.deepcopy(side))):
        assert merged.is_clean
        assert merged.notebook == side
