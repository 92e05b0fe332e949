"""Texts with splices, in UTF-16 units."""

from __future__ import annotations

from typing import NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indelible.errors import BaseUnavailable, BlobUnknown, StoreDamaged
from indelible.model import BlobId, Chunk, Splice, Text
from indelible.notebook.chunks import blob_id, chunk_text, name_chunks
from indelible.notebook.text import (
    SpliceOutOfRange,
    coalesce,
    fold,
    growth,
    length_of,
    normal,
    resolve,
    splice,
    text_digest,
)

from .pagecell import js_length, js_splice

texts = st.lists(st.sampled_from(["a", "\r\n", "é", "汉", "😀", "\ud83d", "\ude00"]), max_size=12).map(
    lambda parts: normal("".join(parts))
)


def no_blob(blob: BlobId) -> NoReturn:
    raise BlobUnknown([blob.hex()])


@st.composite
def texts_with_splices(draw: st.DrawFn) -> tuple[str, list[Splice], str]:
    """A text, splices that fit it, and the text after them as a page computes it."""
    before = text = draw(texts)
    splices = []
    for _ in range(draw(st.integers(0, 8))):
        position = draw(st.integers(0, js_length(text)))
        deleted = draw(st.integers(0, js_length(text) - position))
        one = Splice(position, deleted, draw(texts))
        text = js_splice(text, position, deleted, one.inserted)
        splices.append(one)
    return before, splices, text


@given(texts_with_splices())
def test_splices_apply_in_turn_as_in_javascript(case: tuple[str, list[Splice], str]) -> None:
    before, splices, after = case
    assert splice(before, splices) == after
    assert js_length(before) + growth(splices) == js_length(after)


@given(texts_with_splices(), st.integers(0, 8))
def test_coalesced_splices_say_the_same(case: tuple[str, list[Splice], str], cut: int) -> None:
    before, splices, after = case
    joined = coalesce(coalesce((), splices[:cut]), splices[cut:])
    assert splice(before, joined) == after
    assert len(joined) <= len(splices)


def test_typing_and_backspacing_stay_one_splice() -> None:
    typed: tuple[Splice, ...] = ()
    for index, letter in enumerate("print(x)"):
        typed = coalesce(typed, [Splice(40 + index, 0, letter)])
    assert typed == (Splice(40, 0, "print(x)"),)
    assert coalesce(typed, [Splice(47, 1, "")]) == (Splice(40, 0, "print(x"),)
    assert coalesce((Splice(9, 1, ""),), [Splice(8, 1, "")]) == (Splice(8, 2, ""),)
    assert coalesce((Splice(5, 0, "ab"),), [Splice(4, 4, "c")]) == (Splice(4, 2, "c"),)
    assert coalesce((Splice(5, 0, "a"),), [Splice(5, 1, "")]) == ()


def test_an_emoji_typed_in_halves_is_whole_again() -> None:
    halves = [Splice(1, 0, "\ud83d"), Splice(2, 0, "\ude00")]
    assert splice("ab", halves) == "a😀b"
    assert coalesce((), halves) == (Splice(1, 0, "😀"),)
    assert splice("😀", [Splice(1, 0, "-")]) == "\ud83d-\ude00"


@pytest.mark.parametrize("wrong", [Splice(4, 0, "x"), Splice(0, 4, ""), Splice(-1, 1, ""), Splice(2, 2, "")])
def test_a_splice_beyond_the_end_is_refused(wrong: Splice) -> None:
    with pytest.raises(SpliceOutOfRange):
        splice("abc", [wrong])
    with pytest.raises(StoreDamaged):
        resolve(Text(origin="abc", splices=(wrong,)), no_blob)


LONG = "第一行 😀\n" * 5_000


def test_a_text_of_chunks_is_resolved_and_checked() -> None:
    pairs = chunk_text(LONG)
    blobs = {blob_id(content): content for content, _ in pairs}
    text = Text(origin=name_chunks(pairs), splices=(Splice(0, 3, "x"),), rev=7)
    assert resolve(text, blobs.__getitem__) == "x" + LONG[3:]
    assert length_of(text) == js_length(LONG) - 2
    assert resolve(Text(origin=()), no_blob) == ""
    with pytest.raises(BlobUnknown):
        resolve(text, no_blob)
    with pytest.raises(StoreDamaged):
        resolve(Text(origin=(Chunk(blob_id(b"ab"), 3),)), lambda blob: b"ab")
    with pytest.raises(StoreDamaged):
        resolve(Text(origin=(Chunk(blob_id(b"\xff"), 1),)), lambda blob: b"\xff")


def test_a_text_of_the_base_is_checked_against_its_hash() -> None:
    text = Text(origin=text_digest("base 😀"), splices=(Splice(5, 2, "!"),))
    assert resolve(text, no_blob, "base 😀") == "base !"
    assert length_of(text) is None
    with pytest.raises(BaseUnavailable):
        resolve(text, no_blob)
    for other in ("base", "base \ud83d"):
        with pytest.raises(StoreDamaged):
            resolve(text, no_blob, other)


def test_folding_gives_an_equal_text_without_splices() -> None:
    text = Text(origin=LONG, splices=(Splice(2, 0, "行"), Splice(90, 7, "")), rev=12)
    folded = fold(text, no_blob)
    blobs = {blob_id(content): content for content in folded.contents}
    assert isinstance(folded.text.origin, tuple)
    assert (folded.text.splices, folded.text.rev) == ((), 12)
    assert resolve(folded.text, blobs.__getitem__) == resolve(text, no_blob)


@pytest.mark.parametrize("short", ["x" * 16_383, "\ud83d" * 20_000])
def test_short_and_ill_formed_texts_fold_to_the_string_itself(short: str) -> None:
    assert fold(Text(origin=short, rev=1), no_blob).text == Text(origin=short, rev=1)
    assert fold(Text(origin=short, rev=1), no_blob).contents == ()
