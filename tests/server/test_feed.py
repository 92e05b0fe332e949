"""The feed: acks, refusals, recovery, and what happens when the disk fails."""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from indelible.errors import DiskFull
from indelible.notebook.nbjson import write_notebook
from indelible.service import Service

from .conftest import TAB, Fetch, Tab, new_copy, refused, whole

NewTab = Callable[..., Awaitable[Tab]]


def notebook(path: Path, *sources: str) -> str:
    """Write a notebook; its hash."""
    rest: dict[str, Any] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    cells = [rest | {"id": f"c{number}", "source": source} for number, source in enumerate(sources)]
    path.write_bytes(write_notebook({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def opened(jp_fetch: Fetch, path: str, file_hash: str | None, tab: str) -> Any:
    body = json.dumps({"path": path, "hash": file_hash, "tab": tab})
    return json.loads((await jp_fetch("indelible", "api", "open", method="POST", body=body)).body)


async def until(done: Callable[[], bool]) -> None:
    deadline = asyncio.get_running_loop().time() + 15
    while not done():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.02)


async def test_an_edit_is_acked_and_is_in_the_journal(new_tab: NewTab, service: Service) -> None:
    tab, copy = await new_tab(), new_copy()
    assert await tab.open(copy, "n.ipynb") == {"t": "opened", "wc": copy, "acked": 0, "saved": 0, "known": False}
    assert await tab.edit(copy, 1, **whole("a = 1")) == {"t": "ack", "wc": copy, "seq": 1}
    content = service.drafts.one(copy).notebook.content
    assert [cell["source"] for cell in content["cells"]] == ["a = 1"]


async def test_the_ack_comes_after_the_commit_and_not_before(
    new_tab: NewTab, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert service.store is not None
    journal, gate = service.store.journal, threading.Event()
    attempt = journal._attempt

    def held_back(group: Any) -> Any:
        gate.wait(10)
        return attempt(group)

    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "n.ipynb")
    monkeypatch.setattr(journal, "_attempt", held_back)
    answer = asyncio.ensure_future(tab.edit(copy, 1, **whole("a")))
    # The next message has been taken, so the edit is in the journal's queue.
    await tab.say({"t": "ping", "n": 1})
    await until(lambda: len(service._inflight) == 1)
    assert not answer.done()
    gate.set()
    assert (await answer)["t"] == "ack"


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        ("{", "malformed"),
        ("[]", "malformed"),
        ('{"t": "nothing"}', "malformed"),
        ('{"t": "edit", "wc": "x"}', "malformed"),
        ('{"t": "ping", "n": true}', "malformed"),
        ('{"t": "have", "id": 1, "hashes": ["zz"]}', "malformed"),
        ("[" * 100_000, "malformed"),
        (struct.pack("32sB", b"", 1), "malformed"),
        (b"\0" * (33 + 65_536), "too_large"),
    ],
)
async def test_what_is_not_understood_is_named_and_changes_nothing(
    new_tab: NewTab, service: Service, raw: str | bytes, error: str
) -> None:
    tab = await new_tab()
    answer = await tab.ask(raw, "nack", "refused")
    assert answer["error"] == error
    assert service.status()["working_copies"] == []


async def test_a_draft_comes_back_in_the_next_tab_and_the_old_tab_is_refused(
    new_tab: NewTab, jp_fetch: Fetch, root: Path, service: Service
) -> None:
    base = notebook(root / "n.ipynb", "one", "two")
    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "n.ipynb", base, 2)
    assert (await tab.edit(copy, 1, cells=[{"key": 1, "source": "two, edited"}]))["t"] == "ack"
    # Another tab: the first one lives, so its draft is not taken away but told.
    other = await opened(jp_fetch, "n.ipynb", base, "c" * 32)
    assert other["draft"] is None
    assert [(one["wc"], one["state"]) for one in other["others"]] == [(copy, "live")]
    tab.socket.close()
    await until(lambda: copy not in service.tabs)
    draft = (await opened(jp_fetch, "n.ipynb", base, "c" * 32))["draft"]
    assert [cell["source"] for cell in draft["content"]["cells"]] == ["one", "two, edited"]
    assert (draft["wc"], draft["epoch"], draft["keys"], draft["base_is_current"]) == (copy, 2, [0, 1], True)
    late = await new_tab()
    assert (await late.edit(copy, 2, cells=[{"key": 0, "source": "late"}]))["error"] == "superseded"


