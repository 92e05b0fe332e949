"""Run by test_save_kills.py and test_save_power_cut.py: edit a notebook and save it, over and over, until killed.

Standard input: a line for each child, {"folder", "size": bytes of the notebook, "slow"}. The child that is forked
goes on from what the store in the folder holds, and tells what it reached: "<pid> acked <number>" once an edit is in
the journal, "<pid> saved <number>" once the file has it. The parent process is warm: a child starts in milliseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import stat
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from random import Random

from indelible.fs import calls
from indelible.model import UNSET, Edit, Save, Saved, Seq
from indelible.notebook.layout import CellMark
from indelible.notebook.nbjson import write_notebook
from indelible.notebook.render import digest_of
from indelible.notebook.wire import parse_message
from tests.notebook.page import WC

from .savescene import NAME, TAB, opened, sha

CELL_BYTES = 2**20
WRITE_AND_WAIT = 7
PLACE = "@number@"


def text(number: int) -> str:
    """Of another length each time, so that everything behind it moves."""
    return f"{number} {'x' * (5_000 + number * 997 % 5_000)}"


@dataclass(frozen=True, slots=True)
class Book:
    """A notebook of a size: its first cell has a number, the others an output of 1 MB each."""

    before: bytes
    after: bytes
    cells: int

    def content(self, number: int) -> bytes:
        return self.before + text(number).encode() + self.after

    def number(self, content: bytes) -> int | None:
        """Which state of it that is, whole; None for anything else."""
        digits = content[len(self.before) :][:20].partition(b" ")[0]
        return int(digits) if digits.isdigit() and content == self.content(int(digits)) else None

    def digest(self, number: int) -> str:
        length = len(text(number))
        marks = [CellMark(id="c0", cell_type="code", source_length=length, outputs=0, execution_count=None)]
        for index in range(1, self.cells):
            marks.append(CellMark(id=f"c{index}", cell_type="code", source_length=1, outputs=1, execution_count=None))
        return digest_of(marks, with_ids=True)


def book(size: int) -> Book:
    cells = [_cell(0, PLACE, [])]
    for index in range(1, max(2, size // CELL_BYTES)):
        lines = "".join(f"output {index}, line {number} {'0123456789abcdef' * 4}\n" for number in range(11_000))
        cells.append(_cell(index, "x", [{"name": "stdout", "output_type": "stream", "text": lines[:CELL_BYTES]}]))
    whole = write_notebook({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    before, after = whole.split(PLACE.encode())
    return Book(before, after, len(cells))


def _cell(index: int, source: str, outputs: list[object]) -> dict[str, object]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": f"c{index}",
        "metadata": {},
        "outputs": outputs,
        "source": source,
    }


def begin(folder: Path, one: Book, *, has_two_names: bool) -> None:
    """The notebook at number 0."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NAME).write_bytes(one.content(0))
    if has_two_names:
        (folder / "other.ipynb").hardlink_to(folder / NAME)
    # The test begins with a file that is on the disk.
    os.sync()


def go_on(folder: Path, one: Book) -> None:
    store, saver, intents = opened(folder / "store")
    store.adopt_dead()
    intents.repair(store.is_dead, lambda path, content: None)
    file = folder / NAME
    known = {copy.id: copy for copy in store.journal.working_copies()}
    present = sha(file.read_bytes())
    seq = known[WC].seq if known else 0
    if not known:
        opening = {"t": "open", "wc": WC, "epoch": 1, "path": NAME, "base": present, "cells": one.cells, "seq": 0}
        store.journal.open(parse_message({**opening, "mode": "full"}, TAB), "root")  # type: ignore[arg-type]
    while True:
        seq += 1
        edit = {"t": "edit", "wc": WC, "epoch": 1, "seq": seq, "at": seq, "cells": [{"key": 0, "source": text(seq)}]}
        record = parse_message(edit, TAB)
        assert isinstance(record, Edit)
        assert store.journal.append(record) == seq
        tell("acked", seq)
        request = Save(
            working_copy=WC,
            epoch=1,
            seq=Seq(seq),
            id=seq,
            path=NAME,
            file=present,
            digest=one.digest(seq),
            is_trusted=False,
            creates=False,
        )
        present = saver.save(request, store.journal.draft(WC), file).hash
        tell("saved", seq)
        saved = {"t": "saved", "wc": WC, "epoch": 1, "seq": seq, "hash": present, "order": [[0, one.cells]]}
        told = parse_message({**saved, "cells": one.cells}, TAB)
        assert isinstance(told, Saved)
        store.journal.append(told)


