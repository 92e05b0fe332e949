"""What the files do not hold yet: listed, brought back, discarded."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

from .basekeeper import ReadFile
from .errors import IndelibleError
from .model import Draft, State, WorkingCopy
from .notebook.compare import same_notebook
from .notebook.nbjson import read_notebook
from .recovery import Recovered, Summary, candidates, choose, make_whole, summarise
from .upkeep import Upkeep

log = logging.getLogger("indelible")


class Drafts:
    """Calls block; safe from any thread. All raise StoreError when there is no store."""

    def __init__(self, upkeep: Upkeep, read_file: ReadFile) -> None:
        self._upkeep, self._read_file = upkeep, read_file

    def open_notebook(self, path: str, file_hash: str | None, tab: str) -> tuple[Recovered | None, Sequence[Summary]]:
        """Answer of POST open: the draft to load instead of the file, adopted by `tab`, and the others."""
        journal = self._upkeep.store.journal
        found = list(candidates(journal.working_copies(), path, self._upkeep.root_id))
        found = [one for one in found if not self._is_in_the_file(one, file_hash)]
        chosen = choose(found, file_hash, lambda one: self._upkeep.tabs.is_held_by_another(one.id, tab))
        recovered = None
        if chosen is not None:
            adopted = journal.adopt(chosen.id, tab)
            recovered = self._whole(journal.draft(adopted.id), file_hash)
        others = [
            self._summary(journal.draft(one.id), file_hash)
            for one in found
            if one != chosen and one.state is not State.DISCARDED
        ]
        return recovered, others

    def every(self, path: str | None = None) -> Sequence[Summary]:
        """All of them, or one notebook's; discarded ones included."""
        journal, root = self._upkeep.store.journal, self._upkeep.root_id
        found = [
            one for one in journal.working_copies() if one.is_draft and one.root == root and path in (None, one.path)
        ]
        return [self._summary(journal.draft(one.id), self._file_hash(one.path)) for one in found]

    def one(self, working_copy: str) -> Recovered:
        """One, made whole. Raises WorkingCopyUnknown and what making it whole raises."""
        draft = self._upkeep.store.journal.draft(working_copy)
        return self._whole(draft, self._file_hash(draft.working_copy.path))

    def discard(self, working_copy: str) -> None:
        """Keep it, but never bring it back unasked. Raises WorkingCopyUnknown."""
        journal = self._upkeep.store.journal
        one = journal.draft(working_copy).working_copy
        journal.close_working_copy(working_copy, one.epoch, State.DISCARDED)

    def _is_in_the_file(self, one: WorkingCopy, file_hash: str | None) -> bool:
        """Whether the file holds the draft already (a save whose note got lost): then it is dropped."""
        if one.loaded_from == file_hash or one.state is State.DISCARDED or one.id in self._upkeep.tabs:
            return False
        journal = self._upkeep.store.journal
        try:
            file = self._read_file(one.path)
            if hashlib.sha256(file).hexdigest() != file_hash:
                return False
            whole = self._whole(journal.draft(one.id), file_hash)
            if not same_notebook(whole.notebook.content, read_notebook(file)):
                return False
        except (IndelibleError, OSError, LookupError) as error:
            log.debug("Draft %s cannot be compared with its file: %s", one.id, error)
            return False
        journal.close_working_copy(one.id, one.epoch, None)
        return True

    def _summary(self, draft: Draft, file_hash: str | None) -> Summary:
        return summarise(draft, is_live=draft.working_copy.id in self._upkeep.tabs, file_hash=file_hash)

    def _whole(self, draft: Draft, file_hash: str | None) -> Recovered:
        get_blob = self._upkeep.store.blobs.get
        notebook = make_whole(draft, get_blob, lambda: self._read_file(draft.working_copy.path))
        return Recovered(summary=self._summary(draft, file_hash), notebook=notebook)

    def _file_hash(self, path: str) -> str | None:
        try:
            return hashlib.sha256(self._read_file(path)).hexdigest()
        except (OSError, LookupError):
            return None