async def test_a_file_that_changed_is_shown_and_the_draft_is_offered_whole(
    new_tab: NewTab, jp_fetch: Fetch, root: Path, service: Service
) -> None:
    base = notebook(root / "n.ipynb", "one", "two")
    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "n.ipynb", base, 2)
    await tab.edit(copy, 1, cells=[{"key": 1, "source": "two, edited"}])
    await until(lambda: all(one.base_chunks for one in service.store.journal.working_copies()))  # type: ignore[union-attr]
    tab.socket.close()
    await until(lambda: copy not in service.tabs)
    changed = notebook(root / "n.ipynb", "somebody else's")
    answer = await opened(jp_fetch, "n.ipynb", changed, "c" * 32)
    assert answer["draft"] is None
    assert [(one["wc"], one["base_is_current"]) for one in answer["others"]] == [(copy, False)]
    draft = json.loads((await jp_fetch("indelible", "api", "drafts", copy)).body)
    assert [cell["source"] for cell in draft["content"]["cells"]] == ["one", "two, edited"]


async def test_a_draft_that_the_file_holds_already_is_dropped(
    new_tab: NewTab, jp_fetch: Fetch, root: Path, service: Service
) -> None:
    base = notebook(root / "n.ipynb", "one")
    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "n.ipynb", base, 1)
    await tab.edit(copy, 1, cells=[{"key": 0, "source": "edited"}])
    await until(lambda: all(one.base_chunks for one in service.store.journal.working_copies()))  # type: ignore[union-attr]
    tab.socket.close()
    await until(lambda: copy not in service.tabs)
    saved = notebook(root / "n.ipynb", "edited")
    assert await opened(jp_fetch, "n.ipynb", saved, "c" * 32) == {"draft": None, "others": []}
    assert service.drafts.every() == []


async def test_a_discarded_draft_is_kept_and_not_brought_back(new_tab: NewTab, jp_fetch: Fetch, root: Path) -> None:
    base = notebook(root / "n.ipynb", "one")
    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "n.ipynb", base, 1)
    await tab.edit(copy, 1, cells=[{"key": 0, "source": "edited"}])
    await tab.ask({"t": "closed", "wc": copy, "epoch": 1, "how": "discard"}, "ack")
    assert await opened(jp_fetch, "n.ipynb", base, TAB) == {"draft": None, "others": []}
    drafts = json.loads((await jp_fetch("indelible", "api", "drafts")).body)["drafts"]
    assert [(one["wc"], one["state"]) for one in drafts] == [(copy, "discarded")]


async def test_saved_edits_leave_the_journal_and_later_ones_stay(
    new_tab: NewTab, jp_fetch: Fetch, root: Path, service: Service
) -> None:
    base = notebook(root / "n.ipynb", "one", "two")
    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "n.ipynb", base, 2)
    await tab.edit(copy, 1, cells=[{"key": 0, "source": "first"}])
    await tab.edit(copy, 2, cells=[{"key": 1, "source": "second"}])
    saved = notebook(root / "n.ipynb", "first", "two")
    message = {"t": "saved", "wc": copy, "epoch": 1, "seq": 1, "hash": saved, "order": [[0, 2]], "cells": 2}
    assert (await tab.ask(message, "ack", "nack")) == {"t": "ack", "wc": copy, "seq": 2, "saved": True}
    assert service.store is not None
    draft = service.store.journal.draft(copy)
    assert list(draft.cells) == [1]
    assert draft.working_copy.base == saved
    assert [cell["source"] for cell in service.drafts.one(copy).notebook.content["cells"]] == ["first", "second"]


async def test_the_server_asks_for_everything_when_the_base_is_gone(
    new_tab: NewTab, root: Path, service: Service
) -> None:
    base = notebook(root / "n.ipynb", "one")
    tab, copy = await new_tab(), new_copy()
    notebook(root / "n.ipynb", "changed by somebody before the tab could be asked about it")
    await tab.open(copy, "n.ipynb", base, 1)
    await tab.say({"t": "edit", "wc": copy, "epoch": 1, "seq": 1, "at": 0, "cells": [{"key": 0, "source": "edited"}]})
    assert (await tab.hear("resync"))["wc"] == copy
    await tab.edit(copy, 2, **whole("edited"))
    assert [cell["source"] for cell in service.drafts.one(copy).notebook.content["cells"]] == ["edited"]


