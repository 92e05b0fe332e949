"""kill -9 at random moments: every acked edit is there, and no half of one."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from indelible.clock import SystemClock
from indelible.model import UNSET, CellKey, Text
from indelible.store.journal import SqliteJournal

from .appender import WC, texts

KILLS = 300

pytestmark = pytest.mark.crash


class Appender:
    """The warm parent of the children that are killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.appender"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent.parent,
        )
        self._rest = b""

    def round(self, folder: Path, chance: Random) -> int:
        """Start a child, kill it at a random moment, return the last seq that it said was acked."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{folder}\n".encode())
        self._process.stdin.flush()
        child, acked, kill_at = 0, 0, float("inf")
        while True:
            for pid, seq in self._lines(max(0.0, min(kill_at - time.monotonic(), 10.0))):
                child = child or pid
                if seq == -1:
                    return acked
                if seq > 0 and kill_at == float("inf"):
                    kill_at = time.monotonic() + chance.random() * 0.05
                acked = max(acked, seq)
            if time.monotonic() >= kill_at:
                os.kill(child, signal.SIGKILL)
                kill_at = float("inf")

    def _lines(self, wait: float) -> list[tuple[int, int]]:
        assert self._process.stdout is not None
        if select.select([self._process.stdout], [], [], wait)[0]:
            self._rest += os.read(self._process.stdout.fileno(), 65_536)
        *lines, self._rest = self._rest.split(b"\n")
        return [(int(pid), int(seq)) for pid, seq in (line.split() for line in lines)]

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)


@pytest.mark.timeout(200)
def test_every_acked_edit_survives_300_kills_and_none_is_there_by_half(tmp_path: Path) -> None:
    appender, chance = Appender(), Random(20)
    acked = 0
    try:
        for number in range(KILLS):
            folder = tmp_path / f"journal-{number // 20}"
            if not folder.exists():
                folder.mkdir()
                acked = 0
            acked = max(acked, appender.round(folder, chance))
            acked = check(folder, acked)
    finally:
        appender.stop()


def check(folder: Path, acked: int) -> int:
    """The seq that the journal is at: the acked one, or one whose ack was on its way."""
    journal = SqliteJournal(folder / "journal.db", clock=SystemClock())
    try:
        draft = journal.draft(WC)
    finally:
        journal.close()
    seq = draft.working_copy.seq
    assert seq >= acked
    sources = [draft.cells[CellKey(key)].source for key in range(2)]
    assert all(source is not UNSET for source in sources)
    assert sources == [Text(origin=text) for text in texts(seq)]
    return seq
