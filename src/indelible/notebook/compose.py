"""A draft made whole: the notebook as the page held it. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import BaseUnavailable, Malformed, StoreDamaged
from ..model import UNSET, CellKey, Draft, Head, StoredCell, Unset, Value
from .lifting import assemble
from .nbjson import Notebook, has_cell_ids, read_notebook
from .runs import expand
from .text import GetBlob, resolve

Cell = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Materialised:
    """A draft's notebook, and the key of each of its cells, in order.

    `content` is what Jupyter's contents API would give, `trusted` in code cells' metadata included
    where it is known. It shares structure with the draft: change it only after a deep copy.
    """

    content: Notebook
    keys: Sequence[CellKey]


def materialise(draft: Draft, base: bytes | None, get_blob: GetBlob) -> Materialised:
    """Put the draft's parts onto its base.

    `base` is the .ipynb's content that the draft names, or None when it is gone; it is needed only
    when some part is as in the base. Raises BaseUnavailable; BlobUnknown and BlobDamaged from
    `get_blob`; StoreDamaged when rows contradict each other.
    """
    ground = _Ground(draft, base)
    keys = expand(draft.working_copy.base_order if draft.order is UNSET else draft.order)
    if draft.working_copy.base is None and draft.order is UNSET:
        raise StoreDamaged("the draft has neither a base nor an order of its cells")
    if len(set(keys)) != len(keys):
        raise StoreDamaged("the order of cells names one twice")
    content = _meta(draft, ground, get_blob)
    with_ids = has_cell_ids(content)
    cells = []
    for key in keys:
        stored = draft.cells.get(key)
        cell = ground.cell(key) if stored is None else composed_cell(key, stored, ground, get_blob)
        if not with_ids and "id" in cell:
            cell = {name: value for name, value in cell.items() if name != "id"}
        cells.append(cell)
    content["cells"] = cells
    return Materialised(content=content, keys=keys)


class Ground(Protocol):
    """The base's cells, as a page holds them."""

    def has(self, key: CellKey) -> bool:
        """Whether the base has this cell."""

    def cell(self, key: CellKey) -> Cell:
        """The cell; change it only after a copy. Raises StoreDamaged when the base does not have it."""


class _Ground:
    """The base, parsed when a part first needs it."""

    def __init__(self, draft: Draft, base: bytes | None) -> None:
        self._draft = draft
        self._base = base
        self._keys = frozenset(expand(draft.working_copy.base_order) if draft.working_copy.base else ())
        self._notebook: Notebook | None = None
        self._cells: Mapping[CellKey, Cell] = {}

    def notebook(self) -> Notebook:
        if self._notebook is None:
            self._notebook = _parsed_base(self._draft, self._base)
            cells = self._notebook["cells"]
            keys = expand(self._draft.working_copy.base_order)
            if len(keys) != len(cells):
                raise StoreDamaged(f"the base has {len(cells)} cells, the journal expects {len(keys)}")
            self._cells = dict(zip(keys, cells, strict=True))
        return self._notebook

    def has(self, key: CellKey) -> bool:
        return key in self._keys

    def cell(self, key: CellKey) -> Cell:
        if key not in self._keys:
            raise StoreDamaged(f"parts of cell {key} are missing, and no base has them")
        self.notebook()
        return self._cells[key]


def _parsed_base(draft: Draft, base: bytes | None) -> Notebook:
    expected = draft.working_copy.base
    if base is None or hashlib.sha256(base).hexdigest() != expected:
        raise BaseUnavailable(path=draft.working_copy.path)
    try:
        return read_notebook(base)
    except Malformed as error:
        raise BaseUnavailable(f"the base is no notebook: {error}", path=draft.working_copy.path) from error


def _meta(draft: Draft, ground: _Ground, get_blob: GetBlob) -> Notebook:
    if draft.meta is not UNSET:
        return dict(assemble(draft.meta, get_blob))
    if draft.working_copy.base is None:
        raise StoreDamaged("the draft has neither a base nor metadata")
    return dict(ground.notebook())


def composed_cell(key: CellKey, stored: StoredCell, ground: Ground, get_blob: GetBlob) -> Cell:
    """The cell with its stored parts. The base is asked for the others only. Raises as `materialise` does."""
    cell = dict(ground.cell(key)) if ground.has(key) and not _is_whole(stored) else {}
    if not cell and UNSET in (stored.head, stored.source, stored.metadata):
        raise StoreDamaged(f"parts of cell {key} are missing, and no base has them")
    if stored.head is not UNSET:
        cell = _with_head(cell, stored.head)
    if stored.source is not UNSET:
        base_text = ground.cell(key).get("source") if isinstance(stored.source.origin, bytes) else None
        cell["source"] = resolve(stored.source, get_blob, base_text)
    if stored.metadata is not UNSET:
        cell["metadata"] = assemble(stored.metadata, get_blob)
    if stored.attachments is None:
        cell.pop("attachments", None)
    elif stored.attachments is not UNSET:
        cell["attachments"] = assemble(stored.attachments, get_blob)
    if cell.get("cell_type") == "code":
        cell["outputs"] = _outputs(key, stored, cell.get("outputs", []), get_blob)
    return _with_trust(cell, stored.head)


def _is_whole(stored: StoredCell) -> bool:
    """Whether nothing of the base's cell is needed."""
    if stored.head is UNSET or stored.source is UNSET or stored.metadata is UNSET:
        return False
    if isinstance(stored.source.origin, bytes):
        return False
    if stored.head.cell_type != "code":
        return stored.attachments is not UNSET
    if stored.outputs_length is UNSET or stored.outputs is UNSET:
        return stored.outputs_length == 0
    return all(index in stored.outputs for index in range(stored.outputs_length))


def _with_head(cell: Cell, head: Head) -> Cell:
    cell = {**cell, "cell_type": head.cell_type}
    if head.id is None:
        cell.pop("id", None)
    else:
        cell["id"] = head.id
    if head.cell_type == "code":
        cell["execution_count"] = head.execution_count
    else:
        cell.pop("execution_count", None)
        cell.pop("outputs", None)
    return cell


def _outputs(key: CellKey, stored: StoredCell, below: list[Any], get_blob: GetBlob) -> list[Any]:
    """The stored outputs, and the base's (`below`) where none is stored."""
    if stored.outputs_length is UNSET:
        return below
    own: Mapping[int, Value] = {} if stored.outputs is UNSET else stored.outputs
    outputs = []
    for index in range(stored.outputs_length):
        if index in own:
            outputs.append(assemble(own[index], get_blob))
        elif index < len(below):
            outputs.append(below[index])
        else:
            raise StoreDamaged(f"output {index} of cell {key} is missing")
    return outputs


def _with_trust(cell: Cell, head: Head | Unset) -> Cell:
    if head is UNSET or head.trusted is None or head.cell_type != "code":
        return cell
    return {**cell, "metadata": {**cell.get("metadata", {}), "trusted": head.trusted}}
