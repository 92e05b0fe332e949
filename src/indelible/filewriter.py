"""Puts new content in the place of a file's old one: by an exchange of names, or over it behind a note on disk."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .basekeeper import keep_content
from .errors import FileChanged, IndelibleError
from .fs import free_bytes
from .fs import replace as files
from .fs.displaced import Displaced
from .intents import Intents
from .notebook.render import ReadSpan
from .store.contract import Blobs

log = logging.getLogger("indelible")

LATE_S = 3.0
"""How long after a save a program that still had the old file open is waited for."""
ROOM = 4
"""So many times the old file's size must be free for its space to be held that long."""

KeepLate = Callable[[bytes], object]
"""Keeps what a program has written into a file that was replaced meanwhile."""


def _nobody(digest: str) -> None:
    """For content that nobody waits for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewContent:
    """What a file is to hold.

    `pieces` gives it, anew at each call; `certify` may read it before it takes the old one's place, `announce` hears
    its SHA-256 just before that.
    """

    pieces: Callable[[], Iterator[bytes]]
    keep_late: KeepLate
    announce: Callable[[str], None] = _nobody
    certify: Callable[[ReadSpan], None] | None = None

    @classmethod
    def of(cls, content: bytes, keep_late: KeepLate) -> NewContent:
        return cls(pieces=lambda: iter((content,)), keep_late=keep_late)


class FileWriter:
    """Safe from any thread, for one file at a time."""

    def __init__(self, intents: Intents, blobs: Blobs) -> None:
        self._intents, self._blobs = intents, blobs
        self._lock = threading.Lock()
        self._late: list[tuple[float, Path, Displaced, KeepLate]] = []

    def replace(self, target: Path, present: str, new: NewContent) -> str:
        """Put the new content in place of the old, whose SHA-256 is `present`; on return it is on disk. Its hash.

        Raises FileChanged when the file holds something else, OSError, StoreError; then it is as it was.
        """
        in_place = files.why_in_place(target)
        if in_place is not None:
            return self._over(target, present, new, in_place)
        staged = self._stage(target, new)
        try:
            if not files.take_after(staged.path, target):
                return self._over(target, present, new, "its attributes cannot be given to another file")
            new.announce(staged.hash)
            try:
                displaced = files.replace(staged, target, present)
            except files.OnlyInPlace:
                return self._over(target, present, new, "nothing may take its place")
            if displaced is not None:
                self._watch(target, displaced, new.keep_late)
            return staged.hash
        finally:
            files.discard(staged.path)

    def make(self, target: Path, new: NewContent) -> str:
        """Make the file that is not there; on return it is on disk. Its hash.

        Raises FileChanged when somebody has made it, OSError.
        """
        # As Jupyter makes a new notebook: what the umask leaves.
        staged = self._stage(target, new, mode=0o666)
        try:
            new.announce(staged.hash)
            files.create(staged, target)
            return staged.hash
        finally:
            files.discard(staged.path)

    def look_again(self, after_s: float = LATE_S) -> None:
        """Let go of the files that were replaced so long ago. What was written into one meanwhile is kept."""
        until = time.monotonic() - after_s
        with self._lock:
            due = [one for one in self._late if one[0] <= until]
            self._late = [one for one in self._late if one[0] > until]
        for _, target, displaced, keep in due:
            try:
                content = displaced.late_content()
                if content is not None:
                    log.warning("%s was replaced while a program wrote to it: what it wrote is kept", target)
                    keep(content)
            except (OSError, IndelibleError) as error:
                log.error("What a program wrote to %s after it was replaced could not be kept: %s", target, error)
            finally:
                displaced.close()

    def _watch(self, target: Path, displaced: Displaced, keep: KeepLate) -> None:
        with self._lock:
            self._late.append((time.monotonic(), target, displaced, keep))
        if free_bytes(target.parent) < ROOM * displaced.size:
            self.look_again(0)

    def _over(self, target: Path, present: str, new: NewContent, why: str) -> str:
        """Write over the old content, behind an intent from which a half-done write is finished."""
        log.info("%s is written in place, since %s", target, why)
        content = b"".join(new.pieces())
        if new.certify is not None:
            new.certify(lambda start, end: content[start:end])
        # Both contents are on disk before the first byte is written: from them a torn file is told and repaired.
        old = keep_content(_read_whole(target, present), self._blobs)
        chunks = keep_content(content, self._blobs, old)
        digest = hashlib.sha256(content).hexdigest()
        new.announce(digest)
        self._intents.write(target, content, old_hash=present, new_hash=digest, old=old, new=chunks)
        return digest

    def _stage(self, target: Path, new: NewContent, *, mode: int = 0o600) -> files.Staged:
        staged = files.stage(target, new.pieces(), mode=mode)
        if new.certify is None:
            return staged
        try:
            with opened(staged.path) as read:
                new.certify(read)
        except BaseException:
            files.discard(staged.path)
            raise
        return staged


@contextmanager
def opened(path: Path) -> Iterator[ReadSpan]:
    """A reader of the file that has this name now. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield lambda start, end: _read_span(handle, start, end)
    finally:
        os.close(handle)


def _read_span(handle: int, start: int, end: int) -> bytes:
    pieces = []
    while start < end:
        piece = os.pread(handle, end - start, start)
        if not piece:
            raise OSError(errno.EIO, "the file has become shorter while it was read")
        pieces.append(piece)
        start += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _read_whole(target: Path, expected: str) -> bytes:
    """The file's bytes, when they are still the expected. Raises FileChanged."""
    content = target.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise FileChanged(found, path=target)
    return content
