"""Cutting long texts into chunks that page and server find alike (docs/reference/protocol.md, "Chunks").

Where a cut falls depends on the lines around it only, so that an insertion at the top or an appended
stream changes one or two chunks. tests/vectors/chunks.json holds examples for both implementations.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence

from ..model import BlobId, Chunk

MINIMUM = 8_192
"""Bytes that a chunk has at least, the last one excepted."""

MAXIMUM = 65_536
"""Bytes that a chunk has at most."""

GAP = 16_384
"""Bytes between two cuts on average, beyond the minimum."""

_NEWLINE = b"\n"


def is_well_formed(text: str) -> bool:
    """Whether the text is free of lone surrogates and so has a UTF-8 form."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units, as JavaScript counts."""
    if text.isascii():
        return len(text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cuts(data: bytes, start: int = 0) -> Iterator[int]:
    """The end of each chunk of `data` from `start` on, rising; the last is len(data). Nothing for no bytes.

    A line that a forced cut has split counts from that cut: no look goes back before the chunk.
    """
    find, crc32, size = data.find, zlib.crc32, len(data)
    while size - start > MINIMUM:
        limit = start + MAXIMUM
        line = data.rfind(_NEWLINE, start, start + MINIMUM - 1) + 1 or start
        end = find(_NEWLINE, start + MINIMUM - 1, limit) + 1
        while end and crc32(data[line:end]) % GAP >= end - line:
            line = end
            end = find(_NEWLINE, end, limit) + 1
        if not end:
            if size <= limit:
                break
            end = _whole_character(data, limit)
        yield end
        start = end
    if start < size:
        yield size


def _whole_character(data: bytes, cut: int) -> int:
    """`cut`, or up to 3 bytes before it, so that no UTF-8 sequence is split."""
    least = cut - 3
    while cut > least and data[cut] & 0xC0 == 0x80:
        cut -= 1
    return cut


def chunk_bytes(data: bytes) -> Iterator[bytes]:
    """The chunks of any bytes, valid UTF-8 or not: a whole .ipynb, for instance. They join to `data`."""
    start = 0
    for end in cuts(data):
        yield data[start:end]
        start = end


def chunk_bytes_like(data: bytes, known: Sequence[Chunk]) -> Iterator[bytes]:
    """The chunks of bytes that are mostly those of an earlier state, which `known` names: found faster by its cuts."""
    after = {chunk.blob: place for place, chunk in enumerate(known, start=1)}
    start, place = 0, 0
    while start < len(data):
        end = start + known[place].length if place < len(known) else 0
        # The last chunk ended where the content did, not at a cut.
        is_cut = start < end <= len(data) and (end == len(data) or place + 1 < len(known))
        if is_cut and blob_id(data[start:end]) == known[place].blob:
            place += 1
        else:
            end = next(cuts(data, start))
            place = after.get(blob_id(data[start:end]), place)
        yield data[start:end]
        start = end


def chunk_text(text: str) -> list[tuple[bytes, int]]:
    """The chunks of a well-formed text: their UTF-8 bytes, and their length in UTF-16 code units.

    Raises UnicodeEncodeError for lone surrogates, which are never hashed.
    """
    pairs = []
    for content in chunk_bytes(text.encode()):
        pairs.append((content, len(content) if content.isascii() else utf16_length(content.decode())))
    return pairs


def blob_id(content: bytes) -> BlobId:
    """The name of a chunk: the SHA-256 of its bytes."""
    return BlobId(hashlib.sha256(content).digest())


def name_chunks(pairs: list[tuple[bytes, int]]) -> tuple[Chunk, ...]:
    """References to chunks that `chunk_text` gave."""
    return tuple(Chunk(blob_id(content), length) for content, length in pairs)


def name_bytes(data: bytes) -> tuple[Chunk, ...]:
    """References to the chunks of raw bytes (an .ipynb); their `length` is in bytes here."""
    return tuple(Chunk(blob_id(content), len(content)) for content in chunk_bytes(data))
