"""The chunker: the vectors that the page is tested with too, and what must hold for any bytes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indelible.notebook.chunks import (
    MAXIMUM,
    MINIMUM,
    blob_id,
    chunk_bytes,
    chunk_bytes_like,
    chunk_text,
    is_well_formed,
    name_bytes,
    name_chunks,
    utf16_length,
)

from ..vectors.make_chunks import INPUTS, chunk_refs, literal_chunks, text_of

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "chunks.json").read_text("utf-8"))["vectors"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_the_vectors_give_their_chunks(vector: dict[str, Any]) -> None:
    pairs = chunk_text(text_of(vector))
    assert [[hashlib.sha256(content).hexdigest(), length] for content, length in pairs] == vector["chunks"]


def test_the_vectors_file_is_what_the_literal_reading_gives() -> None:
    expected = [{"name": name, **given, "chunks": chunk_refs(text_of(given))} for name, given in INPUTS.items()]
    assert expected == VECTORS


pieces = st.sampled_from([b"a", b"\n", b"\r\n", b"\xff", "é".encode(), "汉".encode(), "😀".encode(), b"xyz = 1\n"])
some_bytes = st.builds(
    lambda units, seed, size: b"".join(Random(seed).choices(units, k=size)),
    st.lists(pieces, min_size=1, max_size=5),
    st.integers(0, 2**32),
    st.integers(0, 120_000),
)


@settings(deadline=None, max_examples=60)
@given(some_bytes, some_bytes)
def test_any_bytes_are_whole_when_they_are_cut_like_others(data: bytes, others: bytes) -> None:
    for known in (name_bytes(data), name_bytes(others), name_bytes(others + data), name_bytes(data[:-1])):
        assert b"".join(chunk_bytes_like(data, known)) == data


@pytest.mark.parametrize("changes", range(12))
def test_lines_are_cut_like_an_earlier_state_as_without_it(changes: int) -> None:
    chance = Random(changes)
    lines = [b"x = %d\n" % chance.getrandbits(60) * chance.randrange(1, 9) for _ in range(4_000)]
    known = name_bytes(b"".join(lines))
    for _ in range(changes):
        at = chance.randrange(len(lines))
        lines[at : at + chance.randrange(3)] = [b"new\n"] * chance.randrange(4)
    data = b"".join(lines)
    assert list(chunk_bytes_like(data, known)) == list(chunk_bytes(data))


@settings(deadline=None, max_examples=60)
@given(some_bytes)
def test_any_bytes_are_cut_as_the_protocol_says(data: bytes) -> None:
    chunks = list(chunk_bytes(data))
    assert b"".join(chunks) == data
    assert all(MINIMUM - 3 <= len(chunk) <= MAXIMUM for chunk in chunks[:-1])
    if all(0x80 & byte == 0 for byte in data[:1]) and is_utf8(data):
        assert chunks == literal_chunks(data)


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_an_appended_stream_changes_the_last_chunk_only() -> None:
    lines = [f"epoch {index}: loss {1 / (index + 1)}\n" for index in range(20_000)]
    before, after = chunk_text("".join(lines[:-1])), chunk_text("".join(lines))
    assert after[: len(before) - 1] == before[:-1]


def test_an_insertion_at_the_top_changes_few_chunks() -> None:
    text = "".join(f"value_{index} = compute({index})\n" for index in range(20_000))
    before, after = chunk_text(text), chunk_text("# one more line\n" + text)
    assert len(set(after) - set(before)) <= 2 < len(before)


def test_chunks_of_continuation_bytes_only_still_join() -> None:
    data = b"\x80" * 200_000
    assert b"".join(chunk_bytes(data)) == data


def test_lone_surrogates_have_no_chunks() -> None:
    assert not is_well_formed("a\ud83d")
    assert is_well_formed("a😀")
    with pytest.raises(UnicodeEncodeError):
        chunk_text("a\ud83d")


def test_lengths_are_in_utf16_units_for_texts_and_in_bytes_for_files() -> None:
    assert [utf16_length(text) for text in ("", "abc", "汉", "😀", "\ud83d")] == [0, 3, 1, 2, 1]
    (chunk,) = name_chunks(chunk_text("汉😀"))
    assert (chunk.blob, chunk.length) == (blob_id("汉😀".encode()), 3)
    assert [chunk.length for chunk in name_bytes(b"\xff" * 70_000)] == [MAXIMUM - 0, 70_000 - MAXIMUM]
