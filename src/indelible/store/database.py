"""Opening SQLite as a store needs it, and its errors in our words."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

import apsw

from ..errors import DiskFull, StoreDamaged, StoreError, StoreHeld, StoreReadOnly, StoreUnreachable
from ..fs import explained as explained_os
from ..fs import free_bytes

# Our SQL does not change: an error in it means that the schema is no longer what it was.
DAMAGE = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError, apsw.SQLError)


def connect(path: Path, *, exclusive: bool, vfs: str | None = None, read_only: bool = False) -> apsw.Connection:
    """A connection that syncs at every commit. Raises StoreError."""
    flags = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    with explained(path):
        if not read_only:
            _make_private(path)
        db = apsw.Connection(str(path), flags=flags, vfs=vfs)
        try:
            db.set_busy_timeout(5_000)
            if exclusive:
                # Before the first access: then WAL works without shared memory, which network file systems lack.
                db.execute("PRAGMA locking_mode = EXCLUSIVE")
            if not read_only:
                prepare(db)
        except BaseException:
            db.close()
            raise
    return db


def _make_private(path: Path) -> None:
    """Make the file, 0600, if it is missing. What SQLite puts beside it gets the same rights."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        return
    except OSError as error:
        raise explained_os(error, path) from error


def scalar(db: apsw.Connection, sql: str) -> int:
    """The one number that a query gives."""
    found = db.execute(sql).fetchone()
    return int(found[0]) if found else 0


def prepare(db: apsw.Connection) -> None:
    """The settings of DESIGN's store; some only count before the first table is made."""
    db.execute("PRAGMA page_size = 4096")
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA fullfsync = ON")
    db.execute("PRAGMA secure_delete = OFF")
    db.execute("PRAGMA journal_size_limit = 4194304")
    db.execute("PRAGMA wal_autocheckpoint = 1000")


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Raise SQLite's errors as ours."""
    try:
        yield
    except apsw.Error as error:
        raise translated(error, path) from error


def translated(error: apsw.Error, path: Path) -> StoreError:
    """Our error for one of SQLite's."""
    if isinstance(error, DAMAGE):
        return StoreDamaged(
            f"{path} is damaged: {error}",
            hint="it will be set aside and a fresh one filled from the open tabs",
            path=path,
        )
    if isinstance(error, apsw.FullError) or _is_out_of_space(error, path):
        return DiskFull(
            f"no space left for {path} ({_free(path)})",
            hint="free some space; edits wait in the browser until then",
            path=path,
        )
    if isinstance(error, (apsw.ReadOnlyError, apsw.PermissionsError)):
        return StoreReadOnly(
            f"{path} may not be written: {error}",
            hint="make it writable for the server's user, or set c.Indelible.store_path to another folder",
            path=path,
        )
    if isinstance(error, (apsw.BusyError, apsw.LockedError)):
        return StoreHeld(f"{path} is held by another process", path=path)
    return StoreUnreachable(f"{path}: {error}", hint="is the disk still there, and writable?", path=path)


def _is_out_of_space(error: apsw.Error, path: Path) -> bool:
    """A quota that is used up, and some file systems, answer with an I/O error."""
    if not isinstance(error, apsw.IOError):
        return False
    try:
        with path.with_name(".indelible-probe").open("wb") as probe:
            probe.write(b"\0" * 65_536)
            probe.flush()
        return False
    except OSError as probed:
        return probed.errno in (errno.ENOSPC, errno.EDQUOT)
    finally:
        with contextlib.suppress(OSError):
            path.with_name(".indelible-probe").unlink(missing_ok=True)


def _free(path: Path) -> str:
    try:
        return f"{free_bytes(path.parent) / 2**20:.1f} MB free"
    except OSError:
        return "free space unknown"
