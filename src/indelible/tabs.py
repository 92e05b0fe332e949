"""The working copies that connected tabs have open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from .model import Opening

Ask = Callable[[dict[str, Any]], None]
"""Sends one tab a message. Does not block; from any thread."""


@dataclass(slots=True)
class Live:
    """A working copy that a connected tab has open."""

    opening: Opening
    ask: Ask
    seen: tuple[int, int, int] | None = None
    """What its file looked like last (inode, size, time in ns)."""


class Tabs:
    """Live working copies by id. Nothing here blocks; safe from any thread."""

    def __init__(self) -> None:
        self._live: dict[str, Live] = {}

    def __len__(self) -> int:
        return len(self._live)

    def __contains__(self, working_copy: str) -> bool:
        return working_copy in self._live

    def __iter__(self) -> Iterator[Live]:
        return iter(list(self._live.values()))

    def opened(self, opening: Opening, ask: Ask) -> None:
        """A tab has this working copy open from now on."""
        self._live[opening.working_copy] = Live(opening, ask)

    def left(self, working_copy: str, ask: Ask) -> None:
        """The connection that had it open is gone; another one may have it by now."""
        live = self._live.get(working_copy)
        if live is not None and live.ask == ask:
            del self._live[working_copy]

    def closed(self, working_copy: str) -> None:
        """The user closed the notebook."""
        self._live.pop(working_copy, None)

    def ask_for_all(self, working_copy: str, why: str) -> None:
        """Have its tab send everything it holds, if it has a tab."""
        live = self._live.get(working_copy)
        if live is not None:
            live.ask({"t": "resync", "wc": working_copy, "why": why})

    def is_held_by_another(self, working_copy: str, tab: str) -> bool:
        """Whether a living tab other than `tab` has it open."""
        live = self._live.get(working_copy)
        return live is not None and live.opening.tab != tab

    def renamed(self, working_copy: str | None, old: str, new: str) -> None:
        """One working copy's notebook, or everything at and below `old`, has another path."""
        for live in self:
            path = live.opening.path
            if working_copy is None:
                if path == old or path.startswith(old + "/"):
                    live.opening = replace(live.opening, path=new + path[len(old) :])
            elif live.opening.working_copy == working_copy:
                live.opening = replace(live.opening, path=new)
