"""Autosave as the whole web documents it, seen by watching the file on disk."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from .apps import IN_LAB, IN_NOTEBOOK
from .conftest import NewServer
from .filewatch import FileWatch
from .notebooks import assert_same, read, small_notebook, write
from .pages import OpenNotebook, open_notebook
from .servers import App, JupyterServer
from .waiting import wait_until

NAME = "n.ipynb"
SLACK_S = 1.0


def open_small(context: BrowserContext, server: JupyterServer, *sources: str) -> tuple[OpenNotebook, Path]:
    file = write(server.root / NAME, small_notebook(*(sources or ("a = 1", "b = 2"))))
    return open_notebook(context, server, NAME).wait_for_kernel(), file


def saves(book: OpenNotebook, file: Path, during_s: float, *, typing: bool = True) -> list[float]:
    """Times of the writes to the file while somebody types without a pause (or does nothing)."""
    if typing:
        book.focus(0)
    with FileWatch(file) as watch:
        end = time.monotonic() + during_s
        while time.monotonic() < end:
            if typing:
                book.type("x")
            book.page.wait_for_timeout(100)
    return watch.writes


def assert_saved_every(seconds: float, book: OpenNotebook, file: Path) -> None:
    """While somebody types it is written once an interval; afterwards once more, and then no more."""
    times = saves(book, file, 3.5 * seconds)
    assert len(times) >= 2, times
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert all(seconds - SLACK_S / 2 < gap < seconds + SLACK_S for gap in gaps), gaps
    wait_until(lambda: not book.is_dirty(), "the last save", within_s=seconds + SLACK_S)
    assert_same(book.content(), read(file))
    assert saves(book, file, 2.5 * seconds, typing=False) == []
    assert "Autosaved: " in book.indicator()


def assert_never_saved(book: OpenNotebook, file: Path) -> None:
    assert saves(book, file, 3) == []
    assert book.is_dirty()
    assert "Autosave off" in book.indicator()
    book.wait_until_protected()


def generated_config(server: JupyterServer, *lines: str) -> None:
    """`jupyter notebook --generate-config`, and lines appended as the web says."""
    server.run("notebook", "--generate-config", "-y")
    config = server.config / "jupyter_notebook_config.py"
    with config.open("a") as file:
        file.writelines(f"\n{line}\n" for line in lines)


def test_the_line_that_the_whole_web_documents(new_server: NewServer, app: App, context: BrowserContext) -> None:
    server = new_server(app)
    generated_config(server, "c.NotebookApp.autosave_interval = 1500")
    server.start()
    assert_saved_every(1.5, *open_small(context, server))


@IN_LAB
def test_our_own_name_in_the_config(new_server: NewServer, app: App, context: BrowserContext) -> None:
    server = new_server(app)
    generated_config(server, "c.NotebookApp.autosave_interval = 600000", "c.Indelible.autosave_interval = 1500")
    server.start()
    assert_saved_every(1.5, *open_small(context, server))


def test_the_flag_and_the_users_own_setting_which_wins(
    new_server: NewServer, app: App, context: BrowserContext
) -> None:
    server = new_server(app, "--Indelible.autosave_interval=600000")
    settings = server.config / "lab/user-settings/@jupyterlab/docmanager-extension/plugin.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"autosaveInterval": 2}')
    server.start()
    assert_saved_every(2, *open_small(context, server))
    assert settings.read_text() == '{"autosaveInterval": 2}'


def test_autosave_switched_off_by_the_user(lab_settings: JupyterServer, context: BrowserContext) -> None:
    book, file = open_small(context, lab_settings)
    assert_never_saved(book, file)


@pytest.fixture
def lab_settings(new_server: NewServer) -> JupyterServer:
    server = new_server("lab", "--Indelible.autosave_interval=1000")
    settings = server.config / "lab/user-settings/@jupyterlab/docmanager-extension/plugin.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"autosave": false}')
    return server.start()


def test_the_flag_0_the_console_and_the_magic(new_server: NewServer, app: App, context: BrowserContext) -> None:
    server = new_server(app, "--Indelible.autosave_interval=0").start()
    book, file = open_small(context, server, "a = 1", "%autosave 2", "%autosave 0", "%autosave 1", "c = 3")
    assert_never_saved(book, file)

    assert console(book, "Jupyter.notebook.get_autosave_interval()") == 0
    console(book, "Jupyter.notebook.set_autosave_interval(1500)")
    assert console(book, "IPython.notebook.get_autosave_interval()") == 1500
    assert_saved_every(1.5, book, file)
    console(book, "IPython.notebook.set_autosave_interval(0)")
    assert console(book, "Jupyter.notebook.get_autosave_interval()") == 0
    assert saves(book, file, 3) == []

    book.run(1)
    assert console(book, "Jupyter.notebook.get_autosave_interval()") == 2000
    book.run(2)
    assert console(book, "Jupyter.notebook.get_autosave_interval()") == 0
    book.run(3)
    assert console(book, "Jupyter.notebook.get_autosave_interval()") == 1000
    wait_until(lambda: not book.is_dirty(), "the save after %autosave 1", within_s=3)
    assert_same(book.content(), read(file))

    # The outputs of the magic are in the file; they are not obeyed again when it is opened.
    book.reload().wait_for_kernel()
    assert console(book, "Jupyter.notebook.get_autosave_interval()") == 0
    assert book.page.evaluate("() => [typeof window.Jupyter, typeof window.IPython]") == ["undefined"] * 2


def console(book: OpenNotebook, expression: str) -> object:
    """Type it into the browser's console."""
    session = book.page.context.new_cdp_session(book.page)
    answer = session.send(
        "Runtime.evaluate",
        {"expression": expression, "replMode": True, "includeCommandLineAPI": True, "returnByValue": True},
    )
    session.detach()
    assert "exceptionDetails" not in answer, answer
    return answer["result"].get("value")


