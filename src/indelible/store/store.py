"""A store as a whole: a folder with one journal for each server process, and the blobs that they share."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import apsw

from ..clock import Clock
from ..errors import StoreDamaged, StoreError, StoreHeld
from ..fs import explained as explained_os
from ..fs import free_bytes, move_into, private_folder, remove, write_whole
from ..model import BlobId
from .blobs import SqliteBlobs
from .database import connect
from .holding import HeavyText
from .journal import SqliteJournal
from .lease import Lease, read_holder
from .loading import salvage
from .netfs import is_network, kind_of
from .versions import SqliteVersions

BALLAST_BYTES = 16 * 2**20
PLENTY_BYTES = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a store is kept, and why there."""

    folder: Path
    file_system: str
    exclusive: bool
    reason: str


def choose_place(folder: Path, local: Path | None, kind: Callable[[Path], str] = kind_of) -> Place:
    """The folder itself on a local disk; on a network file system the local one, or one process alone."""
    nearest = _existing(folder)
    system = kind(nearest)
    if not is_network(system):
        return Place(folder=folder, file_system=system, exclusive=False, reason="a local disk")
    if local is not None:
        reason = f"{folder} is on {system}, so c.Indelible.local_store_path is used"
        return Place(folder=local, file_system=kind(_existing(local)), exclusive=False, reason=reason)
    reason = f"{folder} is on {system}: one server only, with an exclusive lock"
    return Place(folder=folder, file_system=system, exclusive=True, reason=reason)


def _existing(path: Path) -> Path:
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


