"""Keeps the file's content that a draft builds on, so that the draft stands on its own."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from .errors import IndelibleError, StoreError
from .model import BlobId, Chunk, Opening, Version, WorkingCopy
from .notebook.chunks import chunk_bytes, chunk_bytes_like
from .store.contract import Blobs, Journal, Versions

log = logging.getLogger("indelible")

REMEMBERED = 64
"""Working copies whose base is remembered."""

ReadFile = Callable[[str], bytes]
"""Gives the present bytes of the notebook at an API path; raises OSError, or LookupError where there are no bytes."""

Locate = Callable[[str], Path]
"""Gives the file of the notebook at an API path; raises LookupError where notebooks are no local files."""


class Bases:
    """What tabs have loaded or saved last, as blobs: what their next edit will build on. Safe from any thread.

    It is no draft: nothing of it is in the journal. Of a server that dies it is lost, and of all but the last tabs.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[str, tuple[str, tuple[Chunk, ...]]] = OrderedDict()
        self._lock = threading.Lock()

    def remember(self, working_copy: str, digest: str, chunks: tuple[Chunk, ...]) -> None:
        """`chunks` are the content whose SHA-256 is `digest`, and on disk."""
        with self._lock:
            self._known[working_copy] = digest, chunks
            self._known.move_to_end(working_copy)
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)

    def forget(self, working_copy: str) -> None:
        with self._lock:
            self._known.pop(working_copy, None)

    def last(self, working_copy: str) -> tuple[Chunk, ...]:
        """What this one built on last; nothing when that is not known."""
        with self._lock:
            return self._known.get(working_copy, ("", ()))[1]

    def find(self, digest: str | None, blobs: Blobs) -> tuple[Chunk, ...] | None:
        """The content of this SHA-256, if it is known and its blobs are still there. Raises StoreError."""
        with self._lock:
            chunks = next((chunks for known, chunks in self._known.values() if known == digest), None)
        if chunks is None or blobs.lacking([chunk.blob for chunk in chunks]):
            return None
        return chunks

    def blobs(self, is_live: Callable[[str], bool]) -> Iterator[BlobId]:
        """Every blob that the next edit of a working copy which `is_live` will need."""
        with self._lock:
            known = [chunks for working_copy, (_, chunks) in self._known.items() if is_live(working_copy)]
        return (chunk.blob for chunks in known for chunk in chunks)


def keep_base(
    one: WorkingCopy, *, read: ReadFile, journal: Journal, blobs: Blobs, versions: Versions, bases: Bases
) -> bool:
    """Store the base's bytes as blobs, from the file if nothing else has them; False when that has others by now.

    On True they are on disk, and the journal points to them. Raises StoreError.
    """
    assert one.base is not None
    try:
        chunks = bases.find(one.base, blobs) or content_as_blobs(
            one.base, _reader(read, one.path, one.base), versions.of(one.root, one.path), blobs, bases.last(one.id)
        )
    except (OSError, LookupError) as error:
        log.info("The base of %s cannot be read: %s", one.path, error)
        return False
    bases.remember(one.id, one.base, chunks)
    try:
        journal.keep_base(one.id, one.base, chunks)
    except StoreError:
        raise
    except IndelibleError as error:
        # Closed or saved meanwhile: nothing needs the base any more.
        log.debug("The base of %s is not needed any more: %s", one.path, error)
    return True


def keep_opened(opening: Opening, root: str, *, read: ReadFile, blobs: Blobs, versions: Versions, bases: Bases) -> None:
    """Remember what a tab has loaded, before any edit: the file may be another by then. Raises StoreError."""
    if opening.base is None:
        return
    content = _reader(read, opening.path, opening.base)
    try:
        chunks = content_as_blobs(opening.base, content, versions.of(root, opening.path), blobs)
    except (OSError, LookupError) as error:
        log.debug("What a tab has loaded from %s cannot be kept: %s", opening.path, error)
    else:
        bases.remember(opening.working_copy, opening.base, chunks)


def _reader(read: ReadFile, path: str, digest: str) -> Callable[[], bytes]:
    """Reads the file; LookupError when its SHA-256 is not `digest`."""

    def content() -> bytes:
        found = read(path)
        if hashlib.sha256(found).hexdigest() != digest:
            raise LookupError("it has changed")
        return found

    return content


def content_as_blobs(
    digest: str, content: Callable[[], bytes], kept: Sequence[Version], blobs: Blobs, known: Sequence[Chunk] = ()
) -> tuple[Chunk, ...]:
    """A file's bytes, whose SHA-256 is `digest`, as blobs; on return they are on disk. Raises StoreError.

    `kept` are states of the same notebook: of one that holds the same `content` is not asked, any other makes it
    faster, and so does an earlier state that `known` names.
    """
    for version in reversed(kept):
        if version.hash == digest and not blobs.lacking([chunk.blob for chunk in version.chunks]):
            return version.chunks
    return keep_content(content(), blobs, known or (kept[-1].chunks if kept else ()))


def keep_content(content: bytes, blobs: Blobs, known: Sequence[Chunk] = ()) -> tuple[Chunk, ...]:
    """A file's bytes as blobs; on return they are on disk. `known`: of an earlier state. Raises StoreError."""
    pieces = list(chunk_bytes_like(content, known) if known else chunk_bytes(content))
    names = blobs.put(pieces)
    return tuple(Chunk(name, len(piece)) for name, piece in zip(names, pieces, strict=True))


def read_base(chunks: tuple[Chunk, ...], get: Callable[[BlobId], bytes]) -> bytes:
    """The file's bytes again. Raises BlobUnknown, BlobDamaged."""
    return b"".join(get(chunk.blob) for chunk in chunks)
