"""Notebooks for the tests, and the one comparison that all of them use."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

Notebook = dict[str, Any]
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "real-notebooks"


def real_notebook(cells: int | None = 40) -> Notebook:
    """A published notebook (nbformat 4.1) with outputs, or its first cells; skips the test where it is missing."""
    path = REAL / "math_linear_algebra.ipynb"
    if not path.is_file():
        pytest.skip(f"no real notebooks at {REAL}")
    notebook: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return {**notebook, "cells": notebook["cells"][:cells]}


def modern(notebook: Notebook) -> Notebook:
    """The same as JupyterLab 4 writes it: nbformat 4.5, every cell with an id."""
    notebook = copy.deepcopy(notebook) | {"nbformat": 4, "nbformat_minor": 5}
    for number, cell in enumerate(notebook["cells"]):
        cell["id"] = f"cell-{number}"
        if "collapsed" in cell["metadata"]:
            cell["metadata"]["jupyter"] = {"outputs_hidden": cell["metadata"]["collapsed"]}
    return notebook


def small_notebook(*sources: str) -> Notebook:
    """Code cells, nbformat 4.5, Python."""
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"cell-{number}", "metadata": {}, "source": source, "outputs": [],
         "execution_count": None}
        for number, source in enumerate(sources)
    ]  # fmt: skip
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": cells}


def read(path: Path) -> Notebook:
    notebook: Notebook = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def write(path: Path, notebook: Notebook) -> Path:
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def meaning(notebook: Notebook) -> Notebook:
    """Without trust, without cell ids below nbformat 4.5, lines joined. Nothing else is left out."""
    notebook = copy.deepcopy(notebook)
    has_ids = (notebook["nbformat"], notebook["nbformat_minor"]) >= (4, 5)
    for cell in notebook["cells"]:
        cell["metadata"].pop("trusted", None)
        if not has_ids:
            cell.pop("id", None)
        for holder in (cell, *cell.get("outputs", []), *cell.get("attachments", {}).values()):
            _join(holder)
        for output in cell.get("outputs", []):
            _join(output.get("data", {}))
    return notebook


def _join(holder: dict[str, Any]) -> None:
    """nbformat writes long strings as lists of lines; JSON payloads stay as they are."""
    for name, value in holder.items():
        is_lines = isinstance(value, list) and all(isinstance(line, str) for line in value)
        if is_lines and name not in ("traceback", "outputs") and not name.endswith("json"):
            holder[name] = "".join(value)


def differences(held: Notebook, came_back: Notebook) -> list[str]:
    """Every place where the two differ, cell for cell; empty: nothing is missing and nothing is new."""
    one, other = meaning(held), meaning(came_back)
    found = [
        f"{name}: {one.get(name)!r} became {other.get(name)!r}"
        for name in sorted((one.keys() | other.keys()) - {"cells"})
        if one.get(name) != other.get(name)
    ]
    if len(one["cells"]) != len(other["cells"]):
        found.append(f"{len(one['cells'])} cells became {len(other['cells'])}")
    for number, (cell, changed) in enumerate(zip(one["cells"], other["cells"], strict=False)):
        for name in sorted(cell.keys() | changed.keys()):
            if cell.get(name) != changed.get(name):
                found.append(f"cell {number}, {name}: {cell.get(name)!r:.300} became {changed.get(name)!r:.300}")
    return found


def assert_same(held: Notebook, came_back: Notebook) -> None:
    found = differences(held, came_back)
    assert not found, "\n".join(found[:20])
