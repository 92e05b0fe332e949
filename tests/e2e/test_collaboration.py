"""Beside jupyter-collaboration: record, load no draft, do not fight over saving."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from .apps import IN_LAB
from .conftest import NewServer
from .notebooks import assert_same, modern, read, real_notebook, write
from .pages import OpenNotebook, open_notebook
from .servers import App, JupyterServer
from .waiting import wait_until

PROJECT = Path(__file__).resolve().parents[2]
NAME = "together.ipynb"


@pytest.fixture(scope="session")
def collaboration() -> Path:
    """jupyter-collaboration in a folder of its own, so that only these tests' servers see it."""
    folder = Path(sys.prefix) / "rtc"
    if not (folder / "jupyter_collaboration").is_dir():
        subprocess.run([sys.executable, PROJECT / "tools" / "install-rtc", folder], check=True)
    return folder


@pytest.fixture
def together(new_server: NewServer, app: App, collaboration: Path) -> JupyterServer:
    server = new_server(
        app,
        "--Indelible.autosave_interval=1000",
        environment={
            "PYTHONPATH": str(collaboration),
            "JUPYTER_PATH": str(collaboration / "share" / "jupyter"),
        },
    )
    extensions = {"jupyter_server_ydoc": True, "jupyter_server_fileid": True}
    server.configure("jupyter_server_config.json", ServerApp={"jpserver_extensions": extensions})
    return server.start()


def test_edits_are_recorded_and_saving_is_left_to_it(together: JupyterServer, context: BrowserContext) -> None:
    file = write(together.root / NAME, modern(real_notebook()))
    puts: list[str] = []
    context.on("request", lambda one: puts.append(one.url) if one.method == "PUT" and "/contents/" in one.url else None)
    book = open_notebook(context, together, NAME).wait_for_kernel()
    assert book.js("return panel.context.model.collaborative") is True
    book.edit_in_many_ways()
    book.wait_until_protected()
    held = book.content()
    [draft] = together.drafts(NAME)
    assert_same(held, together.get(f"indelible/api/drafts/{draft['wc']}")["content"])
    # Its room writes the file, a second after the last edit; our timer does not.
    wait_until(lambda: read(file)["cells"] and says_the_same(book, file), "jupyter-collaboration's save")
    assert puts == []
    assert not book.dialogs()


def says_the_same(book: OpenNotebook, file: Path) -> bool:
    try:
        assert_same(book.content(), read(file))
    except (AssertionError, ValueError):  # being written
        return False
    return True


@IN_LAB
def test_no_draft_is_loaded(together: JupyterServer, context: BrowserContext) -> None:
    file = write(together.root / NAME, modern(real_notebook()))
    book = open_notebook(context, together, NAME).wait_for_kernel()
    book.type_in(2, "\nshared = True")
    book.wait_until_protected()
    held = book.content()
    wait_until(lambda: says_the_same(book, file), "jupyter-collaboration's save")
    book.reload().wait_for_kernel()
    assert not book.has_notice()
    assert not book.dialogs()
    assert_same(held, book.content())
