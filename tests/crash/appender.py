"""Run by test_sigkill.py: append edits to a journal and print each ack, until killed.

Standard input: a folder a line. For each, a child is forked that opens the journal there and appends; what it
acks goes to standard output as "<pid> <seq>". The parent process is warm: a child starts in milliseconds.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from indelible.clock import SystemClock
from indelible.notebook.wire import parse_message
from indelible.store.journal import SqliteJournal

WC, TAB = "a" * 32, "b" * 32
META = {"json": {"nbformat": 4, "nbformat_minor": 5, "metadata": {}}}


def texts(seq: int) -> tuple[str, str]:
    """What the two cells hold after edit `seq`: always of the same edit, so that half an edit would show."""
    return f"{seq}\n" + "x" * (seq * 37 % 3_000), f"also {seq} " + "字" * (seq % 50)


def message(seq: int, *, is_first: bool) -> object:
    cells = [{"key": key, "source": text} for key, text in enumerate(texts(seq))]
    edit = {"t": "edit", "wc": WC, "epoch": 1, "seq": seq, "at": seq, "cells": cells}
    if not is_first:
        return edit
    head = {"cell_type": "code", "id": "c", "execution_count": None, "trusted": False}
    rest = {"head": head, "metadata": {"json": {}}, "attachments": None, "outputs": {"len": 0, "set": []}}
    return {**edit, "cells": [cell | rest for cell in cells], "reset": True, "order": [[0, 2]], "meta": META}


def append(folder: Path) -> None:
    journal = SqliteJournal(folder / "journal.db", clock=SystemClock())
    opening = {"t": "open", "wc": WC, "epoch": 1, "path": "n.ipynb", "base": None, "cells": 0, "seq": 0, "mode": "full"}
    known = journal.open(parse_message(opening, TAB), "root")  # type: ignore[arg-type]
    seq = known.seq if known else 0
    while True:
        seq += 1
        acked = journal.append(parse_message(message(seq, is_first=known is None and seq == 1), TAB))  # type: ignore[arg-type]
        os.write(1, f"{os.getpid()} {acked}\n".encode())


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                append(Path(line.strip()))
            finally:
                os._exit(1)
        os.write(1, f"{child} 0\n".encode())
        os.waitpid(child, 0)
        os.write(1, f"{child} -1\n".encode())


if __name__ == "__main__":
    main()
