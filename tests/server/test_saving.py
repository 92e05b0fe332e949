"""A save through the feed: the file, what Jupyter does after a save, and when Jupyter must save by itself."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from indelible.errors import DiskFull
from indelible.notebook.layout import mark_of
from indelible.notebook.nbjson import write_notebook
from indelible.notebook.render import digest_of
from indelible.service import Service

from .conftest import Fetch, Tab, new_copy
from .test_feed import until

NewTab = Callable[..., Awaitable[Tab]]
Notebook = dict[str, Any]

HTML = {"output_type": "display_data", "metadata": {}, "data": {"text/html": ["<b>rich</b>"]}}


def notebook(*sources: str, outputs: list[Any] | None = None) -> Notebook:
    rest: dict[str, Any] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": outputs or []}
    cells = [rest | {"id": f"c{number}", "source": source} for number, source in enumerate(sources)]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Page:
    """One notebook that a tab has read from its file, edited and saves."""

    def __init__(self, tab: Tab, path: Path, name: str) -> None:
        self.tab, self.path, self.name = tab, path, name
        self.copy, self.seq = new_copy(), 0
        self.base = sha256(path)
        self.content: Notebook = json.loads(path.read_bytes())

    async def open(self) -> Page:
        answer = await self.tab.open(self.copy, self.name, self.base, len(self.content["cells"]))
        assert answer["t"] == "opened"
        return self

    async def type(self, cell: int, source: str) -> None:
        self.seq += 1
        self.content["cells"][cell]["source"] = source
        answer = await self.tab.edit(self.copy, self.seq, cells=[{"key": cell, "source": source}])
        assert answer["t"] == "ack", answer

    async def save(self, **more: Any) -> dict[str, Any]:
        marks = [mark_of(cell) for cell in self.content["cells"]]
        message = {
            "t": "save",
            "wc": self.copy,
            "epoch": 1,
            "seq": self.seq,
            "id": 7,
            "path": self.name,
            "file": self.base,
            "digest": digest_of(marks, with_ids=True),
            "trusted": False,
        }
        answer = await self.tab.ask(message | more, "wrote", "unsaved", "nack")
        if answer["t"] == "wrote":
            self.base = answer["hash"]
        return answer


@pytest.fixture
def new_page(new_tab: NewTab, root: Path) -> Callable[..., Awaitable[Page]]:
    async def make(content: Notebook, name: str = "n.ipynb") -> Page:
        (root / name).write_bytes(write_notebook(content))
        return await Page(await new_tab(), root / name, name).open()

    return make


NewPage = Callable[..., Awaitable[Page]]


def has_base(service: Service, page: Page) -> bool:
    """Whether the store has what the page's next edits build on."""
    assert service.store is not None
    one = service.store.journal.draft(page.copy).working_copy
    return one.base == page.base and one.base_chunks is not None


def as_nbformat_writes(content: Notebook) -> bytes:
    text: str = nbformat.writes(nbformat.from_dict(content))  # type: ignore[no-untyped-call]
    return (text + "\n").encode()


async def test_the_file_has_what_nbformat_would_write_and_the_answer_its_hash(new_page: NewPage) -> None:
    page = await new_page(notebook("a = 1", "b = 2", "数据 😀"))
    await page.type(1, "b = 'changed'")
    answer = await page.save()
    assert answer["t"] == "wrote"
    assert page.path.read_bytes() == as_nbformat_writes(page.content)
    assert answer["hash"] == answer["model"]["hash"] == sha256(page.path)
    assert (answer["seq"], answer["size"], answer["changed"]) == (1, page.path.stat().st_size, True)
    assert answer["model"]["content"] is None


async def test_an_unchanged_notebook_is_not_written(new_page: NewPage) -> None:
    page = await new_page(notebook("a"))
    before = page.path.stat()
    answer = await page.save()
    assert (answer["t"], answer["changed"]) == ("wrote", False)
    after = page.path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_a_file_that_somebody_else_wrote_is_never_overwritten(new_page: NewPage) -> None:
    page = await new_page(notebook("a", "b"))
    await page.type(0, "mine")
    theirs = write_notebook(notebook("theirs", "b"))
    page.path.write_bytes(theirs)
    answer = await page.save()
    assert (answer["t"], answer["error"]) == ("unsaved", "file_changed")
    assert answer["found"] == hashlib.sha256(theirs).hexdigest()
    assert page.path.read_bytes() == theirs


