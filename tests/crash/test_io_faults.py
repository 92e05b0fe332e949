"""Each write and sync of SQLite's own fails in turn, or is where the process dies: no ack was a lie."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from indelible.clock import SystemClock
from indelible.errors import StoreError
from indelible.model import UNSET, CellKey
from indelible.notebook.wire import parse_message
from indelible.store.journal import SqliteJournal

from .appender import TAB, WC, message, texts
from .faulty_vfs import FAULTS, Dial, FaultyVfs

EDITS = 4
numbers = itertools.count()

pytestmark = [
    pytest.mark.crash,
    # A fault while SQLite closes a file has nobody to be raised to; apsw reports it this way.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def scenario(folder: Path, dial: Dial, acked: Path) -> None:
    """Open a journal, append some edits; each acked seq is noted outside of the faulty disk."""
    name = f"faulty-{os.getpid()}-{next(numbers)}"
    vfs = FaultyVfs(name, dial)
    try:
        journal = SqliteJournal(folder / "journal.db", clock=SystemClock(), vfs=name)
    except StoreError:
        vfs.unregister()
        return
    opening = {"t": "open", "wc": WC, "epoch": 1, "path": "n.ipynb", "base": None, "cells": 0, "seq": 0, "mode": "full"}
    journal.open(parse_message(opening, TAB), "root")  # type: ignore[arg-type]
    for seq in range(1, EDITS + 1):
        try:
            # Always self-contained: the edit before may have been refused.
            journal.append(parse_message(message(seq, is_first=True), TAB))  # type: ignore[arg-type]
        except StoreError:
            continue
        acked.write_text(str(seq))
    journal.close()
    vfs.unregister()


def check(folder: Path, acked: Path) -> None:
    last = int(acked.read_text()) if acked.exists() else 0
    if not (folder / "journal.db").exists():
        assert last == 0
        return
    journal = SqliteJournal(folder / "journal.db", clock=SystemClock())
    try:
        held = {one.id: one for one in journal.working_copies()}
        if last:
            assert held[WC].seq >= last
        if WC in held:
            draft = journal.draft(WC)
            for key, text in enumerate(texts(held[WC].seq)):
                source = draft.cells[CellKey(key)].source
                assert source is not UNSET
                assert source.origin == text
    finally:
        journal.close()


def operations(tmp_path: Path) -> int:
    """How many operations the scenario takes when nothing fails."""
    folder = tmp_path / "counted"
    folder.mkdir()
    dial = Dial()
    scenario(folder, dial, tmp_path / "counted-acks")
    assert (tmp_path / "counted-acks").read_text() == str(EDITS)
    return dial.count


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_operation_fails_every_ack_was_true(tmp_path: Path, fault: str) -> None:
    total = operations(tmp_path)
    assert total > 20
    for at in range(1, total + 1):
        folder, acked = tmp_path / f"{at}", tmp_path / f"{at}-acks"
        folder.mkdir()
        dial = Dial(at, fault)
        if fault == "dies here":
            child = os.fork()
            if child == 0:
                scenario(folder, dial, acked)
                os._exit(0)
            os.waitpid(child, 0)
        else:
            scenario(folder, dial, acked)
        check(folder, acked)


def test_a_disk_that_goes_on_failing_gets_no_ack(tmp_path: Path) -> None:
    dial = Dial(1, "error", forever=True)
    scenario(tmp_path, dial, tmp_path / "acks")
    assert not (tmp_path / "acks").exists()
