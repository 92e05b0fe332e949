"""Lists of cell keys, run-length encoded as (first key, count)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from ..model import CellKey, Runs


def total(runs: Runs) -> int:
    """How many keys there are."""
    return sum(count for _, count in runs)


def expand(runs: Runs) -> list[CellKey]:
    """The keys, one by one. Check `total` first when the runs come from outside."""
    return [CellKey(key) for first, count in runs for key in range(first, first + count)]


def compress(keys: Iterable[int]) -> Runs:
    """The shortest runs for these keys, in this order."""
    runs: list[tuple[int, int]] = []
    for key in keys:
        if runs and runs[-1][0] + runs[-1][1] == key:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((key, 1))
    return tuple(runs)


def is_repeated(runs: Runs) -> bool:
    """Whether some key stands in it twice."""
    ordered = sorted(runs)
    return any(first + count > after for (first, count), (after, _) in pairwise(ordered))
