"""The one record of what is not protected now, and why: indicator, log, events, metrics, status and CLI read it."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from .clock import Clock
from .errors import FileError, FileGone, IndelibleError
from .model import Problem

log = logging.getLogger("indelible")


@dataclass(frozen=True, slots=True)
class Turn:
    """A problem began, or is over."""

    problem: Problem
    is_over: bool


class Health:
    """Problems by place. Safe from any thread. Each change is logged once; every failure is counted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._problems: dict[str, Problem] = {}
        self._observers: list[Callable[[Sequence[Problem]], None]] = []
        self._watchers: list[Callable[[Turn], None]] = []
        self.failures: Counter[str] = Counter()

    @property
    def problems(self) -> Sequence[Problem]:
        with self._lock:
            return list(self._problems.values())

    def observe(self, observer: Callable[[Sequence[Problem]], None]) -> Callable[[], None]:
        """Call it with all problems after every change, on the thread that noticed. Returns how to stop that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def watch(self, watcher: Callable[[Turn], None]) -> None:
        """Call it with every beginning and every end, in their order.

        It is called on the thread that noticed and with the record locked: it takes a note, and does nothing else.
        """
        self._watchers.append(watcher)

    def failed(self, error: IndelibleError, *, place: str = "store") -> None:
        """Something could not be done: `place` has this problem until `worked(place)`."""
        self.failures[error.code] += 1
        self._has(self._problem(error), place)

    def warned(self, error: IndelibleError, *, place: str) -> None:
        """Something will fail soon: `place` has this warning until `worked(place)`. Its words may change meanwhile."""
        self._has(replace(self._problem(error), is_warning=True), place)

    def worked(self, place: str = "store") -> None:
        """It could be done (again)."""
        with self._lock:
            gone = self._problems.pop(place, None)
            if gone is not None:
                self._turn(gone, is_over=True)
        if gone is not None:
            log.warning("Over: %s: %s [%s]", _what(gone), gone.message, gone.code)
            self._tell()

    def _problem(self, error: IndelibleError) -> Problem:
        return Problem(
            code=error.code,
            message=str(error),
            hint=error.hint,
            since=self._clock.now(),
            path=error.path,
            is_about_file=isinstance(error, (FileError, FileGone)),
        )

    def _has(self, problem: Problem, place: str) -> None:
        with self._lock:
            known = self._problems.get(place)
            is_known = known is not None and known.code == problem.code
            if known is not None and is_known:
                if not problem.is_warning or (known.message, known.path) == (problem.message, problem.path):
                    return
                problem = replace(problem, since=known.since)
            self._problems[place] = problem
            if not is_known:
                if known is not None:
                    self._turn(known, is_over=True)
                self._turn(problem, is_over=False)
        if not is_known:
            level = logging.WARNING if problem.is_warning else logging.ERROR
            log.log(level, "%s: %s [%s] %s", _what(problem), problem.message, problem.code, problem.hint)
        self._tell()

    def _turn(self, problem: Problem, *, is_over: bool) -> None:
        for watcher in self._watchers:
            watcher(Turn(problem, is_over))

    def _tell(self) -> None:
        problems = self.problems
        for observer in list(self._observers):
            observer(problems)


def _what(problem: Problem) -> str:
    if problem.is_warning:
        return "Warning"
    return "Not saved" if problem.is_about_file else "Not protected"
