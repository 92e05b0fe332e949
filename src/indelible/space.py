"""A warning before a disk is full: what is free, against what the next save needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from .errors import DiskLow
from .fs import device_and_free
from .health import Health

TIMES = 2
"""The new content is written beside the old one, and the store keeps what it replaces."""
MARGIN_BYTES = 8 * 2**20


class Space:
    """Warnings in `health`, one for each disk, taken back by themselves. Calls block; safe from any thread."""

    def __init__(self, health: Health, measure: Callable[[Path], tuple[int, int]] = device_and_free) -> None:
        """`measure` gives a folder's device and its free bytes, or raises OSError."""
        self._health, self._measure = health, measure
        self._warned: set[str] = set()

    def look(self, sizes: Mapping[Path, int]) -> None:
        """Look at every folder; `sizes` has the bytes of the largest file that the next save will write there."""
        low: dict[str, DiskLow] = {}
        # The largest last: on one disk it is the one that the warning names.
        for folder, size in sorted(sizes.items(), key=lambda item: item[1]):
            place, warning = self._judged(folder, size)
            if warning is not None:
                low[place] = warning
        for place in self._warned - low.keys():
            self._warned.discard(place)
            self._health.worked(place)
        for place, warning in low.items():
            self._warn(place, warning)

    def saved(self, folder: Path, size: int) -> None:
        """A file of this size has been written there: can it be written again? Only warns; `look` takes back."""
        place, warning = self._judged(folder, size)
        if warning is not None:
            self._warn(place, warning)

    def _judged(self, folder: Path, size: int) -> tuple[str, DiskLow | None]:
        needed = TIMES * size + MARGIN_BYTES
        try:
            device, free = self._measure(folder)
        except OSError:
            # That the folder cannot be reached is told by the save that meets it.
            return "", None
        place = f"space {device}"
        if free >= needed:
            return place, None
        return place, DiskLow(
            f"the disk of {folder} is nearly full: {_megabytes(free)} are free, "
            f"the next save needs up to {_megabytes(needed)}",
            hint="free some space before a save fails",
            path=folder,
        )

    def _warn(self, place: str, warning: DiskLow) -> None:
        self._warned.add(place)
        self._health.warned(warning, place=place)


def _megabytes(size: int) -> str:
    return f"{size / 2**20:.0f} MB"
