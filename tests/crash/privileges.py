"""What only root can set up: mounts, and a process without root's rights."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

NOBODY = 65_534


def run(*command: str | Path) -> None:
    """Skip the test where the command does not work."""
    result = subprocess.run(command, capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"{command[0]} cannot be used so here: {result.stderr.strip()}")


@contextlib.contextmanager
def place_of_nobody() -> Iterator[Path]:
    """A folder that another user reaches, too."""
    place = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else "/tmp"))
    try:
        os.chown(place, NOBODY, NOBODY)
        yield place
    finally:
        shutil.rmtree(place)


def as_nobody(work: Callable[[], None]) -> None:
    """Do it in a process without root's rights. Whatever it raises is printed, and fails the test."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            work()
            code = 0
        except BaseException:  # noqa: BLE001  (the parent sees the status)
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
