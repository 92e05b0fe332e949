"""kill -9 at random moments of saves of a large notebook: the file is old or new, whole, and nothing acked is lost.

INDELIBLE_KILLS is their number; `INDELIBLE_KILLS=500` is the full run.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from random import Random

import pytest

from .saving import Book, Children, begin, book, check

KILLS = int(os.environ.get("INDELIBLE_KILLS", "24"))
SIZES = {"by exchange": 50_000_000, "in place": 12_000_000}

pytestmark = pytest.mark.crash


def round_(children: Children, folder: Path, size: int, within_s: float, chance: Random) -> tuple[int, int]:
    """Start a child and kill it at a random moment after its first ack; the last numbers acked and saved."""
    pid = children.begin(folder, size, is_slow=size == SIZES["in place"])
    acked = saved = 0
    kill_at = float("inf")
    while True:
        for _, what, number in children.told(max(0.0, min(kill_at - time.monotonic(), 30.0))):
            if what == "ended":
                return acked, saved
            if what == "acked":
                acked = number
                if kill_at == float("inf"):
                    kill_at = time.monotonic() + chance.random() * within_s
            elif what == "saved":
                saved = number
        if time.monotonic() >= kill_at:
            os.kill(pid, signal.SIGKILL)
            kill_at = float("inf")


def timed(children: Children, folder: Path, size: int) -> float:
    """Seconds that a save takes here; it is killed after the second one."""
    pid = children.begin(folder, size, is_slow=size == SIZES["in place"])
    began = ended = 0.0
    while True:
        for _, what, number in children.told(30):
            if what == "acked" and number == 2:
                began = time.monotonic()
            elif what == "saved" and number == 2:
                ended = time.monotonic()
                os.kill(pid, signal.SIGKILL)
            elif what == "ended":
                return ended - began


@pytest.mark.timeout(60 + 6 * KILLS)
@pytest.mark.parametrize("how", SIZES)
def test_a_killed_save_leaves_the_old_file_or_the_new_one(tmp_path: Path, how: str) -> None:
    children, chance, size = Children(), Random(how), SIZES[how]
    one: Book = book(size)
    folder = tmp_path / "folder"
    begin(folder, one, has_two_names=how == "in place")
    try:
        # Most kills fall into the save that follows the first ack, some behind it.
        within_s = 1.3 * timed(children, folder, size)
        reached = check(folder, one, 2, 2)
        torn = 0
        for _ in range(KILLS // 2):
            acked, saved = round_(children, folder, size, within_s, chance)
            torn += one.number((folder / "n.ipynb").read_bytes()) is None
            reached = check(folder, one, max(acked, reached), saved)
    finally:
        children.stop()
    assert how == "in place" or torn == 0
    print(f"{KILLS // 2} kills {how}, within {within_s:.2f} s each; {torn} left a torn file, which was repaired")
