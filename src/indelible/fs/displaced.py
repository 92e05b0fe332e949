"""What a save has replaced, kept open for a moment: a program that had the old file open may still write to it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from . import calls


@dataclass(frozen=True, slots=True)
class Displaced:
    """A file that has no name any more, and what it looked like before its content was hashed.

    Close it: until then its space is not free.
    """

    handle: int
    size: int
    modified_ns: int

    def late_content(self) -> bytes | None:
        """What it holds, if somebody has written to it since; else None. Raises OSError."""
        status = os.fstat(self.handle)
        if (status.st_size, status.st_mtime_ns) == (self.size, self.modified_ns):
            return None
        os.lseek(self.handle, 0, os.SEEK_SET)
        pieces = []
        while piece := calls.read(self.handle, calls.BLOCK):
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Let it go."""
        calls.close(self.handle)
