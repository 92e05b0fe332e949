"""Kill anything, come back, and nothing is missing."""

from __future__ import annotations

import time

import pytest

from .browsers import Browser
from .conftest import NewBrowser
from .notebooks import Notebook, assert_same, modern, read, real_notebook, write
from .pages import OpenNotebook, open_notebook, quarter_second
from .servers import JupyterServer
from .waiting import wait_until

NAME = "a notebook.ipynb"
RPO_S = 0.25


@pytest.fixture
def typed(server: JupyterServer, browser: Browser) -> OpenNotebook:
    """A real notebook in which somebody has worked for a while."""
    write(server.root / NAME, modern(real_notebook()))
    book = open_notebook(browser.context, server, NAME).wait_for_kernel()
    book.edit_in_many_ways()
    return book


def assert_recovered(book: OpenNotebook, held: Notebook) -> None:
    """It shows what the editor held, says so, and a save puts exactly that into the file."""
    book.wait_for_kernel()
    assert_same(held, book.content())
    assert book.is_dirty()
    assert "Recovered" in book.notice().inner_text()
    assert not book.dialogs()
    book.save()
    assert_same(held, read(book.server.root / book.path))
    wait_until(lambda: not book.server.drafts(book.path), "the journal to drop what the file holds")


def test_the_browser_is_killed(typed: OpenNotebook, server: JupyterServer, browser: Browser) -> None:
    held = typed.content()
    quarter_second()
    browser.kill()
    browser.open_again()
    book = open_notebook(browser.context, server, NAME)
    assert_recovered(book, held)
    book.reload()
    assert not book.has_notice()
    assert_same(held, book.wait_for_kernel().content())


def test_a_whole_notebook_below_nbformat_4_5_without_cell_ids(
    server: JupyterServer, browser: Browser, new_browser: NewBrowser
) -> None:
    before = real_notebook(cells=None)
    assert before["nbformat_minor"] < 5
    write(server.root / NAME, before)
    book = open_notebook(browser.context, server, NAME).wait_for_kernel()
    book.edit_in_many_ways()
    held = book.content()
    quarter_second()
    browser.kill(also=server.kill)
    server.start()
    assert_recovered(open_notebook(new_browser().context, server, NAME), held)


def test_the_server_is_killed_and_the_tab_stays(typed: OpenNotebook, server: JupyterServer) -> None:
    server.kill()
    typed.focus(3)
    typed.type("\nwhile the server was away")
    typed.press("Escape", "b", "Enter")
    typed.type("away = True")
    held = typed.content()
    typed.wait_for_indicator("kept in this browser")
    server.start()
    typed.wait_until_protected()
    assert_same(held, typed.content())
    assert not typed.dialogs()
    typed.focus(0)
    typed.type("\nand back")
    held = typed.content()
    typed.save()
    assert_same(held, read(server.root / NAME))


def test_the_server_is_killed_and_then_the_tab(typed: OpenNotebook, server: JupyterServer, browser: Browser) -> None:
    server.kill()
    typed.type_in(3, "\nwhile the server was away")
    typed.select(7)
    typed.press("d", "d")
    held = typed.content()
    quarter_second()
    browser.kill()
    server.start()
    browser.open_again()
    assert_recovered(open_notebook(browser.context, server, NAME), held)


def test_both_are_killed_in_mid_typing_without_a_pause(server: JupyterServer, browser: Browser) -> None:
    write(server.root / NAME, modern(real_notebook()))
    book = open_notebook(browser.context, server, NAME).wait_for_kernel()
    book.focus(2)
    before = book.content()
    words = "pack my box with five dozen liquor jugs "
    pressed: list[tuple[float, str]] = []
    end = time.monotonic() + 6
    while time.monotonic() < end:
        letter = words[len(pressed) % len(words)]
        book.page.keyboard.press(letter if letter != " " else "Space")
        pressed.append((time.monotonic(), letter))
    killed_at = time.monotonic()
    browser.kill(also=server.kill)
    assert len(pressed) > 100

    server.start()
    browser.open_again()
    book = open_notebook(browser.context, server, NAME).wait_for_kernel()
    typed = "".join(letter for _, letter in pressed)
    came_back = book.source(2).removeprefix(before["cells"][2]["source"])
    assert typed.startswith(came_back)
    lost_s = killed_at - pressed[len(came_back) - 1][0] if came_back else killed_at
    assert lost_s <= RPO_S, f"{len(typed) - len(came_back)} of {len(typed)} keys, {lost_s:.3f} s, are lost"
    before["cells"][2]["source"] += came_back
    assert_same(before, book.content())
