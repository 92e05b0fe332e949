"""Whatever is done to a page: what the journal holds, made whole, is the page, after every step."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timezone
from random import Random

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from indelible.errors import StalePart
from indelible.model import Edit, Opening, Saved, Seq
from indelible.notebook.apply import opened_draft
from indelible.notebook.compose import materialise
from indelible.notebook.ledger import Ledger, ledger_edit, ledger_saved
from indelible.notebook.wire import parse
from indelible.notebook.wirejson import edit_to_json

from .actions import ACTIONS, LARGE_ACTIONS, Action
from .page import WC, Mark, Page
from .pagecell import Json


def code_cell(cell_id: str, count: int | None, source: Json) -> Json:
    head = {"cell_type": "code", "id": cell_id, "execution_count": count}
    return {**head, "metadata": {}, "source": source, "outputs": []}


BASES: dict[str, Json] = {
    "empty": {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5},
    "no ids": {
        "cells": [
            {"cell_type": "markdown", "id": "not for 4.4", "metadata": {}, "source": ["# 标题\n", "text"]},
            {"cell_type": "raw", "metadata": {}, "source": "", "attachments": {"a": {"text/plain": ["x"]}}},
            {
                "cell_type": "code",
                "execution_count": 3,
                "metadata": {"tags": ["x"]},
                "source": ["a = 1\r\n", "a😀"],
                "outputs": [
                    {"output_type": "stream", "name": "stdout", "text": ["one\n", "two"]},
                    {"output_type": "display_data", "data": {"text/plain": ["x"]}, "metadata": {}},
                ],
            },
        ],
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "nbformat": 4,
        "nbformat_minor": 4,
    },
    "ids": {
        "cells": [
            {"cell_type": "raw", "id": "r", "metadata": {}, "source": "\ud83d", "attachments": {}},
            code_cell("c", None, []),
            code_cell("c", 1, "d" * 20_000),
        ],
        "metadata": {"language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    },
}  # fmt: skip


def canonical(notebook: Json) -> str:
    """Equal exactly when two notebooks are the same JSON: 1, 1.0 and true differ."""
    return json.dumps(notebook, sort_keys=True)


class Server:
    """The journal's meaning in memory, fed with protocol messages."""

    def __init__(self, page: Page) -> None:
        opening = Opening(
            working_copy=WC, epoch=1, path="a.ipynb", base=page.base, cells=len(page.cells), seq=Seq(0),
            mode="full", tab=WC,
        )  # fmt: skip
        self.ledger = Ledger(draft=opened_draft(opening, "root", datetime(2025, 1, 1, tzinfo=timezone.utc)))
        self.files = {hashlib.sha256(page.file).hexdigest(): page.file}

    def take(self, raw: str) -> None:
        record = parse(raw)
        if isinstance(record, Edit):
            assert parse(json.dumps(edit_to_json(record))) == record
            self.ledger = ledger_edit(self.ledger, record)
        else:
            assert isinstance(record, Saved)
            self.ledger = ledger_saved(self.ledger, record)

    def content(self, blobs: dict[bytes, bytes]) -> Json:
        draft = self.ledger.draft
        base = None if draft.working_copy.base is None else self.files[draft.working_copy.base]
        return materialise(draft, base, lambda blob: blobs[blob]).content


def play(base: str, steps: list[tuple[Action | str, int]]) -> None:
    """Do the steps, flush at random, and compare after every flush."""
    page = Page(json.dumps(BASES[base]).encode())
    server = Server(page)
    mark: Mark | None = None
    for action, seed in steps:
        chance = Random(seed)
        if not isinstance(action, str):
            action(page, chance)
        elif mark is None:
            flush(page, server)
            mark = page.mark()
            server.files[hashlib.sha256(mark.file).hexdigest()] = mark.file
            continue
        else:
            save(page, server, mark)
            mark = None
        if chance.random() < 0.7:
            flush(page, server)
            assert canonical(server.content(page.blobs)) == canonical(page.content())
    flush(page, server)
    assert canonical(server.content(page.blobs)) == canonical(page.content())


def save(page: Page, server: Server, mark: Mark) -> None:
    while True:
        try:
            server.take(page.saved(mark))
            break
        except StalePart as refusal:
            page.send_whole(refusal.key)
            flush(page, server)
    page.rebase(mark)


def flush(page: Page, server: Server) -> None:
    raw = page.edit()
    if raw is not None:
        server.take(raw)


seeds = st.integers(0, 2**32)
steps = st.lists(st.tuples(st.sampled_from([*ACTIONS, "save"]), seeds), min_size=1, max_size=40)
long_steps = st.builds(
    lambda seed: [(Random(seed + at).choice([*ACTIONS, "save"]), seed + at) for at in range(100)], seeds
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(base=st.sampled_from(sorted(BASES)), steps=steps)
def test_a_page_comes_back_exactly_after_every_step(base: str, steps: list[tuple[Action | str, int]]) -> None:
    play(base, steps)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(base=st.sampled_from(sorted(BASES)), steps=long_steps)
def test_a_page_comes_back_exactly_after_a_long_day(base: str, steps: list[tuple[Action | str, int]]) -> None:
    play(base, steps)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    large=st.lists(st.tuples(st.sampled_from(LARGE_ACTIONS), seeds), min_size=1, max_size=2),
    steps=st.lists(st.tuples(st.sampled_from(ACTIONS), seeds), min_size=1, max_size=8),
)
@example(large=[(LARGE_ACTIONS[0], 1)], steps=[(ACTIONS[0], seed) for seed in range(8)])
@example(large=[(LARGE_ACTIONS[1], 1)], steps=[(ACTIONS[13], seed) for seed in range(4)])
def test_huge_cells_and_thousands_of_outputs_come_back_too(
    large: list[tuple[Action | str, int]], steps: list[tuple[Action | str, int]]
) -> None:
    play("no ids", [*large, *steps])
