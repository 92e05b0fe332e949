"""The journal of one server process: SQLite, one writer thread, group commit, an ack after the fsync."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path as FilePath
from typing import TypeVar, cast

import apsw

from ..clock import Clock
from ..errors import DiskFull, IndelibleError, StoreDamaged, StoreError, Superseded, WorkingCopyUnknown
from ..model import BlobId, CellKey, Chunk, Draft, Edit, Opening, Path, Saved, Seq, State, Text, WorkingCopy
from ..notebook.apply import opened_draft
from ..notebook.runs import expand
from .contract import Done
from .database import connect, explained, scalar, translated
from .holding import SQL, Change, HeavyText, Holding
from .loading import Found, load
from .references import blobs_of
from .writer import Writer

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Submission:
    """A record that waits for its commit."""

    record: Edit | Saved
    done: Done


class SqliteJournal:
    """Journal of contract.py. The caller holds the lease of `path` from before `__init__` to after `close`.

    `on_damage(error)` is called on the writer's thread when the database turns out to be damaged; the journal
    refuses everything from then on, until it is replaced. `on_heavy` names texts worth folding.
    """

    def __init__(
        self,
        path: FilePath,
        *,
        clock: Clock,
        vfs: str | None = None,
        on_damage: Callable[[StoreDamaged], None] = lambda error: None,
        on_heavy: Callable[[HeavyText], None] = lambda text: None,
        on_full: Callable[[], bool] = lambda: False,
    ) -> None:
        self.path = path
        self._clock = clock
        self._vfs = vfs
        self._on_damage, self._on_heavy, self._on_full = on_damage, on_heavy, on_full
        self._openings: dict[str, tuple[Opening, str]] = {}
        self._holdings: dict[str, Holding] = {}
        self._db: apsw.Connection | None = None
        self._damage: StoreDamaged | None = None
        with self._noticed():
            self._connected()
        self._writer: Writer[Submission] = Writer(self._commit, f"journal {path.stem}")

    # -- contract --

    def submit(self, record: Edit | Saved, done: Done) -> None:
        self._writer.put(Submission(record, done))

    def append(self, record: Edit | Saved) -> Seq:
        outcome: list[tuple[Seq | None, BaseException | None]] = []
        self.submit(record, lambda seq, error: outcome.append((seq, error)))
        self._writer.do(lambda: None)
        seq, error = outcome[0]
        if error is not None:
            raise error
        assert seq is not None
        return seq

    def open(self, opening: Opening, root: str) -> WorkingCopy | None:
        def work() -> WorkingCopy | None:
            self._connected()
            held = self._holdings.get(opening.working_copy)
            if held is not None and opening.epoch < held.working_copy.epoch:
                raise Superseded(path=opening.path)
            self._openings[opening.working_copy] = (opening, root)
            if held is None:
                return None
            one = held.working_copy
            if one.state is not State.OPEN or one.tab != opening.tab:
                one = replace(one, state=State.OPEN, tab=opening.tab)
                self._change(held, lambda change: change.write_working_copy(one))
            return held.working_copy

        return self._do(work)

    def adopt(self, working_copy: str, tab: str) -> WorkingCopy:
        def work() -> WorkingCopy:
            held = self._held(working_copy)
            one = replace(held.working_copy, epoch=held.working_copy.epoch + 1, state=State.OPEN, tab=tab)
            self._change(held, lambda change: change.write_working_copy(one))
            return held.working_copy

        return self._do(work)

    def close_working_copy(self, working_copy: str, epoch: int, state: State | None) -> None:
        def work() -> None:
            self._connected()
            self._openings.pop(working_copy, None)
            held = self._holdings.get(working_copy)
            if held is None:
                return
            if epoch < held.working_copy.epoch:
                raise Superseded(path=held.working_copy.path)
            if state is None:
                self._change(held, lambda change: change.forget())
                del self._holdings[working_copy]
            else:
                one = replace(held.working_copy, state=state)
                self._change(held, lambda change: change.write_working_copy(one))

        self._do(work)

    def rename(self, working_copy: str | None, old: str, new: str, root: str) -> None:
        def work() -> None:
            self._connected()
            for identity, (opening, its_root) in list(self._openings.items()):
                path = _renamed(opening.path, identity, its_root)
                self._openings[identity] = (replace(opening, path=path), its_root)
            for held in self._holdings.values():
                one = held.working_copy
                path = _renamed(one.path, one.id, one.root)
                if path != one.path:
                    moved = replace(one, path=path)
                    self._change(held, lambda change, moved=moved: change.write_working_copy(moved))  # type: ignore[misc]

        def _renamed(path: str, identity: str, its_root: str) -> str:
            if working_copy is not None:
                return new if identity == working_copy else path
            if its_root == root and (path == old or path.startswith(old + "/")):
                return new + path[len(old) :]
            return path

        self._do(work)

    def keep_base(self, working_copy: str, base: str, chunks: Sequence[Chunk]) -> None:
        def work() -> None:
            held = self._held(working_copy)
            if held.working_copy.base == base:
                one = replace(held.working_copy, base_chunks=tuple(chunks))
                self._change(held, lambda change: change.write_working_copy(one))

        self._do(work)

    def writing(self, working_copy: str, written: str, seq: Seq) -> None:
        def work() -> None:
            held = self._held(working_copy)
            one = replace(held.working_copy, written=written, written_seq=seq)
            self._change(held, lambda change: change.write_working_copy(one))

        self._do(work)

    def fold(self, working_copy: str, key: CellKey, output: int | None, path: Path, upto: int, text: Text) -> None:
        def work() -> None:
            held = self._held(working_copy)
            self._change(held, lambda change: change.fold(key, output, path, upto, text))

        self._do(work)

    def working_copies(self) -> Sequence[WorkingCopy]:
        def work() -> Sequence[WorkingCopy]:
            self._connected()
            return [held.working_copy for held in self._holdings.values()]

        return self._do(work)

    def draft(self, working_copy: str) -> Draft:
        return self._do(lambda: self._held(working_copy).draft(self._connected()))

    def blobs(self) -> Iterable[BlobId]:
        def work() -> Iterable[BlobId]:
            db = self._connected()
            return {blob for held in self._holdings.values() for blob in blobs_of(held.draft(db))}

        return self._do(work)

    # -- beyond the contract: the store's own --

    def adopt_journal(self, other: apsw.Connection) -> list[str]:
        """Take over the working copies of a dead server's journal; their ids. Raises StoreDamaged."""
        return self.take_over(load(other))

    def take_over(self, others: Sequence[tuple[Holding, Found]]) -> list[str]:
        """Copy working copies and their rows in one transaction, unless ours are as new. Returns the ids."""

        def work() -> list[str]:
            db = self._connected()
            fresh: list[tuple[Holding, Change]] = []
            db.execute("BEGIN IMMEDIATE")
            for held, found in others:
                mine = self._holdings.get(held.working_copy.id)
                if mine is not None and _age(mine.working_copy) >= _age(held.working_copy):
                    continue
                if mine is not None:
                    Change(db, mine).forget()
                empty = Holding(held.working_copy)
                change = Change(db, empty)
                change.adopt_rows(found, held.keys)
                change.write_working_copy(held.working_copy)
                fresh.append((empty, change))
            db.execute("COMMIT")
            for empty, change in fresh:
                change.finish()
                self._holdings[empty.working_copy.id] = empty
            return [empty.working_copy.id for empty, _ in fresh]

        return self._do(work)

    def probe(self) -> None:
        """Write and sync something harmless: raises the StoreError that an edit would meet now."""

        def work() -> None:
            db = self._connected()
            version = scalar(db, "PRAGMA user_version")
            db.execute("BEGIN IMMEDIATE")
            db.execute(f"PRAGMA user_version = {version}")
            db.execute("COMMIT")

        self._do(work)

    def close(self) -> None:
        """Commit what is queued and close the database."""
        self._writer.close()
        self._disconnect()

    # -- the writer's thread --

    def _do(self, work: Callable[[], T]) -> T:
        def guarded() -> T:
            with self._noticed():
                return work()

        return cast(T, self._writer.do(guarded))

    def _commit(self, group: list[Submission]) -> None:
        try:
            outcomes = self._attempt(group)
        except StoreError as error:
            if error.code == "disk_full" and self._on_full():
                try:
                    outcomes = self._attempt(group)
                except StoreError as again:
                    outcomes = [again] * len(group)
            else:
                outcomes = [error] * len(group)
        except Exception as error:  # noqa: BLE001  (a defect of ours: told to every waiting record, never swallowed)
            self._disconnect()
            outcomes = [error] * len(group)
        for one, outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, BaseException):
                one.done(None, outcome)
            else:
                one.done(Seq(outcome), None)

    def _attempt(self, group: list[Submission]) -> list[int | BaseException]:
        """Apply and sync; a refusal spoils its own record only, a StoreError the whole group."""
        outcomes: list[int | BaseException] = []
        changes: list[tuple[Holding, Change]] = []
        with self._noticed():
            db = self._connected()
            db.execute("BEGIN IMMEDIATE")
            for one in group:
                db.execute("SAVEPOINT record")
                try:
                    held = self._apply(db, one.record, changes)
                    outcomes.append(held)
                    db.execute("RELEASE record")
                except StoreError:
                    raise
                except IndelibleError as error:
                    db.execute("ROLLBACK TO record")
                    db.execute("RELEASE record")
                    outcomes.append(error)
            db.execute("COMMIT")
        for _, change in changes:
            for heavy in change.heavy:
                self._on_heavy(heavy)
        return outcomes

    def _apply(self, db: apsw.Connection, record: Edit | Saved, changes: list[tuple[Holding, Change]]) -> int:
        identity = record.working_copy
        held = self._holdings.get(identity)
        if held is None:
            if isinstance(record, Saved) and (record.hash is None or identity not in self._openings):
                return record.seq
            held = self._first(record)
        elif (
            isinstance(record, Edit) and record.seq <= held.working_copy.seq and record.epoch == held.working_copy.epoch
        ):
            return held.working_copy.seq
        change = Change(db, held)
        if isinstance(record, Edit):
            change.edit(record)
        else:
            change.saved(record)
        # Later records of the group build on this one; a failed commit reloads everything from the file.
        change.finish()
        self._holdings[identity] = held
        changes.append((held, change))
        return held.working_copy.seq

    def _first(self, record: Edit | Saved) -> Holding:
        known = self._openings.get(record.working_copy)
        if known is None:
            raise WorkingCopyUnknown
        opening, root = known
        if isinstance(record, Edit) and opening.base is None and not record.reset:
            raise WorkingCopyUnknown("the edit is not self-contained, and there is no base")
        one = opened_draft(opening, root, self._clock.now()).working_copy
        return Holding(replace(one, epoch=record.epoch), keys=frozenset(expand(one.base_order)))

    def _change(self, held: Holding, act: Callable[[Change], object]) -> None:
        db = self._connected()
        change = Change(db, held)
        db.execute("BEGIN IMMEDIATE")
        try:
            act(change)
        except IndelibleError:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")
        change.finish()

    def _held(self, working_copy: str) -> Holding:
        self._connected()
        held = self._holdings.get(working_copy)
        if held is None:
            raise WorkingCopyUnknown
        return held

    # -- connection --

    def _connected(self) -> apsw.Connection:
        """The connection; made anew, and everything re-read, after an error."""
        if self._damage is not None:
            raise self._damage
        if self._db is None:
            # One process, under its lease: without shared memory it can be opened on a disk that is full.
            db = connect(self.path, exclusive=True, vfs=self._vfs)
            try:
                with explained(self.path):
                    if not scalar(db, "PRAGMA user_version"):
                        with db:
                            db.execute(SQL["create"])
                            db.execute("PRAGMA user_version = 1")
                    self._holdings = {held.working_copy.id: held for held, _ in load(db)}
            except BaseException:
                db.close()
                raise
            self._db = db
        return self._db

    @contextlib.contextmanager
    def _noticed(self) -> Iterator[None]:
        """Translate SQLite's errors; whatever the connection held in memory is doubtful after one."""
        try:
            try:
                yield
            except apsw.Error as error:
                raise translated(error, self.path) from error
        except IndelibleError as error:
            if isinstance(error, DiskFull):
                self._roll_back()
            elif isinstance(error, StoreError):
                self._disconnect()
            if isinstance(error, StoreDamaged) and self._damage is None:
                self._damage = error
                self._on_damage(error)
            raise

    def _roll_back(self) -> None:
        """After a write that found no space: nothing was synced, so the connection is as good as before."""
        db = self._db
        if db is None:
            return
        try:
            if db.in_transaction:
                db.execute("ROLLBACK")
            self._holdings = {held.working_copy.id: held for held, _ in load(db)}
        except (apsw.Error, StoreError):
            self._disconnect()

    def _disconnect(self) -> None:
        """A failed sync may have dropped pages that SQLite believes written: never go on with that connection."""
        db, self._db = self._db, None
        self._holdings = {}
        if db is not None:
            with contextlib.suppress(apsw.Error):
                db.close(True)


def _age(one: WorkingCopy) -> tuple[int, int]:
    return one.epoch, one.seq
