"""Which blobs a draft points to."""

from __future__ import annotations

from collections.abc import Iterator

from ..model import UNSET, BlobId, Draft, Edit, Text, Unset, Value, ValuePatch


def blobs_of(draft: Draft) -> Iterator[BlobId]:
    """Every blob of its base and of its parts."""
    for chunk in draft.working_copy.base_chunks or ():
        yield chunk.blob
    yield from _of_value(draft.meta)
    for cell in draft.cells.values():
        if cell.source is not UNSET:
            yield from _of_text(cell.source)
        yield from _of_value(cell.metadata)
        yield from _of_value(cell.attachments)
        if cell.outputs is not UNSET:
            for output in cell.outputs.values():
                yield from _of_value(output)


def blobs_in_edit(edit: Edit) -> Iterator[BlobId]:
    """Every blob that an edit names."""
    yield from _of_value(edit.meta)
    for cell in edit.cells:
        if isinstance(cell.source, Text):
            yield from _of_text(cell.source)
        yield from _of_value(cell.metadata)
        yield from _of_value(cell.attachments)
        if cell.outputs is not UNSET:
            for output in cell.outputs.changed.values():
                yield from _of_value(output)


def _of_value(value: Value | ValuePatch | Unset | None) -> Iterator[BlobId]:
    if isinstance(value, Value):
        for text in value.long.values():
            yield from _of_text(text)


def _of_text(text: Text) -> Iterator[BlobId]:
    if isinstance(text.origin, tuple):
        for chunk in text.origin:
            yield chunk.blob
