"""A disk that is nearly full: told before a save fails, taken back when there is space again."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from indelible.clock import SystemClock
from indelible.fs import device_and_free
from indelible.health import Health, Turn
from indelible.model import Problem
from indelible.server.events import PROTECTION
from indelible.service import Service
from indelible.space import MARGIN_BYTES, Space

from .conftest import Listen
from .saves import open_book, sources
from .test_events import an_event
from .test_feed import NewTab, until

MB = 2**20
HOME, WORK, ELSEWHERE = Path("/home"), Path("/home/work"), Path("/elsewhere")


class Disks:
    """Folders on devices with so much space."""

    def __init__(self, free: dict[int, int]) -> None:
        self.free = free
        self.devices = {HOME: 1, WORK: 1, ELSEWHERE: 2}

    def measure(self, folder: Path) -> tuple[int, int]:
        if folder not in self.devices:
            raise FileNotFoundError(folder)
        return self.devices[folder], self.free[self.devices[folder]]


def warnings(health: Health) -> list[tuple[str, str | None]]:
    assert all(one.is_warning for one in health.problems)
    return [(one.code, one.path) for one in health.problems]


def the(health: Health) -> Problem:
    (problem,) = health.problems
    return problem


def test_the_warning_begins_where_the_next_save_may_not_fit_and_ends_where_it_does() -> None:
    health, disks = Health(SystemClock()), Disks({1: 20 * MB + MARGIN_BYTES, 2: 100 * MB})
    watch = Space(health, disks.measure)
    watch.look({HOME: 10 * MB, ELSEWHERE: 10 * MB})
    assert warnings(health) == []
    disks.free[1] -= 1
    watch.look({HOME: 10 * MB, ELSEWHERE: 10 * MB})
    assert warnings(health) == [("disk_low", "/home")]
    disks.free[1] += 1
    watch.look({HOME: 10 * MB, ELSEWHERE: 10 * MB})
    assert warnings(health) == []


def test_one_disk_is_one_warning_about_the_largest() -> None:
    health, disks = Health(SystemClock()), Disks({1: 30 * MB, 2: 0})
    watch = Space(health, disks.measure)
    watch.look({WORK: 20 * MB, HOME: 12 * MB})
    assert warnings(health) == [("disk_low", "/home/work")]
    assert "30 MB are free, the next save needs up to 48 MB" in the(health).message
    watch.look({WORK: 1 * MB, HOME: 12 * MB})
    assert warnings(health) == [("disk_low", "/home")]


def test_the_figures_follow_the_disk_and_the_beginning_stays() -> None:
    health, disks, told = Health(SystemClock()), Disks({1: 30 * MB, 2: 0}), []
    watch = Space(health, disks.measure)
    health.observe(lambda problems: told.append([one.message for one in problems]))
    turns: list[Turn] = []
    health.watch(turns.append)
    for free in (30, 20, 20, 10):
        disks.free[1] = free * MB
        watch.look({HOME: 20 * MB})
    assert [("30 MB" in words, "20 MB" in words, "10 MB" in words) for (words,) in told] == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    assert [turn.is_over for turn in turns] == [False]
    assert the(health).since == turns[0].problem.since
    assert health.failures == {}


def test_a_save_only_warns_and_the_next_look_takes_it_back() -> None:
    health, disks = Health(SystemClock()), Disks({1: 30 * MB, 2: 0})
    watch = Space(health, disks.measure)
    watch.saved(HOME, 20 * MB)
    assert warnings(health) == [("disk_low", "/home")]
    watch.saved(WORK, 1)
    assert warnings(health) == [("disk_low", "/home")]
    watch.look({HOME: 1})
    assert warnings(health) == []


def test_a_notebook_that_is_closed_takes_its_warning_along() -> None:
    health, disks = Health(SystemClock()), Disks({1: 100 * MB, 2: 0})
    watch = Space(health, disks.measure)
    watch.look({ELSEWHERE: 1, HOME: 1})
    assert warnings(health) == [("disk_low", "/elsewhere")]
    watch.look({HOME: 1})
    assert warnings(health) == []


def test_a_folder_that_is_gone_is_no_warning() -> None:
    health = Health(SystemClock())
    watch = Space(health, Disks({}).measure)
    watch.look({Path("/gone"): 1})
    watch.saved(Path("/gone"), 1)
    assert warnings(health) == []


async def test_a_disk_that_fills_up_is_told_to_pages_while_every_save_still_works(
    new_tab: NewTab,
    root: Path,
    service: Service,
    listen: Listen,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events = listen(PROTECTION)
    book = await open_book(await new_tab(), root / "n.ipynb")
    await book.type(0, "one, edited")
    with monkeypatch.context() as patched:
        patched.setattr(service.files, "_space", Space(service.health, lambda folder: (1, 3 * MB)))
        assert (await book.save())["t"] == "wrote"
        (told,) = service.problems()
        assert (told["code"], told["is_warning"], told["path"]) == ("disk_low", True, str(root))
        assert "3 MB are free" in told["message"]
        event = await an_event(events)
        assert (event["action"], event["code"], event["is_warning"]) == ("began", "disk_low", True)
        await book.type(1, "two, edited")
        assert (await book.save())["t"] == "wrote"
        patched.setattr(service.files._space, "_measure", device_and_free)
        await asyncio.get_running_loop().run_in_executor(None, service.watch)
    await until(lambda: [one["action"] for one in events] == ["began", "over"])
    assert service.problems() == []
    assert sources(book.path) == ["one, edited", "two, edited"]


async def test_the_stores_disk_is_watched_with_no_notebook_open(
    new_tab: NewTab, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Space(service.health, lambda folder: (1, MARGIN_BYTES - 1))
    monkeypatch.setattr(service.files, "_space", watch)
    await asyncio.get_running_loop().run_in_executor(None, service.watch)
    assert service.store is not None
    assert [(one["code"], one["path"]) for one in service.problems()] == [("disk_low", str(service.store.folder))]
