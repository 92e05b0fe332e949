"""Three-way merge of texts by line, and of JSON values by key. Pure.

The merge of lines is diff3's: Khanna, Kunal, Pierce, "A Formal Investigation of Diff3" (FSTTCS 2007). It differs in one
point: changes that only touch do not conflict, so that a line may be changed here and the next one there. Two different
insertions at the very same place do, since nothing says which comes first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from .compare import same_json

ABSENT: Any = object()
"""Stands for a key that is not there."""


@dataclass(frozen=True, slots=True)
class _Change:
    """Lines `start` to before `end` of the base become `lines`."""

    start: int
    end: int
    lines: Sequence[str]


def merge_text(base: str, ours: str, theirs: str) -> str | None:
    """The text with both sides' changes; None when they conflict."""
    if ours == theirs or theirs == base:
        return ours
    if ours == base:
        return theirs
    merged = merge_lines(base.split("\n"), ours.split("\n"), theirs.split("\n"))
    return None if merged is None else "\n".join(merged)


def merge_lines(base: Sequence[str], ours: Sequence[str], theirs: Sequence[str]) -> list[str] | None:
    """The same for lists of lines."""
    sides = [_changes(base, ours), _changes(base, theirs)]
    merged: list[str] = []
    at = 0
    while sides[0] or sides[1]:
        group, start, end = _next_group(sides)
        merged += base[at:start]
        versions = [_applied(base, changes, start, end) for changes in group if changes]
        if len(versions) == 2 and versions[0] != versions[1]:
            return None
        merged += versions[0]
        at = end
    return merged + list(base[at:])


def _changes(base: Sequence[str], other: Sequence[str]) -> list[_Change]:
    start = 0
    most = min(len(base), len(other))
    while start < most and base[start] == other[start]:
        start += 1
    tail = 0
    while tail < most - start and base[-1 - tail] == other[-1 - tail]:
        tail += 1
    # Only what lies between: the matcher's time grows with the square of it.
    matcher = SequenceMatcher(None, base[start : len(base) - tail], other[start : len(other) - tail], autojunk=False)
    return [
        _Change(start + i1, start + i2, other[start + j1 : start + j2])
        for tag, i1, i2, j1, j2 in matcher.get_opcodes()
        if tag != "equal"
    ]


def _next_group(sides: list[list[_Change]]) -> tuple[list[list[_Change]], int, int]:
    """Take the first change off, and whatever of either side overlaps with it; the group's range in the base."""
    first = min((side[0] for side in sides if side), key=lambda change: (change.start, change.end))
    start, end = first.start, first.end
    group: list[list[_Change]] = [[], []]
    is_growing = True
    while is_growing:
        is_growing = False
        for side, taken in zip(sides, group, strict=True):
            while side and (side[0] is first or _overlaps(side[0], start, end)):
                taken.append(side.pop(0))
                start, end = min(start, taken[-1].start), max(end, taken[-1].end)
                is_growing = True
    return group, start, end


def _overlaps(change: _Change, start: int, end: int) -> bool:
    if start == end:
        return change.start == change.end == start
    if change.start == change.end:
        return start < change.start < end
    return change.start < end and start < change.end


def _applied(base: Sequence[str], changes: Sequence[_Change], start: int, end: int) -> list[str]:
    lines: list[str] = []
    for change in changes:
        lines += [*base[start : change.start], *change.lines]
        start = change.end
    return lines + list(base[start:end])


def merge_values(base: Any, ours: Any, theirs: Any, free: frozenset[str] = frozenset()) -> tuple[Any, bool]:
    """Merge JSON by key, objects in objects too; the result, and whether it is free of conflicts (else it is ours).

    Keys in `free` (of the outermost object) never conflict: either side will do, and both orders choose the same one.
    """
    if _same(ours, theirs) or _same(theirs, base):
        return ours, True
    if _same(ours, base):
        return theirs, True
    if not all(isinstance(one, Mapping) for one in (ours, theirs)):
        return ours, False
    ground = base if isinstance(base, Mapping) else {}
    merged, is_clean = {}, True
    for name in {**ours, **theirs}:
        sides = [one.get(name, ABSENT) for one in (ground, ours, theirs)]
        value, is_fine = merge_values(*sides)
        if not is_fine and name in free:
            value, is_fine = max(sides[1:], key=repr), True
        if value is not ABSENT:
            merged[name] = value
        is_clean = is_clean and is_fine
    return merged, is_clean


def _same(a: Any, b: Any) -> bool:
    if a is ABSENT or b is ABSENT:
        return a is b
    return same_json(a, b)
