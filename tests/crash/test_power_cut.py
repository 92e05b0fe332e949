"""The power fails: what was acked before is there when the disk is mounted again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from .test_sigkill import check

CUTS = 25
IMAGE_BYTES = 32 * 2**20

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(os.getuid() != 0, reason="mounting a loop image needs root"),
    pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="mkfs.ext4 is not installed"),
]


@contextlib.contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    place.mkdir(exist_ok=True)
    result = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"a loop image cannot be mounted here: {result.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


@pytest.mark.timeout(200)
def test_every_acked_edit_survives_the_power_cut(tmp_path: Path) -> None:
    image, chance = tmp_path / "disk.img", Random(7)
    image.write_bytes(b"")
    os.truncate(image, IMAGE_BYTES)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    with mounted(image, tmp_path / "mounted") as disk:
        writer = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.appender"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent.parent,
        )
        assert writer.stdin is not None
        assert writer.stdout is not None
        child = 0
        try:
            writer.stdin.write(f"{disk}\n".encode())
            writer.stdin.close()
            child = int(writer.stdout.readline().split()[0])
            for number in range(CUTS):
                acked = 0
                for _ in range(chance.randrange(1, 40)):
                    acked = int(writer.stdout.readline().split()[1])
                # It stands still while its disk is copied, at whatever point of a commit it is.
                os.kill(child, signal.SIGSTOP)
                copy = tmp_path / f"cut-{number}.img"
                shutil.copyfile(image, copy)
                os.kill(child, signal.SIGCONT)
                with mounted(copy, tmp_path / "after") as survived:
                    assert check(survived, acked) >= acked > 0
                copy.unlink()
        finally:
            if child:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGCONT)
                    os.kill(child, signal.SIGKILL)
            writer.stdout.close()
            writer.wait(10)