class Store:
    """The store as one running server has it: its own journal under a lease, and the blobs."""

    def __init__(
        self,
        place: Place,
        *,
        clock: Clock,
        on_damage: Callable[[Path, list[str]], None] = lambda aside, working_copies: None,
        on_heavy: Callable[[HeavyText], None] = lambda text: None,
    ) -> None:
        """Open it, making what is missing. Raises StoreError; nothing is held then."""
        self.place = place
        self.folder = place.folder
        self.server = secrets.token_hex(8)
        self._clock = clock
        self._on_damage, self._on_heavy = on_damage, on_heavy
        try:
            private_folder(self.folder)
            private_folder(self.journals)
            self.id = self._identity()
        except OSError as error:
            raise explained_os(error, self.folder) from error
        self._lease = self._first_lease()
        self.blobs: SqliteBlobs
        self.versions: SqliteVersions
        self.journal: SqliteJournal
        try:
            self.blobs = self._open_blobs()
            self.versions = SqliteVersions(self.blobs)
            self.journal = self._open_journal()
        except BaseException:
            self._lease.release(remove=True)
            raise
        self._make_ballast()

    @property
    def journals(self) -> Path:
        return self.folder / "journals"

    @property
    def journal_path(self) -> Path:
        return self.journals / f"{self.server}.db"

    def root_id(self, root: Path | str) -> str:
        """Name of a root directory in this store: the same for every server on it."""
        real = os.path.realpath(root)
        return hashlib.sha256(f"{self.id}\0{real}".encode("utf-8", "surrogateescape")).hexdigest()[:32]

    def close(self) -> None:
        """Close everything. A journal without anything in it leaves no trace."""
        try:
            is_empty = not self.journal.working_copies()
        except StoreError:
            is_empty = False
        self.journal.close()
        self.blobs.close()
        if is_empty:
            remove(*database_files(self.journal_path))
        self._lease.release(remove=is_empty)

    def adopt_dead(self) -> list[str]:
        """Take over what servers that are gone have left; the ids of the working copies.

        Damaged journals are set aside, and what can be read is salvaged.
        """
        adopted: list[str] = []
        for lease_path in sorted(self.journals.glob("*.lease")):
            if lease_path == self._lease.path:
                continue
            with contextlib.suppress(StoreHeld):
                lease = Lease.take(lease_path, server=self.server, fence=self._lease.fence)
                try:
                    adopted += self._adopt(lease_path.with_suffix(".db"))
                except BaseException:
                    lease.release()
                    raise
                lease.release(remove=True)
        return adopted

    def is_alone(self) -> bool:
        """Whether no other journal exists: then the blobs may be pruned by our own journal's roots."""
        return [path for path in self.journals.glob("*.db") if path != self.journal_path] == []

    def is_dead(self, server: str) -> bool:
        """Whether nothing of that server is left: its journal was adopted. Never true of this one."""
        return server != self.server and not (self.journals / f"{server}.lease").exists()

    def prune(self, others: Iterable[BlobId] = ()) -> int:
        """Delete blobs that nothing points to, `others` excepted, unless another journal exists. The number deleted."""
        if not self.is_alone():
            return 0
        return self.blobs.prune({*self.journal.blobs(), *self.versions.blobs(), *others})

    def replace_damaged(self, live: Callable[[str], bool]) -> Path:
        """Set the damaged journal aside, open a fresh one and salvage what no living tab will send again.

        Returns where the damaged files are now. Raises StoreError when even that fails.
        """
        self.journal.close()
        aside = self._set_aside(self.journal_path)
        self.journal = self._open_journal()
        self._salvage(aside / self.journal_path.name, live)
        return aside

    def release_ballast(self) -> bool:
        """Give the reserved space back to a disk that is full. Whether there was any."""
        ballast = self.folder / "ballast"
        if not ballast.exists():
            return False
        remove(ballast)
        return True

    def renew_ballast(self) -> None:
        """Reserve the space again once there is plenty."""
        self._make_ballast()

    # -- opening --

    def _identity(self) -> str:
        path = self.folder / "id"
        if not path.exists():
            with contextlib.suppress(FileExistsError):
                write_whole(path, secrets.token_hex(16).encode(), replace=False)
        return path.read_text().strip()

    def _first_lease(self) -> Lease:
        holders = [read_holder(path) for path in self.journals.glob("*.lease")]
        fence = 1 + max((holder.fence for holder in holders if holder), default=0)
        try:
            return Lease.take(self.journals / f"{self.server}.lease", server=self.server, fence=fence)
        except OSError as error:
            raise explained_os(error, self.journals) from error

    def _open_blobs(self) -> SqliteBlobs:
        path = self.folder / "history.db"
        try:
            return SqliteBlobs(path, clock=self._clock, exclusive=self.place.exclusive, on_full=self.release_ballast)
        except StoreDamaged:
            self._on_damage(self._set_aside(path), [])
            return SqliteBlobs(path, clock=self._clock, exclusive=self.place.exclusive, on_full=self.release_ballast)

    def _open_journal(self) -> SqliteJournal:
        return SqliteJournal(
            self.journal_path,
            clock=self._clock,
            on_heavy=self._on_heavy,
            on_full=self.release_ballast,
        )

    def _make_ballast(self) -> None:
        ballast = self.folder / "ballast"
        with contextlib.suppress(OSError):
            if not ballast.exists() and free_bytes(self.folder) > PLENTY_BYTES:
                # Incompressible: on a compressing file system zeros would reserve nothing.
                write_whole(ballast, os.urandom(BALLAST_BYTES))

    # -- what others left --

    def _adopt(self, path: Path) -> list[str]:
        if not path.exists():
            return []
        try:
            db = connect(path, exclusive=True)
            try:
                adopted = self.journal.adopt_journal(db)
            finally:
                db.close(True)
        except StoreDamaged:
            aside = self._set_aside(path)
            adopted = self._salvage(aside / path.name, lambda working_copy: False)
            self._on_damage(aside, adopted)
            return adopted
        remove(*database_files(path))
        return adopted

    def _set_aside(self, path: Path) -> Path:
        stamp = self._clock.now().strftime("%Y%m%d-%H%M%S")
        aside = self.folder / "damaged" / f"{stamp}-{path.stem}-{secrets.token_hex(2)}"
        private_folder(aside.parent)
        move_into(aside, *database_files(path))
        return aside

    def _salvage(self, path: Path, live: Callable[[str], bool]) -> list[str]:
        """Copy every row that still matches its checksum into the journal."""
        try:
            db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        except apsw.Error:
            return []
        try:
            readable, _ = salvage(db)
            chosen = [(held, found) for held, found in readable if not live(held.working_copy.id)]
            return self.journal.take_over(chosen)
        except apsw.Error:
            return []
        finally:
            db.close(True)


def database_files(path: Path) -> Sequence[Path]:
    """A database and what SQLite keeps beside it."""
    return path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")
