"""Writes in place, which a kill can tear: noted on disk before they begin, finished by whoever finds the note."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import secrets
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .basekeeper import read_base
from .errors import IndelibleError
from .fs import private_folder, remove, sync_folder, write_whole
from .fs.replace import write_in_place
from .model import BlobId, Chunk

log = logging.getLogger("indelible")

FORMAT = 1
BLOCK = 512
"""The smallest unit in which a disk tears a write."""

GetBlob = Callable[[BlobId], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """This file is being given new content in place of old; both are in the blobs."""

    path: Path
    old_hash: str
    new_hash: str
    old: tuple[Chunk, ...]
    new: tuple[Chunk, ...]


class Intents:
    """One server's notes, in a folder that all servers of a store can read."""

    def __init__(self, folder: Path, server: str, get_blob: GetBlob) -> None:
        self._folder, self._server, self._get_blob = folder, server, get_blob

    @contextlib.contextmanager
    def write(
        self, path: Path, *, old_hash: str, new_hash: str, old: Sequence[Chunk], new: Sequence[Chunk]
    ) -> Iterator[None]:
        """The note is on disk inside the block, and gone after it. An error inside brings the old content back."""
        intent = Intent(path=path, old_hash=old_hash, new_hash=new_hash, old=tuple(old), new=tuple(new))
        private_folder(self._folder)
        note = self._folder / f"{self._server}-{secrets.token_hex(6)}.json"
        write_whole(note, json.dumps(_form(intent)).encode())
        try:
            yield
        except BaseException:
            with contextlib.suppress(OSError, IndelibleError):
                if _is_torn(path.read_bytes(), intent, self._get_blob):
                    # What was overwritten had its blocks already: the old content fits on a disk that is full, too.
                    write_in_place(path, [read_base(intent.old, self._get_blob)])
                self._clear(note)
            raise
        self._clear(note)

    def repair(self, is_dead: Callable[[str], bool], keep: Callable[[Path, bytes], object]) -> list[Path]:
        """Finish what dead servers had begun; the files that were repaired.

        A torn file gets its new content. One that somebody else has written since is left alone, and `keep` is given
        its bytes. A file that cannot be read or written now is tried again at the next call.
        """
        repaired = []
        for note in sorted(self._folder.glob("*.json")):
            if not is_dead(note.name.partition("-")[0]):
                continue
            try:
                intent = _intent(json.loads(note.read_bytes()))
                if self._finish(intent, keep):
                    repaired.append(intent.path)
                    log.warning("%s was left half-written by a server that was killed: repaired", intent.path)
                self._clear(note)
            except (OSError, ValueError, KeyError, IndelibleError) as error:
                log.error("%s cannot be finished now: %s", note, error)
        return repaired

    def _finish(self, intent: Intent, keep: Callable[[Path, bytes], object]) -> bool:
        try:
            present = intent.path.read_bytes()
        except FileNotFoundError:
            return False
        if hashlib.sha256(present).hexdigest() in (intent.old_hash, intent.new_hash):
            return False
        if not _is_torn(present, intent, self._get_blob):
            log.warning("%s was written by somebody else after a save that was cut off: it stays so", intent.path)
            keep(intent.path, present)
            return False
        write_in_place(intent.path, [read_base(intent.new, self._get_blob)])
        return True

    def blobs(self) -> Iterator[BlobId]:
        """Every blob that a note names. Raises ValueError for one that cannot be read: then nothing may be pruned."""
        for note in self._folder.glob("*.json"):
            with contextlib.suppress(FileNotFoundError):
                intent = _intent(json.loads(note.read_bytes()))
                yield from (chunk.blob for chunk in (*intent.old, *intent.new))

    def _clear(self, note: Path) -> None:
        remove(note)
        sync_folder(self._folder)


def _is_torn(present: bytes, intent: Intent, get_blob: GetBlob) -> bool:
    """Whether every block of it is the old content's or the new one's: our own write, cut off."""
    if hashlib.sha256(present).hexdigest() in (intent.old_hash, intent.new_hash):
        return False
    old, new = read_base(intent.old, get_blob), read_base(intent.new, get_blob)
    if len(present) > max(len(old), len(new)):
        return False
    for start in range(0, len(present), BLOCK):
        block = present[start : start + BLOCK]
        is_known = any(content[start : start + BLOCK].startswith(block) for content in (old, new))
        # A block that was allocated and never written reads as zeros.
        if not is_known and block.strip(b"\0"):
            return False
    return True


def _form(intent: Intent) -> Any:
    return {
        "format": FORMAT,
        "path": str(intent.path),
        "old_hash": intent.old_hash,
        "new_hash": intent.new_hash,
        "old": [[chunk.blob.hex(), chunk.length] for chunk in intent.old],
        "new": [[chunk.blob.hex(), chunk.length] for chunk in intent.new],
    }


def _intent(form: Any) -> Intent:
    def chunks(name: str) -> tuple[Chunk, ...]:
        return tuple(Chunk(BlobId(bytes.fromhex(blob)), length) for blob, length in form[name])

    return Intent(
        path=Path(form["path"]),
        old_hash=form["old_hash"],
        new_hash=form["new_hash"],
        old=chunks("old"),
        new=chunks("new"),
    )
