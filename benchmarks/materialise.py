"""What the pure core costs: chunking 50 MB, replaying a draft of 1,000 changed cells, parsing an edit.

Run: python -m benchmarks.materialise
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from random import Random

from indelible.model import (
    CellChange,
    CellKey,
    Edit,
    Head,
    Opening,
    OutputsChange,
    Seq,
    Splice,
    Text,
    TextChange,
    Value,
)
from indelible.notebook.apply import apply_edit, opened_draft
from indelible.notebook.chunks import blob_id, chunk_bytes, chunk_text, name_chunks
from indelible.notebook.compose import materialise
from indelible.notebook.nbjson import write_notebook
from indelible.notebook.text import splice, text_digest
from indelible.notebook.wire import parse
from indelible.notebook.wirejson import edit_to_json

WC = "0" * 32
MB = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure: the best of several runs."""

    name: str
    milliseconds: float
    note: str = ""


def best_of(runs: int, act: Callable[[], object]) -> float:
    """Milliseconds of the fastest run."""
    durations = []
    for _ in range(runs):
        start = time.perf_counter()
        act()
        durations.append(time.perf_counter() - start)
    return min(durations) * 1_000


def chunking() -> list[Figure]:
    """50 MB as source lines, as base64 without a newline, and as Chinese text."""
    dice = Random(1)
    lines = "".join(f"value_{dice.random()} = compute({index})\n" for index in range(1_200_000)).encode()[: 50 * MB]
    base64 = b"iVBORw0KGgoAAAANSUhEUgAA" * (50 * MB // 24)
    chinese = "数据分析:第一行写到磁盘上\n" * (50 * MB // 40)
    inputs: list[tuple[str, int, Callable[[], object]]] = [
        ("lines", len(lines), lambda: list(chunk_bytes(lines))),
        ("lines, named", len(lines), lambda: [blob_id(chunk) for chunk in chunk_bytes(lines)]),
        ("base64", len(base64), lambda: list(chunk_bytes(base64))),
        ("Chinese, with lengths", len(chinese.encode()), lambda: chunk_text(chinese)),
    ]
    figures = []
    for name, size, act in inputs:
        took = best_of(3, act)
        figures.append(Figure(name=f"chunk 50 MB: {name}", milliseconds=took, note=f"{size / took / 1_000:.0f} MB/s"))
    return figures


def replay() -> Figure:
    """1,000 of 1,200 cells changed: half by a splice, half with chunks, streams and images."""
    source = "".join(f"value_{index} = compute({index})\n" for index in range(40))
    cells = [
        {"cell_type": "code", "id": f"c{index}", "metadata": {}, "source": f"# {index}\n{source}",
         "execution_count": index, "outputs": []}
        for index in range(1_200)
    ]  # fmt: skip
    base = write_notebook({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    blobs: dict[bytes, bytes] = {}
    changes = [_change(index, f"# {index}\n{source}", blobs) for index in range(1_000)]
    opening = Opening(
        working_copy=WC, epoch=1, path="a.ipynb", base=hashlib.sha256(base).hexdigest(), cells=len(cells),
        seq=Seq(0), mode="full", tab=WC,
    )  # fmt: skip
    empty = opened_draft(opening, "root", datetime(2025, 1, 1, tzinfo=timezone.utc))
    edit = Edit(working_copy=WC, epoch=1, seq=Seq(1), at_ms=0, cells=changes)
    draft = apply_edit(empty, edit)
    took = best_of(5, lambda: materialise(draft, base, blobs.__getitem__))
    total = len(base) + sum(len(content) for content in blobs.values())
    note = f"aim 100 ms; base {len(base) / MB:.1f} MB, {total / MB:.1f} MB in all"
    return Figure(name="replay 1,000 changed cells", milliseconds=took, note=note)


def _change(index: int, source: str, blobs: dict[bytes, bytes]) -> CellChange:
    if index % 2:
        change = TextChange(
            splices=(Splice(5, 0, "typed"), Splice(90, 3, "😀")),
            of=text_digest(source),
            length=len(source) + 4,
            rev=1,
        )
        return CellChange(key=CellKey(index), source=change)
    pairs = chunk_text(f"{index}: " + "iVBORw0KGgoAAAANSUhEUgAA" * 1_000)
    blobs.update((blob_id(content), content) for content, _ in pairs)
    image = Value(
        json={"output_type": "display_data", "data": {"image/png": None}, "metadata": {}},
        long={("data", "image/png"): Text(origin=name_chunks(pairs))},
    )
    stream = Value(
        json={"output_type": "stream", "name": "stdout", "text": None},
        long={("text",): Text(origin="epoch 1\n" * 100, rev=2)},
    )
    return CellChange(
        key=CellKey(index),
        head=Head(cell_type="code", id=f"c{index}", execution_count=index, trusted=True),
        source=Text(origin=source + "more", rev=1),
        outputs=OutputsChange(length=2, changed={0: image, 1: stream}),
    )


def edits() -> list[Figure]:
    """Parsing what a key sends, and what a reset of 1,000 cells sends; a splice in 1 MB."""
    typed = TextChange(splices=(Splice(7, 0, "x"),), of=3, length=90, rev=4)
    one = _message([CellChange(key=CellKey(3), source=typed)])
    many = _message([_change(at, "x\n" * 200, {}) for at in range(1_000)])
    text = "line of text 😀\n" * 65_000
    middle = (Splice(500_000, 1, "é"),)
    figures: list[tuple[str, str, Callable[[], object]]] = [
        ("parse one key's edit", f"{len(one)} bytes", lambda: parse(one)),
        ("parse 1,000 cells", f"{len(many):,} bytes", lambda: parse(many)),
        ("one splice in 1 MB, not ASCII", "", lambda: splice(text, middle)),
    ]
    return [Figure(name=name, milliseconds=best_of(10, act), note=note) for name, note, act in figures]


def _message(cells: list[CellChange]) -> str:
    return json.dumps(edit_to_json(Edit(working_copy=WC, epoch=1, seq=Seq(9), at_ms=0, cells=cells)))


def measure() -> list[Figure]:
    """Every figure, in the order of the table."""
    return [*chunking(), replay(), *edits()]


def main() -> None:
    for figure in measure():
        print(f"{figure.name:40} {figure.milliseconds:9.2f} ms   {figure.note}")


if __name__ == "__main__":
    main()
