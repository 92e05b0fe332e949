"""The composition root: joins the parts into what a server needs. Knows nothing of Jupyter."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .afterwork import Afterwork
from .basekeeper import Locate, ReadFile
from .checkpointing import Checkpoints
from .clock import Clock, SystemClock
from .config import Settings
from .drafts import Drafts
from .errors import BlobUnknown, IndelibleError, JournalOff, Malformed, StoreDamaged, StoreError
from .fs import free_bytes
from .health import Health
from .meter import Meter, NoMeter
from .model import BlobId, Edit, Opening, Saved, Seq, State, WorkingCopy
from .notebookfiles import NotebookFiles
from .store.contract import Done
from .store.references import blobs_in_edit
from .store.store import Store
from .tabs import Ask, Tabs
from .upkeep import Upkeep


def _nowhere(path: str) -> Path:
    raise LookupError("notebooks are no local files here")


class Service:
    """Protection of the notebooks below one root directory.

    `files` saves and merges, `drafts` brings back, `checkpoints` are Jupyter's. Calls block (run them in an executor)
    unless they say otherwise, and are safe from any thread.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        root: Path | str,
        read_file: ReadFile,
        locate: Locate = _nowhere,
        clock: Clock | None = None,
        meter: Meter | None = None,
    ) -> None:
        """Nothing is opened before `start`. `read_file` gives a notebook's bytes by API path, `locate` its file.

        Both raise LookupError where notebooks are no local files.
        """
        self.settings = settings
        clock = clock or SystemClock()
        self.health = Health(clock)
        self.tabs = Tabs()
        self.upkeep = Upkeep(settings, root=root, clock=clock, health=self.health, tabs=self.tabs)
        self.root = self.upkeep.root
        self.files = NotebookFiles(self.upkeep, locate)
        self.drafts = Drafts(self.upkeep, read_file)
        self.checkpoints = Checkpoints(self.upkeep)
        self._afterwork = Afterwork(self.upkeep, read_file, locate)
        self.upkeep.on_heavy = self._afterwork.fold
        self._meter = meter or NoMeter()
        self._inflight: dict[tuple[str, int], float] = {}

    @property
    def store(self) -> Store | None:
        """The store, while there is one. Does not block."""
        return self.upkeep.is_open

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
        self._afterwork.close()
        self.upkeep.close()

    def tick(self) -> None:
        """Every few seconds: keep the store in order."""
        if self.settings.journal:
            self.upkeep.tick()

    def watch(self) -> None:
        """Every second, in a thread that may hang: look whether somebody else has written an open notebook."""
        if self.store is not None:
            self.files.watch()

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
                "is_warning": one.is_warning,
                "is_about_file": one.is_about_file,
            }
            for one in self.health.problems
        ]

    def open(self, opening: Opening, ask: Ask) -> WorkingCopy | None:
        """A connected tab has this working copy open; what the journal knows of it. Raises Superseded, StoreError."""
        self.tabs.opened(opening, ask)
        known = self.upkeep.store.journal.open(opening, self.upkeep.root_id)
        if known is None or known.base_chunks is None:
            self._afterwork.opened(opening)
        return known

    def left(self, working_copy: str, ask: Ask) -> None:
        """The connection that had it open is gone. Does not block."""
        self.tabs.left(working_copy, ask)
        if working_copy not in self.tabs:
            self._afterwork.forget(working_copy)

    def lacking(self, blobs: Sequence[BlobId]) -> list[BlobId]:
        """Those that are not here."""
        return self.upkeep.store.blobs.lacking(blobs)

    def upload(self, blob: BlobId, content: bytes) -> None:
        """Store a chunk; on return it is on disk. Raises Malformed when its bytes are not what its name says."""
        if hashlib.sha256(content).digest() != blob:
            raise Malformed("the chunk's bytes are not what its name says")
        self.upkeep.guarded(lambda: self.upkeep.store.blobs.put([content]))

    def needs_check(self, record: Edit | Saved) -> bool:
        """Whether `submit` would block: the record names blobs. Does not block."""
        return isinstance(record, Edit) and any(True for _ in blobs_in_edit(record))

    def submit(self, record: Edit | Saved, done: Done) -> None:
        """Queue a record; `done` is called on another thread. Does not block unless `needs_check(record)`."""
        store = self.upkeep.store
        if isinstance(record, Edit):
            missing = store.blobs.lacking(list(blobs_in_edit(record))) if self.needs_check(record) else []
            if missing:
                raise BlobUnknown([blob.hex() for blob in missing])
        address = record.working_copy, record.seq
        began = self._inflight[address] = time.monotonic()

        def finished(seq: Seq | None, error: BaseException | None) -> None:
            self._inflight.pop(address, None)
            if error is not None:
                self._not_written(error)
            elif seq is not None:
                if isinstance(record, Edit):
                    self._meter.acked(time.monotonic() - began)
                self._afterwork.written(record)
            done(seq, error)

        store.journal.submit(record, finished)

    def _not_written(self, error: BaseException) -> None:
        """A refusal is the page's to mend; a failure of the disk, or a defect of ours, is for everybody to see."""
        if not isinstance(error, IndelibleError):
            error = IndelibleError(f"a defect kept an edit from being written: {error!r}")
        elif not isinstance(error, StoreError):
            return
        self._meter.not_acked(error.code)
        self.health.failed(error)
        if isinstance(error, StoreDamaged):
            self._afterwork.later(self.tick)

    def close_working_copy(self, working_copy: str, epoch: int, how: str) -> None:
        """`clean`, `discard` or `away`. Raises Superseded, StoreError."""
        state = {"clean": None, "discard": State.DISCARDED, "away": State.AWAY}[how]
        self.tabs.closed(working_copy)
        self._afterwork.forget(working_copy)
        self.upkeep.bases.forget(working_copy)
        self.upkeep.store.journal.close_working_copy(working_copy, epoch, state)

    def renamed(self, working_copy: str | None, old: str, new: str) -> None:
        """One working copy's notebook, or everything at and below `old`, has another path. May be told twice."""
        store, root = self.upkeep.store, self.upkeep.root_id
        store.journal.rename(working_copy, old, new, root)
        if working_copy is None:
            store.versions.rename(root, old, new, self.upkeep.clock.now())
        self.tabs.renamed(working_copy, old, new)

    # -- status --

    def unacked(self) -> tuple[int, float]:
        """Number of edits that wait for their ack, and how long the oldest has, in seconds. Does not block."""
        # A list is made in one step, while other threads go on adding and removing.
        waiting = list(self._inflight.values())
        return len(waiting), time.monotonic() - min(waiting) if waiting else 0.0

    def status(self) -> dict[str, Any]:
        """What `indelible status` prints."""
        store = self.store
        unacked, oldest = self.unacked()
        report: dict[str, Any] = {
            "root": self.root,
            "pid": os.getpid(),
            "journal": self.settings.journal,
            "autosave_interval_ms": self.settings.autosave_interval_ms,
            "oldest_unacked_s": round(oldest, 3) if unacked else None,
            "unacked": unacked,
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
                    "state": "live" if one.id in self.tabs else one.state.value,
                }
                for one in store.journal.working_copies()
            ]
        return report
