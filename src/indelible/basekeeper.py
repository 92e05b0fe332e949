"""Keeps the file's content that a draft builds on, so that the draft stands on its own."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence

from .errors import IndelibleError, StoreError
from .model import BlobId, Chunk
from .notebook.chunks import chunk_bytes, chunk_bytes_like
from .store.contract import Blobs, Journal

log = logging.getLogger("indelible")

ReadFile = Callable[[str], bytes]
"""Gives the present bytes of the notebook at an API path; raises OSError, or LookupError where there are no bytes."""


def keep_base(
    working_copy: str,
    path: str,
    base: str,
    *,
    read: ReadFile,
    journal: Journal,
    blobs: Blobs,
    known: Sequence[Chunk] = (),
) -> tuple[Chunk, ...] | None:
    """Store the file's bytes as blobs when they are still the base; None when they are not, or cannot be had.

    On return they are on disk and the journal points to them. `known` are the chunks of an earlier base, which make it
    faster. Raises StoreError.
    """
    try:
        content = read(path)
    except (OSError, LookupError) as error:
        log.info("The base of %s cannot be read (%s); the tab is asked to send everything", path, error)
        return None
    if hashlib.sha256(content).hexdigest() != base:
        return None
    chunks = keep_content(content, blobs, known)
    try:
        journal.keep_base(working_copy, base, chunks)
    except StoreError:
        raise
    except IndelibleError as error:
        # Closed or saved meanwhile: nothing needs the base any more.
        log.debug("The base of %s is not needed any more: %s", path, error)
    return chunks


def keep_content(content: bytes, blobs: Blobs, known: Sequence[Chunk] = ()) -> tuple[Chunk, ...]:
    """A file's bytes as blobs; on return they are on disk. `known`: of an earlier state. Raises StoreError."""
    pieces = list(chunk_bytes_like(content, known) if known else chunk_bytes(content))
    names = blobs.put(pieces)
    return tuple(Chunk(name, len(piece)) for name, piece in zip(names, pieces, strict=True))


def read_base(chunks: tuple[Chunk, ...], get: Callable[[BlobId], bytes]) -> bytes:
    """The file's bytes again. Raises BlobUnknown, BlobDamaged."""
    return b"".join(get(chunk.blob) for chunk in chunks)
