"""Folds long texts that have gathered splices into chunks, away from the acks."""

from __future__ import annotations

from .basekeeper import read_base
from .model import UNSET, CellKey, Draft, Path, Text
from .notebook.nbjson import read_notebook
from .notebook.runs import expand
from .notebook.text import fold
from .store.contract import Blobs, Journal


def fold_text(
    working_copy: str,
    key: CellKey,
    output: int | None,
    path: Path,
    *,
    journal: Journal,
    blobs: Blobs,
) -> None:
    """Replace a text's splices by chunks. Does nothing when it is gone, or starts from a base that is not kept yet.

    Raises StoreError, and BlobDamaged when what it builds on is damaged.
    """
    draft = journal.draft(working_copy)
    text = _find(draft, key, output, path)
    if text is None or text.rev is None or not text.splices:
        return
    base_text: str | None = None
    if isinstance(text.origin, bytes):
        chunks = draft.working_copy.base_chunks
        if chunks is None:
            return
        cells = read_notebook(read_base(chunks, blobs.get))["cells"]
        base_text = dict(zip(expand(draft.working_copy.base_order), cells, strict=True))[key]["source"]
    folded = fold(text, blobs.get, base_text)
    blobs.put(folded.contents)
    journal.fold(working_copy, key, output, path, text.rev, folded.text)


def _find(draft: Draft, key: CellKey, output: int | None, path: Path) -> Text | None:
    cell = draft.cells.get(key)
    if cell is None:
        return None
    if output is None:
        return None if cell.source is UNSET else cell.source
    if cell.outputs is UNSET or output not in cell.outputs:
        return None
    return cell.outputs[output].long.get(path)
