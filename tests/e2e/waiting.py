"""Deadlines instead of sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class NotInTime(AssertionError):
    """What was waited for did not happen before its deadline."""


def wait_until(true: Callable[[], T], what: str, within_s: float = 30, every_s: float = 0.05) -> T:
    """Ask until the answer is true; return it. `what` completes the sentence "still waiting for …"."""
    deadline = time.monotonic() + within_s
    while True:
        answer = true()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise NotInTime(f"after {within_s} s still waiting for {what}; last answer: {answer!r}")
        time.sleep(every_s)
