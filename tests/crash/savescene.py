"""A notebook with acked edits that its file does not hold, and what saves of it need: the ground of the save tests."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from indelible.basekeeper import keep_content
from indelible.clock import SystemClock
from indelible.config import Settings
from indelible.intents import Intents
from indelible.model import Draft, Edit, Opening, Save, Seq
from indelible.notebook.layout import mark_of
from indelible.notebook.nbjson import file_cell, read_notebook, write_notebook
from indelible.notebook.render import digest_of
from indelible.notebook.wire import parse
from indelible.saver import Saver, Sign, Written
from indelible.service import Service
from indelible.store.store import Store, choose_place
from tests.notebook.page import WC, Mark, Page

TAB = "b" * 32
NAME = "n.ipynb"
TEXTS = ("first, edited\n", "second, edited: 数据\n")
FOREIGN = b'{"cells": [], "metadata": {"by": "somebody else"}, "nbformat": 4, "nbformat_minor": 5}\n'


def notebook(sources: Iterable[str]) -> bytes:
    cells: list[Any] = [
        {"cell_type": "code", "execution_count": None, "id": f"c{index}", "metadata": {}, "outputs": [], "source": text}
        for index, text in enumerate(sources)
    ]
    return write_notebook({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def sources(content: bytes) -> list[str]:
    return [cell["source"] for cell in read_notebook(content)["cells"]]


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def opening(page: Page, path: str = NAME, working_copy: str = WC) -> Opening:
    return Opening(
        working_copy=working_copy,
        epoch=1,
        path=path,
        base=page.base,
        cells=len(page.cells),
        seq=Seq(0),
        mode="full",
        tab=TAB,
    )


def edit_of(page: Page) -> Edit:
    raw = page.edit()
    assert raw is not None
    record = parse(raw)
    assert isinstance(record, Edit)
    return record


def request_of(page: Page, file: str | None, *, path: str = NAME, creates: bool = False) -> Save:
    """What the page says with a save of all that it has recorded."""
    cells = [file_cell(cell) for cell in page.content()["cells"]]
    return Save(
        working_copy=WC,
        epoch=1,
        seq=Seq(page.seq),
        id=1,
        path=path,
        file=file,
        digest=digest_of([mark_of(cell) for cell in cells], with_ids=True),
        is_trusted=False,
        creates=creates,
    )


def type_into(page: Page, texts: Iterable[str] = TEXTS) -> None:
    """One cell gets a text anew, the other one splices on what the base has."""
    one, other = texts
    page.cells[0].source.replace(one)
    page.cells[1].source.splice(0, len(page.cells[1].source.text), other)
    for cell in page.cells[:2]:
        cell.dirty.add("source")


@dataclass(frozen=True, slots=True)
class Scene:
    """A store of its own, a folder with the notebook, and a page whose edits are acked."""

    folder: Path
    store: Store
    saver: Saver
    intents: Intents
    page: Page
    old: bytes

    @property
    def file(self) -> Path:
        return self.folder / "root" / NAME

    @property
    def new(self) -> bytes:
        """What a save writes."""
        return self.page.mark().file

    @property
    def draft(self) -> Draft:
        return self.store.journal.draft(WC)

    def record(self) -> None:
        """The page's recorder sends what is dirty, and hears the ack."""
        record = edit_of(self.page)
        self.store.blobs.put(self.page.blobs.values())
        assert self.store.journal.append(record) == record.seq

    def save(self, *, file: bytes | None = None, creates: bool = False, sign: Sign | None = None) -> Written:
        """`file` is what the page takes the file to hold."""
        request = request_of(self.page, sha(self.old if file is None else file), creates=creates)
        return self.saver.save(request, self.draft, self.file, sign)

    def saved(self) -> None:
        """The page has heard that the file is written."""
        mark: Mark = self.page.mark()
        record = parse(self.page.saved(mark))
        self.store.journal.append(record)  # type: ignore[arg-type]
        self.page.rebase(mark)

    def leave(self) -> None:
        """As a killed process leaves it: the files, and a lease that nobody holds."""
        self.store.journal.close()
        self.store.blobs.close()
        self.store._lease.release()


def scene(folder: Path, *, old: bytes | None = None, keeps_base: bool = True, store: Path | None = None) -> Scene:
    """Make it, with two edits in the journal."""
    content = notebook(["first\n", "second\n", "third\n"]) if old is None else old
    root = folder / "root"
    root.mkdir(parents=True, exist_ok=True)
    (root / NAME).write_bytes(content)
    page = Page(content)
    found, saver, intents = opened(store or folder / "store")
    found.journal.open(opening(page), found.root_id(root))
    one = Scene(folder, found, saver, intents, page, content)
    type_into(page)
    one.record()
    if keeps_base:
        found.journal.keep_base(WC, sha(content), keep_content(content, found.blobs))
    return one


def opened(folder: Path) -> tuple[Store, Saver, Intents]:
    store = Store(choose_place(folder, None), clock=SystemClock())
    intents = Intents(store.folder / "intents", store.server, store.blobs.get)
    return store, Saver(store.journal, store.blobs, store.versions, intents=intents, clock=SystemClock()), intents


def fresh_service(folder: Path, store: Path | None = None) -> Service:
    """The next server, with whatever the one before has left."""
    root = folder / "root"

    def read_file(path: str) -> bytes:
        return (root / path).read_bytes()

    service = Service(
        Settings(store_path=store or folder / "store"), root=root, read_file=read_file, locate=lambda path: root / path
    )
    service.start()
    return service


def reachable(service: Service, file: Path) -> str:
    """Everything that a user can still get at: the file, the drafts, the kept versions; one text to look in."""
    found: list[Any] = []
    with contextlib.suppress(FileNotFoundError):
        found.append(read_notebook(file.read_bytes()))
    found += [service.drafts.one(one.working_copy.id).notebook.content for one in service.drafts.every()]
    store = service.upkeep.store
    found += [service.files.version(NAME, one.id) for one in store.versions.of(service.upkeep.root_id, NAME)]
    return json.dumps(found, ensure_ascii=False)
