"""Texts with splices, counted in UTF-16 code units as in JavaScript, lone surrogates included."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from ..errors import BaseUnavailable, StoreDamaged
from ..model import BlobId, Chunk, Splice, Text
from .chunks import chunk_text, is_well_formed, name_chunks, utf16_length

GetBlob = Callable[[BlobId], bytes]
"""Gives a chunk's bytes, checked against their name; raises BlobUnknown, BlobDamaged."""

INLINE_UNITS = 16_384
"""Texts from this length on are kept as chunks."""


class SpliceOutOfRange(ValueError):
    """The splice reaches beyond the text's end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A text without splices, and the bytes of its chunks, which must be stored before it."""

    text: Text
    contents: Sequence[bytes]


def normal(text: str) -> str:
    """The same UTF-16 code units with surrogate pairs joined, as `json.loads` gives them."""
    if is_well_formed(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def splice(text: str, splices: Iterable[Splice]) -> str:
    """Apply the splices in turn. Raises SpliceOutOfRange."""
    splices = tuple(splices)
    if not splices:
        return text
    ascii_only = text.isascii() and all(one.inserted.isascii() for one in splices)
    codec, width = ("ascii", 1) if ascii_only else ("utf-16-le", 2)
    units = bytearray(text.encode(codec, "surrogatepass"))
    for one in splices:
        end = (one.position + one.deleted) * width
        if one.position < 0 or one.deleted < 0 or end > len(units):
            raise SpliceOutOfRange(f"splice at {one.position} reaches beyond {len(units) // width} units")
        units[one.position * width : end] = one.inserted.encode(codec, "surrogatepass")
    return units.decode(codec, "surrogatepass")


def coalesce(splices: Iterable[Splice], new: Iterable[Splice]) -> tuple[Splice, ...]:
    """The splices, then the new ones; those that touch are joined: typing and backspacing stay one splice."""
    result = list(splices)
    for one in new:
        if not one.deleted and not one.inserted:
            continue
        merged = _merged(result[-1], one) if result else None
        if merged is None:
            result.append(one)
        elif merged.deleted or merged.inserted:
            result[-1] = merged
        else:
            result.pop()
    return tuple(result)


def _merged(first: Splice, second: Splice) -> Splice | None:
    """One splice for both, when the second touches what the first inserted."""
    inserted = utf16_length(first.inserted)
    start = second.position - first.position
    end = start + second.deleted
    if start > inserted or end < 0:
        return None
    kept = Splice(max(start, 0), min(end, inserted) - max(start, 0), second.inserted)
    beyond = max(-start, 0) + max(end - inserted, 0)
    return Splice(min(first.position, second.position), first.deleted + beyond, splice(first.inserted, (kept,)))


def length_of(text: Text) -> int | None:
    """Length in UTF-16 code units; None when only the base knows."""
    if isinstance(text.origin, bytes):
        return None
    origin = text.origin
    length = utf16_length(origin) if isinstance(origin, str) else sum(chunk.length for chunk in origin)
    return length + growth(text.splices)


def growth(splices: Iterable[Splice]) -> int:
    """How much longer a text is after the splices, in UTF-16 code units."""
    return sum(utf16_length(one.inserted) - one.deleted for one in splices)


def text_digest(text: str) -> bytes:
    """SHA-256 of the text's UTF-8. Raises UnicodeEncodeError for lone surrogates."""
    return hashlib.sha256(text.encode()).digest()


def resolve(text: Text, get_blob: GetBlob, base_text: str | None = None) -> str:
    """The string itself. `base_text` is what the base has in the same place, if anything.

    Raises BlobUnknown and BlobDamaged from `get_blob`; BaseUnavailable when the base's text is needed
    and not given; StoreDamaged when the row cannot be right.
    """
    origin = text.origin
    if isinstance(origin, bytes):
        whole = _checked_base(origin, base_text)
    elif isinstance(origin, str):
        whole = origin
    else:
        whole = "".join(_checked_chunk(chunk, get_blob(chunk.blob)) for chunk in origin)
    try:
        return splice(whole, text.splices)
    except SpliceOutOfRange as error:
        raise StoreDamaged(f"a stored text cannot be put together: {error}") from error


def _checked_base(digest: bytes, base_text: str | None) -> str:
    if base_text is None:
        raise BaseUnavailable("a text was changed in place, and the base's text is not there")
    if not is_well_formed(base_text) or text_digest(base_text) != digest:
        raise StoreDamaged("a text was changed in place, and the base has another text there")
    return base_text


def _checked_chunk(chunk: Chunk, content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise StoreDamaged(f"chunk {chunk.blob.hex()} is no text") from error
    length = len(text) if len(text) == len(content) else utf16_length(text)
    if length != chunk.length:
        raise StoreDamaged(f"chunk {chunk.blob.hex()} has {length} units, its row says {chunk.length}")
    return text


def fold(text: Text, get_blob: GetBlob, base_text: str | None = None) -> Folded:
    """An equal text without splices: chunks, or the string itself when it is short or ill-formed.

    The revision stays, so that later splices apply. Raises what `resolve` raises.
    """
    whole = resolve(text, get_blob, base_text)
    if not is_well_formed(whole) or utf16_length(whole) < INLINE_UNITS:
        return Folded(text=replace(text, origin=whole, splices=()), contents=())
    pairs = chunk_text(whole)
    return Folded(
        text=replace(text, origin=name_chunks(pairs), splices=()),
        contents=[content for content, _ in pairs],
    )
