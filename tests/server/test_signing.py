"""The signature of a file is the one that Jupyter itself computes, whatever was signed before."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import nbformat
import pytest
from nbformat.sign import NotebookNotary

from indelible.notebook.layout import Layout, read_layout
from indelible.notebook.nbjson import write_notebook
from indelible.server.signing import Signer

HTML = {"output_type": "display_data", "metadata": {}, "data": {"text/html": "<b>rich</b>", "text/plain": "x"}}


@pytest.fixture
def notary() -> Iterator[NotebookNotary]:
    made = NotebookNotary(db_file=":memory:", secret=b"secret")  # type: ignore[no-untyped-call]
    yield made
    made.store.close()


def notebook(*sources: str, **more: Any) -> dict[str, Any]:
    cells = [
        {"cell_type": "code", "id": f"c{n}", "execution_count": n, "metadata": {}, "outputs": [HTML], "source": source}
        for n, source in enumerate(sources)
    ]
    return {"cells": cells, "metadata": {"kernelspec": {"name": "python3"}}, "nbformat": 4, "nbformat_minor": 5} | more


def after(content: bytes, before: Layout | None, changed: set[int]) -> Layout:
    """The layout as a save makes it: a cell that has not changed keeps its mark."""
    layout = read_layout(content)
    assert layout is not None
    if before is None:
        return layout
    cells = [
        span if index in changed or index >= len(before.cells) else replace(span, mark=before.cells[index].mark)
        for index, span in enumerate(layout.cells)
    ]
    return replace(layout, cells=cells)


async def signed(signer: Signer, content: bytes, layout: Layout) -> list[tuple[int, int]]:
    """Sign it; the spans that were read for that."""
    spans: list[tuple[int, int]] = []

    def read(start: int, end: int) -> bytes:
        spans.append((start, end))
        return content[start:end]

    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, lambda: signer.sign(loop, "n.ipynb", layout, read))
    return spans


def is_trusted(notary: NotebookNotary, content: bytes) -> bool:
    return bool(notary.check_signature(nbformat.reads(content.decode(), as_version=4)))  # type: ignore[no-untyped-call]


async def test_jupyter_finds_the_signature_after_each_of_many_saves(notary: NotebookNotary) -> None:
    signer = Signer(notary)
    sources = ["one\nline", "two 数据 😀", "three", "four"]
    layout: Layout | None = None
    for index in (0, 3, 1, 2, 2, 0):
        sources[index] += "\nmore"
        content = write_notebook(notebook(*sources))
        layout = after(content, layout, {index})
        assert not is_trusted(notary, content)
        await signed(signer, content, layout)
        assert is_trusted(notary, content)
        assert await signer.is_signed(notebook(*sources))


async def test_cells_before_the_changed_one_are_not_read_again(notary: NotebookNotary) -> None:
    signer = Signer(notary)
    content = write_notebook(notebook("a", "b", "c"))
    layout = after(content, None, set())
    assert len(await signed(signer, content, layout)) == 3
    content = write_notebook(notebook("a", "b", "changed"))
    layout = after(content, layout, {2})
    assert await signed(signer, content, layout) == [(layout.cells[2].start, layout.cells[2].end)]
    assert is_trusted(notary, content)


async def test_cells_that_went_or_came_and_other_metadata_count(notary: NotebookNotary) -> None:
    signer = Signer(notary)
    content = write_notebook(notebook("a", "b", "c"))
    layout = after(content, None, set())
    await signed(signer, content, layout)
    for other in (notebook("a", "b"), notebook("a", "b", "c", "d"), notebook("a", "b", metadata={"x": [1, 2.5, None]})):
        content = write_notebook(other)
        layout = after(content, layout, {2, 3})
        await signed(signer, content, layout)
        assert is_trusted(notary, content)
    # A member that stands before the cells changes the state at each of them.
    content = write_notebook(notebook("a", "b", aaa="first"))
    await signed(signer, content, after(content, layout, set()))
    assert is_trusted(notary, content)


async def test_what_nobody_signed_is_not_trusted(notary: NotebookNotary) -> None:
    signer = Signer(notary)
    content = write_notebook(notebook("a"))
    await signed(signer, content, after(content, None, set()))
    assert not await signer.is_signed(notebook("b"))
    assert not await signer.is_signed(notebook("\ud83d"))
