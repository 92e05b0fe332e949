"""What the rest of Indelible may expect of a store. The mechanism is in journal.py and blobs.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from ..model import (
    BlobId,
    CellKey,
    Chunk,
    Draft,
    Edit,
    Opening,
    Path,
    Saved,
    Seq,
    Source,
    State,
    Text,
    Version,
    WorkingCopy,
)

Done = Callable[[Seq | None, BaseException | None], None]
"""Called once, on the writer's thread, when a record is on disk (seq, None) or was refused (None, error)."""


class Journal(Protocol):
    """The durable, ordered store of edits: one writer thread, group commit.

    Every call is safe from any thread. Whatever returns normally (or calls `done` without an error)
    is on disk. Errors are those of errors.py and mean that nothing was changed.
    """

    def submit(self, record: Edit | Saved, done: Done) -> None:
        """Queue a record; edits of one working copy are applied in the order submitted.

        Refusals: Superseded, WorkingCopyUnknown, StalePart, DiskFull, StoreReadOnly, StoreDamaged,
        StoreUnreachable. An edit at or below the acked seq is acked again and not applied.
        """

    def append(self, record: Edit | Saved) -> Seq:
        """Like `submit`, and wait. Returns the seq up to which all is on disk."""

    def open(self, opening: Opening, root: str) -> WorkingCopy | None:
        """Remember the working copy for its first edit (nothing is written before that) and return
        what the journal has of it, or None. Raises Superseded."""

    def adopt(self, working_copy: str, tab: str) -> WorkingCopy:
        """Hand it over to another tab: epoch + 1, state OPEN. On return it is on disk."""

    def close_working_copy(self, working_copy: str, epoch: int, state: State | None) -> None:
        """Set the state; None forgets the working copy and its parts."""

    def rename(self, working_copy: str | None, old: str, new: str, root: str) -> None:
        """Change the path of one working copy, or of all whose path is `old` or below it."""

    def keep_base(self, working_copy: str, base: str, chunks: Sequence[Chunk]) -> None:
        """Note that the base's bytes are in the blob store (already synced there)."""

    def writing(self, working_copy: str, written: str, seq: Seq) -> None:
        """Note what its file is about to hold: should we be killed, that is no change by somebody else."""

    def fold(self, working_copy: str, key: CellKey, output: int | None, path: Path, upto: int, text: Text) -> None:
        """Replace what a text is at revision `upto` by an equal, shorter form; if it has moved on, do nothing."""

    def working_copies(self) -> Sequence[WorkingCopy]:
        """All that the journal holds."""

    def draft(self, working_copy: str) -> Draft:
        """All parts of one. Raises WorkingCopyUnknown, StoreDamaged."""

    def blobs(self) -> Iterable[BlobId]:
        """Every blob that the journal points to."""


class Blobs(Protocol):
    """Bytes named by their SHA-256, compressed, stored once."""

    def lacking(self, blobs: Iterable[BlobId]) -> list[BlobId]:
        """Those that are not here; the others are kept for at least an hour."""

    def put(self, contents: Iterable[bytes]) -> list[BlobId]:
        """Store and sync. Transactions of at most 1 MB, compressed outside them."""

    def get(self, blob: BlobId) -> bytes:
        """The bytes, checked against their name. Raises BlobUnknown, BlobDamaged."""


class Versions(Protocol):
    """Kept states of notebooks; their content is in the blobs."""

    def add(self, version: Version) -> Version:
        """Keep it; its blobs are on disk already. On return it is too, and the answer has its id."""

    def of(self, root: str, path: str) -> Sequence[Version]:
        """A notebook's, oldest first."""

    def get(self, root: str, path: str, identity: int) -> Version:
        """One, also of a notebook that was deleted. Raises VersionUnknown."""

    def newest(self, root: str, path: str, source: Source) -> Version | None:
        """A notebook's newest of this source."""

    def drop_older(self, version: Version) -> None:
        """Forget the same notebook's older ones of the same source."""

    def remove(self, identity: int) -> None:
        """Forget one."""

    def rename(self, root: str, old: str, new: str, at: datetime) -> None:
        """The notebook, or everything below a folder, has another path."""

    def delete(self, root: str, path: str, at: datetime) -> None:
        """The notebook, or everything below a folder, was deleted: what was kept of it stays in the store."""
