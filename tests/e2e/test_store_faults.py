"""When Indelible itself fails, Jupyter saves as it always did, and the user is told where, what and why."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from .apps import IN_LAB, IN_NOTEBOOK
from .browsers import Browser
from .conftest import NewServer
from .notebooks import assert_same, modern, read, real_notebook, write
from .pages import OpenNotebook, open_notebook, quarter_second
from .servers import App, JupyterServer
from .waiting import wait_until

NAME = "n.ipynb"
TOLD_WITHIN_S = 10
Tmpfs = Callable[..., Path]


@pytest.fixture
def tmpfs(home: Path) -> Iterator[Tmpfs]:
    """Mount a small file system of its own; root only."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        if os.geteuid() != 0:
            pytest.skip("mounting a file system needs root")
        place = home / f"tmpfs-{len(mounted)}"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", place], check=False)
        if done.returncode:
            pytest.skip("this machine lets nobody mount a tmpfs")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "--lazy", place], check=True)


def open_real(context: BrowserContext, server: JupyterServer) -> OpenNotebook:
    write(server.root / NAME, modern(real_notebook()))
    return open_notebook(context, server, NAME)


def assert_jupyter_saves(book: OpenNotebook) -> None:
    book.wait_for_kernel()
    book.edit_in_many_ways()
    held = book.content()
    book.save()
    assert not book.dialogs()
    assert_same(held, read(book.server.root / book.path))


def test_the_server_part_is_switched_off(new_server: NewServer, app: App, context: BrowserContext) -> None:
    server = new_server(app)
    server.configure("jupyter_server_config.json", ServerApp={"jpserver_extensions": {"indelible": False}})
    book = open_real(context, server.start())
    book.wait_for_indicator("Not protected", TOLD_WITHIN_S)
    assert "server part" in book.indicator()
    assert_jupyter_saves(book)


@IN_LAB
def test_the_journal_is_switched_off(new_server: NewServer, app: App, context: BrowserContext) -> None:
    server = new_server(app, "--Indelible.journal=False", "--Indelible.autosave_interval=1000").start()
    book = open_real(context, server)
    assert "journal is switched off" in book.wait_for_indicator("Not protected", TOLD_WITHIN_S)
    assert_jupyter_saves(book)
    book.type_in(2, "\nand by itself")
    wait_until(lambda: not book.is_dirty(), "the timed save", within_s=5)
    assert_same(book.content(), read(server.root / NAME))


def test_the_store_is_read_only(new_server: NewServer, app: App, context: BrowserContext, tmpfs: Tmpfs) -> None:
    server = new_server(app, f"--Indelible.store_path={tmpfs('ro')}").start()
    book = open_real(context, server)
    book.wait_for_indicator("Not protected", TOLD_WITHIN_S)
    assert "cannot write" in book.indicator()
    assert "read_only" in server.log.read_text()
    assert_jupyter_saves(book)


@IN_LAB
def test_the_disk_fills_up_and_is_freed_again(new_server: NewServer, app: App, browser: Browser, tmpfs: Tmpfs) -> None:
    disk = tmpfs("size=40m")
    server = new_server(app, f"--Indelible.store_path={disk / 'store'}").start()
    book = open_real(browser.context, server).wait_for_kernel()
    book.type_in(2, "\nbefore = True")
    book.wait_until_protected()
    fill(disk / "filling")
    edits = 0
    while "disk is full" not in book.indicator():
        book.type_in(4, f"\nx{edits} = '{'y' * 80}'")
        fill(disk / f"filling-{edits}")
        edits += 1
        assert edits < 100
    assert "disk_full" in server.log.read_text()
    assert_jupyter_saves(book)
    book.type_in(3, "\nwritten on a full disk")
    held = book.content()
    wait_until(lambda: "kept in this browser" in (tooltip(book)), "the browser to keep it", within_s=TOLD_WITHIN_S)
    for one in disk.glob("filling*"):
        one.unlink()
    book.wait_until_protected(60)
    browser.kill()
    browser.open_again()
    book = open_notebook(browser.context, server, NAME).wait_for_kernel()
    assert_same(held, book.content())


def tooltip(book: OpenNotebook) -> str:
    return book.page.locator(".jp-Indelible-status").first.get_attribute("title") or ""


def fill(path: Path) -> None:
    """Write until no byte is left."""
    try:
        with path.open("wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while file.write(b"\0" * size) == size:
                        pass
                except OSError:
                    continue
    except OSError:
        return


@IN_NOTEBOOK
def test_the_journal_is_damaged_and_filled_again_from_the_tab(server: JupyterServer, browser: Browser) -> None:
    book = open_real(browser.context, server).wait_for_kernel()
    book.edit_in_many_ways()
    held = book.content()
    book.wait_until_protected()
    server.kill()
    for file in (server.store / "journals").glob("*.db*"):
        file.write_bytes(b"not a database " * 5000)
    server.start()
    wait_until(lambda: "Offline" not in book.indicator(), "the tab to come back")
    wait_until(lambda: server.drafts(NAME), "the tab to send everything again")
    assert "damaged" in server.log.read_text()
    assert list((server.store / "damaged").iterdir())
    assert_same(held, book.content())
    quarter_second()
    browser.kill()
    browser.open_again()
    book = open_notebook(browser.context, server, NAME).wait_for_kernel()
    assert_same(held, book.content())
