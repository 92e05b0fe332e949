"""Drafts: which one answers the first read of a notebook, and getting one out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from .basekeeper import read_base
from .errors import BaseUnavailable
from .model import BlobId, Draft, State, WorkingCopy
from .notebook.compare import cells_changed
from .notebook.compose import Materialised, materialise

GetBlob = Callable[[BlobId], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """A draft in a list. `state` is "live" when a tab holds it now, else "away" or "discarded"."""

    working_copy: WorkingCopy
    state: str
    base_is_current: bool
    cells_changed: int
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """SUMMARY of docs/reference/protocol.md."""
        one = self.working_copy
        return {
            "wc": one.id,
            "path": one.path,
            "edited_at": one.edited_at.isoformat(timespec="milliseconds"),
            "state": self.state,
            "base": one.base,
            "base_is_current": self.base_is_current,
            "cells_changed": self.cells_changed,
            "bytes": self.bytes,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """A draft made whole."""

    summary: Summary
    notebook: Materialised

    def to_json(self) -> dict[str, Any]:
        """DRAFT of docs/reference/protocol.md."""
        one = self.summary.working_copy
        return self.summary.to_json() | {
            "epoch": one.epoch,
            "seq": one.seq,
            "keys": list(self.notebook.keys),
            "content": self.notebook.content,
        }


def state_of(one: WorkingCopy, *, is_live: bool) -> str:
    """As on the wire."""
    if one.state is State.DISCARDED:
        return "discarded"
    return "live" if is_live else "away"


def summarise(draft: Draft, *, is_live: bool, file_hash: str | None, size: int = 0) -> Summary:
    """`file_hash` is the file's SHA-256 now, None when there is no file or no hash."""
    one = draft.working_copy
    return Summary(
        working_copy=one,
        state=state_of(one, is_live=is_live),
        base_is_current=one.is_made_from(file_hash),
        cells_changed=cells_changed(draft),
        bytes=size,
    )


def make_whole(draft: Draft, get_blob: GetBlob, read_file: Callable[[], bytes] | None = None) -> Materialised:
    """The draft's notebook; its base from the blobs, or from the file when that is what it was.

    Raises BaseUnavailable, BlobUnknown, BlobDamaged, StoreDamaged.
    """
    base: bytes | None = None
    one = draft.working_copy
    if one.base is not None:
        if one.base_chunks is not None:
            base = read_base(one.base_chunks, get_blob)
        elif read_file is not None:
            try:
                base = read_file()
            except (OSError, LookupError) as error:
                raise BaseUnavailable(
                    f"the file that the draft builds on cannot be read: {error}", path=one.path
                ) from error
    return materialise(draft, base, get_blob)


def candidates(drafts: Iterable[WorkingCopy], path: str, root: str) -> Sequence[WorkingCopy]:
    """The drafts of a notebook, newest first; order is by the journal's own numbers where they can decide."""
    found = [one for one in drafts if one.path == path and one.root == root and one.is_draft]
    return sorted(found, key=lambda one: (one.edited_at, one.epoch, one.seq), reverse=True)


def choose(
    found: Sequence[WorkingCopy], file_hash: str | None, is_held: Callable[[WorkingCopy], bool]
) -> WorkingCopy | None:
    """The draft that answers the first read: the newest that was made from this very file, that nobody holds, that
    the user did not discard, and that was not merely recorded."""
    for one in found:
        if one.state is State.DISCARDED or one.mode != "full" or is_held(one):
            continue
        if one.is_made_from(file_hash):
            return one
    return None
