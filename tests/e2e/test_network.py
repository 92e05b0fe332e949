"""The network is cut: edits wait in the browser and flow by themselves when it is back."""

from __future__ import annotations

from contextlib import suppress

import pytest
from playwright.sync_api import Error

from .apps import IN_NOTEBOOK
from .browsers import Browser
from .notebooks import assert_same, modern, read, real_notebook, write
from .pages import OpenNotebook, open_notebook, quarter_second
from .proxy import Cable
from .servers import JupyterServer
from .waiting import wait_until

NAME = "n.ipynb"


@pytest.fixture
def cut_off(server: JupyterServer, browser: Browser, cable: Cable) -> OpenNotebook:
    """A notebook that was edited with the network and goes on without it."""
    write(server.root / NAME, modern(real_notebook()))
    book = open_notebook(browser.context, server, NAME, cable.port).wait_for_kernel()
    book.type_in(2, "\nbefore = True")
    cable.cut()
    book.edit_in_many_ways()
    return book


def test_the_tab_stays(cut_off: OpenNotebook, server: JupyterServer, cable: Cable) -> None:
    held = cut_off.content()
    assert "Offline" in cut_off.wait_for_indicator("kept in this browser")
    cable.mend()
    cut_off.wait_until_protected()
    assert not cut_off.dialogs()
    assert_same(held, cut_off.content())
    [draft] = server.drafts(NAME)
    assert_same(held, server.get(f"indelible/api/drafts/{draft['wc']}")["content"])
    cut_off.save()
    assert_same(held, read(server.root / NAME))


def test_the_tab_is_killed(cut_off: OpenNotebook, server: JupyterServer, cable: Cable, browser: Browser) -> None:
    held = cut_off.content()
    quarter_second()
    browser.kill()
    cable.mend()
    browser.open_again()
    book = open_notebook(browser.context, server, NAME, cable.port)
    assert "Recovered" in book.notice().inner_text()
    assert_same(held, book.wait_for_kernel().content())


def test_the_tab_is_reloaded(cut_off: OpenNotebook, server: JupyterServer, cable: Cable) -> None:
    held = cut_off.content()
    quarter_second()
    cut_off.page.on("dialog", lambda dialog: dialog.accept())  # "Leave site?"
    with suppress(Error):  # the page cannot be reached
        cut_off.page.reload(timeout=10_000)
    cable.mend()
    wait_until(lambda: reached(cut_off, server.page_url(NAME, cable.port)), "the page")
    cut_off.wait_until_open()
    assert "Recovered" in cut_off.notice().inner_text()
    assert_same(held, cut_off.wait_for_kernel().content())


def reached(book: OpenNotebook, url: str) -> bool:
    with suppress(Error):  # the browser tries by itself, too, and that aborts ours
        book.page.goto(url)
        return True
    return False


@IN_NOTEBOOK
def test_another_notebook_opened_first_lets_the_edits_flow(
    cut_off: OpenNotebook, server: JupyterServer, cable: Cable, browser: Browser
) -> None:
    """They need not wait until somebody opens the very notebook: any page of the server sends them."""
    held = cut_off.content()
    quarter_second()
    browser.kill()
    cable.mend()
    browser.open_again()
    write(server.root / "other.ipynb", modern(real_notebook(cells=3)))
    open_notebook(browser.context, server, "other.ipynb", cable.port).wait_until_protected()
    [draft] = server.drafts(NAME)
    assert_same(held, server.get(f"indelible/api/drafts/{draft['wc']}")["content"])
