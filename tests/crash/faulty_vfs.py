"""SQLite's own I/O, with a fault at the n-th operation."""

from __future__ import annotations

import os
from typing import Any

import apsw

FAULTS = ("error", "short write", "full", "dies here")


class Dial:
    """Counts writes, syncs and truncations; the `at`-th meets `fault`, and so does every one after an error."""

    def __init__(self, at: int | None = None, fault: str = "error", *, forever: bool = False) -> None:
        self.count = 0
        self._at, self._fault, self._forever = at, fault, forever

    def turn(self) -> str | None:
        self.count += 1
        if self._at is None or self.count < self._at:
            return None
        return self._fault if self.count == self._at or self._forever else None


class FaultyFile(apsw.VFSFile):
    def __init__(self, base: str, name: Any, flags: list[int], vfs: FaultyVfs) -> None:
        super().__init__(base, name, flags)
        self._vfs = vfs

    def xWrite(self, data: bytes, offset: int) -> None:
        fault = self._vfs.dial.turn()
        if fault == "short write":
            super().xWrite(data[: len(data) // 2], offset)
        if fault:
            fail(fault)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        fault = self._vfs.dial.turn()
        if fault:
            fail(fault)
        super().xSync(flags)

    def xTruncate(self, size: int) -> None:
        fault = self._vfs.dial.turn()
        if fault:
            fail(fault)
        super().xTruncate(size)


class FaultyVfs(apsw.VFS):
    """Registered for as long as it lives; `dial` may be exchanged at any time."""

    def __init__(self, name: str, dial: Dial, *, is_default: bool = False) -> None:
        self._base = "unix"
        self.dial = dial
        super().__init__(name, self._base, is_default)

    def xOpen(self, name: Any, flags: list[int]) -> FaultyFile:
        return FaultyFile(self._base, name, flags, self)


def fail(fault: str) -> None:
    if fault == "dies here":
        os._exit(77)
    if fault == "full":
        raise apsw.FullError("the disk is full")
    raise apsw.IOError("an I/O error")