async def test_a_page_that_holds_something_else_is_not_believed(new_page: NewPage) -> None:
    page = await new_page(notebook("a", "b"))
    before = page.path.read_bytes()
    await page.type(0, "mine")
    answer = await page.save(digest="0" * 64)
    assert (answer["t"], answer["error"]) == ("unsaved", "page_differs")
    assert page.path.read_bytes() == before


async def test_a_seq_that_the_journal_does_not_have_is_refused(new_page: NewPage) -> None:
    page = await new_page(notebook("a"))
    before = page.path.read_bytes()
    await page.type(0, "mine")
    answer = await page.save(seq=2)
    assert (answer["t"], answer["error"]) == ("unsaved", "behind")
    assert page.path.read_bytes() == before


async def test_a_deleted_file_comes_back_only_when_that_is_wanted(new_page: NewPage) -> None:
    page = await new_page(notebook("a", "b"))
    await page.type(0, "mine")
    page.path.unlink()
    answer = await page.save()
    assert (answer["t"], answer["error"]) == ("unsaved", "file_gone")
    assert not page.path.exists()
    answer = await page.save(creates=True)
    assert answer["t"] == "wrote"
    assert page.path.read_bytes() == as_nbformat_writes(page.content)


async def test_a_deleted_file_that_was_saved_before_comes_back_too(new_page: NewPage, service: Service) -> None:
    page = await new_page(notebook("a", "b"))
    await page.type(0, "mine")
    assert (await page.save())["t"] == "wrote"
    message = {"t": "saved", "wc": page.copy, "epoch": 1, "seq": page.seq, "hash": page.base, "order": [[0, 2]]}
    assert (await page.tab.ask(message | {"cells": 2}, "ack", "nack"))["t"] == "ack"
    await until(lambda: has_base(service, page))
    page.path.unlink()
    assert (await page.save(creates=True))["t"] == "wrote"
    assert page.path.read_bytes() == as_nbformat_writes(page.content)


async def test_a_deleted_file_that_was_never_edited_is_left_to_jupyter(new_page: NewPage) -> None:
    page = await new_page(notebook("a"))
    page.path.unlink()
    assert (await page.save())["error"] == "file_gone"
    assert (await page.save(creates=True))["error"] == "save_refused"


@pytest.mark.parametrize(
    ("raw", "error", "names"),
    [
        ({"seq": -1}, "malformed", "seq"),
        ({"id": "x"}, "malformed", "id"),
        ({"digest": "zz"}, "malformed", "digest"),
        ({"trusted": 1}, "malformed", "trusted"),
        ({"path": "x" * 5000}, "too_large", "path"),
        ({"path": 1}, "malformed", "path"),
    ],
)
async def test_a_malformed_save_is_named_and_changes_nothing(
    new_page: NewPage, raw: dict[str, Any], error: str, names: str
) -> None:
    page = await new_page(notebook("a"))
    before = page.path.read_bytes()
    await page.type(0, "mine")
    message = {"t": "save", "wc": page.copy, "epoch": 1, "seq": 1, "id": 1, "path": page.name, "file": page.base}
    answer = await page.tab.ask(message | {"digest": "0" * 64, "trusted": False} | raw, "nack", "unsaved", "wrote")
    assert answer["t"] == "nack"
    assert answer["error"] == error
    assert names in answer["message"]
    assert page.path.read_bytes() == before


async def test_nothing_outside_the_root_is_written(new_page: NewPage, root: Path) -> None:
    outside = root.parent / "outside.ipynb"
    outside.write_bytes(write_notebook(notebook("theirs")))
    before = outside.read_bytes()
    page = await new_page(notebook("a"))
    await page.type(0, "mine")
    answer = await page.save(path="../outside.ipynb", file=sha256(outside))
    assert (answer["t"], answer["error"]) == ("nack", "malformed")
    assert outside.read_bytes() == before


