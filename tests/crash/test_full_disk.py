"""The disk with the store is full: it is said, nothing that was acked is lost, and it goes on when there is space."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from indelible.clock import SystemClock
from indelible.errors import DiskFull
from indelible.model import UNSET, CellKey
from indelible.notebook.wire import parse_message
from indelible.store.store import Store, choose_place

from .appender import TAB, WC, message, texts

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(os.getuid() != 0, reason="mounting a tmpfs needs root"),
]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    result = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place], capture_output=True, text=True)
    if result.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {result.stderr.strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def append(store: Store, seq: int) -> None:
    record = parse_message(message(seq, is_first=seq == 1), TAB)
    assert store.journal.append(record) == seq  # type: ignore[arg-type]


def holds(store: Store, seq: int) -> None:
    draft = store.journal.draft(WC)
    assert draft.working_copy.seq == seq
    for key, text in enumerate(texts(seq)):
        source = draft.cells[CellKey(key)].source
        assert source is not UNSET
        assert source.origin == text


def opened(folder: Path) -> Store:
    store = Store(choose_place(folder, None), clock=SystemClock())
    opening = {"t": "open", "wc": WC, "epoch": 1, "path": "n.ipynb", "base": None, "cells": 0, "seq": 0, "mode": "full"}
    store.journal.open(parse_message(opening, TAB), "root")  # type: ignore[arg-type]
    return store


@pytest.mark.parametrize("free_pages", [0, 1, 2, 3])
def test_a_full_disk_loses_nothing_that_was_acked(small_disk: Path, free_pages: int) -> None:
    store = opened(small_disk / "store")
    acked = 0
    for seq in range(1, 20):
        append(store, seq)
        acked = seq
    filler = small_disk / "filler"
    fill(filler, free_pages)
    acked, refusal = append_until_refused(store, acked)
    assert "space" in str(refusal)
    assert refusal.hint
    holds(store, acked)
    filler.unlink()
    append(store, acked + 1)
    holds(store, acked + 1)
    store.close()


def append_until_refused(store: Store, acked: int) -> tuple[int, DiskFull]:
    """The last acked edit, and what the next one met."""
    for seq in range(acked + 1, acked + 3_000):
        try:
            append(store, seq)
        except DiskFull as refusal:
            return acked, refusal
        acked = seq
    raise AssertionError("the disk never became full")


def fill(path: Path, free_pages: int) -> None:
    """Take all space but so many pages of 4096 bytes."""
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            file.truncate(max(0, file.tell() - free_pages * 4096))


def test_the_ballast_is_given_back_to_a_full_disk(small_disk: Path) -> None:
    store = opened(small_disk / "store")
    append(store, 1)
    (store.folder / "ballast").write_bytes(b"x" * 2**20)
    fill(small_disk / "filler", 0)
    for seq in range(2, 40):
        append(store, seq)
    assert not (store.folder / "ballast").exists()
    holds(store, 39)
    store.close()
