"""Several tabs, one notebook, a disk that others write to, and servers that die: no text that was acked gets lost."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from indelible.config import Settings
from indelible.errors import (
    BaseUnavailable,
    FileChanged,
    FileGone,
    IndelibleError,
    NotANotebook,
    NotLocal,
    StalePart,
)
from indelible.merging import MergeRequest
from indelible.model import Edit, Opening, Save, Saved, Seq
from indelible.notebook.layout import mark_of
from indelible.notebook.nbjson import file_cell, write_notebook
from indelible.notebook.render import digest_of
from indelible.notebook.wire import parse_message
from indelible.service import Service
from tests.notebook.page import Mark, Page
from tests.notebook.pagecell import PageCell, PageText

WITHIN_S = 10.0
numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def no_ballast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making it for each server would take longer than all the rest."""
    monkeypatch.setattr("indelible.store.store.PLENTY_BYTES", 2**62)


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def an_id() -> str:
    return f"{next(numbers):032x}"


def word() -> str:
    """A text that nobody has typed before."""
    return f"word{next(numbers)}."


def cell(text: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": f"c{next(numbers)}",
        "metadata": {},
        "outputs": [],
        "source": text,
    }


def notebook(cells: list[dict[str, Any]]) -> dict[str, Any]:
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@dataclass
class FakeClock:
    """Hours pass when the test says so."""

    hours: float = 0

    def now(self) -> datetime:
        # As old as what the pages of the tests send.
        return datetime(2025, 11, 24, 16, tzinfo=timezone.utc) + timedelta(hours=self.hours)

    def monotonic(self) -> float:
        return self.hours * 3600


@dataclass(eq=False)
class Tab:
    """A browser tab: what its page holds, and which file it takes for its own."""

    page: Page
    path: str
    file: str | None
    id: str = field(default_factory=an_id)
    epoch: int = 1
    written: tuple[Mark, str] | None = None
    """What a save wrote of which the page has not heard."""
    has_edits: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_asked_for_all(self) -> bool:
        return any(one["t"] == "resync" for one in self.asked)

    def message(self, raw: str) -> Any:
        return parse_message(json.loads(raw) | {"wc": self.id, "epoch": self.epoch}, "b" * 32)

    def opening(self) -> Opening:
        return Opening(
            working_copy=self.id,
            epoch=self.epoch,
            path=self.path,
            base=self.page.base,
            cells=len(self.page.cells),
            seq=Seq(self.page.seq),
            mode="full",
            tab="b" * 32,
        )

    def loads(self, content: dict[str, Any]) -> None:
        """The page shows this from now on, and sends the server everything."""
        page = Page(write_notebook(content))
        page.seq, page.rev = self.page.seq, self.page.rev
        page.must_reset = True
        self.page = page


