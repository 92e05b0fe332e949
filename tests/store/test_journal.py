"""What the journal on the disk holds is the page, after every step, and after the journal was opened anew."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indelible.clock import SystemClock
from indelible.errors import StalePart, Superseded, WorkingCopyUnknown
from indelible.model import Edit, Opening, Saved, Seq, State
from indelible.notebook.compose import materialise
from indelible.notebook.wire import parse
from indelible.store.journal import SqliteJournal
from tests.notebook.actions import ACTIONS, Action
from tests.notebook.page import WC, Mark, Page
from tests.notebook.pagecell import Json
from tests.notebook.test_round_trip import BASES, canonical

seeds = st.integers(0, 2**32)
steps = st.lists(st.tuples(st.sampled_from([*ACTIONS, "save", "reopen"]), seeds), min_size=1, max_size=30)


def opening(page: Page, epoch: int = 1) -> Opening:
    return Opening(
        working_copy=WC,
        epoch=epoch,
        path="a.ipynb",
        base=page.base,
        cells=len(page.cells),
        seq=Seq(0),
        mode="full",
        tab=WC,
    )


class Desk:
    """A page and the journal that records it; `reopen` forgets everything but the file."""

    def __init__(self, folder: Path, notebook: Json) -> None:
        self.path = folder / "journal.db"
        self.page = Page(json.dumps(notebook).encode())
        self.files = {hashlib.sha256(self.page.file).hexdigest(): self.page.file}
        self.journal = SqliteJournal(self.path, clock=SystemClock())
        self._opening = opening(self.page)
        self.journal.open(self._opening, "root")

    def reopen(self, *, is_announced: bool = True) -> None:
        """As after a restart of the server; the tab says again what it has open."""
        self.journal.close()
        self.journal = SqliteJournal(self.path, clock=SystemClock())
        if is_announced:
            self.journal.open(self._opening, "root")

    def flush(self) -> None:
        raw = self.page.edit()
        if raw is not None:
            record = parse(raw)
            assert isinstance(record, Edit)
            assert self.journal.append(record) == record.seq

    def save(self, mark: Mark) -> None:
        while True:
            record = parse(self.page.saved(mark))
            assert isinstance(record, Saved)
            try:
                self.journal.append(record)
                break
            except StalePart as refusal:
                self.page.send_whole(refusal.key)
                self.flush()
        self.page.rebase(mark)

    def check(self) -> None:
        draft = self.journal.draft(WC)
        base = None if draft.working_copy.base is None else self.files[draft.working_copy.base]
        content = materialise(draft, base, lambda blob: self.page.blobs[blob]).content
        assert canonical(content) == canonical(self.page.content())


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(base=st.sampled_from(sorted(BASES)), steps=steps)
def test_a_page_comes_back_exactly_from_the_disk(base: str, steps: list[tuple[Action | str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Path(folder), BASES[base])
        try:
            play(desk, steps)
        finally:
            desk.journal.close()


def play(desk: Desk, steps: list[tuple[Action | str, int]]) -> None:
    mark: Mark | None = None
    for action, seed in steps:
        chance = Random(seed)
        if action == "reopen":
            desk.reopen()
        elif not isinstance(action, str):
            action(desk.page, chance)
        elif mark is None:
            desk.flush()
            mark = desk.page.mark()
            desk.files[hashlib.sha256(mark.file).hexdigest()] = mark.file
            continue
        else:
            desk.save(mark)
            mark = None
        if desk.page.seq and chance.random() < 0.5:
            desk.flush()
            desk.check()
    desk.flush()
    if desk.page.seq:
        desk.reopen()
        desk.check()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, BASES["ids"])


def typed(desk: Desk, text: str) -> Edit:
    desk.page.cells[1].source.replace(text)
    desk.page._all_dirty(desk.page.cells[1])
    raw = desk.page.edit()
    assert raw is not None
    record = parse(raw)
    assert isinstance(record, Edit)
    return record


def test_an_edit_that_comes_twice_is_acked_twice_and_applied_once(desk: Desk) -> None:
    first, second = typed(desk, "one"), typed(desk, "two")
    assert desk.journal.append(first) == 1
    assert desk.journal.append(second) == 2
    assert desk.journal.append(first) == 2
    desk.check()
    desk.journal.close()


def test_a_working_copy_that_another_tab_adopted_refuses_the_old_one(desk: Desk) -> None:
    desk.journal.append(typed(desk, "one"))
    adopted = desk.journal.adopt(WC, "f" * 32)
    assert (adopted.epoch, adopted.tab) == (2, "f" * 32)
    with pytest.raises(Superseded):
        desk.journal.append(typed(desk, "two"))
    with pytest.raises(Superseded):
        desk.journal.open(opening(desk.page), "root")
    desk.journal.close()


def test_an_edit_of_nobody_is_refused(desk: Desk) -> None:
    desk.reopen(is_announced=False)
    with pytest.raises(WorkingCopyUnknown):
        desk.journal.append(typed(desk, "one"))
    desk.journal.close()


def test_a_refused_edit_does_not_spoil_the_others_of_its_group(desk: Desk) -> None:
    outcomes: list[object] = []
    good, bad = typed(desk, "one"), typed(desk, "two")
    bad = Edit(working_copy="e" * 32, epoch=1, seq=Seq(1), at_ms=0, cells=bad.cells)
    for record in (good, bad, typed(desk, "three")):
        desk.journal.submit(record, lambda seq, error: outcomes.append(error or seq))
    desk.journal.working_copies()
    assert [type(one) for one in outcomes] == [int, WorkingCopyUnknown, int]
    desk.check()
    desk.journal.close()


def test_closing_cleanly_forgets_and_discarding_keeps(desk: Desk) -> None:
    desk.journal.append(typed(desk, "one"))
    desk.journal.close_working_copy(WC, 1, State.DISCARDED)
    desk.reopen(is_announced=False)
    assert [one.state for one in desk.journal.working_copies()] == [State.DISCARDED]
    desk.check()
    desk.journal.close_working_copy(WC, 1, None)
    desk.reopen(is_announced=False)
    assert list(desk.journal.working_copies()) == []
    desk.journal.close()


def test_drafts_follow_when_a_folder_is_renamed(tmp_path: Path) -> None:
    desk = Desk(tmp_path, BASES["ids"])
    desk.journal.rename(None, "a.ipynb", "b/c.ipynb", "root")
    desk.journal.append(typed(desk, "one"))
    desk.journal.rename(None, "b", "d", "another root")
    assert [one.path for one in desk.journal.working_copies()] == ["b/c.ipynb"]
    desk.journal.rename(None, "b", "d", "root")
    desk.reopen()
    assert [one.path for one in desk.journal.working_copies()] == ["d/c.ipynb"]
    desk.journal.close()
