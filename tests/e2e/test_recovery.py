"""What comes back, what is offered, and what stays away."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext

from .apps import IN_LAB, IN_NOTEBOOK
from .browsers import Browser
from .conftest import NewBrowser
from .notebooks import Notebook, assert_same, modern, read, real_notebook, small_notebook, write
from .pages import OpenNotebook, open_in, open_notebook, quarter_second
from .servers import JupyterServer
from .waiting import wait_until


def left_behind(browser: Browser, server: JupyterServer, name: str) -> Notebook:
    """Somebody edited the notebook and the browser was killed; what the editor held."""
    write(server.root / name, modern(real_notebook()))
    book = open_notebook(browser.context, server, name).wait_for_kernel()
    book.edit_in_many_ways()
    held = book.content()
    quarter_second()
    browser.kill()
    return held


def test_in_another_browser(calm_server: JupyterServer, new_browser: NewBrowser, context: BrowserContext) -> None:
    name = "another.ipynb"
    held = left_behind(new_browser(), calm_server, name)
    book = open_notebook(context, calm_server, name)
    assert "Recovered" in book.notice().inner_text()
    assert_same(held, book.wait_for_kernel().content())
    book.focus(0)
    book.press("Control+z")
    assert_same(held, book.content())


def test_the_file_changed_on_disk_meanwhile(
    calm_server: JupyterServer, new_browser: NewBrowser, context: BrowserContext
) -> None:
    name = "meanwhile.ipynb"
    held = left_behind(new_browser(), calm_server, name)
    changed = modern(real_notebook())
    changed["cells"][4]["source"] = "changed by git"
    write(calm_server.root / name, changed)
    book = open_notebook(context, calm_server, name).wait_for_kernel()
    notice = book.notice()
    assert "The file has changed since" in notice.inner_text()
    assert_same(changed, {**book.content(), "metadata": changed["metadata"]})
    [draft] = calm_server.drafts(name)
    assert_same(held, calm_server.get(f"indelible/api/drafts/{draft['wc']}")["content"])
    notice.get_by_role("button", name="Open draft").click()
    book.page.get_by_text("The draft is in the notebook").wait_for()
    assert book.is_dirty()
    assert_same(held, book.content())
    assert_same(changed, read(calm_server.root / name))


@IN_LAB
def test_compare_shows_what_came_back(
    calm_server: JupyterServer, new_browser: NewBrowser, context: BrowserContext
) -> None:
    name = "compare.ipynb"
    left_behind(new_browser(), calm_server, name)
    book = open_notebook(context, calm_server, name)
    book.notice().get_by_role("button", name="Compare").click()
    dialog = book.page.locator(".jp-Dialog")
    dialog.wait_for()
    assert "last words" in dialog.inner_text()
    dialog.get_by_role("button", name="Close").last.click()
    dialog.wait_for(state="detached")


@IN_NOTEBOOK
def test_what_was_discarded_in_the_notice_is_kept_but_does_not_come_back(
    calm_server: JupyterServer, new_browser: NewBrowser, context: BrowserContext
) -> None:
    name = "discarded.ipynb"
    held = left_behind(new_browser(), calm_server, name)
    book = open_notebook(context, calm_server, name)
    before = read(calm_server.root / name)
    book.notice().get_by_role("button", name="Discard").click()
    book.page.get_by_text("indelible recover --list").wait_for()
    assert_same(before, {**book.content(), "metadata": before["metadata"]})
    assert not book.is_dirty()

    def states() -> list[str]:
        return [one["state"] for one in calm_server.drafts(name)]

    wait_until(lambda: states() == ["discarded"], "the draft to be kept as discarded")
    book.reload().wait_for_kernel()
    assert not book.has_notice()
    assert_same(before, {**book.content(), "metadata": before["metadata"]})
    [draft] = calm_server.drafts(name)
    assert_same(held, calm_server.get(f"indelible/api/drafts/{draft['wc']}")["content"])


def test_a_tab_closed_with_discard_does_not_come_back(lab_server: JupyterServer, context: BrowserContext) -> None:
    name = "closed.ipynb"
    before = write(lab_server.root / name, modern(real_notebook()))
    book = open_notebook(context, lab_server, name).wait_for_kernel()
    book.edit_in_many_ways()
    held = book.content()
    book.wait_until_protected()
    book.page.locator(".lm-TabBar-tab.lm-mod-current .lm-TabBar-tabCloseIcon").last.click()
    book.page.locator(".jp-Dialog").get_by_role("button", name="Discard").click()
    wait_until(lambda: [one["state"] for one in lab_server.drafts(name)] == ["discarded"], "the draft to be discarded")
    book = open_in(book.page, lab_server, name).wait_for_kernel()
    assert not book.has_notice()
    assert_same(read(before), {**book.content(), "metadata": read(before)["metadata"]})
    [draft] = lab_server.drafts(name)
    assert_same(held, lab_server.get(f"indelible/api/drafts/{draft['wc']}")["content"])


@pytest.mark.parametrize(
    ("app", "kind"),
    [("lab", "modern"), ("lab", "below 4.5"), ("notebook", "below 4.5"), ("notebook", "without cells")],
    indirect=["app"],
)
def test_opening_and_starting_a_kernel_makes_no_draft(
    calm_server: JupyterServer, context: BrowserContext, kind: str
) -> None:
    name = f"quiet {kind}.ipynb"
    before = real_notebook()
    if kind == "modern":
        before = modern(before)
    elif kind == "without cells":
        before = modern(before) | {"cells": []}
    file = write(calm_server.root / name, before)
    written = file.stat().st_mtime_ns

    def open_once(book: OpenNotebook) -> None:
        book.wait_for_kernel()
        quarter_second()
        book.wait_until_protected()
        assert calm_server.drafts(name) == []
        assert not book.has_notice()

    book = open_notebook(context, calm_server, name)
    open_once(book)
    open_once(book.reload())
    assert file.stat().st_mtime_ns == written


@IN_LAB
def test_two_tabs_are_two_working_copies(calm_server: JupyterServer, context: BrowserContext) -> None:
    name = "two.ipynb"
    write(calm_server.root / name, small_notebook("one = 1", "two = 2"))
    first = open_notebook(context, calm_server, name)
    first.type_in(0, "  # from the first tab")
    first.wait_until_protected()
    second = open_in(context.new_page(), calm_server, name)
    assert "open in another tab" in second.notice().inner_text()
    second.type_in(1, "  # from the second tab")
    second.wait_until_protected()
    found = {
        "".join(cell["source"] for cell in calm_server.get(f"indelible/api/drafts/{one['wc']}")["content"]["cells"])
        for one in calm_server.drafts(name)
    }
    assert found == {"one = 1  # from the first tabtwo = 2", "one = 1two = 2  # from the second tab"}


@IN_NOTEBOOK
def test_outputs_and_runs_come_back(
    calm_server: JupyterServer, new_browser: NewBrowser, context: BrowserContext
) -> None:
    name = "outputs.ipynb"
    source = "import sys\nfor n in range(300): print('line', n)\nprint('err', file=sys.stderr)\n{'a': 1}"
    write(calm_server.root / name, small_notebook(source, "1/0"))
    killed = new_browser()
    book = open_notebook(killed.context, calm_server, name).wait_for_kernel()
    book.run(0)
    book.run(1)
    held = book.content()
    assert len(held["cells"][0]["outputs"]) >= 2
    assert held["cells"][1]["outputs"][0]["ename"] == "ZeroDivisionError"
    quarter_second()
    killed.kill()
    book = open_notebook(context, calm_server, name).wait_for_kernel()
    assert_same(held, book.content())
