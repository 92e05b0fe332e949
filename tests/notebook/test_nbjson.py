"""The .ipynb file, compared with nbformat itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest

from indelible.errors import Malformed
from indelible.notebook.nbjson import has_cell_ids, read_notebook, without_trust, write_notebook

from .page import Page
from .test_round_trip import BASES

FOLDERS = [Path(__file__).parents[2] / "examples", Path("/work/shared/data/real-notebooks")]
REAL = sorted(path for folder in FOLDERS for path in folder.rglob("*.ipynb"))
MARKDOWN = {"cell_type": "markdown", "metadata": {}, "source": "# 标题\n"}
CODE: dict[str, Any] = {
    "cell_type": "code",
    "execution_count": None,
    "metadata": {},
    "source": [],
    "outputs": [],
}


def notebook(*cells: Any, minor: int = 4, **metadata: Any) -> dict[str, Any]:
    return {"cells": list(cells), "metadata": metadata, "nbformat": 4, "nbformat_minor": minor}


TRICKY = [
    notebook(),
    notebook({**CODE, "metadata": {"trusted": True, "x": 1.0, "n": 2**60}}, signature="s", orig_nbformat=2),
    notebook({**CODE, "source": ["a\x0b", "b\x85", "c\u2028", "d\r\n", "e\r", "f\x1c"]}),
    notebook({**MARKDOWN, "attachments": {"a": {"text/plain": ["x", "y"]}}}),
    notebook(
        {
            **CODE,
            "outputs": [
                {"output_type": "stream", "name": "stdout", "text": ["a\n", "b"]},
                {"output_type": "error", "ename": "E", "evalue": "", "traceback": ["a\n", "b"]},
                {
                    "output_type": "display_data",
                    "metadata": {"trusted": True},
                    "data": {
                        "application/json": ["a", "b"],
                        "application/vnd.x+json": ["a"],
                        "application/javascript": ["a\n", "b"],
                        "image/svg+xml": "<svg>\n</svg>",
                        "image/png": "iVBO\nRw0K\n",
                        "text/html": ["<p>\n", "x"],
                        "text/latex": [],
                    },
                },
            ],
        }
    ),
]  # fmt: skip


@pytest.mark.parametrize("path", REAL, ids=lambda path: str(path.stem))
def test_real_notebooks_are_read_and_written_as_nbformat_does(path: Path) -> None:
    content = path.read_bytes()
    ours, theirs = read_notebook(content), nbformat.reads(content.decode(), 4)  # type: ignore[no-untyped-call]
    assert ours == theirs
    assert write_notebook(ours) == (nbformat.writes(theirs) + "\n").encode()  # type: ignore[no-untyped-call]
    assert read_notebook(write_notebook(ours)) == ours


@pytest.mark.parametrize("tricky", TRICKY, ids=range(len(TRICKY)))
def test_tricky_notebooks_are_read_and_written_as_nbformat_does(tricky: dict[str, Any]) -> None:
    text = json.dumps(tricky)
    ours, theirs = read_notebook(text.encode()), nbformat.reads(text, 4)  # type: ignore[no-untyped-call]
    assert json.dumps(ours, sort_keys=True) == json.dumps(theirs, sort_keys=True)
    assert write_notebook(ours).decode() == nbformat.writes(theirs) + "\n"  # type: ignore[no-untyped-call]


def test_a_notebook_of_version_3_is_upgraded() -> None:
    old = {
        "metadata": {"name": "old"},
        "nbformat": 3,
        "nbformat_minor": 0,
        "worksheets": [
            {
                "cells": [
                    {"cell_type": "heading", "level": 2, "metadata": {}, "source": ["Title"]},
                    {
                        "cell_type": "code",
                        "collapsed": False,
                        "input": ["a = 1\n", "a"],
                        "language": "python",
                        "metadata": {},
                        "outputs": [{"output_type": "stream", "stream": "stdout", "text": ["x\n", "y"]}],
                        "prompt_number": 4,
                    },
                ]
            }
        ],
    }
    upgraded = read_notebook(json.dumps(old).encode())
    assert [cell["source"] for cell in upgraded["cells"]] == ["## Title", "a = 1\na"]
    assert upgraded["cells"][1]["execution_count"] == 4
    assert upgraded["cells"][1]["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "x\ny"}]
    assert has_cell_ids(upgraded)


def test_missing_and_double_cell_ids_are_left_alone() -> None:
    cells = [CODE, {**CODE, "id": "a"}, {**CODE, "id": "a"}]
    read = read_notebook(json.dumps(notebook(*cells, minor=5)).encode())
    assert [cell.get("id") for cell in read["cells"]] == [None, "a", "a"]


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"[]", b"null", b"\xff", b"\xef\xbb\xbf{}", b'{"nbformat": 4}',
        b'{"nbformat": 9, "cells": []}',
        b'{"nbformat": 4, "metadata": {}, "cells": 3}', b'{"nbformat": 4, "metadata": {}, "cells": [3]}',
        b'{"nbformat": 4, "metadata": {}, "cells": [{"metadata": {}, "attachments": null}]}',
        b'{"nbformat": "4", "metadata": {}, "cells": []}', b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_notebook_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(Malformed):
        read_notebook(content)


def test_lone_surrogates_are_written_as_escapes_and_come_back() -> None:
    written = write_notebook(notebook({**CODE, "source": "a\ud83d\n\udc80b😀"}))
    assert b'"a\\ud83d\\n",' in written
    assert "😀".encode() in written
    assert read_notebook(written)["cells"][0]["source"] == "a\ud83d\n\udc80b😀"


@pytest.mark.parametrize("name", sorted(BASES))
def test_reading_and_writing_change_nothing_they_are_given(name: str) -> None:
    page = Page(json.dumps(BASES[name]).encode())
    content = page.content()
    before = json.dumps(content)
    assert read_notebook(write_notebook(content)) == without_trust(content)
    assert json.dumps(content) == before


def test_trust_is_taken_out_of_a_copy() -> None:
    given = notebook({**CODE, "metadata": {"trusted": True, "tags": ["a"]}}, CODE)
    assert without_trust(given)["cells"][0]["metadata"] == {"tags": ["a"]}
    assert given["cells"][0]["metadata"] == {"trusted": True, "tags": ["a"]}
