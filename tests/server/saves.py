"""A notebook with an acked edit, and a save of it, as a page asks for one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indelible.notebook.layout import mark_of
from indelible.notebook.nbjson import file_cell, read_notebook, write_notebook
from indelible.notebook.render import digest_of

from .conftest import Tab, new_copy


def cell(number: int, source: str) -> dict[str, Any]:
    rest: dict[str, Any] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    return rest | {"id": f"c{number}", "source": source}


def notebook(*sources: str) -> bytes:
    cells = [cell(number, source) for number, source in enumerate(sources)]
    return write_notebook({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def put(path: Path, content: bytes) -> str:
    """Write a file; its hash."""
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def sources(path: Path) -> list[str]:
    return [one["source"] for one in read_notebook(path.read_bytes())["cells"]]


@dataclass(slots=True)
class Book:
    """A notebook open in a tab."""

    tab: Tab
    path: Path
    name: str
    copy: str
    base: str
    sources: list[str]
    seq: int = 0

    async def type(self, number: int, source: str) -> dict[str, Any]:
        """Change a cell; the server's answer to the edit."""
        self.seq += 1
        answer = await self.tab.edit(self.copy, self.seq, cells=[{"key": number, "source": source}])
        self.sources[number] = source
        return answer

    async def save(self, **more: Any) -> dict[str, Any]:
        """Have the server write the file; its answer."""
        marks = [mark_of(file_cell(cell(number, source))) for number, source in enumerate(self.sources)]
        message = {
            "t": "save",
            "wc": self.copy,
            "epoch": 1,
            "seq": self.seq,
            "id": 1,
            "path": self.name,
            "file": self.base,
            "digest": digest_of(marks, with_ids=True),
            "trusted": False,
        }
        return await self.tab.ask(message | more, "wrote", "unsaved")


async def open_book(tab: Tab, path: Path, texts: Sequence[str] = ("one", "two")) -> Book:
    """Write a notebook, and open it in the tab."""
    base = put(path, notebook(*texts))
    book = Book(tab, path, path.name, new_copy(), base, list(texts))
    await tab.open(book.copy, book.name, base, len(texts))
    return book