async def test_a_file_that_changes_before_the_first_edit_leaves_what_that_builds_on(
    new_tab: NewTab, root: Path, service: Service
) -> None:
    base = notebook(root / "n.ipynb", "one", "two")
    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "n.ipynb", base, 2)
    assert service.store is not None
    store = service.store
    await until(lambda: service.upkeep.bases.find(base, store.blobs) is not None)
    assert service.drafts.every() == []  # Opening makes no draft.
    notebook(root / "n.ipynb", "changed by somebody before the first edit")
    await tab.edit(copy, 1, cells=[{"key": 0, "source": "edited"}])
    await until(lambda: store.journal.draft(copy).working_copy.base_chunks is not None)
    content = service.drafts.one(copy).notebook.content
    assert [cell["source"] for cell in content["cells"]] == ["edited", "two"]


async def test_drafts_follow_a_rename_in_the_file_browser(
    new_tab: NewTab, jp_fetch: Fetch, root: Path, service: Service
) -> None:
    (root / "folder").mkdir()
    base = notebook(root / "folder" / "n.ipynb", "one")
    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "folder/n.ipynb", base, 1)
    await tab.edit(copy, 1, cells=[{"key": 0, "source": "edited"}])
    await jp_fetch("api", "contents", "folder", method="PATCH", body=json.dumps({"path": "moved"}))
    await until(lambda: [one.working_copy.path for one in service.drafts.every()] == ["moved/n.ipynb"])


async def test_a_full_disk_is_told_and_forgotten_when_there_is_space_again(
    new_tab: NewTab, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert service.store is not None
    journal = service.store.journal
    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "n.ipynb")

    def full(group: Any) -> Any:
        raise DiskFull("no space left", hint="free some space")

    with monkeypatch.context() as patched:
        patched.setattr(journal, "_attempt", full)
        await tab.say({"t": "edit", "wc": copy, "epoch": 1, "seq": 1, "at": 0, **whole("a")})
        told = [await tab.hear("nack", "problems") for _ in range(2)]
        assert {one["t"] for one in told} == {"nack", "problems"}
        assert next(one for one in told if one["t"] == "nack")["error"] == "disk_full"
        assert next(one for one in told if one["t"] == "problems")["problems"][0]["code"] == "disk_full"
    await asyncio.get_running_loop().run_in_executor(None, service.tick)
    assert (await tab.hear("problems"))["problems"] == []
    assert (await tab.edit(copy, 1, **whole("a")))["t"] == "ack"


async def test_a_damaged_journal_is_set_aside_and_the_tab_is_asked_for_everything(
    new_tab: NewTab, service: Service, tmp_path: Path
) -> None:
    assert service.store is not None
    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "n.ipynb")
    await tab.edit(copy, 1, **whole("a"))
    path = service.store.journal_path
    service.store.journal._do(service.store.journal._disconnect)
    path.write_bytes(b"\xff" * 8192)
    await asyncio.get_running_loop().run_in_executor(None, service.tick)
    assert (await tab.hear("resync"))["wc"] == copy
    assert (await tab.edit(copy, 2, **whole("a, again")))["t"] == "ack"
    assert [one["code"] for one in service.problems()] == ["store_damaged"]
    assert [path.name for path in (tmp_path / "store" / "damaged").rglob("*.db")]
    assert [cell["source"] for cell in service.drafts.one(copy).notebook.content["cells"]] == ["a, again"]


async def test_the_last_request_of_a_page_is_as_good_as_the_feed(jp_fetch: Fetch, service: Service) -> None:
    copy = new_copy()
    opening = {"t": "open", "wc": copy, "epoch": 1, "path": "n.ipynb", "base": None, "cells": 0, "seq": 0}
    edit = {"t": "edit", "wc": copy, "epoch": 1, "seq": 1, "at": 0, **whole("last words")}
    body = json.dumps({"tab": TAB, "messages": [{**opening, "mode": "full"}, edit, {"t": "nonsense"}]})
    replies = json.loads((await jp_fetch("indelible", "api", "edits", method="POST", body=body)).body)["replies"]
    assert sorted(one["t"] for one in replies) == ["ack", "nack", "opened"]
    assert [cell["source"] for cell in service.drafts.one(copy).notebook.content["cells"]] == ["last words"]
    assert copy not in service.tabs


