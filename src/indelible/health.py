"""The one record of what is not protected now, and why: indicator, log, status and CLI read it."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Sequence

from .clock import Clock
from .errors import IndelibleError
from .model import Problem

log = logging.getLogger("indelible")


class Health:
    """Problems by code. Safe from any thread. Each change is logged once; every failure is counted."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._problems: dict[str, Problem] = {}
        self._observers: list[Callable[[Sequence[Problem]], None]] = []
        self.failures: Counter[str] = Counter()

    @property
    def problems(self) -> Sequence[Problem]:
        with self._lock:
            return list(self._problems.values())

    def observe(self, observer: Callable[[Sequence[Problem]], None]) -> Callable[[], None]:
        """Call it with all problems after every change, on the thread that noticed. Returns how to stop that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def failed(self, error: IndelibleError, *, place: str = "store") -> None:
        """Something could not be done: `place` has this problem until `worked(place)`."""
        self.failures[error.code] += 1
        problem = Problem(
            code=error.code, message=str(error), hint=error.hint, since=self._clock.now(), path=error.path
        )
        with self._lock:
            known = self._problems.get(place)
            if known is not None and known.code == problem.code:
                return
            self._problems[place] = problem
        log.error("Not protected: %s [%s] %s", problem.message, problem.code, problem.hint)
        self._tell()

    def worked(self, place: str = "store") -> None:
        """It could be done (again)."""
        with self._lock:
            gone = self._problems.pop(place, None)
        if gone is not None:
            log.warning("Protected again: %s [%s] is over", gone.message, gone.code)
            self._tell()

    def _tell(self) -> None:
        problems = self.problems
        for observer in list(self._observers):
            observer(problems)