@IN_NOTEBOOK
def test_the_default_is_a_minute(calm_server: JupyterServer, context: BrowserContext) -> None:
    book, _ = open_small(context, calm_server)
    assert console(book, "Jupyter.notebook.get_autosave_interval()") == 60_000


@IN_NOTEBOOK
def test_save_when_the_focus_is_lost_and_after_a_run(new_server: NewServer, app: App, context: BrowserContext) -> None:
    options = ["--Indelible.autosave_interval=0", "--Indelible.save_on_blur=True"]
    server = new_server(app, *options, "--Indelible.save_after_run=True").start()
    book, file = open_small(context, server)
    book.type_in(0, "  # then I look elsewhere")
    book.editor(1).click()
    wait_until(lambda: not book.is_dirty(), "the save when the cell lost the focus", within_s=5)
    assert_same(book.content(), read(file))
    book.run(1)
    wait_until(lambda: not book.is_dirty(), "the save after the run", within_s=5)
    assert read(file)["cells"][1]["execution_count"] == 1
    assert_same(book.content(), read(file))


def test_text_files_keep_jupyters_own_autosave(new_server: NewServer, context: BrowserContext) -> None:
    server = new_server("lab", "--Indelible.autosave_interval=0")
    settings = server.config / "lab/user-settings/@jupyterlab/docmanager-extension/plugin.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"autosaveInterval": 1}')
    (server.root / "notes.txt").write_text("one")
    server.start()
    page = context.new_page()
    page.goto(server.page_url("notes.txt"))
    page.locator(".jp-FileEditor .cm-content").click()
    page.keyboard.type("two ")
    wait_until(lambda: "two " in (server.root / "notes.txt").read_text(), "the text file to be saved")


BOKEH = """
from bokeh.io import output_notebook, show
from bokeh.plotting import figure
from bokeh.resources import INLINE
output_notebook(INLINE, hide_banner=True)
p = figure(width=200, height=200)
p.scatter([1, 2, 3], [3, 1, 2])
show(p)
"""


def test_bokeh_still_loads(calm_server: JupyterServer, context: BrowserContext) -> None:
    pytest.importorskip("bokeh")
    name = "bokeh.ipynb"
    write(calm_server.root / name, small_notebook(BOKEH.strip()))
    book = open_notebook(context, calm_server, name).wait_for_kernel()
    assert book.page.evaluate("() => typeof window.Jupyter") == "undefined"
    book.run(0)
    book.page.locator(".bk-Figure").first.wait_for(timeout=60_000)
    book.wait_until_protected()
