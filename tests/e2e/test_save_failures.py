"""A notebook whose file cannot be written: one banner says why and what is safe, the file stays whole, and the save
succeeds by itself once the cause is gone."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Route, expect

from .apps import IN_LAB
from .conftest import NewServer
from .notebooks import assert_same, read, small_notebook, write
from .pages import OpenNotebook, open_notebook
from .servers import App, JupyterServer
from .waiting import wait_until

NAME = "n.ipynb"
TOLD_WITHIN_S = 10
AGAIN_WITHIN_S = 70

MountAt = Callable[[Path, str], None]
Trouble = Callable[[Path], AbstractContextManager[None]]


def run(*command: str | Path) -> bool:
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Not a byte is left."""
    filling = folder / "filling"
    with filling.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12):
            try:
                while file.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue
    yield
    filling.unlink()


@contextmanager
def read_only_mount(folder: Path) -> Iterator[None]:
    assert run("mount", "-o", "remount,ro", folder)
    yield
    assert run("mount", "-o", "remount,rw", folder)


@contextmanager
def immutable_file(folder: Path) -> Iterator[None]:
    """As `chattr +i` makes it; not even root may write it then."""
    if not run("chattr", "+i", folder / NAME):
        pytest.skip("this file system has no immutable files")
    try:
        yield
    finally:
        assert run("chattr", "-i", folder / NAME)


@pytest.fixture
def mount_at(home: Path) -> Iterator[MountAt]:
    """Mount a small file system of a kind at a folder; root only."""
    with ExitStack() as mounted:

        def mount(place: Path, kind: str) -> None:
            if os.geteuid() != 0:
                pytest.skip("mounting a file system needs root")
            if kind == "tmpfs":
                is_there = run("mount", "-t", "tmpfs", "-o", "size=2m", "none", place)
            else:
                image = home / "image"
                with image.open("wb") as file:
                    file.truncate(16 * 2**20)
                assert run("mkfs.ext4", "-q", image)
                is_there = run("mount", "-o", "loop", image, place)
            if not is_there:
                pytest.skip(f"this machine lets nobody mount {kind}")
            mounted.callback(run, "umount", "--lazy", place)

        yield mount


def banner(book: OpenNotebook) -> Locator:
    return book.page.locator(".jp-Indelible-notice.jp-mod-failed")


@pytest.mark.parametrize(
    ("kind", "trouble", "cause", "code"),
    [
        ("tmpfs", full_disk, "the disk of the file is full", "disk_full"),
        ("ext4", read_only_mount, "a disk that is read-only", "read_only"),
        ("ext4", immutable_file, "may not write the file", "no_permission"),
    ],
    ids=["full", "read-only", "immutable"],
)
@IN_LAB
def test_the_cause_is_named_and_the_save_made_up_for(
    new_server: NewServer,
    app: App,
    context: BrowserContext,
    mount_at: MountAt,
    kind: str,
    trouble: Trouble,
    cause: str,
    code: str,
) -> None:
    server = new_server(app, "--Indelible.autosave_interval=2000")
    folder = server.root
    mount_at(folder, kind)
    server.start()
    path = write(folder / NAME, small_notebook("a = 1", "b = 2"))
    book = open_notebook(context, server, NAME).wait_for_kernel()
    book.wait_until_protected()
    before = path.read_bytes()
    with trouble(folder):
        book.type_in(0, "\ntyped while it cannot be saved = True")
        expect(banner(book)).to_contain_text(cause, timeout=TOLD_WITHIN_S * 1000)
        expect(banner(book)).to_contain_text("Your edits are safe in the server’s journal.")
        assert banner(book).count() == 1
        assert path.read_bytes() == before
        assert not book.dialogs()
        # The file cannot be written; what protects the edits can.
        assert "Not protected" not in book.indicator()
        assert "Not saved" in book.indicator()
        assert f"[{code}]" in server.log.read_text()
    wait_until(lambda: path.read_bytes() != before, "the save to be made up for", AGAIN_WITHIN_S)
    assert_same(read(path), book.content())
    expect(banner(book)).to_have_count(0)
    assert not [one for one in folder.iterdir() if one.name.startswith(".indelible")]


