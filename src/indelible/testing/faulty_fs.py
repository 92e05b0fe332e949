"""Faults where fs/ meets the operating system, by script: `FaultyFs("w w s!")` fails the sync after two writes.

A script is words, each a call's letter and what becomes of it:

    o open   r read    w write   t truncate   s sync   c close
    l link   u unlink  n rename  e exchange   a owner, mode or attribute   * any of them

    w        the call is made
    w!       it fails (EIO; `w!ENOSPC`: with that error)
    w~       half of it is done, then it fails: half a write; a sync that loses half of what was written; anything
             else is done, and reported as failed
    wx       the process dies before it, `w~x` in the middle of it, with status DIED
    w/       a write that takes half of what it was given, which is no error

A word at the end may be followed by `+`: so it goes on. A call that is not the script's next one is made; when the
script is over, all are.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ..fs import calls

DIED = 77

LETTERS = {
    "open_file": "o",
    "read": "r",
    "write": "w",
    "truncate": "t",
    "sync": "s",
    "close": "c",
    "link": "l",
    "unlink": "u",
    "rename": "n",
    "exchange": "e",
    "set_owner": "a",
    "set_mode": "a",
    "set_attribute": "a",
}

_WORD = re.compile(r"([a-zA-Z*])(~?)([!x/]?)([A-Z0-9]*)(\+?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What becomes of a call."""

    letter: str
    is_torn: bool = False
    is_death: bool = False
    is_short: bool = False
    error: int | None = None
    goes_on: bool = False

    @property
    def is_none(self) -> bool:
        return not (self.is_torn or self.is_death or self.is_short or self.error is not None)

    def failure(self) -> OSError:
        """What the call raises, if the process lives to see it."""
        if self.is_death:
            os._exit(DIED)
        number = errno.EIO if self.error is None else self.error
        return OSError(number, os.strerror(number))


def parse(script: str) -> list[Fault]:
    """The words of a script. Raises ValueError."""
    faults = []
    for word in script.split():
        found = _WORD.fullmatch(word)
        if found is None:
            raise ValueError(f"{word!r} is no word of a script")
        letter, torn, end, name, more = found.groups()
        faults.append(
            Fault(
                letter=letter,
                is_torn=bool(torn),
                is_death=end == "x",
                is_short=end == "/",
                error=getattr(errno, name) if name else errno.EIO if end == "!" else None,
                goes_on=bool(more),
            )
        )
    return faults


class FaultyFs:
    """While it is entered, the calls of indelible.fs.calls go through it.

    `steps` has the letter of each call, `met` the faults that came about.
    """

    def __init__(self, script: str = "") -> None:
        self._script = parse(script)
        self._originals: dict[str, Callable[..., Any]] = {}
        self._writing: dict[int, tuple[Path, bytes]] = {}
        self.steps: list[str] = []
        self.met: list[Fault] = []

    @classmethod
    def at(cls, number: int, word: str) -> FaultyFs:
        """The `number`-th call, from 1, of whatever kind, meets what the word (`*!`, `*x`) says."""
        return cls(" ".join(["*"] * (number - 1) + [word]))

    def __enter__(self) -> FaultyFs:
        for name, letter in LETTERS.items():
            self._originals[name] = getattr(calls, name)
            setattr(calls, name, self._wrapped(name, letter))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name, original in self._originals.items():
            setattr(calls, name, original)

    def step(self, letter: str) -> Fault | None:
        """Count a call of this kind; what becomes of it (None: it is made). For calls that others make, too."""
        self.steps.append(letter)
        if not self._script or self._script[0].letter not in (letter, "*"):
            return None
        fault = self._script[0]
        if not fault.goes_on:
            self._script.pop(0)
        if fault.is_none:
            return None
        self.met.append(fault)
        return fault

    def _wrapped(self, name: str, letter: str) -> Callable[..., Any]:
        def call(*values: Any) -> Any:
            fault = self.step(letter)
            if fault is None:
                return self._made(name, values)
            if fault.is_short and name == "write":
                return os.write(values[0], values[1][: max(1, len(values[1]) // 2)])
            if fault.is_torn:
                self._half_made(name, values)
            elif name == "close":
                # A descriptor is gone even when closing it fails.
                os.close(values[0])
            raise fault.failure()

        return call

    def _made(self, name: str, values: tuple[Any, ...]) -> Any:
        answer = self._originals[name](*values)
        if name == "open_file" and values[1] & os.O_WRONLY:
            self._writing[answer] = (values[0], Path(values[0]).read_bytes())
        elif name == "sync" and values[0] in self._writing:
            path, _ = self._writing[values[0]]
            self._writing[values[0]] = path, path.read_bytes()
        elif name == "close":
            self._writing.pop(values[0], None)
        return answer

    def _half_made(self, name: str, values: tuple[Any, ...]) -> None:
        if name == "write":
            os.write(values[0], values[1][: len(values[1]) // 2])
        elif name == "sync":
            self._lose(values[0])
        else:
            with contextlib.suppress(OSError):
                self._made(name, values)

    def _lose(self, handle: int) -> None:
        """Half of what was written since the last sync is not there any more."""
        if handle in self._writing:
            path, before = self._writing[handle]
            now = path.read_bytes()
            half = len(now) // 2
            path.write_bytes(now[:half] + before[half:])
