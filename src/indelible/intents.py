"""Writes in place, which a kill can tear: noted on disk before they begin, finished by whoever finds the note."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .basekeeper import read_base
from .errors import FileChanged, IndelibleError, StoreDamaged
from .fs import explained, private_folder, remove, sweep, sync_folder, write_whole
from .fs.replace import content_hash, open_in_place, write_over
from .model import BlobId, Chunk

log = logging.getLogger("indelible")

FORMAT = 1
BLOCK = 512
"""The smallest unit in which a disk tears a write."""
MISSING_FOR_S = 30 * 86_400
"""How long a note waits for a file that is not there: its disk may not be mounted yet."""
SWEEP_AFTER_S = 3600

GetBlob = Callable[[BlobId], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """This file is being given new content in place of old; both are in the blobs.

    `inode` is the file's: another file under the same path was not written by us.
    """

    path: Path
    inode: int
    old_hash: str
    new_hash: str
    old: tuple[Chunk, ...]
    new: tuple[Chunk, ...]


@dataclass(frozen=True, slots=True)
class _Noted:
    """A note of ours that is on disk. `is_whole`: nothing is left to be done with the file."""

    note: Path
    intent: Intent
    is_whole: bool = False


class Intents:
    """One server's notes, in a folder that all servers of a store can read. One call at a time for each file."""

    def __init__(self, folder: Path, server: str, get_blob: GetBlob) -> None:
        self._folder, self._server, self._get_blob = folder, server, get_blob
        self._unsettled: dict[Path, _Noted] = {}

    def write(
        self, path: Path, content: bytes, *, old_hash: str, new_hash: str, old: Sequence[Chunk], new: Sequence[Chunk]
    ) -> None:
        """Write over the file; on return the content is on disk, and the note gone.

        Raises FileChanged when it does not hold the old content, StoreError when no note can be made, OSError. Then
        it is as it was; should even that fail, the note stays, and `settle` or `repair` goes on from it.
        """
        with open_in_place(path) as handle:
            intent = Intent(
                path=path,
                inode=os.fstat(handle).st_ino,
                old_hash=old_hash,
                new_hash=new_hash,
                old=tuple(old),
                new=tuple(new),
            )
            note = self._written_note(intent)
            try:
                found, _ = content_hash(path)
                if found != old_hash:
                    raise FileChanged(found, path=path)
            except BaseException:
                self._unsettled[path] = _Noted(note, intent, is_whole=True)
                with contextlib.suppress(IndelibleError):
                    self.settle(path)
                raise
            self._unsettled[path] = _Noted(note, intent)
            try:
                write_over(handle, content)
            except BaseException:
                with contextlib.suppress(OSError, IndelibleError):
                    self.settle(path)
                raise
            self._unsettled[path] = _Noted(note, intent, is_whole=True)
        self.settle(path)

    def settle(self, path: Path) -> None:
        """End a write that could not be ended before: the file is whole again, and its note gone.

        Raises OSError (of the file), StoreError.
        """
        noted = self._unsettled.get(path)
        if noted is None:
            return
        intent = noted.intent
        # What a failed sync has left on the disk cannot be seen from here: the content says nothing.
        if not noted.is_whole and _is_ours(path, intent, self._get_blob):
            # What was overwritten had its blocks already: the old content fits on a disk that is full, too.
            with open_in_place(path) as handle:
                write_over(handle, read_base(intent.old, self._get_blob))
        self._unsettled[path] = _Noted(noted.note, intent, is_whole=True)
        self._clear(noted.note)
        del self._unsettled[path]

    def repair(self, is_dead: Callable[[str], bool], keep: Callable[[Path, bytes], object]) -> list[Path]:
        """Finish what dead servers had begun; the files that were repaired.

        A torn file gets its new content. One that somebody else has written since is left alone, and `keep` is given
        its bytes. A file that cannot be read or written now is tried again at the next call.
        """
        repaired = []
        with contextlib.suppress(OSError):
            sweep(self._folder, time.time() - SWEEP_AFTER_S)
        for note in sorted(self._folder.glob("*.json")):
            if not is_dead(note.name.partition("-")[0]):
                continue
            try:
                intent = _read_note(note)
                if not intent.path.exists() and time.time() - note.stat().st_mtime < MISSING_FOR_S:
                    continue
                if self._finish(intent, keep):
                    repaired.append(intent.path)
                    log.warning("%s was left half-written by a server that was killed: repaired", intent.path)
                self._clear(note)
            except (OSError, IndelibleError) as error:
                log.error("%s cannot be finished now: %s", note, error)
        return repaired

    def _finish(self, intent: Intent, keep: Callable[[Path, bytes], object]) -> bool:
        try:
            present = intent.path.read_bytes()
        except FileNotFoundError:
            return False
        digest = hashlib.sha256(present).hexdigest()
        if digest == intent.old_hash:
            return False
        if digest != intent.new_hash and not _is_ours(intent.path, intent, self._get_blob):
            log.warning("%s was written by somebody else after a save that was cut off: it stays so", intent.path)
            keep(intent.path, present)
            return False
        # The new content, too, may be there for us and not on the disk: it was not synced, or that failed.
        with open_in_place(intent.path) as handle:
            write_over(handle, read_base(intent.new, self._get_blob))
        return digest != intent.new_hash

    def blobs(self) -> Iterator[BlobId]:
        """Every blob that a note names. Raises StoreDamaged for one that cannot be read: then nothing may be pruned."""
        for note in self._folder.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                intent = _read_note(note)
                yield from (chunk.blob for chunk in (*intent.old, *intent.new))

    def _written_note(self, intent: Intent) -> Path:
        try:
            private_folder(self._folder)
            note = self._folder / f"{self._server}-{secrets.token_hex(6)}.json"
            write_whole(note, json.dumps(_form(intent)).encode())
            return note
        except OSError as error:
            raise explained(error, self._folder) from error

    def _clear(self, note: Path) -> None:
        try:
            remove(note)
            sync_folder(self._folder)
        except OSError as error:
            raise explained(error, self._folder) from error


