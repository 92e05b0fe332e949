"""The drafts that can be had: through a running server, and from the journals that no process holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir

from ..errors import IndelibleError
from ..recovery import make_whole, summarise
from ..store.offline import open_offline
from .servers import running


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A draft; `content(file)` makes it whole, with the help of its file if its base was not kept.

    `file` is where its notebook is, as far as that is known.
    """

    working_copy: str
    path: str
    file: Path | None
    edited_at: str
    state: str
    cells_changed: int
    server: int | None
    content: Callable[[Path | None], dict[str, Any]]

    def to_json(self) -> dict[str, Any]:
        return {
            "wc": self.working_copy,
            "path": self.path,
            "file": None if self.file is None else str(self.file),
            "edited_at": self.edited_at,
            "state": self.state,
            "cells_changed": self.cells_changed,
            "server": self.server,
        }


def default_store() -> Path:
    return Path(jupyter_data_dir()) / "indelible"


def below(path: Path, place: Path) -> bool:
    """Whether `path` is `place` or below it."""
    return path.resolve().is_relative_to(place.resolve())


@contextmanager
def all_drafts(store: Path) -> Iterator[tuple[list[Found], list[IndelibleError]]]:
    """Every draft that can be had, newest first, and what could not be asked."""
    found: list[Found] = []
    errors: list[IndelibleError] = []
    for server in running():
        try:
            for one in server.get("drafts")["drafts"]:
                found.append(
                    Found(
                        working_copy=one["wc"],
                        path=one["path"],
                        file=server.root / one["path"],
                        edited_at=one["edited_at"],
                        state=one["state"],
                        cells_changed=one["cells_changed"],
                        server=server.pid,
                        content=lambda file, server=server, wc=one["wc"]: server.get(f"drafts/{wc}")["content"],  # type: ignore[misc]
                    )
                )
        except IndelibleError as error:
            errors.append(error)
    if not (store / "journals").is_dir():
        yield _sorted(found), errors
        return
    with open_offline(store) as offline:
        for draft in offline.drafts:
            summary = summarise(draft, is_live=False, file_hash=None)
            one = draft.working_copy
            found.append(
                Found(
                    working_copy=one.id,
                    path=one.path,
                    file=None,
                    edited_at=one.edited_at.isoformat(timespec="milliseconds"),
                    state=summary.state,
                    cells_changed=summary.cells_changed,
                    server=None,
                    content=lambda file, draft=draft: (
                        make_whole(draft, offline.get_blob, file.read_bytes if file else None).content
                    ),  # type: ignore[misc]
                )
            )
        yield _sorted(found), errors


def _sorted(found: list[Found]) -> list[Found]:
    return sorted(found, key=lambda one: one.edited_at, reverse=True)
