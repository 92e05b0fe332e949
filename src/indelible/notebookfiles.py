"""The notebooks' files as a server's tabs see them: saved, merged, watched."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from .basekeeper import Locate, read_base
from .errors import BaseUnavailable, FileChanged, FileGone, IndelibleError, NotLocal, SaveRefused, WorkingCopyUnknown
from .fs.replace import real_target
from .merging import MergeAnswer, Merger, MergeRequest
from .model import Draft, Save
from .notebook.nbjson import Notebook, read_notebook
from .saver import Sign, Written
from .space import Space
from .tabs import Live
from .upkeep import Upkeep


class NotebookFiles:
    """Calls block; safe from any thread."""

    def __init__(self, upkeep: Upkeep, locate: Locate) -> None:
        self._upkeep, self._locate = upkeep, locate
        self._space = Space(upkeep.health)

    def snapshot(self, request: Save) -> Draft | None:
        """What is to be written: the journal as it is now; None when there was no edit. Raises StoreError."""
        journal = self._upkeep.store.journal
        try:
            return self._upkeep.guarded(lambda: journal.draft(request.working_copy))
        except WorkingCopyUnknown:
            if request.seq > 0:
                raise SaveRefused("the journal has nothing of this notebook") from None
            return None

    def save(self, request: Save, draft: Draft | None, sign: Sign | None = None) -> Written:
        """Write the notebook's file; on return it is on disk. Raises what Saver.save raises, StoreError."""
        health = self._upkeep.health
        place = f"save {request.path}"
        try:
            path = self._located(request.path)
            written = (
                self._unedited(request, path) if draft is None else self._upkeep.saver.save(request, draft, path, sign)
            )
        except SaveRefused:
            raise
        except FileChanged:
            health.worked(place)
            raise
        except IndelibleError as error:
            health.failed(error, place=place)
            raise
        health.worked(place)
        self._space.saved(real_target(path).parent, written.size)
        return written

    def saved_by_jupyter(self, path: str) -> None:
        """Jupyter itself has written the notebook's file: whatever kept us from it is over."""
        self._upkeep.health.worked(f"save {path}")

    def _unedited(self, request: Save, path: Path) -> Written:
        """There is nothing to write: the file holds what the page does."""
        try:
            known = self._upkeep.saver.check(path, request.file)
        except FileGone as error:
            if request.creates:
                # The journal has no word of it, the page has all.
                raise SaveRefused("the file is gone, and the journal has nothing of it", path=error.path) from error
            raise
        return Written(hash=known, seq=request.seq, size=path.stat().st_size, is_changed=False, cells=-1)

    def merge(self, request: MergeRequest) -> MergeAnswer:
        """Keep what the file holds and merge it with a working copy. Raises what Merger.merge raises, StoreError."""
        store = self._upkeep.store
        merger = Merger(self._upkeep.saver, store.blobs, store.versions, self._upkeep.bases)
        try:
            return merger.merge(request, store.journal.draft(request.working_copy), self._located(request.path))
        except BaseUnavailable:
            # Written by somebody else before the base was kept: with everything from the tab it can be merged.
            self._upkeep.tabs.ask_for_all(request.working_copy, "the file has changed")
            raise

    def version(self, path: str, identity: int) -> Notebook:
        """The notebook that a kept state holds. Raises VersionUnknown, BlobDamaged, Malformed."""
        store = self._upkeep.store
        found = store.versions.get(self._upkeep.root_id, path, identity)
        return read_notebook(read_base(found.chunks, store.blobs.get))

    def watch(self) -> None:
        """Tell the tabs whose notebook was written by somebody else since the last call, and look at the free space."""
        for live in self._upkeep.tabs:
            if live.opening.mode == "full":
                found = self._news(live)
                if found is not None:
                    live.ask({"t": "file", "wc": live.opening.working_copy, "hash": found})
        self._space.look(self._sizes())

    def _sizes(self) -> Mapping[Path, int]:
        """For each folder that holds an open notebook, and for the store's: the size of the largest of them."""
        sizes: dict[Path, int] = {}
        for live in self._upkeep.tabs:
            if live.seen is not None:
                with contextlib.suppress(LookupError, OSError):
                    folder = real_target(self._locate(live.opening.path)).parent
                    sizes[folder] = max(sizes.get(folder, 0), live.seen[1])
        store = self._upkeep.store.folder
        sizes[store] = max(sizes.values(), default=0)
        return sizes

    def _news(self, live: Live) -> str | None:
        """SHA-256 of a file that looks different from the last time; None when there is nothing to tell."""
        try:
            path = self._locate(live.opening.path)
            status = path.stat()
            seen = (status.st_ino, status.st_size, status.st_mtime_ns)
            if live.seen == seen:
                return None
            found = self._upkeep.saver.present(path)
            # Not before: what could not be read is looked at again.
            is_first, live.seen = live.seen is None, seen
        except (IndelibleError, OSError, LookupError):
            return None
        return None if is_first and found == live.opening.base else found

    def _located(self, path: str) -> Path:
        try:
            return self._locate(path)
        except LookupError as error:
            raise NotLocal(str(error)) from error