class Saving(RuleBasedStateMachine):
    """`acked` has every word that the server has acked, and that nobody has deliberately removed."""

    tabs = Bundle("tabs")

    def __init__(self) -> None:
        super().__init__()
        memory = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.root = self.folder / "root"
        self.root.mkdir()
        self.path = "n.ipynb"
        self.acked: set[str] = set()
        self.live: list[Tab] = []
        self.clock = FakeClock()
        self.service = self.served()

    @property
    def file(self) -> Path:
        return self.root / self.path

    def served(self) -> Service:
        service = Service(
            Settings(store_path=self.folder / "store"),
            root=self.root,
            read_file=lambda path: (self.root / path).read_bytes(),
            locate=lambda path: self.root / path,
            clock=self.clock,
        )
        service.start()
        return service

    # -- tabs --

    @initialize(target=tabs)
    def begins(self) -> Any:
        self.file.write_bytes(write_notebook(notebook([cell("first\n"), cell("second\n")])))
        return multiple()

    @rule(target=tabs)
    def opens(self) -> Any:
        """As the page does: the server says whether there is a draft to show instead of the file."""
        if len(self.live) > 2:
            return multiple()
        content = self.file.read_bytes() if self.file.exists() else None
        if content is None:
            return multiple()
        try:
            tab = Tab(Page(content), self.path, sha(content))
        except IndelibleError:
            return multiple()
        draft, _ = self.service.drafts.open_notebook(self.path, sha(content), tab.id)
        if draft is not None:
            one = draft.summary.working_copy
            tab.id, tab.epoch, tab.page.seq = one.id, one.epoch, one.seq
            tab.loads(draft.notebook.content)
            for stale in [other for other in self.live if other.id == one.id]:
                self.live.remove(stale)
        self.connects(tab)
        self.live.append(tab)
        if draft is not None:
            self.sends(tab, set())
        return tab

    def connects(self, tab: Tab) -> None:
        self.service.open(tab.opening(), tab.asked.append)

    @rule(tab=tabs, where=st.integers(0, 9), is_new=st.booleans())
    def types(self, tab: Tab, where: int, is_new: bool) -> None:
        if tab not in self.live:
            return
        typed, page = word(), tab.page
        if is_new or not page.cells:
            page.insert(min(where, len(page.cells)), PageCell(page.take_key(), "code", an_id(), PageText(typed)))
        else:
            source = page.cells[where % len(page.cells)].source
            source.splice(0, 0, typed)
            page.cells[where % len(page.cells)].dirty.add("source")
        self.sends(tab, {typed})

    def sends(self, tab: Tab, typed: set[str]) -> None:
        raw = tab.page.edit()
        if raw is not None:
            record = tab.message(raw)
            assert isinstance(record, Edit)
            self.submitted(record)
            tab.has_edits = True
        self.acked |= typed
        self.settles(tab)

    def submitted(self, record: Edit | Saved) -> None:
        outcomes: list[tuple[Any, BaseException | None]] = []
        self.service.submit(record, lambda seq, error: outcomes.append((seq, error)))
        until(lambda: bool(outcomes))
        if outcomes[0][1] is not None:
            raise outcomes[0][1]

    def settles(self, tab: Tab) -> None:
        """The base is kept, or the tab was asked for everything and has answered."""
        until(lambda: tab.is_asked_for_all or self.stands_on_its_own(tab))
        while tab.is_asked_for_all:
            tab.asked.clear()
            tab.page.must_reset = True
            self.sends(tab, set())

    def stands_on_its_own(self, tab: Tab) -> bool:
        one = self.working_copy(tab)
        return one is None or not one.is_draft or one.base is None or one.base_chunks is not None

    def working_copy(self, tab: Tab) -> Any:
        found = self.service.upkeep.store.journal.working_copies()
        return next((one for one in found if one.id == tab.id), None)

    # -- saves --

    @rule(tab=tabs)
    def saves(self, tab: Tab) -> None:
        if tab not in self.live:
            return
        try:
            self.written(tab)
        except FileChanged:
            self.merges(tab)
        except FileGone:
            self.written(tab, creates=True)

    def written(self, tab: Tab, *, creates: bool = False) -> None:
        request = self.request(tab, creates=creates)
        draft = self.service.files.snapshot(request)
        if creates and draft is None:
            self.saves_in_full(tab)
            return
        try:
            written = self.service.files.save(request, draft)
        except (BaseUnavailable, NotLocal):
            self.saves_in_full(tab)
            return
        assert sha(self.file.read_bytes()) == written.hash
        tab.file = written.hash
        if draft is not None:
            tab.written = tab.page.mark(), written.hash

    def saves_in_full(self, tab: Tab) -> None:
        """Through Jupyter's own API."""
        mark = tab.page.mark()
        self.file.write_bytes(mark.file)
        tab.file, tab.written = sha(mark.file), (mark, sha(mark.file))

    def request(self, tab: Tab, *, creates: bool) -> Save:
        cells = [file_cell(one) for one in tab.page.content()["cells"]]
        return Save(
            working_copy=tab.id,
            epoch=tab.epoch,
            seq=Seq(tab.page.seq),
            id=1,
            path=tab.path,
            file=tab.file,
            digest=digest_of([mark_of(one) for one in cells], with_ids=True),
            is_trusted=False,
            creates=creates,
        )

    def merges(self, tab: Tab) -> None:
        if self.working_copy(tab) is None:
            # Nothing was typed: the page shows what the file holds.
            with contextlib.suppress(IndelibleError):
                content = self.file.read_bytes()
                tab.page, tab.file, tab.written = Page(content), sha(content), None
                tab.id = an_id()
                self.connects(tab)
            return
        try:
            try:
                answer = self.service.files.merge(self.merge_request(tab))
            except BaseUnavailable:
                assert tab.is_asked_for_all
                self.settles(tab)
                answer = self.service.files.merge(self.merge_request(tab))
        except NotANotebook:
            # Kept; the user lets the notebook take its place.
            tab.file = sha(self.file.read_bytes())
            self.written(tab)
            return
        tab.loads(answer.merged.notebook)
        tab.file, tab.written = answer.theirs, None
        self.sends(tab, set())
        self.written(tab)

    def merge_request(self, tab: Tab) -> MergeRequest:
        return MergeRequest(working_copy=tab.id, epoch=tab.epoch, seq=tab.page.seq, path=tab.path, file=tab.file)

    @rule(tab=tabs)
    def hears(self, tab: Tab) -> None:
        """The page is told that its save was written, and tells the journal."""
        if tab not in self.live or tab.written is None:
            return
        mark, digest = tab.written
        while True:
            raw = json.loads(tab.page.saved(mark)) | {"hash": digest}
            try:
                self.submitted(tab.message(json.dumps(raw)))
                break
            except StalePart as refusal:
                tab.page.send_whole(refusal.key)
                self.sends(tab, set())
        tab.page.rebase(mark)
        tab.page.base, tab.written = digest, None
        self.settles(tab)
        if not self.file.exists() or sha(self.file.read_bytes()) != digest:
            self.forget_what_others_removed()

    # -- others --

    @rule(
        how=st.sampled_from(["a cell more", "another text", "another notebook", "no notebook", "gone"]),
        by=st.sampled_from(["rename", "in place"]),
    )
    def somebody_writes(self, how: str, by: str) -> None:
        before = self.file.read_bytes() if self.file.exists() else None
        try:
            content = notebook([]) if before is None else json.loads(before)
        except ValueError:
            content = notebook([])
        if how == "gone":
            self.file.unlink(missing_ok=True)
            self.forget_what_others_removed()
            return
        if how == "a cell more":
            content["cells"].append(cell(f"somebody else's {next(numbers)}"))
        elif how == "another text" and content["cells"]:
            source = content["cells"][0]["source"]
            content["cells"][0]["source"] = [f"# somebody else's {next(numbers)}\n", *source]
        elif how == "another notebook":
            content = notebook([cell(f"all new {next(numbers)}")])
        body = b"nonsense" if how == "no notebook" else json.dumps(content, indent=2).encode()
        if by == "rename":
            (self.root / "theirs").write_bytes(body)
            (self.root / "theirs").replace(self.file)
        else:
            self.file.write_bytes(body)
        self.forget_what_others_removed()

    def forget_what_others_removed(self) -> None:
        """What only the file held, and somebody took out of it, was not ours to keep."""
        self.acked = {one for one in self.acked if one in self.reachable()}

    @rule()
    def renames(self) -> None:
        if self.file.exists():
            new = f"n{next(numbers)}.ipynb"
            self.file.rename(self.root / new)
            self.service.renamed(None, self.path, new)
            self.path = new
            for tab in self.live:
                tab.path = new

    @rule(tab=consumes(tabs), how=st.sampled_from(["away", "discard", "killed"]))
    def closes(self, tab: Tab, how: str) -> None:
        if tab not in self.live:
            return
        self.live.remove(tab)
        if how == "killed":
            self.service.left(tab.id, tab.asked.append)
        else:
            self.service.close_working_copy(tab.id, tab.epoch, how)

    @rule(hours=st.sampled_from([0.01, 2, 30]))
    def time_passes(self, hours: float) -> None:
        self.clock.hours += hours
        self.service.tick()
        self.service.watch()
        for tab in list(self.live):
            self.settles(tab)

    @rule(lives=st.booleans())
    def the_server_dies(self, lives: bool) -> None:
        """And another one starts; `lives`: the tabs are still there."""
        self.drop()
        self.service = self.served()
        if not lives:
            self.live.clear()
        for tab in self.live:
            known = self.service.open(tab.opening(), tab.asked.append)
            if known is None and tab.has_edits:
                tab.page.must_reset = True
                self.sends(tab, set())

    def drop(self) -> None:
        """What a killed process leaves: the files, and a lease that nobody holds."""
        self.service._afterwork.close()
        store = self.service.upkeep.store
        store.journal.close()
        store.blobs.close()
        store._lease.release()

    # -- what holds --

    def reachable(self) -> str:
        found: list[Any] = [self.file.read_bytes().decode()] if self.file.exists() else []
        for one in self.service.drafts.every(self.path):
            found.append(self.service.drafts.one(one.working_copy.id).notebook.content)
        store = self.service.upkeep.store
        for version in store.versions.of(self.service.upkeep.root_id, self.path):
            with contextlib.suppress(IndelibleError):
                found.append(self.service.files.version(self.path, version.id))
        return json.dumps(found)

    @invariant()
    def no_acked_word_is_lost(self) -> None:
        found = self.reachable()
        assert {one for one in self.acked if one not in found} == set()

    @invariant()
    def nothing_lies_beside_the_file(self) -> None:
        assert {path.name for path in self.root.iterdir()} <= {self.path}

    def teardown(self) -> None:
        self.service.close()
        shutil.rmtree(self.folder)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.0005)


TestSaving = Saving.TestCase
TestSaving.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
