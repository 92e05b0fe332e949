"""Bytes named by their SHA-256: stored once, compressed, checked whenever they are read."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Set
from pathlib import Path
from typing import Any, TypeVar

import apsw
import zstandard

from ..clock import Clock
from ..errors import BlobDamaged, BlobUnknown, DiskFull
from ..model import BlobId
from .database import connect, explained, scalar
from .sql import queries

SQL = queries("blobs")

T = TypeVar("T")

PLAIN, ZSTD = 0, 1
"""Codecs, as in the `codec` column."""

TRANSACTION_BYTES = 1_000_000
WANTED_S = 3600
"""How long a blob that nothing points to is kept after somebody asked for it."""
RENEW_S = 600


class SqliteBlobs:
    """Blobs of contract.py, in a database that the servers of one store share. Safe from any thread."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        exclusive: bool = False,
        on_full: Callable[[], bool] = lambda: False,
    ) -> None:
        self.path = path
        self._clock = clock
        self._exclusive = exclusive
        self._on_full = on_full
        self._lock = threading.Lock()
        self._db: apsw.Connection | None = None
        with self._lock:
            self._connected()

    def lacking(self, blobs: Iterable[BlobId]) -> list[BlobId]:
        now = self._now()
        missing, old = [], []
        with self._lock, explained(self.path):
            db = self._connected()
            for blob in blobs:
                found = db.execute(SQL["look_up"], (blob,)).fetchone()
                if found is None:
                    missing.append(blob)
                elif found[1] < now - RENEW_S:
                    old.append(found[0])
            if old:
                with db:
                    db.executemany(SQL["want_again"], [(now, identity) for identity in old])
        return missing

    def put(self, contents: Iterable[bytes]) -> list[BlobId]:
        contents = list(contents)
        names = [BlobId(hashlib.sha256(content).digest()) for content in contents]
        missing = set(self.lacking(names))
        batch: list[tuple[bytes, int, int, bytes]] = []
        size = 0
        # Compression happens here, outside the lock and the transaction.
        compressor = zstandard.ZstdCompressor(level=3)
        for name, content in zip(names, contents, strict=True):
            if name not in missing:
                continue
            missing.discard(name)
            packed = compressor.compress(content)
            is_smaller = len(packed) < len(content)
            body = packed if is_smaller else content
            batch.append((name, ZSTD if is_smaller else PLAIN, self._now(), body))
            size += len(body)
            if size >= TRANSACTION_BYTES:
                self._store(batch)
                batch, size = [], 0
        self._store(batch)
        return names

    def get(self, blob: BlobId) -> bytes:
        found = next(iter(self.ask(SQL["get"], (blob,))), None)
        if found is None:
            raise BlobUnknown([blob.hex()])
        codec, body = found
        try:
            content = zstandard.ZstdDecompressor().decompress(body) if codec == ZSTD else body
        except zstandard.ZstdError as error:
            raise BlobDamaged(f"chunk {blob.hex()} cannot be unpacked: {error}", path=self.path) from error
        if hashlib.sha256(content).digest() != blob:
            raise BlobDamaged(f"chunk {blob.hex()} has other bytes than its name says", path=self.path)
        return bytes(content)

    def prune(self, roots: Set[BlobId]) -> int:
        """Delete what nothing points to and nobody asked for in the last hour; the number deleted.

        `roots` must name every blob of every journal of this store: call it only when no other server runs.
        """
        before, after, dropped = self._now() - WANTED_S, 0, 0
        while True:
            with self._lock, explained(self.path):
                db = self._connected()
                found = db.execute(SQL["unwanted_since"], (before, after)).fetchall()
                useless = [(identity,) for identity, name in found if name not in roots]
                if useless:
                    with db:
                        db.executemany(SQL["drop"], useless)
                    db.execute("PRAGMA incremental_vacuum(1000)").fetchall()
            dropped += len(useless)
            if not found:
                return dropped
            after = found[-1][0]  # type: ignore[assignment]

    def ask(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        """The rows that a query on this database gives."""
        with self._lock, explained(self.path):
            return self._connected().execute(query, values).fetchall()

    def change(self, work: Callable[[apsw.Connection], T]) -> T:
        """Do it in one transaction; on return it is on disk."""
        with self._lock:
            try:
                return self._changed(work)
            except DiskFull:
                if not self._on_full():
                    raise
                return self._changed(work)

    def close(self) -> None:
        with self._lock:
            if self._db is not None:
                self._db.close(True)
                self._db = None

    def _store(self, batch: list[tuple[bytes, int, int, bytes]]) -> None:
        if batch:
            self.change(lambda db: db.executemany(SQL["add"], batch))

    def _changed(self, work: Callable[[apsw.Connection], T]) -> T:
        with explained(self.path):
            db = self._connected()
            try:
                with db:
                    answer = work(db)
            except apsw.Error:
                # After a failed sync the connection's idea of the file is doubtful.
                self._db = None
                db.close(True)
                raise
            return answer

    def _connected(self) -> apsw.Connection:
        if self._db is None:
            db = connect(self.path, exclusive=self._exclusive)
            with explained(self.path):
                if not scalar(db, "PRAGMA user_version"):
                    with db:
                        # Another server may have been faster.
                        if not scalar(db, "PRAGMA user_version"):
                            db.execute(SQL["create"])
                            db.execute("PRAGMA user_version = 1")
                for number, step in enumerate(("create", "note_deletions"), start=1):
                    if scalar(db, "PRAGMA user_version") == number:
                        with db:
                            if scalar(db, "PRAGMA user_version") == number:
                                db.execute(queries("versions")[step])
                                db.execute(f"PRAGMA user_version = {number + 1}")
            self._db = db
        return self._db

    def _now(self) -> int:
        return int(self._clock.now().timestamp())
