"""Keeps the file's content that a draft builds on, so that the draft stands on its own."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence

from .errors import IndelibleError, StoreError
from .model import BlobId, Chunk, Version, WorkingCopy
from .notebook.chunks import chunk_bytes, chunk_bytes_like
from .store.contract import Blobs, Journal, Versions

log = logging.getLogger("indelible")

ReadFile = Callable[[str], bytes]
"""Gives the present bytes of the notebook at an API path; raises OSError, or LookupError where there are no bytes."""


def keep_base(one: WorkingCopy, *, read: ReadFile, journal: Journal, blobs: Blobs, versions: Versions) -> bool:
    """Store the file's bytes as blobs when they are still the base; False when they are not, or cannot be had.

    On True they are on disk and the journal points to them. Raises StoreError.
    """
    assert one.base is not None
    base = one.base

    def content() -> bytes:
        found = read(one.path)
        if hashlib.sha256(found).hexdigest() != base:
            raise LookupError("it has changed")
        return found

    try:
        chunks = content_as_blobs(base, content, versions.of(one.root, one.path), blobs)
    except (OSError, LookupError) as error:
        log.info("The base of %s cannot be read (%s); the tab is asked to send everything", one.path, error)
        return False
    try:
        journal.keep_base(one.id, base, chunks)
    except StoreError:
        raise
    except IndelibleError as error:
        # Closed or saved meanwhile: nothing needs the base any more.
        log.debug("The base of %s is not needed any more: %s", one.path, error)
    return True


def content_as_blobs(
    digest: str, content: Callable[[], bytes], kept: Sequence[Version], blobs: Blobs
) -> tuple[Chunk, ...]:
    """A file's bytes, whose SHA-256 is `digest`, as blobs; on return they are on disk. Raises StoreError.

    `kept` are states of the same notebook: of one that holds the same `content` is not asked, any other makes it
    faster.
    """
    for version in reversed(kept):
        if version.hash == digest and not blobs.lacking([chunk.blob for chunk in version.chunks]):
            return version.chunks
    return keep_content(content(), blobs, kept[-1].chunks if kept else ())


def keep_content(content: bytes, blobs: Blobs, known: Sequence[Chunk] = ()) -> tuple[Chunk, ...]:
    """A file's bytes as blobs; on return they are on disk. `known`: of an earlier state. Raises StoreError."""
    pieces = list(chunk_bytes_like(content, known) if known else chunk_bytes(content))
    names = blobs.put(pieces)
    return tuple(Chunk(name, len(piece)) for name, piece in zip(names, pieces, strict=True))


def read_base(chunks: tuple[Chunk, ...], get: Callable[[BlobId], bytes]) -> bytes:
    """The file's bytes again. Raises BlobUnknown, BlobDamaged."""
    return b"".join(get(chunk.blob) for chunk in chunks)