async def test_notebooks_on_a_disk_that_hangs_do_not_keep_another_from_being_saved(
    new_page: NewPage, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    save, there_again = service.files.save, threading.Event()

    def hangs(request: Any, *more: Any) -> Any:
        if request.path != "n.ipynb":
            there_again.wait(30)
        return save(request, *more)

    monkeypatch.setattr(service.files, "save", hangs)
    hung = [await new_page(notebook("a"), f"hung{number}.ipynb") for number in range(4)]
    page = await new_page(notebook("a"))
    for one in (*hung, page):
        await one.type(0, "mine")
    waiting = [asyncio.ensure_future(one.save()) for one in hung]
    try:
        assert (await page.save())["t"] == "wrote"
        assert page.path.read_bytes() == as_nbformat_writes(page.content)
        assert not any(one.done() for one in waiting)
    finally:
        there_again.set()
    assert [(await one)["t"] for one in waiting] == ["wrote"] * 4


async def test_nothing_is_remembered_of_a_file_that_nobody_is_saving(new_page: NewPage, service: Service) -> None:
    for name in ("n.ipynb", "m.ipynb"):
        page = await new_page(notebook("a"), name)
        await page.type(0, "mine")
        assert (await page.save())["t"] == "wrote"
    assert dict(service.upkeep.saver._locks) == {}


# -- what Jupyter does besides writing --


async def test_post_save_hooks_run_and_the_event_is_emitted(new_page: NewPage, jp_serverapp: Any) -> None:
    contents = jp_serverapp.contents_manager
    told: list[Any] = []
    contents.register_post_save_hook(lambda **facts: told.append((facts["os_path"], facts["model"]["path"])))

    async def heard(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        told.append((data["action"], data["path"]))

    schema = "https://events.jupyter.org/jupyter_server/contents_service/v1"
    jp_serverapp.event_logger.add_listener(schema_id=schema, listener=heard)
    page = await new_page(notebook("a"))
    await page.type(0, "mine")
    await page.save()
    await jp_serverapp.event_logger.gather_listeners()
    assert ("save", "n.ipynb") in told
    assert (str(page.path), "n.ipynb") in told


async def test_a_post_save_hook_that_fails_leaves_the_save_a_success(new_page: NewPage, jp_serverapp: Any) -> None:
    def fails(**facts: Any) -> None:
        raise RuntimeError("the hook's own trouble")

    jp_serverapp.contents_manager.register_post_save_hook(fails)
    page = await new_page(notebook("a"))
    await page.type(0, "mine")
    assert (await page.save())["t"] == "wrote"
    assert page.path.read_bytes() == as_nbformat_writes(page.content)


def with_hook(contents: Any) -> None:
    contents.register_pre_save_hook(lambda **facts: None)


def with_other_save(contents: Any) -> None:
    class Other(type(contents)):  # type: ignore[misc]
        async def save(self, model: Any, path: str = "") -> Any:
            return await super().save(model, path)

    contents.__class__ = Other


@pytest.mark.parametrize(
    ("configure", "reason"), [(with_hook, "a pre-save hook"), (with_other_save, "saves in its own way")]
)
async def test_where_the_content_may_be_changed_jupyter_saves(
    new_page: NewPage,
    jp_serverapp: Any,
    jp_fetch: Fetch,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    configure: Callable[[Any], None],
    reason: str,
) -> None:
    configure(jp_serverapp.contents_manager)
    hello = json.loads((await jp_fetch("indelible", "api", "hello")).body)
    assert reason in hello["full_save_because"]
    page = await new_page(notebook("a"))
    before = page.path.read_bytes()
    await page.type(0, "mine")
    monkeypatch.setattr(logging.getLogger("indelible"), "propagate", True)
    with caplog.at_level(logging.INFO, "indelible"):
        answer = await page.save()
    assert (answer["t"], answer["error"]) == ("unsaved", "not_local")
    assert page.path.read_bytes() == before
    assert "n.ipynb is saved through Jupyter's own API" in caplog.text
    assert reason in caplog.text


# -- trust --


async def is_trusted(jp_fetch: Fetch, name: str = "n.ipynb") -> bool:
    model = json.loads((await jp_fetch("api", "contents", name, params={"content": "1"})).body)
    return all(cell["metadata"].get("trusted", False) for cell in model["content"]["cells"])


async def test_what_the_page_trusted_is_trusted_afterwards(new_page: NewPage, jp_fetch: Fetch) -> None:
    page = await new_page(notebook("a", outputs=[HTML]))
    assert not await is_trusted(jp_fetch)
    await page.type(0, "mine")
    assert (await page.save(trusted=True))["t"] == "wrote"
    assert await is_trusted(jp_fetch)
    await page.type(0, "mine, again")
    await page.save(trusted=True)
    assert await is_trusted(jp_fetch)


async def test_nothing_becomes_trusted_that_was_not(new_page: NewPage, jp_fetch: Fetch) -> None:
    page = await new_page(notebook("a", outputs=[HTML]))
    await page.type(0, "mine")
    await page.save(trusted=False)
    assert not await is_trusted(jp_fetch)


async def test_a_lone_surrogate_is_saved_as_jsons_escape(new_page: NewPage) -> None:
    page = await new_page(notebook("a", "b"))
    await page.type(0, "x = '\ud83d'")
    assert (await page.save(trusted=True))["t"] == "wrote"
    assert b"\\ud83d" in page.path.read_bytes()
    assert "".join(json.loads(page.path.read_bytes())["cells"][0]["source"]) == "x = '\ud83d'"


async def test_a_store_that_fails_leaves_the_save_to_jupyter(
    new_page: NewPage, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await new_page(notebook("a"))
    before = page.path.read_bytes()
    await page.type(0, "mine")
    assert service.store is not None

    def full(*arguments: Any) -> None:
        raise DiskFull("no space left in the store")

    monkeypatch.setattr(service.store.journal, "writing", full)
    answer = await page.save()
    assert (answer["t"], answer["error"]) == ("unsaved", "store_failed")
    assert "no space left in the store" in answer["message"]
    assert page.path.read_bytes() == before


async def test_a_file_that_is_renamed_right_after_the_save_is_saved(
    new_page: NewPage, jp_serverapp: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await new_page(notebook("a"))
    await page.type(0, "mine")
    contents = jp_serverapp.contents_manager
    get = contents.get

    async def renamed_before(path: str, **options: Any) -> Any:
        page.path.rename(page.path.with_name("moved.ipynb"))
        return await get(path, **options)

    monkeypatch.setattr(contents, "get", renamed_before)
    answer = await page.save()
    moved = page.path.with_name("moved.ipynb")
    assert (answer["t"], answer["hash"]) == ("wrote", sha256(moved))
    assert answer["model"]["path"] == "n.ipynb"
    assert moved.read_bytes() == as_nbformat_writes(page.content)


@pytest.mark.parametrize("is_trusted", [True, False])
async def test_what_a_save_dropped_is_as_trusted_as_it_was(
    new_page: NewPage, jp_fetch: Fetch, is_trusted: bool
) -> None:
    page = await new_page(notebook("a = 1\n" * 100, "b", outputs=[HTML]))
    await page.type(1, "c")
    assert (await page.save(trusted=is_trusted))["t"] == "wrote"
    await page.type(0, "")
    dropped = (await page.save())["shrunk"]["version"]
    answer = await jp_fetch("indelible", "api", "versions", str(dropped), params={"path": "n.ipynb"})
    cells = json.loads(answer.body)["cells"]
    assert ["".join(cell["source"]) for cell in cells] == ["a = 1\n" * 100, "c"]
    assert [cell["metadata"].get("trusted", False) for cell in cells] == [is_trusted, is_trusted]


async def test_a_file_that_somebody_else_wrote_is_told(new_page: NewPage) -> None:
    page = await new_page(notebook("a"))
    await page.type(0, "mine")
    page.path.write_bytes(write_notebook(notebook("theirs")))
    told = await page.tab.hear("file")
    while told["hash"] != sha256(page.path):
        told = await page.tab.hear("file")
    assert told["wc"] == page.copy
