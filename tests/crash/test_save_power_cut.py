"""The power fails in the midst of saves: the file that the disk has afterwards is old or new, and no save was a lie.

INDELIBLE_CUTS is the number of cuts; `INDELIBLE_CUTS=100` is the full run.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest

from .saving import Book, Children, begin, book, check
from .test_power_cut import mounted

CUTS = int(os.environ.get("INDELIBLE_CUTS", "20"))
IMAGE_BYTES = 64 * 2**20
SIZE = 3 * 2**20
CLONE_NEWNS = 0x20000

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(os.getuid() != 0, reason="mounting a loop image needs root"),
    pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="mkfs.ext4 is not installed"),
]


def reached(children: Children, until: float, acked: int, saved: int) -> tuple[int, int]:
    """The last numbers acked and saved that were told until then."""
    while True:
        wait = until - time.monotonic()
        told = children.told(max(0.0, wait))
        for _, what, number in told:
            acked = number if what == "acked" else acked
            saved = number if what == "saved" else saved
        if wait <= 0 and not told:
            return acked, saved


def after_the_cut(copy: Path, disk: Path, work: Callable[[], object]) -> None:
    """Do it in a process that sees the copy in the disk's place: the notes of saves name whole paths."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert ctypes.CDLL(None).unshare(CLONE_NEWNS) == 0
            subprocess.run(["mount", "--make-rprivate", "/"], check=True)
            subprocess.run(["mount", "-o", "loop", copy, disk], check=True)
            work()
            code = 0
        except BaseException:  # noqa: BLE001  (the parent sees the status)
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.timeout(60 + 4 * CUTS)
@pytest.mark.parametrize("how", ["by exchange", "in place"])
def test_a_save_that_the_power_cuts_off_leaves_the_old_file_or_the_new_one(tmp_path: Path, how: str) -> None:
    image, chance = tmp_path / "disk.img", Random(how)
    image.touch()
    os.truncate(image, IMAGE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    one: Book = book(SIZE)
    with mounted(image, tmp_path / "mounted") as disk:
        begin(disk / "folder", one, has_two_names=how == "in place")
        children = Children()
        pid = children.begin(disk / "folder", SIZE, is_slow=how == "in place")
        try:
            acked, saved = reached(children, time.monotonic() + 1, 0, 0)
            for number in range(CUTS // 2):
                acked, saved = reached(children, time.monotonic() + chance.random() * 0.2, acked, saved)
                # It stands still while its disk is copied, at whatever point of a save it is.
                os.kill(pid, signal.SIGSTOP)
                acked, saved = reached(children, 0, acked, saved)
                copy = tmp_path / f"cut-{number}.img"
                shutil.copyfile(image, copy)
                os.kill(pid, signal.SIGCONT)
                after_the_cut(copy, disk, partial(check, disk / "folder", one, acked, saved))
                copy.unlink()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
                os.kill(pid, signal.SIGKILL)
            children.stop()
    assert saved > CUTS // 2
