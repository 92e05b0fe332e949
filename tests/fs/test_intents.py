"""A write in place that was cut off is told from a file that somebody else has written, wherever the cut was."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from indelible.errors import StoreDamaged
from indelible.intents import BLOCK, Intents
from indelible.model import BlobId, Chunk
from indelible.testing.faulty_fs import FaultyFs

TEXT = b"".join(b"line %d of the notebook\n" % number for number in range(200))
CHANGED = TEXT.replace(b"1", b"one").replace(b"7", b"#")


class Desk:
    """A file that a server was writing in place when it died, and the next server's repair."""

    def __init__(self, folder: Path, old: bytes, new: bytes) -> None:
        self.file, self.old, self.new = folder / "n.ipynb", old, new
        self.notes = folder / "intents"
        self.blobs = {BlobId(hashlib.sha256(content).digest()): content for content in (old, new)}
        self.kept: list[bytes] = []
        self.file.write_bytes(old)
        old_hash, new_hash = (hashlib.sha256(content).hexdigest() for content in (old, new))
        chunks = [(Chunk(BlobId(hashlib.sha256(content).digest()), len(content)),) for content in (old, new)]
        dead = Intents(self.notes, "dead", self.blobs.__getitem__)
        # Neither the new content nor, after that, the old one can be written: the note stays.
        with FaultyFs("w w! w!"), pytest.raises(OSError, match="Input/output"):
            dead.write(self.file, new, old_hash=old_hash, new_hash=new_hash, old=chunks[0], new=chunks[1])
        assert len(list(self.notes.iterdir())) == 1

    def repaired(self, present: bytes) -> bytes:
        """What the file holds after a repair of this."""
        self.file.write_bytes(present)
        following = Intents(self.notes, "next", self.blobs.__getitem__)
        following.repair(lambda server: server == "dead", lambda path, content: self.kept.append(content))
        return self.file.read_bytes()


@pytest.fixture(params=["longer", "shorter", "as long"])
def contents(request: pytest.FixtureRequest) -> tuple[bytes, bytes]:
    if request.param == "as long":
        return TEXT, TEXT.replace(b"1", b"#")
    return (TEXT, CHANGED) if request.param == "longer" else (CHANGED, TEXT)


def cuts(new: bytes) -> Iterator[int]:
    yield from range(1, len(new), 97)
    yield from (len(new) - 1, len(new), BLOCK - 1, BLOCK, BLOCK + 1)


def test_wherever_writing_stopped_the_file_is_whole_afterwards(tmp_path: Path, contents: tuple[bytes, bytes]) -> None:
    old, new = contents
    for number, at in enumerate(cuts(new)):
        (tmp_path / f"{number}").mkdir()
        desk = Desk(tmp_path / f"{number}", old, new)
        assert desk.repaired(new[:at] + old[at:]) in (old, new), at
        assert desk.kept == []
        assert list(desk.notes.iterdir()) == []


def test_whichever_blocks_reached_the_disk_the_file_is_whole_afterwards(
    tmp_path: Path, contents: tuple[bytes, bytes]
) -> None:
    old, new = contents
    chance = Random(3)
    for number in range(40):
        (tmp_path / f"{number}").mkdir()
        desk = Desk(tmp_path / f"{number}", old, new)
        size = chance.choice([len(old), len(new), max(len(old), len(new)) // BLOCK * BLOCK])
        blocks = range(0, size, BLOCK)
        zeros = bytes(size)
        sides = [chance.choice([old, new, zeros])[start : start + BLOCK] for start in blocks]
        present = b"".join(
            side.ljust(min(BLOCK, size - start), b"\0") for side, start in zip(sides, blocks, strict=True)
        )
        assert desk.repaired(present[:size]) in (old, new)
        assert desk.kept == []


def test_a_byte_that_is_neither_old_nor_new_is_somebody_elses(tmp_path: Path, contents: tuple[bytes, bytes]) -> None:
    old, new = contents
    chance = Random(4)
    for number in range(40):
        (tmp_path / f"{number}").mkdir()
        desk = Desk(tmp_path / f"{number}", old, new)
        at, foreign = chance.randrange(min(len(old), len(new))), bytearray(new[: len(new) // 2] + old[len(new) // 2 :])
        foreign[at] = 0x01
        assert desk.repaired(bytes(foreign)) == foreign
        assert desk.kept == [foreign]
        assert list(desk.notes.iterdir()) == []


def test_another_file_of_the_same_name_is_somebody_elses(tmp_path: Path) -> None:
    desk = Desk(tmp_path, TEXT, CHANGED)
    torn = CHANGED[:1000] + TEXT[1000:]
    other = tmp_path / "other"
    other.write_bytes(torn)
    other.replace(desk.file)
    following = Intents(desk.notes, "next", desk.blobs.__getitem__)
    following.repair(lambda server: True, lambda path, content: desk.kept.append(content))
    assert desk.file.read_bytes() == torn
    assert desk.kept == [torn]


def test_the_note_of_a_server_that_lives_is_left_alone(tmp_path: Path) -> None:
    desk = Desk(tmp_path, TEXT, CHANGED)
    desk.file.write_bytes(CHANGED[:1000] + TEXT[1000:])
    following = Intents(desk.notes, "next", desk.blobs.__getitem__)
    assert following.repair(lambda server: False, lambda path, content: None) == []
    assert len(list(desk.notes.iterdir())) == 1


def test_a_note_that_cannot_be_read_keeps_everything_from_being_pruned(tmp_path: Path) -> None:
    desk = Desk(tmp_path, TEXT, CHANGED)
    following = Intents(desk.notes, "next", desk.blobs.__getitem__)
    assert set(following.blobs()) == set(desk.blobs)
    [note] = desk.notes.iterdir()
    note.write_bytes(b'{"format": 1}')
    with pytest.raises(StoreDamaged, match="note"):
        list(following.blobs())
    assert following.repair(lambda server: True, lambda path, content: None) == []
