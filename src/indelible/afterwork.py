"""What an edit makes necessary after its ack, on threads of its own: keeping its base, folding long texts."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from .basekeeper import ReadFile, keep_base
from .errors import IndelibleError, WorkingCopyUnknown
from .folder import fold_text
from .model import Edit, Saved
from .store.holding import HeavyText
from .upkeep import Upkeep

log = logging.getLogger("indelible")


class Afterwork:
    """Two worker threads and what waits for them. Nothing here blocks; safe from any thread."""

    def __init__(self, upkeep: Upkeep, read_file: ReadFile) -> None:
        self._upkeep, self._read_file = upkeep, read_file
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="indelible")
        self._kept: set[str] = set()
        self._folding: set[tuple[str, int, int | None, tuple[str | int, ...]]] = set()

    def close(self) -> None:
        """Finish what waits."""
        self._workers.shutdown(wait=True)

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
        if one.base is None or one.base_chunks is not None or not one.is_draft:
            if not one.is_draft:
                self._kept.discard(working_copy)
            return
        saver = self._upkeep.saver
        if not keep_base(one, read=self._read_file, journal=store.journal, blobs=store.blobs, versions=store.versions):
            self._upkeep.tabs.ask_for_all(working_copy, "the file has changed")
        elif not saver.is_prepared(one.base):
            # Then the first save is as fast as the others.
            with contextlib.suppress(OSError, LookupError):
                saver.prepare(self._read_file(one.path))
