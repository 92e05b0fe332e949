"""What is counted, as the core tells it; who keeps the figures is none of its business."""

from __future__ import annotations

from typing import Protocol


class Meter(Protocol):
    """Keeps figures. A call takes microseconds, never blocks and never raises; from any thread."""

    def acked(self, seconds: float) -> None:
        """An edit is on disk, so long after it was submitted."""

    def not_acked(self, cause: str) -> None:
        """An edit could not be written; `cause` is the error's code."""


class NoMeter:
    """Counts nothing."""

    def acked(self, seconds: float) -> None:
        return

    def not_acked(self, cause: str) -> None:
        return
