"""Whether two notebooks mean the same, and by how many cells a draft differs from its base."""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from ..model import UNSET, Draft
from .nbjson import Notebook, has_cell_ids
from .runs import expand
from .text import normal

_NOISE_OF_A_NOTEBOOK = frozenset({"orig_nbformat", "orig_nbformat_minor", "signature"})


def same_notebook(a: Notebook, b: Notebook) -> bool:
    """Whether they say the same, noise apart: trust, execution state, ids below 4.5, order of keys.

    1 and 1.0 are the same number, as in JavaScript; 1 and true are not.
    """
    if any(a.get(name) != b.get(name) for name in ("nbformat", "nbformat_minor")):
        return False
    if len(a["cells"]) != len(b["cells"]):
        return False
    if not same_json(_meaning_of_metadata(a), _meaning_of_metadata(b)):
        return False
    with_ids = has_cell_ids(a)
    return all(
        same_json(_meaning_of_cell(one, with_ids), _meaning_of_cell(other, with_ids))
        for one, other in zip(a["cells"], b["cells"], strict=True)
    )


def _meaning_of_metadata(notebook: Notebook) -> dict[str, Any]:
    return {name: value for name, value in notebook["metadata"].items() if name not in _NOISE_OF_A_NOTEBOOK}


def _meaning_of_cell(cell: dict[str, Any], with_ids: bool) -> dict[str, Any]:
    noise = {"execution_state"} if with_ids else {"execution_state", "id"}
    if not cell.get("attachments"):
        noise.add("attachments")
    meaning = {name: value for name, value in cell.items() if name not in noise}
    meaning["metadata"] = {name: value for name, value in cell.get("metadata", {}).items() if name != "trusted"}
    return meaning


def same_json(a: Any, b: Any) -> bool:
    """Equality of JSON values as a page sees them: 1 and 1.0 are one number, 1 and true are not.

    A stack of our own, since outputs may be nested deeply.
    """
    pairs = [(a, b)]
    while pairs:
        one, other = pairs.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            if one.keys() != other.keys():
                return False
            pairs.extend((value, other[name]) for name, value in one.items())
        elif isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            pairs.extend(zip(one, other, strict=True))
        elif isinstance(one, str) and isinstance(other, str):
            if one != other and normal(one) != normal(other):
                return False
        elif isinstance(one, bool) is not isinstance(other, bool) or one != other:
            return False
    return True


def cells_changed(draft: Draft) -> int:
    """How many cells were edited, added, removed or moved since the base; every cell when there is none."""
    base = expand(draft.working_copy.base_order)
    order = base if draft.order is UNSET else expand(draft.order)
    kept = set(base) & set(order)
    changed = set(order) - kept | {key for key in draft.cells if key in kept}
    places = {key: index for index, key in enumerate(base)}
    unedited = [places[key] for key in order if key in kept and key not in changed]
    moved = len(unedited) - _longest_rising(unedited)
    return len(changed) + moved + len(set(base) - kept)


def _longest_rising(numbers: list[int]) -> int:
    """Length of the longest rising subsequence (patience sorting)."""
    tops: list[int] = []
    for number in numbers:
        place = bisect_left(tops, number)
        tops[place : place + 1] = [number]
    return len(tops)