async def test_chunks_must_be_there_before_the_edit_that_names_them(new_tab: NewTab, service: Service) -> None:
    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "n.ipynb")
    content = b"x = 1\n" * 5_000
    name = hashlib.sha256(content).hexdigest()
    text = {"chunks": [[name, len(content)]], "rev": 1}
    parts = whole("")
    parts["cells"][0]["source"] = text
    refusal = await tab.edit(copy, 1, **parts)
    assert (refusal["error"], refusal["hashes"]) == ("blob_unknown", [name])
    assert await tab.ask({"t": "have", "id": 7, "hashes": [name]}, "want") == {"t": "want", "id": 7, "hashes": [name]}
    wrong = await tab.ask(bytes.fromhex(name) + b"something else", "stored", "refused")
    assert (wrong["t"], wrong["error"]) == ("refused", "malformed")
    assert await tab.ask(bytes.fromhex(name) + content, "stored") == {"t": "stored", "hash": name}
    assert (await tab.ask({"t": "have", "id": 8, "hashes": [name]}, "want"))["hashes"] == []
    assert (await tab.edit(copy, 1, **parts))["t"] == "ack"
    assert service.drafts.one(copy).notebook.content["cells"][0]["source"] == content.decode()


async def test_a_long_text_is_folded_away_from_the_acks(new_tab: NewTab, root: Path, service: Service) -> None:
    base = notebook(root / "n.ipynb", "y = 2\n" * 4_000)
    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "n.ipynb", base, 1)
    of: object = "base:" + hashlib.sha256(b"y = 2\n" * 4_000).hexdigest()
    length = 24_000
    for seq in range(1, 230):
        length += 1
        splice = {"splices": [[2 * seq, 0, "#"]], "of": of, "len": length, "rev": seq}
        assert (await tab.edit(copy, seq, cells=[{"key": 0, "source": splice}]))["t"] == "ack"
        of = seq
    assert service.store is not None
    journal = service.store.journal
    await until(lambda: isinstance(journal.draft(copy).cells[0].source.origin, tuple))  # type: ignore[index, union-attr]
    expected = "y = 2\n" * 4_000
    for seq in range(1, 230):
        expected = expected[: 2 * seq] + "#" + expected[2 * seq :]
    assert service.drafts.one(copy).notebook.content["cells"][0]["source"] == expected


async def test_errors_of_requests_have_names(jp_fetch: Fetch) -> None:
    assert (await refused(jp_fetch("indelible", "api", "drafts", "a" * 32)))[1]["error"] == "unknown_working_copy"
    status, body = await refused(jp_fetch("indelible", "api", "open", method="POST", body='{"path": 3}'))
    assert (status, body["error"]) == (400, "malformed")
    status, body = await refused(jp_fetch("indelible", "api", "edits", method="POST", body="x" * 1_100_000))
    assert (status, body["error"]) == (413, "too_large")


async def test_a_tab_that_sends_faster_than_can_be_taken_is_cut_off(
    new_tab: NewTab, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indelible.server.feed.WAITING_BYTES", 300_000)
    tab, gate = await new_tab(), threading.Event()
    monkeypatch.setattr(service, "lacking", lambda blobs: gate.wait(10) and [])
    await tab.say({"t": "have", "id": 1, "hashes": ["0" * 64]})
    for number in range(10):
        await tab.say({"t": "ping", "n": number, "x": "x" * 40_000})
    while await asyncio.wait_for(tab.socket.read_message(), 10) is not None:
        pass
    assert tab.socket.close_code == 1008
    tab.socket.close()
    gate.set()
    # What it had sent and nobody has acked is still in its outbox; a new connection takes it.
    assert await (await new_tab()).ask({"t": "ping", "n": 1}, "pong") == {"t": "pong", "n": 1}
