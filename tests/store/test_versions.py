"""Kept states of notebooks in the store: whose they are, after renaming, deleting, and from older stores."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import apsw
import pytest

from indelible.basekeeper import keep_content, read_base
from indelible.clock import SystemClock
from indelible.errors import StoreDamaged, VersionUnknown
from indelible.model import Source, Version
from indelible.store import rows
from indelible.store.blobs import SqliteBlobs
from indelible.store.sql import queries
from indelible.store.versions import SqliteVersions

AT = datetime(2024, 2, 29, 12, 30, 0, 125_000, timezone.utc)
LATER = AT + timedelta(days=1)

SECOND_FORMAT = """
CREATE TABLE versions (
    id INTEGER PRIMARY KEY,
    root TEXT NOT NULL,
    path TEXT NOT NULL,
    body BLOB NOT NULL,
    sum BLOB NOT NULL
) STRICT;
CREATE INDEX versions_by_path ON versions (root, path);
PRAGMA user_version = 2;
"""
"""What a store of the version before looked like."""


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[SqliteBlobs]:
    opened = SqliteBlobs(tmp_path / "history.db", clock=SystemClock())
    yield opened
    opened.close()


@pytest.fixture
def versions(blobs: SqliteBlobs) -> SqliteVersions:
    return SqliteVersions(blobs)


def version(path: str, source: Source = Source.EXTERNAL, root: str = "r", note: str = "") -> Version:
    return Version(root=root, path=path, source=source, at=AT, hash="0" * 64, size=0, chunks=(), note=note)


def notes(versions: SqliteVersions, path: str, root: str = "r") -> list[str]:
    return [one.note for one in versions.of(root, path)]


def test_what_is_added_is_what_is_read(versions: SqliteVersions, blobs: SqliteBlobs) -> None:
    content = b"some content\n" * 9_000
    one = Version(
        root="r",
        path="dir/ünï.ipynb",
        source=Source.SHRUNK,
        at=AT + timedelta(microseconds=7),
        hash="ab" * 32,
        size=len(content),
        chunks=keep_content(content, blobs),
        note="why",
    )
    kept = versions.add(one)
    assert versions.of("r", "dir/ünï.ipynb") == [kept]
    assert versions.get("r", "dir/ünï.ipynb", kept.id) == kept
    assert read_base(kept.chunks, blobs.get) == content
    with pytest.raises(VersionUnknown):
        versions.get("r", "dir/other.ipynb", kept.id)


def test_older_ones_of_the_same_source_are_dropped_and_nothing_else(versions: SqliteVersions) -> None:
    for source in (Source.CHECKPOINT, Source.EXTERNAL, Source.CHECKPOINT):
        versions.add(version("a", source, note=source.value))
    versions.add(version("b", Source.CHECKPOINT, note="another notebook"))
    last = versions.add(version("a", Source.CHECKPOINT, note="last"))
    versions.drop_older(last)
    assert notes(versions, "a") == ["external", "last"]
    assert notes(versions, "b") == ["another notebook"]
    assert versions.newest("r", "a", Source.CHECKPOINT) == last
    assert versions.newest("r", "a", Source.CONFLICT) is None


def test_renaming_a_folder_takes_what_is_below_along_and_nothing_beside(versions: SqliteVersions) -> None:
    for path in ("d/n", "d/e/n", "dd/n", "d"):
        versions.add(version(path, note=path))
    versions.add(version("d/n", root="other", note="another root"))
    versions.rename("r", "d", "new", LATER)
    assert [notes(versions, path) for path in ("new", "new/n", "new/e/n")] == [["d"], ["d/n"], ["d/e/n"]]
    assert [notes(versions, path) for path in ("d", "d/n", "dd/n")] == [[], [], ["dd/n"]]
    assert notes(versions, "d/n", "other") == ["another root"]


def test_renaming_to_the_same_name_changes_nothing(versions: SqliteVersions) -> None:
    kept = versions.add(version("a"))
    versions.rename("r", "a", "a", LATER)
    assert versions.of("r", "a") == [kept]


def test_what_a_deleted_notebook_had_is_not_a_new_ones_and_is_still_there(
    versions: SqliteVersions, blobs: SqliteBlobs
) -> None:
    content = b"before it was deleted"
    old = versions.add(
        Version(
            root="r",
            path="d/n",
            source=Source.CHECKPOINT,
            at=AT,
            hash="cd" * 32,
            size=len(content),
            chunks=keep_content(content, blobs),
        )
    )
    versions.delete("r", "d", LATER)
    new = versions.add(version("d/n", Source.CHECKPOINT))
    assert versions.of("r", "d/n") == [new]
    versions.drop_older(new)
    versions.rename("r", "d/n", "m", LATER)
    found = versions.get("r", "d/n", old.id)
    assert (found.deleted_at, read_base(found.chunks, blobs.get)) == (LATER, content)
    assert list(versions.blobs()) == [chunk.blob for chunk in old.chunks]
    versions.delete("r", "d/n", LATER + timedelta(days=1))
    assert versions.get("r", "d/n", old.id).deleted_at == LATER


@pytest.mark.parametrize(
    "damage", ["path = 'b'", "deleted_at_ms = 5", "body = CAST(replace(CAST(body AS TEXT), 'note', 'nope') AS BLOB)"]
)
def test_a_row_that_is_not_what_was_written_is_found(versions: SqliteVersions, blobs: SqliteBlobs, damage: str) -> None:
    kept = versions.add(version("a"))
    blobs.change(lambda db: db.execute(f"UPDATE versions SET {damage}"))
    path = "b" if "path" in damage else "a"
    with pytest.raises(StoreDamaged, match="checksum"):
        versions.get("r", path, kept.id)
    with pytest.raises(StoreDamaged, match="checksum"):
        list(versions.blobs())


def test_a_store_of_the_version_before_is_taken_over_whole(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    body = rows.encode(
        {
            "format": 1,
            "source": "shrunk",
            "at_ms": 1_709_209_800_125,
            "hash": "ef" * 32,
            "size": 0,
            "chunks": [],
            "note": "from before",
        }
    )
    db = apsw.Connection(str(path))
    db.execute(queries("blobs")["create"])
    db.execute(SECOND_FORMAT)
    db.execute("INSERT INTO versions VALUES (7, 'r', 'a', ?, ?)", (body, rows.checksum("r", "a", body)))
    db.close()

    blobs = SqliteBlobs(path, clock=SystemClock())
    versions = SqliteVersions(blobs)
    old = Version(
        id=7, root="r", path="a", source=Source.SHRUNK, at=AT, hash="ef" * 32, size=0, chunks=(), note="from before"
    )
    assert versions.of("r", "a") == [old]
    versions.delete("r", "a", LATER)
    assert versions.of("r", "a") == []
    blobs.close()

    again = SqliteBlobs(path, clock=SystemClock())
    assert SqliteVersions(again).get("r", "a", 7).deleted_at == LATER
    assert again.ask("PRAGMA user_version", ()) == [(3,)]
    again.close()
