"""The values that travel between the parts: frozen, with no behaviour beyond their own shape.

The JSON forms of the same things are in docs/reference/protocol.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, NewType

Seq = NewType("Seq", int)
"""Number of an edit in its working copy, from 1."""

CellKey = NewType("CellKey", int)
"""A cell in its working copy, from 0; never reused while the working copy lives."""

BlobId = NewType("BlobId", bytes)
"""SHA-256 of a chunk's UTF-8 bytes: 32 bytes."""

Json = Any
"""Whatever json.loads gives."""


@dataclass(frozen=True, slots=True)
class Splice:
    """Replace `deleted` UTF-16 code units at `position` by `inserted`."""

    position: int
    deleted: int
    inserted: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk of a long text; `length` is in UTF-16 code units."""

    blob: BlobId
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A text as a journal row holds it: an origin, and splices to apply to it in turn.

    `origin` is the string itself, a tuple of chunks, or, as `bytes`, the SHA-256 of the UTF-8 of the
    base's own text in the same place. `rev` is None for a text that cannot be spliced.
    """

    origin: str | tuple[Chunk, ...] | bytes
    splices: tuple[Splice, ...] = ()
    rev: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextChange:
    """Splices for a text that the journal (or the base) has: applies to revision `of` only.

    `of` is a revision, or the SHA-256 of the base's text. `length` is the result's, in UTF-16 units.
    """

    splices: tuple[Splice, ...]
    of: int | bytes
    length: int
    rev: int | None


Path = tuple[str | int, ...]
"""Where in a JSON value: object keys and list indexes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """JSON with its long strings lifted out; `json` has None where `long` has a text."""

    json: Json
    long: Mapping[Path, Text] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuePatch:
    """Changes to the long strings of a value that the journal has."""

    changes: Mapping[Path, TextChange]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputsChange:
    """`length` outputs remain; those in `changed` are replaced or patched."""

    length: int
    changed: Mapping[int, Value | ValuePatch] = field(default_factory=dict)


class Unset(Enum):
    """Marks a part that an edit does not mention (None is a value of its own)."""

    UNSET = "unset"


UNSET = Unset.UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What is small and scalar in a cell."""

    cell_type: str
    id: str | None = None
    execution_count: int | None = None
    trusted: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CellChange:
    """The parts of one cell that changed."""

    key: CellKey
    head: Head | Unset = UNSET
    source: Text | TextChange | Unset = UNSET
    metadata: Value | Unset = UNSET
    attachments: Value | Unset | None = UNSET
    outputs: OutputsChange | Unset = UNSET


Runs = tuple[tuple[int, int], ...]
"""A list of cell keys, run-length encoded as (first key, count)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One record from a working copy: the parts that changed, applied as a whole or not at all."""

    working_copy: str
    epoch: int
    seq: Seq
    at_ms: int
    reset: bool = False
    order: Runs | Unset = UNSET
    meta: Value | Unset = UNSET
    cells: Sequence[CellChange] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A tab says which notebook it has open as which working copy, and from which base."""

    working_copy: str
    epoch: int
    path: str
    base: str | None
    cells: int
    seq: Seq
    mode: str
    tab: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A tab says that the file now holds everything up to `seq`, cells in this order."""

    working_copy: str
    epoch: int
    seq: Seq
    hash: str | None
    order: Runs


class State(str, Enum):
    """Of a working copy in the journal."""

    OPEN = "open"
    """Not closed by its tab (which may be gone all the same)."""
    AWAY = "away"
    """The tab said that it goes; the draft stays."""
    DISCARDED = "discarded"
    """The user closed it with Discard: kept, never brought back unasked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingCopy:
    """One open notebook in one tab, as the journal knows it.

    `base` is the .ipynb's SHA-256 (hex) or None when the journal holds every cell; `base_order` gives
    the base's cells their keys; `base_chunks` is set once the base's bytes are in the blob store.
    `loaded_from` is the file's SHA-256 that the tab last read or wrote, also when there is no base.
    `saved_seq` is the last edit that the file holds, `seq` the last one on disk here. `written` is the SHA-256 of
    what we last gave the file, or were about to, with everything up to `written_seq`, until the tab says `saved`.
    """

    id: str
    path: str
    root: str
    loaded_from: str | None
    base: str | None
    base_order: Runs
    base_chunks: tuple[Chunk, ...] | None
    epoch: int
    seq: Seq
    saved_seq: Seq
    mode: str
    state: State
    tab: str
    edited_at: datetime
    written: str | None = None
    written_seq: Seq = Seq(0)

    @property
    def is_draft(self) -> bool:
        """Whether it holds edits that its file does not."""
        return self.seq > self.saved_seq

    def is_made_from(self, file: str | None) -> bool:
        """Whether a file of this SHA-256 is what it was loaded from, or what we last wrote for it."""
        return file is not None and file in (self.loaded_from, self.written)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCell:
    """The parts of one cell that the journal holds; what is UNSET is as in the base."""

    head: Head | Unset = UNSET
    source: Text | Unset = UNSET
    metadata: Value | Unset = UNSET
    attachments: Value | Unset | None = UNSET
    outputs: Mapping[int, Value] | Unset = UNSET
    outputs_length: int | Unset = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """Everything that the journal holds of one working copy.

    With a base: `order` UNSET means the base's order, `meta` UNSET the base's, cells not in
    `cells` are the base's. `outputs_length` tells how many outputs there are; indexes that are
    missing from `outputs` are the base's.
    """

    working_copy: WorkingCopy
    order: Runs | Unset
    meta: Value | Unset
    cells: Mapping[CellKey, StoredCell]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is not protected now, and why.

    A warning is of something that has not failed yet. What is about a user's file keeps that from being saved, while
    its edits are safe in the journal.
    """

    code: str
    message: str
    hint: str
    since: datetime
    path: str | None = None
    is_warning: bool = False
    is_about_file: bool = False


class Source(str, Enum):
    """Why a version exists."""

    CHECKPOINT = "checkpoint"
    """The user (or Jupyter) made a checkpoint."""
    EXTERNAL = "external"
    """Somebody else had written the file, and a save was about to replace that."""
    CONFLICT = "conflict"
    """The user's own text, where it and the file's could not be merged."""
    SHRUNK = "shrunk"
    """A save dropped most of this."""
    RESTORED = "restored"
    """An older state was about to be brought back in place of this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A kept state of a notebook: the .ipynb's bytes as chunks. `id` is 0 until it is in the store.

    `deleted_at` is when its notebook was deleted: another notebook of the same path does not have it.
    """

    id: int = 0
    root: str
    path: str
    source: Source
    at: datetime
    hash: str
    size: int
    chunks: tuple[Chunk, ...]
    note: str = ""
    deleted_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Save:
    """A tab wants its notebook's file written, with everything up to `seq`.

    `file` is the SHA-256 of what the tab takes the file to hold; `digest` tells whether the tab and the journal hold
    the same (notebook/render.py). `is_trusted`: every output in it may be trusted, as far as Jupyter asks.
    `creates`: write the file also when it is gone. `by`: `user` or `autosave`, where the tab says so.
    """

    working_copy: str
    epoch: int
    seq: Seq
    id: int
    path: str
    file: str | None
    digest: str
    is_trusted: bool
    creates: bool
    by: str | None = None
