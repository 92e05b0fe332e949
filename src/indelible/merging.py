"""A notebook that was changed on both sides, in a tab and on the disk: kept, merged, and told to the tab."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .basekeeper import Bases, read_base
from .errors import BlobDamaged, BlobUnknown, JournalBehind, Malformed, NotANotebook
from .model import Draft, Source, Version
from .notebook.compare import same_json
from .notebook.merge import Conflict, Merged, merge
from .notebook.nbjson import Notebook, file_cell, file_metadata, read_notebook, without_trust, write_notebook
from .recovery import make_whole
from .saver import Saver
from .store.contract import Blobs, Versions

Cell = dict[str, Any]

NOTHING: Notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeRequest:
    """A tab at edit `seq` found that its file is no longer `file` (SHA-256)."""

    working_copy: str
    epoch: int
    seq: int
    path: str
    file: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeAnswer:
    """How the tab's cells and the file's become one; `kept` is the file's content, `mine` the tab's at a conflict."""

    theirs: str
    merged: Merged
    ours: Notebook
    theirs_notebook: Notebook
    kept: Version
    mine: Version | None

    def to_json(self, *, is_trusted: bool) -> dict[str, Any]:
        """The answer of POST merge (docs/reference/protocol.md). `is_trusted`: whether the file's outputs are."""
        notebook = self.merged.notebook
        return {
            "hash": self.theirs,
            "trusted": is_trusted,
            "cells": [self._cell(one.cell, one.ours, one.theirs) for one in self.merged.cells],
            "theirs": len(self.theirs_notebook["cells"]),
            "meta": {
                "nbformat": notebook["nbformat"],
                "nbformat_minor": notebook["nbformat_minor"],
                "metadata": notebook["metadata"],
            },
            "is_meta_ours": _same_meta(notebook, self.ours),
            "is_meta_theirs": _same_meta(notebook, self.theirs_notebook),
            "conflicts": [_conflict(one) for one in self.merged.conflicts],
            "kept": self.kept.id,
        }

    def _cell(self, cell: Cell, ours: int | None, theirs: int | None) -> dict[str, Any]:
        is_ours = ours is not None and _same_cell(cell, self.ours["cells"][ours])
        is_theirs = theirs is not None and _same_cell(cell, self.theirs_notebook["cells"][theirs])
        return {"ours": ours, "theirs": theirs, "is_theirs": is_theirs, "cell": None if is_ours else cell}


def _same_cell(a: Cell, b: Cell) -> bool:
    return a is b or same_json(file_cell(a), file_cell(b))


def _same_meta(a: Notebook, b: Notebook) -> bool:
    names = ("nbformat", "nbformat_minor")
    return all(a.get(name) == b.get(name) for name in names) and same_json(
        file_metadata(a["metadata"]), file_metadata(b["metadata"])
    )


def _conflict(one: Conflict) -> dict[str, Any]:
    return {"at": one.at, "kind": one.kind, "base": one.base, "ours": one.ours, "theirs": one.theirs}


class Merger:
    """Merges of one server. Safe from any thread; nothing is written but versions."""

    def __init__(self, saver: Saver, blobs: Blobs, versions: Versions, bases: Bases | None = None) -> None:
        self._saver, self._blobs, self._versions = saver, blobs, versions
        self._bases = bases or Bases()

    def merge(self, request: MergeRequest, draft: Draft, path: Path) -> MergeAnswer:
        """Keep what the file holds, and merge it with the draft.

        Raises FileGone, FileError; NotANotebook when the file is none (it is kept all the same); JournalBehind when
        the draft is not at `seq`; what making it whole raises.
        """
        one = draft.working_copy
        if one.seq != request.seq:
            raise JournalBehind(f"the journal is at edit {one.seq}", path=one.path)
        content = self._saver.read(path)
        digest = hashlib.sha256(content).hexdigest()
        kept = self._keep(one.root, one.path, content, digest, Source.EXTERNAL)
        try:
            theirs = read_notebook(content)
        except Malformed as error:
            raise NotANotebook(f"the file on disk is no notebook any more: {error}", path=path) from error
        ours = without_trust(make_whole(draft, self._blobs.get, lambda: content).content)
        merged = merge(self._base(draft, request.file), ours, theirs)
        mine = None
        if merged.conflicts:
            whole = write_notebook(ours)
            mine = self._keep(one.root, one.path, whole, hashlib.sha256(whole).hexdigest(), Source.CONFLICT)
        return MergeAnswer(theirs=digest, merged=merged, ours=ours, theirs_notebook=theirs, kept=kept, mine=mine)

    def _keep(self, root: str, path: str, content: bytes, digest: str, source: Source) -> Version:
        """Once, however often it is asked for; a checkpoint does not count, since the next one takes its place."""
        versions = self._versions.of(root, path)
        known = [one for one in versions if one.hash == digest and one.source is not Source.CHECKPOINT]
        if known:
            return known[-1]
        return self._saver.keep_bytes(content, root=root, name=path, source=source)

    def _base(self, draft: Draft, file: str | None) -> Notebook:
        """What both sides come from; an empty notebook when nothing of it is left: then all that differs conflicts."""
        one = draft.working_copy
        chunks = one.base_chunks
        if one.base is None or (file not in (None, one.base)):
            versions = self._versions.of(one.root, one.path)
            chunks = next((version.chunks for version in versions if version.hash == file), None)
            chunks = chunks or self._bases.find(file, self._blobs)
        if chunks is None:
            return NOTHING
        try:
            return read_notebook(read_base(chunks, self._blobs.get))
        except (BlobUnknown, BlobDamaged, Malformed):
            return NOTHING
