"""The composition root: joins store, recovery and health into what a server needs. Knows nothing of Jupyter."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from .basekeeper import ReadFile, keep_base, read_base
from .clock import Clock, SystemClock
from .config import Settings
from .errors import (
    BlobUnknown,
    FileChanged,
    IndelibleError,
    JournalOff,
    Malformed,
    NotLocal,
    SaveRefused,
    StoreDamaged,
    StoreError,
    WorkingCopyUnknown,
)
from .folder import fold_text
from .fs import free_bytes
from .health import Health
from .intents import Intents
from .merging import MergeAnswer, Merger, MergeRequest
from .model import BlobId, Draft, Edit, Opening, Save, Saved, Seq, Source, State, WorkingCopy
from .notebook.compare import same_notebook
from .notebook.nbjson import Notebook, read_notebook
from .recovery import Recovered, Summary, candidates, choose, make_whole, summarise
from .saver import Saver, Sign, Written
from .store.contract import Done
from .store.holding import HeavyText
from .store.references import blobs_in_edit
from .store.store import Store, choose_place

log = logging.getLogger("indelible")

DISCARDED_FOR = timedelta(days=30)
ADOPT_EVERY_S = 30.0


@dataclass(slots=True)
class Live:
    """A working copy that a connected tab has open. `ask` sends that tab a message."""

    opening: Opening
    ask: Callable[[dict[str, Any]], None]
    seen: tuple[int, int, int] | None = None
    """What its file looked like last (inode, size, time)."""


def _nowhere(path: str) -> Path:
    raise LookupError("notebooks are no local files here")


class Service:
    """Protection of the notebooks below one root directory.

    Calls block (run them in an executor) unless they say otherwise, and are safe from any thread.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        root: Path | str,
        read_file: ReadFile,
        locate: Callable[[str], Path] = _nowhere,
        clock: Clock | None = None,
    ) -> None:
        """Nothing is opened before `start`. `read_file` gives a notebook's bytes by API path, `locate` its file.

        Both raise LookupError where notebooks are no local files.
        """
        self.settings = settings
        self.root = os.path.realpath(root)
        self._clock = clock or SystemClock()
        self._read_file = read_file
        self._locate = locate
        self.health = Health(self._clock)
        self.store: Store | None = None
        self._saver: Saver | None = None
        self.live: dict[str, Live] = {}
        self._inflight: dict[tuple[str, int], float] = {}
        self._lock = threading.RLock()
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="indelible")
        self._kept: set[str] = set()
        self._folding: set[tuple[str, int, int | None, tuple[str | int, ...]]] = set()
        self._adopted_at = float("-inf")
        self._damage_until = float("-inf")

    # -- life --

    def start(self) -> None:
        """Open the store and adopt what dead servers left. A failure is a problem in `health`, not an error."""
        if self.settings.journal:
            self.tick()
        else:
            self.health.failed(
                JournalOff("the continuous protection is switched off", hint="set c.Indelible.journal = True")
            )

    def close(self) -> None:
        """Finish what is queued and close the store."""
        self._workers.shutdown(wait=True)
        with self._lock:
            if self.store is not None:
                self.store.close()
                self.store = None

    def tick(self) -> None:
        """Every few seconds: open what is not open, see whether it can be written, take over what others left."""
        if not self.settings.journal:
            return
        with self._lock:
            try:
                store = self._opened()
                store.journal.probe()
            except StoreDamaged:
                self._repair()
                return
            except StoreError as error:
                self.health.failed(error)
                return
            self.health.worked()
            if self._clock.monotonic() > self._damage_until:
                self.health.worked("damage")
            self._look_at_files()
            if self._clock.monotonic() - self._adopted_at > ADOPT_EVERY_S:
                self._adopted_at = self._clock.monotonic()
                self._look_after(store)

    def _opened(self) -> Store:
        if self.store is None:
            place = choose_place(self.settings.store_path, self.settings.local_store_path)
            self.store = Store(place, clock=self._clock, on_damage=self._other_was_damaged, on_heavy=self._fold_later)
            self._begin_saving(self.store)
            log.info("Store %s (%s, %s)", place.folder, place.reason, place.file_system or "unknown file system")
            self._reopen_live()
        return self.store

    def _begin_saving(self, store: Store) -> None:
        self._intents = Intents(store.folder / "intents", store.server, store.blobs.get)
        self._saver = Saver(store.journal, store.blobs, store.versions, intents=self._intents, clock=self._clock)

    def _look_after(self, store: Store) -> None:
        try:
            adopted = store.adopt_dead()
            self._intents.repair(store.is_dead, self._keep_foreign)
            if adopted:
                log.info("Took over %d drafts that another server left", len(adopted))
            store.renew_ballast()
            oldest = self._clock.now() - DISCARDED_FOR
            for one in store.journal.working_copies():
                is_over = one.state is State.DISCARDED and one.edited_at < oldest
                if one.id not in self.live and (is_over or not one.is_draft):
                    store.journal.close_working_copy(one.id, one.epoch, None)
            store.prune(self._intents.blobs())
        except StoreError as error:
            self.health.failed(error)

    def _other_was_damaged(self, aside: Path, working_copies: Sequence[str]) -> None:
        self._report_damage(aside, f"{len(working_copies)} drafts of a server that is gone could be salvaged")

    def _repair(self) -> None:
        """The journal turned out to be damaged: set it aside, fill a fresh one from the tabs."""
        if self.store is None:
            return
        try:
            aside = self.store.replace_damaged(lambda working_copy: working_copy in self.live)
        except StoreError as error:
            self.health.failed(error)
            return
        self._begin_saving(self.store)
        self._report_damage(aside, "a fresh one is being filled from the open tabs")
        self.health.worked()
        self._reopen_live()

    def _report_damage(self, aside: Path, what: str) -> None:
        self._damage_until = self._clock.monotonic() + 600
        error = StoreDamaged(
            f"the journal was damaged and is set aside in {aside}; {what}",
            hint="check the disk; the damaged file is kept for salvage",
            path=aside,
        )
        self.health.failed(error, place="damage")

    def _reopen_live(self) -> None:
        """A journal that knows nothing yet: tell it which working copies are open, and ask for their content."""
        assert self.store is not None
        for working_copy, live in list(self.live.items()):
            if self.store.journal.open(live.opening, self._root_id()) is None:
                live.ask({"t": "resync", "wc": working_copy, "why": "the journal starts anew"})

    def _journal(self) -> Store:
        if not self.settings.journal:
            raise JournalOff
        if self.store is None:
            problems = [one for one in self.health.problems if one.code != "journal_off"]
            raise StoreError(problems[0].message if problems else "the store is not open yet")
        return self.store

    def _root_id(self) -> str:
        return self._journal().root_id(self.root)

    # -- what tabs say --

    def hello(self) -> dict[str, Any]:
        """Answer of GET hello. Does not block."""
        store = self.store
        return {
            "server": store.server if store else "",
            "store": store.id if store else "",
            "root": store.root_id(self.root) if store else "",
            "journal": self.settings.journal,
            "autosave_interval_ms": self.settings.autosave_interval_ms,
            "save_on_blur": self.settings.save_on_blur,
            "save_after_run": self.settings.save_after_run,
            "problems": self.problems(),
        }

    def problems(self) -> list[dict[str, Any]]:
        """The health record as on the wire. Does not block."""
        return [
            {
                "code": one.code,
                "message": one.message,
                "hint": one.hint,
                "since": one.since.isoformat(timespec="seconds"),
                "path": one.path,
            }
            for one in self.health.problems
        ]

    def open(self, opening: Opening, ask: Callable[[dict[str, Any]], None]) -> WorkingCopy | None:
        """A connected tab has this working copy open; what the journal knows of it. Raises Superseded, StoreError."""
        self.live[opening.working_copy] = Live(opening, ask)
        return self._journal().journal.open(opening, self._root_id())

    def left(self, working_copy: str, ask: Callable[[dict[str, Any]], None]) -> None:
        """The connection that had it open is gone. Does not block."""
        live = self.live.get(working_copy)
        if live is not None and live.ask == ask:
            del self.live[working_copy]

    def lacking(self, blobs: Sequence[BlobId]) -> list[BlobId]:
        """Those that are not here."""
        return self._journal().blobs.lacking(blobs)

    def upload(self, blob: BlobId, content: bytes) -> None:
        """Store a chunk; on return it is on disk. Raises Malformed when its bytes are not what its name says."""
        if hashlib.sha256(content).digest() != blob:
            raise Malformed("the chunk's bytes are not what its name says")
        self._guarded(lambda: self._journal().blobs.put([content]))

    def needs_check(self, record: Edit | Saved) -> bool:
        """Whether `submit` would block: the record names blobs. Does not block."""
        return isinstance(record, Edit) and any(True for _ in blobs_in_edit(record))

    def submit(self, record: Edit | Saved, done: Done) -> None:
        """Queue a record; `done` is called on another thread. Does not block unless `needs_check(record)`."""
        store = self._journal()
        if isinstance(record, Edit):
            missing = store.blobs.lacking(list(blobs_in_edit(record))) if self.needs_check(record) else []
            if missing:
                raise BlobUnknown([blob.hex() for blob in missing])
        address = record.working_copy, record.seq
        self._inflight[address] = time.monotonic()

        def finished(seq: Seq | None, error: BaseException | None) -> None:
            self._inflight.pop(address, None)
            if isinstance(error, StoreError):
                self.health.failed(error)
                if isinstance(error, StoreDamaged):
                    self._later(self.tick)
            elif error is None and seq is not None:
                self._written(record)
            done(seq, error)

        store.journal.submit(record, finished)

    def close_working_copy(self, working_copy: str, epoch: int, how: str) -> None:
        """`clean`, `discard` or `away`. Raises Superseded, StoreError."""
        state = {"clean": None, "discard": State.DISCARDED, "away": State.AWAY}[how]
        self.live.pop(working_copy, None)
        self._kept.discard(working_copy)
        self._journal().journal.close_working_copy(working_copy, epoch, state)

    def renamed(self, working_copy: str | None, old: str, new: str) -> None:
        """One working copy's notebook, or everything at and below `old`, has another path."""
        self._journal().journal.rename(working_copy, old, new, self._root_id())
        for live in self.live.values():
            path = live.opening.path
            if live.opening.working_copy == working_copy or (
                working_copy is None and (path == old or path.startswith(old + "/"))
            ):
                live.opening = replace(live.opening, path=new + path[len(old) :] if working_copy is None else new)

    # -- after the ack --

    def _written(self, record: Edit | Saved) -> None:
        """On the writer's thread: what an edit makes necessary, done elsewhere."""
        if isinstance(record, Saved) or record.reset:
            self._kept.discard(record.working_copy)
        if record.working_copy not in self._kept:
            self._kept.add(record.working_copy)
            self._later(lambda: self._keep_base(record.working_copy))

    def _keep_base(self, working_copy: str) -> None:
        store = self._journal()
        try:
            one = store.journal.draft(working_copy).working_copy
        except WorkingCopyUnknown:
            return
        if one.base is None or one.base_chunks is not None or not one.is_draft:
            if not one.is_draft:
                self._kept.discard(working_copy)
            return
        kept = keep_base(
            working_copy, one.path, one.base, read=self._read_for_saving, journal=store.journal, blobs=store.blobs
        )
        live = self.live.get(working_copy)
        if not kept and live is not None:
            live.ask({"t": "resync", "wc": working_copy, "why": "the file has changed"})

    def _read_for_saving(self, path: str) -> bytes:
        content = self._read_file(path)
        if self._saver is not None:
            self._saver.prepare(hashlib.sha256(content).hexdigest(), content)
        return content

    def _fold_later(self, text: HeavyText) -> None:
        address = (text.working_copy, text.key, text.output, text.path)
        if address in self._folding:
            return
        self._folding.add(address)

        def work() -> None:
            try:
                store = self._journal()
                fold_text(*address, journal=store.journal, blobs=store.blobs)
            finally:
                self._folding.discard(address)

        self._later(work)

    def _later(self, work: Callable[[], None]) -> None:
        def guarded() -> None:
            try:
                self._guarded(work)
            except WorkingCopyUnknown:
                return
            except IndelibleError as error:
                log.warning("Left for later: %s", error)

        try:
            self._workers.submit(guarded)
        except RuntimeError:
            log.debug("Closing: left for the next server")

    def _guarded(self, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except StoreError as error:
            self.health.failed(error)
            raise

    # -- saving --

    def snapshot(self, request: Save) -> Draft | None:
        """What is to be written: the journal as it is now; None when there was no edit. Raises StoreError."""
        try:
            return self._journal().journal.draft(request.working_copy)
        except WorkingCopyUnknown:
            if request.seq > 0:
                raise SaveRefused("the journal has nothing of this notebook") from None
            return None

    def save(self, request: Save, draft: Draft | None, sign: Sign | None = None) -> Written:
        """Write the notebook's file; on return it is on disk. Raises what Saver.save raises, StoreError."""
        self._journal()
        assert self._saver is not None
        place = f"save {request.path}"
        try:
            path = self._located(request.path)
            if draft is None:
                known = self._saver.check(path, request.file)
                written = Written(hash=known, seq=request.seq, size=path.stat().st_size, is_changed=False, cells=-1)
            else:
                written = self._saver.save(request, draft, path, sign)
        except SaveRefused:
            raise
        except FileChanged:
            self.health.worked(place)
            raise
        except IndelibleError as error:
            self.health.failed(error, place=place)
            raise
        self.health.worked(place)
        return written

    def merge(self, request: MergeRequest) -> MergeAnswer:
        """Keep what the file holds and merge it with a working copy. Raises what Merger.merge raises, StoreError."""
        store = self._journal()
        assert self._saver is not None
        merger = Merger(self._saver, store.blobs, store.versions)
        return merger.merge(request, store.journal.draft(request.working_copy), self._located(request.path))

    def version(self, path: str, identity: int) -> Notebook:
        """The notebook that a kept state holds. Raises VersionUnknown, BlobDamaged, Malformed."""
        store = self._journal()
        found = store.versions.get(self._root_id(), path, identity)
        return read_notebook(read_base(found.chunks, store.blobs.get))

    def _look_at_files(self) -> None:
        """Tell the tabs whose notebook was written by somebody else."""
        if self._saver is None:
            return
        for live in list(self.live.values()):
            opening = live.opening
            if opening.mode != "full":
                continue
            try:
                path = self._locate(opening.path)
                status = path.stat()
                seen = (status.st_ino, status.st_size, status.st_mtime_ns)
                if live.seen == seen:
                    continue
                is_first, live.seen = live.seen is None, seen
                found = self._saver.present(path)
                if is_first and found == opening.base:
                    continue
            except (IndelibleError, OSError, LookupError):
                continue
            live.ask({"t": "file", "wc": opening.working_copy, "hash": found})

    def _located(self, path: str) -> Path:
        try:
            return self._locate(path)
        except LookupError as error:
            raise NotLocal(str(error)) from error

    def _keep_foreign(self, path: Path, content: bytes) -> None:
        """Somebody wrote a file after a save of ours was cut off."""
        assert self._saver is not None
        try:
            name = path.relative_to(self.root).as_posix()
        except ValueError:
            name = str(path)
        self._saver.keep_bytes(content, root=self._root_id(), name=name, source=Source.EXTERNAL)

    # -- drafts --

    def open_notebook(self, path: str, file_hash: str | None, tab: str) -> tuple[Recovered | None, list[Summary]]:
        """Answer of POST open: the draft to load instead of the file, adopted by `tab`, and the others."""
        store = self._journal()
        found = list(candidates(store.journal.working_copies(), path, self._root_id()))
        found = [one for one in found if not self._is_in_the_file(one, file_hash)]
        chosen = choose(found, file_hash, lambda one: self._is_held(one, tab))
        recovered = None
        if chosen is not None:
            adopted = store.journal.adopt(chosen.id, tab)
            recovered = self._whole(store.journal.draft(adopted.id), file_hash)
        others = [
            self._summary(store.journal.draft(one.id), file_hash)
            for one in found
            if one != chosen and one.state is not State.DISCARDED
        ]
        return recovered, others

    def _is_held(self, one: WorkingCopy, tab: str) -> bool:
        live = self.live.get(one.id)
        return live is not None and live.opening.tab != tab

    def _is_in_the_file(self, one: WorkingCopy, file_hash: str | None) -> bool:
        """Whether the file holds the draft already (a save whose note got lost): then it is dropped."""
        if one.loaded_from == file_hash or one.state is State.DISCARDED or one.id in self.live:
            return False
        try:
            file = self._read_file(one.path)
            if hashlib.sha256(file).hexdigest() != file_hash:
                return False
            whole = self._whole(self._journal().journal.draft(one.id), file_hash)
            if not same_notebook(whole.notebook.content, read_notebook(file)):
                return False
        except (IndelibleError, OSError, LookupError) as error:
            log.debug("Draft %s cannot be compared with its file: %s", one.id, error)
            return False
        self._journal().journal.close_working_copy(one.id, one.epoch, None)
        return True

    def _summary(self, draft: Draft, file_hash: str | None) -> Summary:
        return summarise(draft, is_live=draft.working_copy.id in self.live, file_hash=file_hash)

    def _whole(self, draft: Draft, file_hash: str | None) -> Recovered:
        store = self._journal()
        notebook = make_whole(draft, store.blobs.get, lambda: self._read_file(draft.working_copy.path))
        return Recovered(summary=self._summary(draft, file_hash), notebook=notebook)

    def drafts(self, path: str | None = None) -> list[Summary]:
        """All of them, or one notebook's; discarded ones included."""
        store = self._journal()
        root = self._root_id()
        found = [
            one
            for one in store.journal.working_copies()
            if one.is_draft and one.root == root and path in (None, one.path)
        ]
        return [self._summary(store.journal.draft(one.id), self._file_hash(one.path)) for one in found]

    def draft(self, working_copy: str) -> Recovered:
        """One, made whole. Raises WorkingCopyUnknown and what making it whole raises."""
        draft = self._journal().journal.draft(working_copy)
        return self._whole(draft, self._file_hash(draft.working_copy.path))

    def discard(self, working_copy: str) -> None:
        """Keep it, but never bring it back unasked."""
        journal = self._journal().journal
        one = journal.draft(working_copy).working_copy
        journal.close_working_copy(working_copy, one.epoch, State.DISCARDED)

    def _file_hash(self, path: str) -> str | None:
        try:
            return hashlib.sha256(self._read_file(path)).hexdigest()
        except (OSError, LookupError):
            return None

    # -- status --

    def status(self) -> dict[str, Any]:
        """What `indelible status` prints."""
        store = self.store
        oldest = min(self._inflight.values(), default=None)
        report: dict[str, Any] = {
            "root": self.root,
            "pid": os.getpid(),
            "journal": self.settings.journal,
            "autosave_interval_ms": self.settings.autosave_interval_ms,
            "oldest_unacked_s": None if oldest is None else round(time.monotonic() - oldest, 3),
            "unacked": len(self._inflight),
            "failures": dict(self.health.failures),
            "problems": self.problems(),
            "store": None,
            "working_copies": [],
        }
        if store is not None:
            place = store.place
            report["store"] = {
                "path": str(place.folder),
                "file_system": place.file_system,
                "exclusive": place.exclusive,
                "reason": place.reason,
                "free_bytes": free_bytes(place.folder),
            }
            report["working_copies"] = [
                {
                    "wc": one.id,
                    "path": one.path,
                    "seq": one.seq,
                    "saved_seq": one.saved_seq,
                    "is_draft": one.is_draft,
                    "edited_at": one.edited_at.isoformat(timespec="milliseconds"),
                    "state": "live" if one.id in self.live else one.state.value,
                }
                for one in store.journal.working_copies()
            ]
        return report
