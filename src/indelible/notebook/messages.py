"""The client's messages that are not values of the model (docs/reference/protocol.md, "Page → server")."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..model import BlobId, Edit, Opening, Save, Saved, Seq


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """A tab connects."""

    protocol: int
    tab: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Have:
    """A tab has these chunks and asks which the server lacks."""

    id: int
    hashes: Sequence[BlobId]


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed:
    """The notebook of a working copy has another path now."""

    working_copy: str
    epoch: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """A tab closed its working copy: `clean`, `discard` or `away`."""

    working_copy: str
    epoch: int
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Is the server there?"""

    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A binary frame: a chunk's name and its bytes (not yet compared)."""

    blob: BlobId
    content: bytes


Message = Hello | Opening | Have | Edit | Save | Saved | Renamed | Closed | Ping


def address(message: Message) -> tuple[str, Seq] | None:
    """Working copy and seq that an ack or nack of this message names; None when it names none."""
    if isinstance(message, (Edit, Save, Saved, Opening)):
        return message.working_copy, message.seq
    if isinstance(message, (Renamed, Closed)):
        return message.working_copy, Seq(0)
    return None
