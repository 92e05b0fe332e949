"""Which cells of two states of a notebook are the same cell. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Any

Cell = dict[str, Any]

ALIKE = 0.5
"""Share of their characters that two sources must have in common to be taken for one cell, edited."""
LONG = 20_000
"""Characters of a source beyond which only its beginning is compared."""


def pair_cells(a: Sequence[Cell], b: Sequence[Cell], *, with_ids: bool) -> dict[int, int]:
    """Indexes in `a` → indexes in `b`: by id, then by equal content in order, then by equal content anywhere, then by
    similar source between the same neighbours. No index is named twice."""
    pairs: dict[int, int] = {}
    if with_ids:
        ids = _unique([cell.get("id") for cell in a]), _unique([cell.get("id") for cell in b])
        pairs = {index: ids[1][name] for name, index in ids[0].items() if name in ids[1]}
    _add_equal_in_order(a, b, pairs)
    _add_equal_anywhere(a, b, pairs)
    _add_similar(a, b, pairs)
    return pairs


def _unique(names: Sequence[Any]) -> Mapping[str, int]:
    counts = Counter(name for name in names if isinstance(name, str))
    return {name: index for index, name in enumerate(names) if counts.get(name) == 1}


def _text(cell: Cell) -> tuple[str, str]:
    return cell.get("cell_type", ""), cell.get("source", "")


def _left(cells: Sequence[Cell], taken: Mapping[int, int] | set[int]) -> list[int]:
    return [index for index in range(len(cells)) if index not in taken]


def _add_equal_in_order(a: Sequence[Cell], b: Sequence[Cell], pairs: dict[int, int]) -> None:
    left = _left(a, pairs), _left(b, set(pairs.values()))
    texts = [_text(a[index]) for index in left[0]], [_text(b[index]) for index in left[1]]
    for block in SequenceMatcher(None, *texts, autojunk=False).get_matching_blocks():
        for offset in range(block.size):
            pairs[left[0][block.a + offset]] = left[1][block.b + offset]


def _add_equal_anywhere(a: Sequence[Cell], b: Sequence[Cell], pairs: dict[int, int]) -> None:
    places: dict[tuple[str, str], list[int]] = {}
    for index in _left(b, set(pairs.values())):
        places.setdefault(_text(b[index]), []).append(index)
    for index in _left(a, pairs):
        text = _text(a[index])
        # Empty cells are alike and say nothing.
        if text[1].strip() and places.get(text):
            pairs[index] = places[text].pop(0)


def _add_similar(a: Sequence[Cell], b: Sequence[Cell], pairs: dict[int, int]) -> None:
    known = [(-1, -1), *sorted(pairs.items()), (len(a), len(b))]
    for (start_a, start_b), (end_a, end_b) in pairwise(known):
        if start_b >= end_b:
            continue  # It was moved: what stood around it is not known.
        taken = set(pairs.values())
        free = [index for index in range(start_b + 1, end_b) if index not in taken]
        for index in range(start_a + 1, end_a):
            found = next((other for other in free if _is_alike(a[index], b[other])), None)
            if found is not None:
                pairs[index] = found
                free = [other for other in free if other > found]


def _is_alike(a: Cell, b: Cell) -> bool:
    one, other = str(a.get("source", ""))[:LONG], str(b.get("source", ""))[:LONG]
    if not one or not other:
        return one == other and a.get("cell_type") == b.get("cell_type")
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    if matcher.real_quick_ratio() < ALIKE or matcher.quick_ratio() < ALIKE:
        return False
    lines = SequenceMatcher(None, one.split("\n"), other.split("\n"), autojunk=False)
    # Of long texts the lines tell enough, and quickly.
    return lines.ratio() >= ALIKE or (len(one) + len(other) < 4_000 and matcher.ratio() >= ALIKE)
