"""Checkpoints in Jupyter's sense: of each notebook the one state that the user can go back to, as a version."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from .basekeeper import read_base
from .errors import IndelibleError, StoreError
from .model import Source, State, Version
from .notebook.nbjson import without_trust, write_notebook
from .recovery import candidates, make_whole
from .upkeep import Upkeep

log = logging.getLogger("indelible")


class Checkpoints:
    """Calls block; safe from any thread. `path` is the notebook's API path, `file` where it is.

    `within_s`: how long another save of the file is waited for (below 0: as long as it takes).
    """

    def __init__(self, upkeep: Upkeep) -> None:
        self._upkeep = upkeep

    def create(self, path: str, file: Path, within_s: float = -1) -> Version:
        """Keep what the file holds; on return it is on disk, and has taken the last checkpoint's place.

        Raises FileGone, FileError, NotLocal, StoreError; then the last checkpoint is still there.
        """
        versions, saver = self._upkeep.store.versions, self._upkeep.saver
        content = saver.read(file, within_s)
        kept = self._keep(path, content, Source.CHECKPOINT, like=self.newest(path))
        self._upkeep.guarded(lambda: versions.drop_older(kept))
        return kept

    def newest(self, path: str) -> Version | None:
        """The notebook's checkpoint. Raises StoreError."""
        versions, root = self._upkeep.store.versions, self._upkeep.root_id
        return self._upkeep.guarded(lambda: versions.newest(root, path, Source.CHECKPOINT))

    def content(self, checkpoint: Version) -> bytes:
        """The bytes that the file held. Raises BlobUnknown, BlobDamaged, StoreError."""
        return read_base(checkpoint.chunks, self._upkeep.store.blobs.get)

    def restore(self, path: str, file: Path, content: bytes, within_s: float = -1) -> None:
        """Make `content` what the file holds, whole and on disk; a missing file is made.

        What this replaces is kept before: the file's content, and edits that were not saved yet. Raises FileGone
        (its folder is missing), FileError, NotLocal, StoreError; then the file is as it was.
        """
        saver, root = self._upkeep.saver, self._upkeep.root_id
        self._keep_drafts(path, file)
        self._upkeep.guarded(
            lambda: saver.put(file, content, root=root, name=path, source=Source.RESTORED, within_s=within_s)
        )

    def remove(self, checkpoint: Version) -> None:
        """Forget it. Raises StoreError."""
        versions = self._upkeep.store.versions
        self._upkeep.guarded(lambda: versions.remove(checkpoint.id))

    def deleted(self, path: str, copies: Sequence[bytes] = ()) -> None:
        """The notebook, or the folder with all that was in it, is deleted: a new one of that path has no checkpoint.

        What was kept of it stays in the store, and `copies` with it: checkpoints that Jupyter itself had made.
        Raises StoreError.
        """
        versions, root = self._upkeep.store.versions, self._upkeep.root_id
        for content in copies:
            self._keep(path, content, Source.CHECKPOINT)
        self._upkeep.guarded(lambda: versions.delete(root, path, self._upkeep.clock.now()))

    def _keep(self, path: str, content: bytes, source: Source, note: str = "", like: Version | None = None) -> Version:
        saver, root = self._upkeep.saver, self._upkeep.root_id
        return self._upkeep.guarded(
            lambda: saver.keep_bytes(content, root=root, name=path, source=source, note=note, like=like)
        )

    def _keep_drafts(self, path: str, file: Path) -> None:
        """A page that shows an older state drops what it had not saved."""
        store = self._upkeep.store
        for one in candidates(store.journal.working_copies(), path, self._upkeep.root_id):
            if one.state is State.DISCARDED:
                continue
            try:
                whole = make_whole(store.journal.draft(one.id), store.blobs.get, file.read_bytes)
                self._keep(path, write_notebook(without_trust(whole.content)), Source.RESTORED, "edits not saved")
            except StoreError:
                raise
            except IndelibleError as error:
                log.warning("Edits of %s that were not saved stay in the journal only: %s", path, error)
