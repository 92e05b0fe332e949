"""What stands in the model page: texts, outputs and cells, and which of their parts are not recorded yet."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

Json = Any


def units(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def js_length(text: str) -> int:
    return len(units(text)) // 2


def js_splice(text: str, position: int, deleted: int, inserted: str) -> str:
    whole = units(text)
    whole = whole[: 2 * position] + units(inserted) + whole[2 * (position + deleted) :]
    return whole.decode("utf-16-le", "surrogatepass")


@dataclass
class PageText:
    """A string, the revision that the server has of it, and the splices made since (None: send it whole)."""

    text: str
    rev: int | str | None = None
    pending: list[list[Any]] | None = None
    seq: int = 0

    def splice(self, position: int, deleted: int, inserted: str) -> None:
        self.text = js_splice(self.text, position, deleted, inserted)
        if self.pending is not None:
            self.pending.append([position, deleted, inserted])

    def replace(self, text: str) -> None:
        self.text, self.pending = text, None


@dataclass
class PageOutput:
    """An output's JSON; the text of a stream stands in `stream`."""

    json: Json
    stream: PageText | None = None

    def content(self) -> Json:
        output = copy.deepcopy(self.json)
        if self.stream is not None:
            output["text"] = self.stream.text
        return output


@dataclass
class PageCell:
    """A cell as JupyterLab's shared model has it, and which of its parts are not recorded yet."""

    key: int
    cell_type: str
    id: str
    source: PageText
    metadata: Json = field(default_factory=dict)
    attachments: Json = None
    execution_count: int | None = None
    outputs: list[PageOutput] = field(default_factory=list)
    trusted: bool = True
    is_trust_known: bool = False
    head_seq: int = 0
    dirty: set[str] = field(default_factory=set)
    dirty_outputs: set[int] = field(default_factory=set)

    def content(self, with_id: bool) -> Json:
        cell: Json = {"cell_type": self.cell_type, "source": self.source.text}
        cell["metadata"] = copy.deepcopy(self.metadata)
        if with_id:
            cell["id"] = self.id
        if self.attachments is not None:
            cell["attachments"] = copy.deepcopy(self.attachments)
        if self.cell_type == "code":
            cell["execution_count"] = self.execution_count
            cell["outputs"] = [output.content() for output in self.outputs]
            if self.is_trust_known:
                cell["metadata"]["trusted"] = self.trusted
        return cell

    def truncate(self, length: int) -> None:
        del self.outputs[length:]
        self.dirty_outputs = {index for index in self.dirty_outputs if index < length}
        self.dirty.add("outputs")

    def put(self, index: int, output: PageOutput) -> None:
        self.outputs[index : index + 1] = [output]
        self.dirty_outputs.add(index)
        self.dirty.add("outputs")
