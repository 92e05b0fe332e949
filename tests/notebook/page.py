"""A small model of the page: a list of cells, and a recorder that follows docs/reference/protocol.md.

It keeps strings as Python does, but counts and cuts as JavaScript does. What it emits is JSON, so that
nothing passes from the page to the code under test but the protocol.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from indelible.notebook.chunks import chunk_text, is_well_formed
from indelible.notebook.nbjson import read_notebook, write_notebook

from .pagecell import Json, PageCell, PageOutput, PageText, js_length

WC = "0123456789abcdef0123456789abcdef"


@dataclass(frozen=True)
class Mark:
    """A save point: the recorder's seq, the order of cells, the file, and each cell's source in it."""

    seq: int
    order: Json
    file: bytes
    sources: dict[int, str]


class Page:
    """One open notebook. `blobs` is what was uploaded; `edit()` is what the recorder sends next."""

    def __init__(self, file: bytes) -> None:
        self.blobs: dict[bytes, bytes] = {}
        self.file = file
        self.base: str | None = hashlib.sha256(file).hexdigest()
        notebook = read_notebook(file)
        self.minor: int = notebook["nbformat_minor"]
        self.metadata: Json = notebook["metadata"]
        self.is_meta_dirty = self.is_order_dirty = False
        self.seq = self.rev = self.next_key = 0
        self.cells = [self._loaded(cell) for cell in notebook["cells"]]
        self.must_reset = False

    def _loaded(self, json: Json) -> PageCell:
        source = PageText(json["source"], self._base_rev(json["source"]), [])
        cell = PageCell(self.take_key(), json["cell_type"], json.get("id", f"made-{self.next_key}"), source)
        cell.metadata, cell.attachments = json["metadata"], json.get("attachments")
        cell.execution_count = json.get("execution_count")
        cell.outputs = [PageOutput(output) for output in json.get("outputs", [])]
        return cell

    def _base_rev(self, text: str) -> str | None:
        return f"base:{hashlib.sha256(text.encode()).hexdigest()}" if is_well_formed(text) else None

    def take_key(self) -> int:
        self.next_key += 1
        return self.next_key - 1

    def insert(self, index: int, cell: PageCell) -> None:
        """A cell that is new to the shared model: everything of it is to be sent."""
        self.cells.insert(index, cell)
        self._all_dirty(cell)
        self.is_order_dirty = True

    def _all_dirty(self, cell: PageCell) -> None:
        cell.source.pending = None
        cell.dirty = {"head", "source", "metadata", "attachments", "outputs"}
        cell.dirty_outputs = set(range(len(cell.outputs)))
        for output in cell.outputs:
            if output.stream is not None:
                output.stream.pending = None

    def content(self) -> Json:
        """What sharedModel.toJSON() gives (trust included where the server was told)."""
        cells = [cell.content(with_id=self.minor >= 5) for cell in self.cells]
        return {"nbformat": 4, "nbformat_minor": self.minor, "metadata": self.metadata, "cells": cells}

    def edit(self) -> str | None:
        """Everything that is dirty, as one edit message; None when nothing is."""
        if self.must_reset:
            for cell in self.cells:
                self._all_dirty(cell)
        dirty = [cell for cell in self.cells if cell.dirty]
        if not (dirty or self.is_order_dirty or self.is_meta_dirty or self.must_reset):
            return None
        self.seq += 1
        cells = [self._cell_change(cell) for cell in dirty]
        message: Json = {
            "t": "edit",
            "wc": WC,
            "epoch": 1,
            "seq": self.seq,
            "at": 1_764_000_000_000 + self.seq,
        }
        if self.must_reset:
            message["reset"], self.base = True, None
        if self.is_order_dirty or self.must_reset:
            message["order"] = self.order()
        if self.is_meta_dirty or self.must_reset:
            meta = {"nbformat": 4, "nbformat_minor": self.minor, "metadata": self.metadata}
            message["meta"] = self._value(meta)
        if cells:
            message["cells"] = cells
        self.must_reset = self.is_order_dirty = self.is_meta_dirty = False
        return json.dumps(message)

    def order(self) -> Json:
        runs: list[list[int]] = []
        for cell in self.cells:
            if runs and sum(runs[-1]) == cell.key:
                runs[-1][1] += 1
            else:
                runs.append([cell.key, 1])
        return runs

    def _cell_change(self, cell: PageCell) -> Json:
        change: Json = {"key": cell.key}
        if "head" in cell.dirty:
            change["head"] = {
                "cell_type": cell.cell_type,
                "id": cell.id if self.minor >= 5 else None,
                "execution_count": cell.execution_count,
                "trusted": cell.trusted,
            }
            cell.is_trust_known, cell.head_seq = True, self.seq
        if "source" in cell.dirty:
            change["source"] = self._text(cell.source)
        if "metadata" in cell.dirty:
            change["metadata"] = self._value(cell.metadata)
        if "attachments" in cell.dirty:
            change["attachments"] = None if cell.attachments is None else self._value(cell.attachments)
        if "outputs" in cell.dirty and cell.cell_type == "code":
            outputs = [[index, self._output(cell.outputs[index])] for index in sorted(cell.dirty_outputs)]
            change["outputs"] = {"len": len(cell.outputs), "set": outputs}
        cell.dirty, cell.dirty_outputs = set(), set()
        return change

    def _text(self, text: PageText) -> Json:
        of, pending = text.rev, text.pending
        self.rev += 3
        text.rev, text.pending, text.seq = self.rev, [], self.seq
        if pending is not None and of is not None:
            return {"splices": pending, "of": of, "len": js_length(text.text), "rev": text.rev}
        return self._whole(text.text, self.rev)

    def _whole(self, text: str, rev: int | None) -> Json:
        if js_length(text) < 16_384 or not is_well_formed(text):
            return text if rev is None else {"text": text, "rev": rev}
        form: Json = {"chunks": []}
        for content, length in chunk_text(text):
            name = hashlib.sha256(content).digest()
            self.blobs[name] = content
            form["chunks"].append([name.hex(), length])
        return form if rev is None else {**form, "rev": rev}

    def _output(self, output: PageOutput) -> Json:
        if output.stream is None:
            return self._value(output.json)
        if output.stream.pending is not None and output.stream.rev is not None:
            return {"patch": [[["text"], self._text(output.stream)]]}
        value = self._value(output.json)
        value["json"]["text"] = None
        value.setdefault("long", []).append([["text"], self._text(output.stream)])
        return value

    def _value(self, json: Json) -> Json:
        long: list[Json] = []
        lifted = self._lifted(json, (), long)
        return {"json": lifted, "long": long} if long else {"json": lifted}

    def _lifted(self, json: Json, path: tuple[str | int, ...], long: list[Json]) -> Json:
        if isinstance(json, str) and js_length(json) > 1_024:
            long.append([list(path), self._whole(json, None)])
            return None
        if isinstance(json, list):
            return [self._lifted(child, (*path, index), long) for index, child in enumerate(json)]
        if isinstance(json, dict):
            return {name: self._lifted(child, (*path, name), long) for name, child in json.items()}
        return json

    def mark(self) -> Mark:
        """The moment of a save, when everything is recorded: what the file will hold."""
        sources = {cell.key: cell.source.text for cell in self.cells}
        return Mark(self.seq, self.order(), write_notebook(self.content()), sources)

    def saved(self, mark: Mark) -> str:
        """Tell the server that the file holds everything up to `mark`. Once it is acked, `rebase`."""
        count = sum(run[1] for run in mark.order)
        message = {"t": "saved", "wc": WC, "epoch": 1, "seq": mark.seq, "order": mark.order}
        return json.dumps({**message, "hash": hashlib.sha256(mark.file).hexdigest(), "cells": count})

    def send_whole(self, key: int) -> None:
        """The server could not use a splice of this cell."""
        for cell in self.cells:
            if cell.key == key:
                self._all_dirty(cell)

    def rebase(self, mark: Mark) -> None:
        """What was not recorded again since `mark` is as in the base now."""
        self.file, self.base = mark.file, hashlib.sha256(mark.file).hexdigest()
        for cell in self.cells:
            cell.is_trust_known = cell.is_trust_known and cell.head_seq > mark.seq
            if cell.source.seq <= mark.seq and cell.key in mark.sources:
                cell.source.rev = self._base_rev(mark.sources[cell.key])
            for output in cell.outputs:
                if output.stream is not None and output.stream.seq <= mark.seq:
                    output.stream.rev = None