@pytest.mark.parametrize(("status", "cause"), [(413, "too large for a proxy"), (502, "did not reach the server")])
@IN_LAB
def test_a_proxy_that_refuses_a_full_save(
    new_server: NewServer, app: App, context: BrowserContext, status: int, cause: str
) -> None:
    server = new_server(app, "--Indelible.autosave_interval=2000")
    # With a hook that may change the content the whole notebook is sent, through Jupyter's own API.
    hook = "def hook(**facts): pass\nc.FileContentsManager.pre_save_hook = hook\n"
    (server.config / "jupyter_server_config.py").write_text(hook)
    server.start()
    path = write(server.root / NAME, small_notebook("a = 1"))

    def refuse(route: Route) -> None:
        if route.request.method == "PUT":
            route.fulfill(status=status, body="refused by a proxy")
        else:
            route.continue_()

    context.route("**/api/contents/**", refuse)
    book = open_notebook(context, server, NAME).wait_for_kernel()
    book.type_in(0, "\nb = 2")
    expect(banner(book)).to_contain_text(cause, timeout=TOLD_WITHIN_S * 1000)
    assert not book.dialogs()
    context.unroute("**/api/contents/**")
    wait_until(lambda: not book.is_dirty(), "the save to be made up for", AGAIN_WITHIN_S)
    assert_same(read(path), book.content())
    expect(banner(book)).to_have_count(0)
    assert "pre-save hook" in server.log.read_text()


@IN_LAB
def test_an_output_of_many_megabytes_passes_a_proxy_that_allows_one(
    calm_server: JupyterServer, context: BrowserContext
) -> None:
    name = "large output.ipynb"
    path = write(calm_server.root / name, small_notebook("print('x')"))
    frames: list[int] = []
    book = open_notebook(context, calm_server, name).wait_for_kernel()
    book.page.on("websocket", lambda socket: socket.on("framesent", lambda payload: frames.append(len(payload))))
    book.reload().wait_for_kernel()
    context.route(
        "**/*",
        lambda route: route.fulfill(status=413) if large(route) else route.continue_(),
    )
    book.js(
        "const text = Array.from({length: 60000}, (_, n) => `line ${n} ${'data '.repeat(10)}\\n`).join('');"
        "panel.content.model.sharedModel.cells[0].setOutputs("
        "[{output_type: 'stream', name: 'stdout', text}]);"
    )
    book.save()
    assert_same(read(path), book.content())
    assert path.stat().st_size > 3_000_000
    assert max(frames) <= 512 * 1024


def large(route: Route) -> bool:
    body = route.request.post_data_buffer
    return body is not None and len(body) > 1_000_000


@IN_LAB
def test_the_login_expires_and_another_one_is_enough(server: JupyterServer, context: BrowserContext) -> None:
    path = write(server.root / NAME, small_notebook("a = 1", "b = 2"))
    book = open_notebook(context, server, NAME).wait_for_kernel()
    book.wait_until_protected()
    server.stop()
    server.token = "another-token"
    context.clear_cookies()
    server.start()
    book.wait_for_indicator("Login expired", 30)
    book.type_in(0, "\ntyped without a login = True")
    expect(banner(book)).to_contain_text("Your login has expired", timeout=15_000)
    expect(banner(book).get_by_role("button", name="Log in…")).to_be_visible()
    assert not book.dialogs()
    held = book.content()
    again = context.new_page()
    again.goto(f"{server.url}tree?token={server.token}")
    wait_until(lambda: server.drafts(NAME), "the edits to flow by themselves", 60)
    book.page.bring_to_front()
    book.wait_until_protected(60)
    expect(banner(book)).to_have_count(0)
    book.save()
    assert_same(held, read(path))