def _is_ours(path: Path, intent: Intent, get_blob: GetBlob) -> bool:
    """Whether it is the file that we began to write, and holds nothing but old and new: our own write, cut off."""
    if path.stat().st_ino != intent.inode:
        return False
    present = path.read_bytes()
    if hashlib.sha256(present).hexdigest() in (intent.old_hash, intent.new_hash):
        return True
    old, new = read_base(intent.old, get_blob), read_base(intent.new, get_blob)
    if len(present) > max(len(old), len(new)):
        return False
    return all(
        _is_mixture(*(content[start : start + BLOCK] for content in (present, old, new)))
        for start in range(0, len(present), BLOCK)
    )


def _is_mixture(block: bytes, old: bytes, new: bytes) -> bool:
    """Whether the block is one of the two, or begins as one and goes on as the other, or with zeros: never written."""
    return _goes_over(block, new, old) or _goes_over(block, old, new)


def _goes_over(block: bytes, one: bytes, other: bytes) -> bool:
    size = len(block)
    if block == one[:size]:
        return True
    at = next((at for at, (a, b) in enumerate(zip(block, one, strict=False)) if a != b), min(size, len(one)))
    return block[at:] == other[at:size] or not block[at:].strip(b"\0")


def _form(intent: Intent) -> Any:
    return {
        "format": FORMAT,
        "path": str(intent.path),
        "inode": intent.inode,
        "old_hash": intent.old_hash,
        "new_hash": intent.new_hash,
        "old": [[chunk.blob.hex(), chunk.length] for chunk in intent.old],
        "new": [[chunk.blob.hex(), chunk.length] for chunk in intent.new],
    }


def _read_note(note: Path) -> Intent:
    """Raises FileNotFoundError, StoreDamaged."""
    try:
        form = json.loads(note.read_bytes())

        def chunks(name: str) -> tuple[Chunk, ...]:
            return tuple(Chunk(BlobId(bytes.fromhex(blob)), length) for blob, length in form[name])

        return Intent(
            path=Path(form["path"]),
            inode=form["inode"],
            old_hash=form["old_hash"],
            new_hash=form["new_hash"],
            old=chunks("old"),
            new=chunks("new"),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise StoreDamaged(
            f"the note of an unfinished save is unreadable: {note}", hint="move it away", path=note
        ) from error
