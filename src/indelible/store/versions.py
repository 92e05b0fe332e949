"""Kept states of notebooks, in the database of the blobs that hold their content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import apsw

from ..errors import StoreDamaged, VersionUnknown
from ..model import BlobId, Source, Version
from . import rows
from .blobs import SqliteBlobs
from .sql import queries

SQL = queries("versions")


class SqliteVersions:
    """Versions of contract.py. Safe from any thread."""

    def __init__(self, blobs: SqliteBlobs) -> None:
        self._blobs = blobs

    def add(self, version: Version) -> Version:
        """Keep it; its blobs are on disk already. On return it is too; the answer is as it will be read.

        Raises StoreError.
        """
        body = rows.encode(_form(version))

        def work(db: apsw.Connection) -> int:
            db.execute(SQL["add"], (version.root, version.path, body, _sum(version.root, version.path, body, None)))
            return db.last_insert_rowid()

        return replace(version, id=self._blobs.change(work), at=rows.from_ms(_ms(version.at)))

    def of(self, root: str, path: str) -> Sequence[Version]:
        """A notebook's, oldest first. Raises StoreDamaged for one that is not what was written."""
        return [_version(row) for row in self._blobs.ask(SQL["of_path"], (root, path))]

    def get(self, root: str, path: str, identity: int) -> Version:
        """One, also of a notebook that was deleted. Raises VersionUnknown, StoreDamaged."""
        for row in self._blobs.ask(SQL["one"], (root, path, identity)):
            return _version(row)
        raise VersionUnknown(path=path)

    def newest(self, root: str, path: str, source: Source) -> Version | None:
        """A notebook's newest of this source. Raises StoreDamaged."""
        for row in self._blobs.ask(SQL["newest"], (root, path, source.value)):
            return _version(row)
        return None

    def drop_older(self, version: Version) -> None:
        """Forget the same notebook's older ones of the same source."""
        which = version.root, version.path, version.source.value, version.id
        self._blobs.change(lambda db: db.execute(SQL["drop_older"], which))

    def remove(self, identity: int) -> None:
        """Forget one; its blobs go when nothing else names them."""
        self._blobs.change(lambda db: db.execute(SQL["drop"], (identity,)))

    def rename(self, root: str, old: str, new: str, at: datetime) -> None:
        """The notebook, or everything below a folder, has another path.

        What was kept under that path before was of a notebook that nobody told us is gone: now it is known to be.
        """

        def work(db: apsw.Connection) -> None:
            found = _below(db, root, old)
            if found:
                _mark_deleted(db, root, new, at)
            for identity, its_root, path, body in found:
                moved = new + path[len(old) :]
                db.execute(SQL["move"], (moved, _sum(its_root, moved, body, None), identity))

        if old != new:
            self._blobs.change(work)

    def delete(self, root: str, path: str, at: datetime) -> None:
        """The notebook, or everything below a folder, was deleted: what was kept of it stays in the store.

        A new notebook of the same path does not have it.
        """
        self._blobs.change(lambda db: _mark_deleted(db, root, path, at))

    def blobs(self) -> Iterator[BlobId]:
        """Every blob that a version names. Raises StoreDamaged: then nothing may be pruned."""
        for row in self._blobs.ask(SQL["every"], ()):
            yield from (chunk.blob for chunk in _version(row).chunks)


def _form(one: Version) -> Any:
    return {
        "format": rows.FORMAT,
        "source": one.source.value,
        "at_ms": _ms(one.at),
        "hash": one.hash,
        "size": one.size,
        "chunks": [[chunk.blob.hex(), chunk.length] for chunk in one.chunks],
        "note": one.note,
    }


def _below(db: apsw.Connection, root: str, path: str) -> list[Any]:
    below = path + "/"
    return db.execute(SQL["below_path"], (root, path, len(below), below)).fetchall()


def _mark_deleted(db: apsw.Connection, root: str, path: str, at: datetime) -> None:
    at_ms = _ms(at)
    for identity, its_root, its_path, body in _below(db, root, path):
        db.execute(SQL["mark_deleted"], (at_ms, _sum(its_root, its_path, body, at_ms), identity))


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def _sum(root: str, path: str, body: bytes, deleted_at_ms: int | None) -> bytes:
    """Rows from before deletions were noted have theirs over three columns."""
    return rows.checksum(root, path, body, *([] if deleted_at_ms is None else [deleted_at_ms]))


def _version(row: Any) -> Version:
    identity, root, path, body, deleted_at_ms, total = row
    if _sum(root, path, body, deleted_at_ms) != total:
        raise StoreDamaged(f"a kept state of {path} does not match its checksum")
    form = rows.decode(body)
    return Version(
        id=identity,
        root=root,
        path=path,
        source=Source(form["source"]),
        at=rows.from_ms(form["at_ms"]),
        hash=form["hash"],
        size=form["size"],
        chunks=rows.chunks_from(form["chunks"]),
        note=form["note"],
        deleted_at=None if deleted_at_ms is None else rows.from_ms(deleted_at_ms),
    )