def slow_down() -> None:
    """As a slow disk does: it takes a megabyte at a time, and has some of a file before it has all.

    Otherwise a write in place is so fast that hardly any kill or cut falls into it.
    """
    write, sync, chance = calls.write, calls.sync, Random()
    libc = ctypes.CDLL(None, use_errno=True)

    def slow_write(handle: int, block: memoryview) -> int:
        time.sleep(0.005)
        return write(handle, block[:CELL_BYTES])

    def slow_sync(handle: int) -> None:
        size = os.fstat(handle).st_size
        if stat.S_ISREG(os.fstat(handle).st_mode) and size > CELL_BYTES:
            for _ in range(3):
                start = chance.randrange(size)
                libc.sync_file_range(handle, ctypes.c_int64(start), ctypes.c_int64(size // 3), WRITE_AND_WAIT)
                time.sleep(0.02)
        sync(handle)

    calls.write, calls.sync = slow_write, slow_sync


def tell(what: str, number: int) -> None:
    os.write(1, f"{os.getpid()} {what} {number}\n".encode())


def check(folder: Path, one: Book, acked: int, saved: int) -> int:
    """The number that the next server finds: in the file, or in a draft that can be made whole."""
    store, _, intents = opened(folder / "store")
    try:
        store.adopt_dead()
        intents.repair(store.is_dead, lambda path, content: None)
        number = one.number((folder / NAME).read_bytes())
        assert number is not None, "the file is neither old nor new"
        assert number >= saved
        found = number
        for copy in store.journal.working_copies():
            if copy.is_draft:
                assert copy.base_chunks is not None or copy.base == sha(one.content(number))
                for cell in store.journal.draft(copy.id).cells.values():
                    assert cell.source is not UNSET
                    assert isinstance(cell.source.origin, str)
                    found = max(found, int(cell.source.origin.partition(" ")[0]))
        assert found >= acked
        return found
    finally:
        store.close()


class Children:
    """The warm parent, and what its children tell."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.saving"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parent.parent.parent,
        )
        self._rest = b""

    def begin(self, folder: Path, size: int, *, is_slow: bool) -> int:
        """Start one; its process id. `is_slow`: as if its disk were."""
        assert self._process.stdin is not None
        form = {"folder": str(folder), "size": size, "slow": is_slow}
        self._process.stdin.write(json.dumps(form).encode() + b"\n")
        self._process.stdin.flush()
        while True:
            for pid, what, _ in self.told(60):
                if what == "began":
                    return pid

    def told(self, wait_s: float) -> list[tuple[int, str, int]]:
        """What was told meanwhile: (process id, "began" | "acked" | "saved" | "ended", number)."""
        assert self._process.stdout is not None
        if select.select([self._process.stdout], [], [], wait_s)[0]:
            self._rest += os.read(self._process.stdout.fileno(), 65_536)
        *lines, self._rest = self._rest.split(b"\n")
        return [(int(pid), what.decode(), int(number)) for pid, what, number in (line.split() for line in lines)]

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)


def main() -> None:
    books: dict[int, Book] = {}
    for line in sys.stdin:
        form = json.loads(line)
        size = form["size"]
        if size not in books:
            books[size] = book(size)
        child = os.fork()
        if child == 0:
            try:
                if form["slow"]:
                    slow_down()
                go_on(Path(form["folder"]), books[size])
            except BaseException:  # noqa: BLE001  (nobody else would tell why a child is gone)
                traceback.print_exc()
            finally:
                os._exit(1)
        os.write(1, f"{child} began 0\n".encode())
        os.waitpid(child, 0)
        with contextlib.suppress(BrokenPipeError):
            os.write(1, f"{child} ended 0\n".encode())


if __name__ == "__main__":
    main()
