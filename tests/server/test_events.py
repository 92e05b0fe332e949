"""What becomes of saves, of the protection and of merges, on Jupyter's event stream and in the log."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from indelible.errors import DiskFull
from indelible.fs import replace
from indelible.server.events import MERGE, PROTECTION, SAVE
from indelible.service import Service

from .conftest import Events, Fetch, Listen, new_copy, whole
from .saves import Book, notebook, open_book, sources
from .test_feed import NewTab, until

JUPYTERS = "https://events.jupyter.org/jupyter_server/contents_service/v1"


async def an_event(events: Events) -> dict[str, Any]:
    """The only one."""
    await until(lambda: len(events) > 0)
    assert len(events) == 1
    return events[0]


def failing(number: int) -> Callable[..., Any]:
    def fail(*args: Any, **more: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


async def test_a_save_says_what_the_file_holds(new_tab: NewTab, root: Path, listen: Listen) -> None:
    ours, jupyters = listen(SAVE), listen(JUPYTERS)
    book = await open_book(await new_tab(), root / "n.ipynb")
    await book.type(1, "two, edited")
    assert (await book.save(by="autosave"))["t"] == "wrote"
    event = await an_event(ours)
    assert sources(book.path) == ["one", "two, edited"]
    content = book.path.read_bytes()
    assert 0 < event.pop("duration_s") < 10
    assert event == {
        "action": "saved",
        "path": "n.ipynb",
        "working_copy": book.copy,
        "seq": 1,
        "by": "autosave",
        "how": "written",
        "hash": hashlib.sha256(content).hexdigest(),
        "size": len(content),
    }
    await until(lambda: [one["action"] for one in jupyters if one["action"] != "get"] == ["save"])


async def test_a_save_that_finds_everything_in_the_file_says_so(new_tab: NewTab, root: Path, listen: Listen) -> None:
    events = listen(SAVE)
    book = await open_book(await new_tab(), root / "n.ipynb")
    await book.save()
    event = await an_event(events)
    assert (event["action"], event["how"], event["hash"]) == ("saved", "unchanged", book.base)
    assert "by" not in event


@pytest.mark.parametrize(
    ("number", "cause"),
    [
        (errno.ENOSPC, "disk_full"),
        (errno.EDQUOT, "disk_full"),
        (errno.EACCES, "no_permission"),
        (errno.EROFS, "read_only"),
        (errno.ESTALE, "mount_lost"),
        (errno.EIO, "io_error"),
    ],
)
async def test_a_failed_save_gives_its_cause_everywhere(
    new_tab: NewTab,
    root: Path,
    service: Service,
    listen: Listen,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    number: int,
    cause: str,
) -> None:
    saves, protection = listen(SAVE), listen(PROTECTION)
    logging.getLogger("indelible").addHandler(caplog.handler)
    book = await open_book(await new_tab(), root / "n.ipynb")
    before = book.path.read_bytes()
    await book.type(0, "one, edited")
    await book.type(1, "two, edited")
    with monkeypatch.context() as broken:
        broken.setattr(replace, "stage", failing(number))
        answer = await book.save()
    assert (answer["t"], answer["error"]) == ("unsaved", cause)
    event = await an_event(saves)
    assert (event["action"], event["cause"], event["seq"]) == ("failed", cause, 2)
    assert f"errno {number}" in event["message"]
    assert event["hint"]
    began = await an_event(protection)
    assert (began["action"], began["code"], began["is_about_file"]) == ("began", cause, True)
    assert [(one["code"], one["is_about_file"]) for one in service.problems()] == [(cause, True)]
    (line,) = [one.getMessage() for one in caplog.records if "was not saved" in one.getMessage()]
    logging.getLogger("indelible").removeHandler(caplog.handler)
    for words in (
        str(book.path),
        f"[{cause}, errno {number}]",
        "MB free",
        "it belongs to",
        "the server runs as",
        "edits up to 2 wait in the journal (2 since the last save)",
    ):
        assert words in line
    # Nothing is lost: the file is as it was, the journal has the rest, and the next save is fine.
    assert book.path.read_bytes() == before
    assert [one["source"] for one in service.drafts.one(book.copy).notebook.content["cells"]] == book.sources
    assert (await book.save())["t"] == "wrote"
    assert sources(book.path) == ["one, edited", "two, edited"]
    await until(lambda: [one["action"] for one in protection] == ["began", "over"])
    assert [one["action"] for one in saves] == ["failed", "saved"]
    assert service.problems() == []


@contextlib.contextmanager
def closed(path: Path) -> Iterator[None]:
    """Neither the file nor its folder may be written."""
    path.chmod(0o400)
    path.parent.chmod(0o500)
    try:
        yield
    finally:
        path.parent.chmod(0o700)
        path.chmod(0o600)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_folder_without_rights_is_told_with_its_owner(new_tab: NewTab, root: Path, listen: Listen) -> None:
    events = listen(SAVE)
    book = await open_book(await new_tab(), root / "n.ipynb")
    await book.type(0, "edited")
    with closed(book.path):
        assert (await book.save())["error"] == "no_permission"
    assert "it belongs to" in (await an_event(events))["message"]


async def test_a_file_that_somebody_else_wrote_is_a_failed_save_and_no_problem(
    new_tab: NewTab, root: Path, service: Service, listen: Listen
) -> None:
    events = listen(SAVE)
    book = await open_book(await new_tab(), root / "n.ipynb")
    await book.type(0, "mine")
    theirs = notebook("theirs", "two")
    book.path.write_bytes(theirs)
    answer = await book.save()
    assert (answer["error"], answer["found"]) == ("file_changed", hashlib.sha256(theirs).hexdigest())
    event = await an_event(events)
    assert (event["action"], event["cause"]) == ("failed", "file_changed")
    assert book.path.read_bytes() == theirs
    assert service.problems() == []


async def test_what_jupyter_has_to_save_is_refused_and_announced_by_jupyter_alone(
    new_tab: NewTab, root: Path, jp_serverapp: Any, jp_fetch: Fetch, listen: Listen
) -> None:
    ours, jupyters = listen(SAVE), listen(JUPYTERS)
    book = await open_book(await new_tab(), root / "n.ipynb")
    await book.type(0, "edited")
    jp_serverapp.contents_manager.pre_save_hook = lambda **more: None
    assert (await book.save())["error"] == "not_local"
    event = await an_event(ours)
    assert (event["action"], event["cause"]) == ("refused", "not_local")
    assert "pre-save hook" in event["message"]
    model = {"type": "notebook", "format": "json", "content": json.loads(notebook("edited", "two"))}
    await jp_fetch("api", "contents", "n.ipynb", method="PUT", body=json.dumps(model))
    await until(lambda: [one["action"] for one in jupyters if one["action"] != "get"] == ["save"])
    assert sources(book.path) == ["edited", "two"]
    assert len(ours) == 1


async def test_a_journal_that_cannot_be_read_is_a_failed_save_and_a_problem(
    new_tab: NewTab, root: Path, service: Service, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = listen(SAVE)
    book = await open_book(await new_tab(), root / "n.ipynb")
    await book.type(0, "edited")
    assert service.store is not None

    def full(working_copy: str) -> Any:
        raise DiskFull("no space left", hint="free some space")

    with monkeypatch.context() as broken:
        broken.setattr(service.store.journal, "draft", full)
        assert (await book.save())["error"] == "store_failed"
    event = await an_event(events)
    assert (event["action"], event["cause"]) == ("failed", "disk_full")
    assert [(one["code"], one["is_about_file"]) for one in service.problems()] == [("disk_full", False)]
    assert sources(book.path) == ["one", "two"]


async def test_protection_that_stops_and_goes_on_is_two_events_in_their_order(
    new_tab: NewTab, service: Service, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = listen(PROTECTION)
    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "n.ipynb")
    assert service.store is not None

    def full(group: Any) -> Any:
        raise DiskFull("no space left", hint="free some space", path="/somewhere")

    with monkeypatch.context() as broken:
        broken.setattr(service.store.journal, "_attempt", full)
        for seq in (1, 2, 3):
            assert (await tab.edit(copy, seq, **whole("a")))["error"] == "disk_full"
    since = service.problems()[0]["since"]
    await asyncio.get_running_loop().run_in_executor(None, service.tick)
    await until(lambda: len(events) == 2)
    problem = {
        "code": "disk_full",
        "message": "no space left",
        "hint": "free some space",
        "path": "/somewhere",
        "is_warning": False,
        "is_about_file": False,
        "since": since,
    }
    assert events == [{"action": "began"} | problem, {"action": "over"} | problem]


async def test_a_defect_in_the_journal_is_a_problem_too(
    new_tab: NewTab, service: Service, listen: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = listen(PROTECTION)
    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "n.ipynb")
    assert service.store is not None

    def broken(group: Any) -> Any:
        raise ZeroDivisionError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr(service.store.journal, "_attempt", broken)
        assert (await tab.edit(copy, 1, **whole("a")))["error"] == "internal"
    event = await an_event(events)
    assert (event["action"], event["code"]) == ("began", "internal")
    assert "ZeroDivisionError" in event["message"]


async def merged(jp_fetch: Fetch, book: Book) -> dict[str, Any]:
    body = json.dumps({"wc": book.copy, "epoch": 1, "seq": book.seq, "path": book.name, "file": book.base})
    answer: dict[str, Any] = json.loads((await jp_fetch("indelible", "api", "merge", method="POST", body=body)).body)
    return answer


@pytest.mark.parametrize(
    ("theirs", "action", "conflicts"),
    [(("one", "two, theirs"), "clean", 0), (("one, theirs", "two"), "conflict", 1)],
)
async def test_a_merge_says_whether_it_was_clean(
    new_tab: NewTab,
    jp_fetch: Fetch,
    root: Path,
    service: Service,
    listen: Listen,
    theirs: tuple[str, str],
    action: str,
    conflicts: int,
) -> None:
    events = listen(MERGE)
    book = await open_book(await new_tab(), root / "n.ipynb")
    await book.type(0, "one, mine")
    await until(lambda: all(one.base_chunks for one in service.store.journal.working_copies()))  # type: ignore[union-attr]
    content = notebook(*theirs)
    book.path.write_bytes(content)
    answer = await merged(jp_fetch, book)
    assert await an_event(events) == {
        "action": action,
        "path": "n.ipynb",
        "working_copy": book.copy,
        "hash": hashlib.sha256(content).hexdigest(),
        "conflicts": conflicts,
        "kept": answer["kept"],
    }
    # The file is kept before anything is decided, and not written.
    kept = service.files.version("n.ipynb", answer["kept"])
    assert [one["source"] for one in kept["cells"]] == list(theirs)
    assert book.path.read_bytes() == content


async def test_a_listener_that_fails_fails_alone(new_tab: NewTab, root: Path, jp_serverapp: Any) -> None:
    called = []

    async def broken(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        called.append(data)
        raise ZeroDivisionError

    def worse(schema_id: str, data: dict[str, Any]) -> dict[str, Any]:
        return {"nothing": "that the schema knows"}

    logger = jp_serverapp.event_logger
    logger.add_listener(schema_id=SAVE, listener=broken)
    book = await open_book(await new_tab(), root / "n.ipynb")
    await book.type(0, "edited")
    assert (await book.save())["t"] == "wrote"
    await until(lambda: len(called) == 1)
    logger.add_modifier(schema_id=SAVE, modifier=worse)
    await book.type(1, "edited, too")
    assert (await book.save())["t"] == "wrote"
    assert sources(book.path) == ["edited", "edited, too"]
