"""Each call to the file system and to SQLite's files fails in turn, or is where the process dies: no save was a lie."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from indelible.errors import FileChanged, IndelibleError
from indelible.fs.replace import sweep
from indelible.merging import Merger, MergeRequest
from indelible.model import Source
from indelible.testing.faulty_fs import DIED, Fault, FaultyFs
from tests.notebook.page import WC

from .faulty_vfs import Dial, FaultyVfs
from .savescene import (
    FOREIGN,
    NAME,
    TEXTS,
    Scene,
    fresh_service,
    notebook,
    reachable,
    scene,
    sha,
    sources,
    type_into,
    edit_of,
)

WORDS = ("*!", "*!ENOSPC", "*~", "*x", "*~x")
numbers = itertools.count()

pytestmark = [
    pytest.mark.crash,
    # A fault while SQLite closes a file has nobody to be raised to; apsw reports it this way.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class SharedDial(Dial):
    """SQLite's calls, counted and failed among those of fs/."""

    def __init__(self, fs: FaultyFs) -> None:
        super().__init__()
        self._fs = fs

    def turn(self) -> str | None:
        fault = self._fs.step("q")
        return None if fault is None else _in_sqlite(fault)


def _in_sqlite(fault: Fault) -> str:
    if fault.is_death:
        return "dies here"
    if fault.is_torn:
        return "short write"
    return "full" if fault.error is not None and os.strerror(fault.error).startswith("No space") else "error"


@contextlib.contextmanager
def faulty(fs: FaultyFs) -> Iterator[Callable[[], None]]:
    """SQLite's files as the default of every connection; the faults begin when the given function is called."""
    vfs = FaultyVfs(f"saves-{os.getpid()}-{next(numbers)}", Dial(), is_default=True)

    def begin() -> None:
        stack.enter_context(fs)
        vfs.dial = SharedDial(fs)

    with contextlib.ExitStack() as stack:
        try:
            yield begin
        finally:
            vfs.dial = Dial()
            stack.close()
            vfs.unregister()


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """`before` prepares the scene, `act` meets the faults. `may_hold` is what the file may hold afterwards, whatever
    happens; `done` what it holds when no error was raised."""

    before: Callable[[Scene], None] = lambda scene: None
    act: Callable[[Scene], object] = lambda scene: scene.save()
    may_hold: Callable[[Scene], list[bytes | None]] = lambda scene: [scene.old, scene.new]
    done: Callable[[Scene], bytes | None] = lambda scene: scene.new
    keeps_base: bool = True
    is_saved_later: bool = True


def other_name(scene: Scene) -> None:
    (scene.folder / "root" / "other.ipynb").hardlink_to(scene.file)


def gone(scene: Scene) -> None:
    scene.file.unlink()


def changed(scene: Scene) -> None:
    scene.file.write_bytes(FOREIGN)


def expect_changed(act: Callable[[Scene], object]) -> Callable[[Scene], None]:
    def acted(scene: Scene) -> None:
        with contextlib.suppress(FileChanged):
            act(scene)
            raise AssertionError("a file that somebody else had written was replaced")

    return acted


def while_somebody_writes(scene: Scene) -> None:
    scene.save(sign=lambda content: changed(scene))


def merge(scene: Scene) -> None:
    merger = Merger(scene.saver, scene.store.blobs, scene.store.versions)
    request = MergeRequest(working_copy=WC, epoch=1, seq=scene.page.seq, path=NAME, file=sha(scene.old))
    answer = merger.merge(request, scene.draft, scene.file)
    assert [cell["source"] for cell in answer.merged.notebook["cells"]][:2] == list(TEXTS)
    kept = [one.hash for one in scene.store.versions.of(scene.draft.working_copy.root, NAME)]
    assert sha(scene.file.read_bytes()) in kept


def changed_elsewhere(scene: Scene) -> None:
    scene.file.write_bytes(notebook(["first\n", "second\n", "third, by somebody else\n"]))


def written_before(scene: Scene) -> None:
    """A save of before, of which the page has not heard, and more typed since."""
    scene.save()
    type_into(scene.page, ("first, again\n", "second, again\n"))
    scene.store.journal.append(edit_of(scene.page))


def drop_most(scene: Scene) -> None:
    del scene.page.cells[1:]
    scene.page.is_order_dirty = True
    scene.page.cells[0].source.replace("what is left\n")
    scene.page.cells[0].dirty.add("source")
    scene.store.journal.append(edit_of(scene.page))


def save_a_rest(scene: Scene) -> None:
    written = scene.save()
    assert written.shrunk is not None


def put(scene: Scene) -> None:
    root = scene.draft.working_copy.root
    kept = scene.saver.put(scene.file, scene.new, root=root, name=NAME, source=Source.RESTORED)
    assert kept is not None
    assert kept.hash == sha(scene.old)


