"""One honest indicator: where it is, what it says, what it tells on hover and at a click."""

from __future__ import annotations

import re

from playwright.sync_api import BrowserContext

from .apps import IN_LAB
from .conftest import NewServer
from .notebooks import read, small_notebook, write
from .pages import SHOWN, open_notebook
from .servers import App, JupyterServer
from .waiting import wait_until


def test_it_says_when_the_file_was_saved_and_what_is_protected(
    new_server: NewServer, app: App, context: BrowserContext
) -> None:
    server = new_server(app, "--Indelible.autosave_interval=1500").start()
    file = write(server.root / "n.ipynb", small_notebook("a = 1", "b = 2"))
    book = open_notebook(context, server, "n.ipynb").wait_for_kernel()
    book.wait_until_protected()
    node = book.page.locator(".jp-Indelible-status")
    assert node.count() == 1
    box, size = node.bounding_box(), book.page.viewport_size
    assert box
    assert size
    if app == "lab":
        assert node.locator("xpath=ancestor::*[@id='jp-main-statusbar']").count() == 1
    else:
        assert box["y"] < 80
        assert box["x"] > size["width"] / 2

    book.type_in(0, "  # typed")
    book.wait_for_indicator("Saving…", within_s=2)
    book.wait_for_indicator("Autosaved: ")
    book.wait_until_protected()
    assert re.fullmatch(r"Autosaved: \d\d:\d\d Protected", book.indicator())
    assert read(file)["cells"][0]["source"] == ["a = 1  # typed"]

    assert "Last confirmed" in (node.get_attribute("title") or "")
    node.click()
    panel = book.page.locator(".jp-Indelible-panel")
    panel.wait_for()
    for fact in ("Journal", "Last confirmed", "File", "Autosave"):
        assert fact in panel.inner_text()
    book.press("Escape")
    panel.wait_for(state="detached")

    book.type_in(1, "  # typed too")
    book.save()
    assert book.indicator().startswith("Saved: ")


def test_the_notebook_looked_at_is_the_one_it_speaks_of(lab_server: JupyterServer, context: BrowserContext) -> None:
    for name in ("one.ipynb", "two.ipynb"):
        write(lab_server.root / name, small_notebook("a = 1"))
    one = open_notebook(context, lab_server, "one.ipynb").wait_for_kernel()
    one.type_in(0, "  # typed")
    one.save()
    one.wait_for_indicator("Saved: ")
    one.page.evaluate("window.jupyterapp.commands.execute('docmanager:open', { path: 'two.ipynb' })")
    one.page.wait_for_selector(f"{SHOWN} .jp-Cell")
    wait_until(lambda: "Saved: " not in one.indicator(), "the indicator to speak of the second notebook")
    assert "Autosave on" in one.indicator()


@IN_LAB
def test_in_chinese(new_server: NewServer, app: App, context: BrowserContext) -> None:
    server = new_server(app)
    settings = server.config / "lab/user-settings/@jupyterlab/translation-extension/plugin.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"locale": "zh_CN"}')
    write(server.start().root / "n.ipynb", small_notebook("a = 1"))
    book = open_notebook(context, server, "n.ipynb")
    wait_until(lambda: re.search("[\u4e00-\u9fff]", book.indicator_or_nothing()), "Chinese words")
