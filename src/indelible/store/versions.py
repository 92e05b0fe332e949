"""Kept states of notebooks, in the database of the blobs that hold their content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
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
        """Keep it; its blobs are on disk already. On return it is too, and the answer has its id. Raises StoreError."""
        body = rows.encode(_form(version))

        def work(db: apsw.Connection) -> int:
            total = rows.checksum(version.root, version.path, body)
            db.execute(SQL["add"], (version.root, version.path, body, total))
            return db.last_insert_rowid()

        return replace(version, id=self._blobs.change(work))

    def of(self, root: str, path: str) -> Sequence[Version]:
        """A notebook's, oldest first. Raises StoreDamaged for one that is not what was written."""
        return [_version(row) for row in self._blobs.ask(SQL["of_path"], (root, path))]

    def get(self, root: str, path: str, identity: int) -> Version:
        """Raises VersionUnknown, StoreDamaged."""
        for one in self.of(root, path):
            if one.id == identity:
                return one
        raise VersionUnknown(path=path)

    def remove(self, identity: int) -> None:
        """Forget one; its blobs go when nothing else names them."""
        self._blobs.change(lambda db: db.execute(SQL["drop"], (identity,)))

    def rename(self, root: str, old: str, new: str) -> None:
        """The notebook, or everything below a folder, has another path."""
        below = old + "/"
        found = self._blobs.ask(SQL["below_path"], (root, old, len(below), below))

        def work(db: apsw.Connection) -> None:
            for identity, its_root, path, body, _ in found:
                moved = new + path[len(old) :]
                db.execute(SQL["move"], (moved, rows.checksum(its_root, moved, body), identity))

        if found:
            self._blobs.change(work)

    def blobs(self) -> Iterator[BlobId]:
        """Every blob that a version names. Raises StoreDamaged: then nothing may be pruned."""
        for row in self._blobs.ask(SQL["every"], ()):
            yield from (chunk.blob for chunk in _version(row).chunks)


def _form(one: Version) -> Any:
    return {
        "format": rows.FORMAT,
        "source": one.source.value,
        "at_ms": round(one.at.timestamp() * 1000),
        "hash": one.hash,
        "size": one.size,
        "chunks": [[chunk.blob.hex(), chunk.length] for chunk in one.chunks],
        "note": one.note,
    }


def _version(row: Any) -> Version:
    identity, root, path, body, total = row
    if rows.checksum(root, path, body) != total:
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
    )
