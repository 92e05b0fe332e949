"""What is done besides the acks, on threads of its own: keeping what edits build on, folding long texts."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .basekeeper import Locate, ReadFile, keep_base, keep_opened
from .errors import IndelibleError, WorkingCopyUnknown
from .folder import fold_text
from .model import Edit, Opening, Saved, WorkingCopy
from .store.holding import HeavyText
from .upkeep import Upkeep

log = logging.getLogger("indelible")

OPENED_BYTES = 4 * 2**20
"""A file up to this size is kept as soon as a tab has opened it, a larger one with the first edit."""


class Afterwork:
    """Two worker threads and what waits for them. Nothing here blocks; safe from any thread."""

    def __init__(self, upkeep: Upkeep, read_file: ReadFile, locate: Locate) -> None:
        self._upkeep, self._read_file, self._locate = upkeep, read_file, locate
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="indelible")
        self._kept: set[str] = set()
        self._folding: set[tuple[str, int, int | None, tuple[str | int, ...]]] = set()

    def close(self) -> None:
        """Finish what waits."""
        self._workers.shutdown(wait=True)

    def opened(self, opening: Opening) -> None:
        """A tab shows what this file holds: what its first edit will build on."""
        self.later(lambda: self._keep_opened(opening))

    def written(self, record: Edit | Saved) -> None:
        """The record is on disk."""
        if isinstance(record, Saved) or record.reset:
            self._kept.discard(record.working_copy)
        if record.working_copy not in self._kept:
            self._kept.add(record.working_copy)
            self.later(lambda: self._keep_base(record.working_copy))

    def forget(self, working_copy: str) -> None:
        """No tab has it any more."""
        self._kept.discard(working_copy)

    def fold(self, text: HeavyText) -> None:
        """This text has gathered many splices."""
        address = (text.working_copy, text.key, text.output, text.path)
        if address in self._folding:
            return
        self._folding.add(address)

        def work() -> None:
            try:
                store = self._upkeep.store
                fold_text(*address, journal=store.journal, blobs=store.blobs)
            finally:
                self._folding.discard(address)

        self.later(work)

    def later(self, work: Callable[[], object]) -> None:
        """Do it on a worker; its failure is a problem in `health`."""

        def guarded() -> None:
            try:
                self._upkeep.guarded(work)
            except WorkingCopyUnknown:
                return
            except IndelibleError as error:
                log.warning("Left for later: %s", error)

        try:
            self._workers.submit(guarded)
        except RuntimeError:
            log.debug("Closing: left for the next server")

    def _keep_base(self, working_copy: str) -> None:
        store = self._upkeep.store
        try:
            one = store.journal.draft(working_copy).working_copy
        except WorkingCopyUnknown:
            return
        if one.base is None or one.base_chunks is not None:
            return
        saver = self._upkeep.saver
        if not keep_base(
            one,
            read=self._read_file,
            journal=store.journal,
            blobs=store.blobs,
            versions=store.versions,
            bases=self._upkeep.bases,
        ):
            self._ask_for_all(one)
        elif not saver.is_prepared(one.base):
            # Then the first save is as fast as the others.
            with contextlib.suppress(OSError, LookupError):
                saver.prepare(self._read_file(one.path))

    def _ask_for_all(self, one: WorkingCopy) -> None:
        """What its edits build on is gone: unless it has none, or has got another base meanwhile."""
        # First, so that an edit which comes now tries again.
        self._kept.discard(one.id)
        now = self._upkeep.store.journal.draft(one.id).working_copy
        if now.is_draft and now.base == one.base and now.base_chunks is None:
            self._kept.add(one.id)
            self._upkeep.tabs.ask_for_all(one.id, "the file has changed")

    def _keep_opened(self, opening: Opening) -> None:
        store, bases = self._upkeep.store, self._upkeep.bases
        try:
            if self._locate(opening.path).stat().st_size > OPENED_BYTES:
                return
        except (OSError, LookupError):
            return
        keep_opened(
            opening,
            self._upkeep.root_id,
            read=self._read_file,
            blobs=store.blobs,
            versions=store.versions,
            bases=bases,
        )