STORIES = {
    "a save": Story(),
    "a save before the base is kept": Story(keeps_base=False),
    "a save in place": Story(before=other_name),
    "a save that makes a file": Story(
        before=gone,
        act=lambda scene: scene.save(creates=True),
        may_hold=lambda scene: [None, scene.new],
    ),
    "a save over what an unheard save wrote": Story(
        before=written_before,
        may_hold=lambda scene: [scene.file.read_bytes(), scene.new],
    ),
    "a save of a changed file": Story(
        before=changed,
        act=expect_changed(lambda scene: scene.save()),
        may_hold=lambda scene: [FOREIGN],
        done=lambda scene: FOREIGN,
        is_saved_later=False,
    ),
    "a save while somebody writes": Story(
        act=expect_changed(while_somebody_writes),
        may_hold=lambda scene: [scene.old, FOREIGN],
        done=lambda scene: FOREIGN,
        is_saved_later=False,
    ),
    "a save in place while somebody writes": Story(
        before=other_name,
        act=expect_changed(while_somebody_writes),
        may_hold=lambda scene: [scene.old, FOREIGN],
        done=lambda scene: FOREIGN,
        is_saved_later=False,
    ),
    "a save that drops most": Story(before=drop_most, act=save_a_rest),
    "a merge": Story(
        before=changed_elsewhere,
        act=merge,
        may_hold=lambda scene: [scene.file.read_bytes()],
        done=lambda scene: scene.file.read_bytes(),
        is_saved_later=False,
    ),
    "a restored state": Story(act=put),
}


@pytest.fixture
def fast(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is such a place: what is counted here are calls, not what a disk makes of them."""
    memory = Path("/dev/shm")
    place = Path(tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else tmp_path))
    yield place
    shutil.rmtree(place)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a story came to: whether it ended without an error, and the calls that it made."""

    is_done: bool
    steps: list[str]


def told(folder: Path, story: Story, fs: FaultyFs) -> tuple[Scene, Outcome, list[bytes | None]]:
    """Play it in this process."""
    with faulty(fs) as begin:
        one = scene(folder, old=BIG if story is STORIES["a save that drops most"] else None, keeps_base=story.keeps_base)
        story.before(one)
        may_hold = story.may_hold(one)
        (folder / "may-hold").mkdir()
        for index, content in enumerate(may_hold):
            if content is not None:
                (folder / "may-hold" / str(index)).write_bytes(content)
        begin()
        try:
            story.act(one)
            is_done = True
        except IndelibleError:
            is_done = False
    return one, Outcome(is_done, list(fs.steps)), may_hold


BIG = notebook(["first\n", "second\n", *[f"cell {index}\n" * 20 for index in range(8)]])


def held(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def leftovers(folder: Path) -> list[str]:
    known = {NAME, "other.ipynb"}
    return sorted(path.name for path in (folder / "root").iterdir() if path.name not in known)


def check_next_server(folder: Path, story: Story, may_hold: list[bytes | None], texts: list[str]) -> None:
    """What a server that starts now finds, and that it can save."""
    service = fresh_service(folder)
    try:
        file = folder / "root" / NAME
        assert held(file) in may_hold
        found = reachable(service, file)
        assert all(text.strip() in found for text in texts)
        assert not list((folder / "store" / "intents").glob("*.json"))
        sweep(folder / "root", float("inf"))
        assert leftovers(folder) == []
    finally:
        service.close()


@pytest.mark.parametrize("name", STORIES)
def test_nothing_fails_when_nothing_is_made_to(fast: Path, name: str) -> None:
    story = STORIES[name]
    one, outcome, _ = told(fast, story, FaultyFs())
    assert outcome.is_done
    assert held(one.file) == story.done(one)
    assert leftovers(fast) == []
    one.leave()


@pytest.mark.parametrize("word", [word for word in WORDS if "x" not in word])
@pytest.mark.parametrize("name", STORIES)
def test_whatever_call_fails_the_file_is_old_or_new_and_the_next_save_succeeds(
    fast: Path, name: str, word: str
) -> None:
    story = STORIES[name]
    for at in itertools.count(1):
        folder = fast / f"{at}"
        fs = FaultyFs.at(at, word)
        one, outcome, may_hold = told(folder, story, fs)
        if len(fs.steps) < at:
            assert at > 20
            one.leave()
            break
        met = fs.steps[at - 1]
        context = f"call {at} ({met})"
        present = held(one.file)
        if outcome.is_done:
            assert present == story.done(one), context
        if met != "u" and "~" not in word:
            assert leftovers(folder) == [], context
        texts = [cell.source.text for cell in one.page.cells]
        if story.is_saved_later:
            written = one.save(file=present or b"", creates=True)
            assert held(one.file) == one.new, context
            assert written.hash == sha(one.new)
            may_hold = [one.new]
        one.leave()
        check_next_server(folder, story, may_hold, texts)
        shutil.rmtree(folder)


@pytest.mark.parametrize("word", [word for word in WORDS if "x" in word])
@pytest.mark.parametrize("name", STORIES)
def test_wherever_the_process_dies_the_file_is_old_or_new_and_nothing_acked_is_lost(
    fast: Path, name: str, word: str
) -> None:
    story = STORIES[name]
    for at in itertools.count(1):
        folder = fast / f"{at}"
        folder.mkdir()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _, outcome, _ = told(folder, story, FaultyFs.at(at, word))
                code = 0 if outcome.is_done else 2
            finally:
                os._exit(code)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status == 0:
            assert at > 20
            break
        assert status == DIED
        saved = [path.read_bytes() for path in (folder / "may-hold").iterdir()]
        may_hold: list[bytes | None] = [*saved, *([None] if story.before is gone else [])]
        check_next_server(folder, story, may_hold, texts_of(story))
        shutil.rmtree(folder)


def texts_of(story: Story) -> list[str]:
    if story.before is written_before:
        return ["first, again\n", "second, again\n"]
    return ["what is left\n"] if story.before is drop_most else list(TEXTS)
