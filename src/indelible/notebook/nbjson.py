"""The .ipynb file: parsed as Jupyter's contents API gives it to a page, written as nbformat writes it.

Rules from nbformat/v4/rwbase.py and nbjson.py (5.10), on plain dicts and without validation, which
takes ten times as long as parsing. tests/notebook/test_nbjson.py compares with nbformat itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..errors import Malformed

Notebook = dict[str, Any]
"""A notebook's JSON: nbformat, nbformat_minor, metadata, cells."""

Cell = dict[str, Any]
Form = Callable[[str, Any], Any]

_SPLIT_MIMES = frozenset({"application/javascript", "image/svg+xml"})
_TRANSIENT = ("orig_nbformat", "orig_nbformat_minor", "signature")


def read_notebook(content: bytes) -> Notebook:
    """Parse a file: lines joined, versions 1–3 upgraded to 4, `trusted` removed.

    Cell ids that are missing or double are left so (nbformat would invent random ones).
    Raises Malformed when the bytes are not a notebook.
    """
    try:
        text = content.decode("utf-8")
        parsed = json.loads(text)
        if _is_regular(parsed):
            return _joined(parsed)
        return _upgraded(text)
    except RecursionError as error:
        raise Malformed("the notebook is nested too deeply") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"not a notebook: {str(error)[:200]}") from error


def _upgraded(text: str) -> Notebook:
    # Imported here: its validator takes seconds to import on some machines, and few notebooks need it.
    import nbformat
    from nbformat import reader

    try:
        old = reader.reads(text)  # type: ignore[no-untyped-call]
        return dict(nbformat.convert(old, 4))  # type: ignore[no-untyped-call]
    except nbformat.ValidationError as error:
        raise Malformed(f"not a notebook: {str(error)[:200]}") from error


def write_notebook(notebook: Notebook) -> bytes:
    """The file's bytes, as nbformat.write gives them; lone surrogates, which have no UTF-8, as escapes."""
    cells = [file_cell(cell) for cell in notebook["cells"]]
    return write_json({**notebook, "metadata": file_metadata(notebook["metadata"]), "cells": cells}) + b"\n"


def write_json(value: Any) -> bytes:
    """JSON in nbformat's form: one space for a level, keys sorted, UTF-8."""
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True, separators=(",", ": "))
    # Python spells what UTF-8 cannot hold exactly as JSON does: \ud83d.
    return text.encode("utf-8", "backslashreplace")


def file_cell(cell: Cell) -> Cell:
    """The cell as it stands in a file: lines split, without `trusted`; the argument stays."""
    return _mapped_cell(_without_cell_trust(cell), _split)


def page_cell(cell: Cell) -> Cell:
    """A cell of a file as a page holds it: lines joined, without `trusted`; the argument stays."""
    return _mapped_cell(_without_cell_trust(cell), _join)


def file_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """The notebook's metadata without what is never written."""
    return {name: value for name, value in metadata.items() if name not in _TRANSIENT}


def has_cell_ids(notebook: Notebook) -> bool:
    """Whether its version has cell ids: 4.5 and later."""
    minor = notebook.get("nbformat_minor")
    return (notebook.get("nbformat"), minor if isinstance(minor, int) else 0) >= (4, 5)


def without_trust(notebook: Notebook) -> Notebook:
    """The notebook without `trusted` in its cells' metadata, as a file has it; the argument stays."""
    return {**notebook, "cells": [_without_cell_trust(cell) for cell in notebook["cells"]]}


def _is_regular(notebook: Any) -> bool:
    """Whether it is version 4 with every container where it belongs."""
    return (
        isinstance(notebook, dict)
        and notebook.get("nbformat") == 4
        and isinstance(notebook.get("metadata"), dict)
        and isinstance(notebook.get("cells"), list)
        and all(_is_regular_cell(cell) for cell in notebook["cells"])
    )


def _is_regular_cell(cell: Any) -> bool:
    if not isinstance(cell, dict) or not isinstance(cell.get("metadata"), dict):
        return False
    outputs = cell.get("outputs", [])
    return isinstance(outputs, list) and all(isinstance(output, dict) for output in outputs)


def _joined(notebook: Notebook) -> Notebook:
    for name in _TRANSIENT:
        notebook["metadata"].pop(name, None)
    return without_trust({**notebook, "cells": [_mapped_cell(cell, _join) for cell in notebook["cells"]]})


def _without_cell_trust(cell: Cell) -> Cell:
    metadata = cell.get("metadata", {})
    if "trusted" not in metadata:
        return cell
    return {**cell, "metadata": {name: value for name, value in metadata.items() if name != "trusted"}}


def _mapped_cell(cell: Cell, form: Form) -> Cell:
    """The cell with `form(mime, value)` applied to whatever nbformat splits into lines."""
    mapped = dict(cell)
    if "source" in cell:
        mapped["source"] = form("text/plain", cell["source"])
    if "attachments" in cell:
        bundles = cell["attachments"].items()
        mapped["attachments"] = {name: _mapped_bundle(bundle, form) for name, bundle in bundles}
    if cell.get("cell_type") == "code" and "outputs" in cell:
        mapped["outputs"] = [_mapped_output(output, form) for output in cell["outputs"]]
    return mapped


def _mapped_output(output: Cell, form: Form) -> Cell:
    kind = output.get("output_type", "")
    if kind in ("execute_result", "display_data"):
        return {**output, "data": _mapped_bundle(output["data"], form)} if "data" in output else output
    # nbformat joins the text of any other kind, and splits that of streams only.
    if "text" in output and (kind == "stream" or (kind and form is _join)):
        return {**output, "text": form("text/plain", output["text"])}
    return output


def _mapped_bundle(bundle: Cell, form: Form) -> Cell:
    return {mime: form(mime, value) for mime, value in bundle.items()}


def _join(mime: str, value: Any) -> Any:
    if not isinstance(value, list) or mime == "application/json":
        return value
    if mime.startswith("application/") and mime.endswith("+json"):
        return value
    if not all(isinstance(line, str) for line in value):
        return value
    return "".join(value)


def _split(mime: str, value: Any) -> Any:
    if isinstance(value, str) and (mime.startswith("text/") or mime in _SPLIT_MIMES):
        return value.splitlines(True)
    return value
