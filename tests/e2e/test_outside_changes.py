"""Somebody else writes the file of an open notebook: git, an editor, another tab. Neither side is lost."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import BrowserContext, expect

from .apps import IN_LAB
from .conftest import NewBrowser, NewServer
from .notebooks import Notebook, assert_same, read, small_notebook, write
from .pages import OpenNotebook, open_in, open_notebook
from .servers import App, JupyterServer
from .waiting import wait_until


def opened(server: JupyterServer, context: BrowserContext, name: str) -> tuple[OpenNotebook, Path]:
    path = write(server.root / name, small_notebook("a = 1\nb = 2", "c = 3", "d = 4"))
    book = open_notebook(context, server, name).wait_for_kernel()
    book.wait_until_protected()
    return book, path


def outside(path: Path, **sources: str) -> Notebook:
    """As `git checkout` would: the file has other sources by cell id; `None` removes a cell."""
    notebook = read(path)
    for cell in notebook["cells"]:
        new = sources.get(cell["id"].replace("-", "_"))
        if new is not None:
            cell["source"] = new
    write(path, notebook)
    return notebook


def sources(notebook: Notebook) -> list[str]:
    return ["".join(cell["source"]) for cell in notebook["cells"]]


def test_without_unsaved_edits_the_file_is_shown(calm_server: JupyterServer, context: BrowserContext) -> None:
    book, path = opened(calm_server, context, "shown.ipynb")
    book.type_in(1, " + 1")
    book.save()
    outside(path, cell_0="a = 1\nb = 'outside'")
    wait_until(lambda: book.source(0) == "a = 1\nb = 'outside'", "the file to be shown")
    assert not book.is_dirty()
    assert "changed outside" in book.notice().inner_text()
    assert not book.dialogs()
    # It goes on from there.
    book.type_in(2, " + 2")
    book.save()
    assert_same(read(path), book.content())
    assert sources(read(path)) == ["a = 1\nb = 'outside'", "c = 3 + 1", "d = 4 + 2"]


def test_edits_of_both_sides_are_in_the_notebook_and_in_the_file(
    calm_server: JupyterServer, context: BrowserContext
) -> None:
    book, path = opened(calm_server, context, "merged.ipynb")
    book.type_in(1, " + mine")
    book.wait_until_protected()
    outside(path, cell_0="a = 1\nb = 'outside'")
    book.save()
    assert sources(book.content()) == ["a = 1\nb = 'outside'", "c = 3 + mine", "d = 4"]
    assert_same(read(path), book.content())
    assert not book.dialogs()
    assert "Both sides" in book.notice().inner_text()
    # The cursor and the steps of undo are still those of the user.
    book.type_in(1, " + more")
    book.save()
    assert_same(read(path), book.content())
    book.page.reload()
    book.wait_until_open()
    assert sources(book.content()) == ["a = 1\nb = 'outside'", "c = 3 + mine + more", "d = 4"]


def test_where_both_changed_the_same_line_the_user_chooses(calm_server: JupyterServer, context: BrowserContext) -> None:
    book, path = opened(calm_server, context, "conflict.ipynb")
    book.type_in(1, " + mine")
    book.wait_until_protected()
    theirs = outside(path, cell_1="c = 'theirs'", cell_2="d = 'theirs'")
    book.page.keyboard.press("Escape")
    book.page.keyboard.press("Control+s")
    notice = book.notice()
    expect(notice).to_contain_text("saving waits for your choice")
    assert sources(read(path)) == sources(theirs)
    assert book.source(1) == "c = 3 + mine"
    notice.get_by_role("button", name="Choose…").click()
    dialog = book.page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("c = 'theirs'")
    expect(dialog).to_contain_text("c = 3 + mine")
    dialog.get_by_label("Both, as two cells").check()
    dialog.get_by_role("button", name="Take these and save").click()
    wait_until(lambda: len(read(path)["cells"]) == 4, "the save")
    assert sources(read(path)) == ["a = 1\nb = 2", "c = 3 + mine", "c = 'theirs'", "d = 'theirs'"]
    assert_same(read(path), book.content())
    wait_until(lambda: not book.is_dirty(), "the notebook to be saved")
    assert not book.has_notice()


def test_two_tabs_of_one_notebook_lose_nothing_of_each_other(
    calm_server: JupyterServer, context: BrowserContext
) -> None:
    book, path = opened(calm_server, context, "two tabs.ipynb")
    other = open_in(context.new_page(), calm_server, "two tabs.ipynb").wait_for_kernel()
    other.wait_until_protected()
    other.type_in(0, "\nsecond tab")
    other.wait_until_protected()
    book.page.bring_to_front()
    book.type_in(2, "\nfirst tab")
    book.save()
    other.page.bring_to_front()
    other.save()
    expected = ["a = 1\nb = 2\nsecond tab", "c = 3", "d = 4\nfirst tab"]
    assert sources(read(path)) == expected
    wait_until(lambda: sources(book.content()) == expected, "the first tab to show what the second saved")


def test_a_deleted_file_is_not_written_again_unasked(calm_server: JupyterServer, context: BrowserContext) -> None:
    book, path = opened(calm_server, context, "gone.ipynb")
    book.type_in(1, " + 1")
    book.wait_until_protected()
    path.unlink()
    book.page.keyboard.press("Escape")
    book.page.keyboard.press("Control+s")
    notice = book.notice()
    expect(notice).to_contain_text("deleted or moved")
    assert not path.exists()
    assert not book.dialogs()
    notice.get_by_role("button", name="Save it here again").click()
    wait_until(path.exists, "the file")
    wait_until(lambda: not book.is_dirty(), "the save")
    assert_same(read(path), book.content())


def test_what_a_save_drops_is_one_click_away(calm_server: JupyterServer, context: BrowserContext) -> None:
    name = "shrunk.ipynb"
    path = write(calm_server.root / name, small_notebook(*(f"x = {n}\n" + "# a long line\n" * 20 for n in range(6))))
    before = read(path)
    book = open_notebook(context, calm_server, name).wait_for_kernel()
    book.wait_until_protected()
    book.js("panel.content.model.sharedModel.deleteCellRange(0, 6);")
    book.save()
    assert "".join(sources(read(path))) == ""
    notice = book.notice()
    notice.get_by_role("button", name="Bring it back").click()
    wait_until(lambda: sources(book.content()) == sources(before), "the cells")
    book.save()
    assert sources(read(path)) == sources(before)


@IN_LAB
def test_two_servers_on_one_folder_lose_nothing_of_each_other(
    new_server: NewServer, app: App, new_browser: NewBrowser
) -> None:
    """Each has a store of its own and knows nothing of the other; so do the two browsers."""
    one, other = new_server(app), new_server(app)
    other.root = one.root
    path = write(one.start().root / "shared.ipynb", small_notebook("a = 1\nb = 2", "c = 3", "d = 4"))
    other.start()
    first = open_notebook(new_browser().context, one, "shared.ipynb").wait_for_kernel()
    second = open_notebook(new_browser().context, other, "shared.ipynb").wait_for_kernel()
    first.wait_until_protected()
    second.wait_until_protected()
    first.type_in(0, "\nfirst server")
    second.type_in(2, "\nsecond server")
    second.wait_until_protected()
    first.save()
    second.save()
    expected = ["a = 1\nb = 2\nfirst server", "c = 3", "d = 4\nsecond server"]
    assert sources(read(path)) == expected
    assert sources(second.content()) == expected
    wait_until(lambda: sources(first.content()) == expected, "the first server's tab to show what the second saved")
    assert not first.dialogs()
    assert not second.dialogs()
