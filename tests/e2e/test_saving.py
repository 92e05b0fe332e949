"""The file that a save writes: what the page holds, exactly, and nothing sent that the server has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from playwright.sync_api import BrowserContext, Request

from .notebooks import assert_same, modern, read, real_notebook, write
from .pages import OpenNotebook, open_notebook
from .servers import JupyterServer
from .waiting import wait_until


class Traffic:
    """What the page sends while the `with` block runs."""

    def __init__(self, book: OpenNotebook) -> None:
        self._page = book.page
        self.requests: list[Request] = []

    def __enter__(self) -> Traffic:
        self._page.on("request", self._note)
        return self

    def __exit__(self, *error: object) -> None:
        self._page.remove_listener("request", self._note)

    def _note(self, request: Request) -> None:
        self.requests.append(request)

    @property
    def puts(self) -> list[str]:
        """Of notebooks; JupyterLab writes its workspace now and then."""
        return [one.url for one in self.requests if one.method == "PUT" and "/api/contents/" in one.url]


def as_nbformat_writes(notebook: dict[str, Any]) -> str:
    text: str = nbformat.writes(nbformat.from_dict(notebook))  # type: ignore[no-untyped-call]
    return text + "\n"


def test_a_save_sends_no_notebook_and_writes_what_nbformat_would(
    calm_server: JupyterServer, context: BrowserContext
) -> None:
    name = "delta.ipynb"
    path = calm_server.root / name
    path.write_text(as_nbformat_writes(modern(real_notebook())))
    book = open_notebook(context, calm_server, name).wait_for_kernel()
    book.wait_until_protected()
    for number in range(3):
        if number == 0:
            book.edit_in_many_ways()
        else:
            book.type_in(1, f"\nround {number} 数据 😀")
        with Traffic(book) as traffic:
            book.save()
        assert not traffic.puts
        assert_same(read(path), book.content())
        assert path.read_text() == as_nbformat_writes(book.content())
        assert not book.is_dirty()
        assert not book.dialogs()
    book.reload()
    assert_same(read(path), book.content())
    assert not book.has_notice()


@pytest.mark.parametrize("app", ["lab"])
def test_a_notebook_of_an_old_format_is_saved_as_jupyter_would(
    calm_server: JupyterServer, context: BrowserContext
) -> None:
    name = "old.ipynb"
    path = calm_server.root / name
    write(path, real_notebook())
    book = open_notebook(context, calm_server, name).wait_for_kernel()
    book.wait_until_protected()
    book.type_in(2, "\nchanged")
    with Traffic(book) as traffic:
        book.save()
    assert not traffic.puts
    assert_same(read(path), book.content())
    nbformat.validate(json.loads(path.read_text()))
    book.type_in(3, "\nagain")
    book.save()
    assert_same(read(path), book.content())


def leftovers(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir() if one.name.startswith(".indelible")]


def test_what_is_typed_during_a_save_stays_unsaved(calm_server: JupyterServer, context: BrowserContext) -> None:
    name = "during.ipynb"
    path = calm_server.root / name
    write(path, modern(real_notebook()))
    book = open_notebook(context, calm_server, name).wait_for_kernel()
    book.type_in(2, "\nbefore")
    # The edit is made as soon as the page has asked for the save.
    book.js(
        """
        const cell = panel.content.model.sharedModel.cells[2];
        const { send } = WebSocket.prototype;
        WebSocket.prototype.send = function (message) {
            send.call(this, message);
            if (typeof message === 'string' && message.startsWith('{"t":"save"')) {
                WebSocket.prototype.send = send;
                cell.setSource(cell.getSource() + '\\nduring');
            }
        };
        await panel.context.save();
        """
    )
    assert book.is_dirty()
    text = "".join(read(path)["cells"][2]["source"])
    assert "before" in text
    assert "during" not in text
    book.save()
    assert_same(read(path), book.content())
    assert "during" in "".join(read(path)["cells"][2]["source"])
    assert not leftovers(calm_server.root)


@pytest.mark.parametrize("app", ["lab"])
def test_save_as_writes_the_new_file_and_leaves_the_old_one(
    calm_server: JupyterServer, context: BrowserContext
) -> None:
    old, new = calm_server.root / "before.ipynb", calm_server.root / "after.ipynb"
    write(old, modern(real_notebook()))
    saved = old.read_bytes()
    book = open_notebook(context, calm_server, old.name).wait_for_kernel()
    book.wait_until_protected()
    book.type_in(2, "\ntyped before")
    held = book.content()
    book.page.evaluate("void window.jupyterapp.commands.execute('docmanager:save-as')")
    dialog = book.page.locator(".jp-Dialog")
    dialog.locator("input").fill(new.name)
    dialog.get_by_role("button", name="Save", exact=True).click()
    wait_until(new.exists, "the new file")
    wait_until(lambda: not book.dialogs(), "the dialog to go")
    assert_same(held, read(new))
    assert old.read_bytes() == saved
