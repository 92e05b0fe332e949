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

from indelible.errors import FileChanged, FileError, IndelibleError, Malformed
from indelible.merging import Merger, MergeRequest
from indelible.model import Source
from indelible.notebook.nbjson import read_notebook
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
    opened,
    reachable,
    scene,
    sha,
    sources,
    type_into,
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
    texts: tuple[str, ...] = TEXTS
    """Must be found afterwards, in the file, a draft or a kept version."""
    keeps_base: bool = True
    is_saved_later: bool = True
    calls: int = 20
    """At least so many are made."""


def other_name(scene: Scene) -> None:
    (scene.folder / "root" / "other.ipynb").hardlink_to(scene.file)


def gone(scene: Scene) -> None:
    scene.file.unlink()


def changed(scene: Scene) -> None:
    scene.file.write_bytes(FOREIGN)
    (scene.folder / "somebody-wrote").touch()


def expect_changed(act: Callable[[Scene], object]) -> Callable[[Scene], None]:
    def acted(scene: Scene) -> None:
        with contextlib.suppress(FileChanged):
            act(scene)
            raise AssertionError("a file that somebody else had written was replaced")

    return acted


def while_somebody_writes(scene: Scene) -> None:
    scene.save(sign=lambda layout, read: changed(scene))


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
    scene.record()


def drop_most(scene: Scene) -> None:
    del scene.page.cells[1:]
    scene.page.is_order_dirty = True
    scene.page.cells[0].source.replace("what is left\n")
    scene.page.cells[0].dirty.add("source")
    scene.record()


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
        calls=10,
    ),
    "a save over what an unheard save wrote": Story(
        before=written_before,
        may_hold=lambda scene: [scene.file.read_bytes(), scene.new],
        texts=("first, again\n", "second, again\n"),
    ),
    "a save of a changed file": Story(
        before=changed,
        act=expect_changed(lambda scene: scene.save()),
        may_hold=lambda scene: [FOREIGN],
        done=lambda scene: FOREIGN,
        calls=2,
        is_saved_later=False,
    ),
    "a save while somebody writes": Story(
        act=expect_changed(while_somebody_writes),
        may_hold=lambda scene: [scene.old, FOREIGN, scene.new],
        done=lambda scene: FOREIGN,
        calls=4,
        is_saved_later=False,
    ),
    "a save in place while somebody writes": Story(
        before=other_name,
        act=expect_changed(while_somebody_writes),
        may_hold=lambda scene: [scene.old, FOREIGN, scene.new],
        done=lambda scene: FOREIGN,
        calls=4,
        is_saved_later=False,
    ),
    "a save that drops most": Story(before=drop_most, act=save_a_rest, texts=("what is left\n",)),
    "a merge": Story(
        before=changed_elsewhere,
        act=merge,
        may_hold=lambda scene: [scene.file.read_bytes()],
        done=lambda scene: scene.file.read_bytes(),
        is_saved_later=False,
        calls=10,
    ),
    "a restored state": Story(act=put),
}


@pytest.fixture
def fast(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """In memory where there is such a place: what is counted here are calls, not what a disk makes of them."""
    # No ballast: writing it thousands of times would take longer than all the rest.
    monkeypatch.setattr("indelible.store.store.PLENTY_BYTES", 2**62)
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
        one = scene(
            folder, old=BIG if story is STORIES["a save that drops most"] else None, keeps_base=story.keeps_base
        )
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
    known = {NAME, "other.ipynb", *(path.name for path in beside(folder))}
    return sorted(path.name for path in (folder / "root").iterdir() if path.name not in known)


def beside(folder: Path) -> list[Path]:
    """What somebody else wrote in the midst of a save, and could not get its place back."""
    return list((folder / "root").glob("n.kept-*.ipynb"))


def texts(story: Story, folder: Path) -> list[str]:
    """What must be found; also what somebody else wrote, once it is written."""
    wrote = (folder / "somebody-wrote").exists()
    return [*story.texts, *(["somebody else"] if wrote else [])]


def check_next_server(folder: Path, may_hold: list[bytes | None], texts: list[str]) -> None:
    """What a server that starts now finds, and that it can save."""
    service = fresh_service(folder)
    try:
        file = folder / "root" / NAME
        assert held(file) in may_hold
        assert not list((folder / "store" / "intents").glob("*.json"))
        root = service.upkeep.root_id
        service.upkeep.saver.sweep(file.parent, root=root, name=NAME, older_than=float("inf"))
        assert leftovers(folder) == []
        found = reachable(service, file) + "".join(path.read_text() for path in beside(folder))
        assert all(text.strip() in found for text in texts)
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
            assert at > story.calls
            one.leave()
            break
        met = fs.steps[at - 1]
        context = f"call {at} ({met})"
        present = held(one.file)
        if outcome.is_done and not beside(folder):
            assert present == story.done(one), context
        assert present in may_hold, context
        if met != "u" and "~" not in word:
            assert leftovers(folder) == [], context
        if story.is_saved_later:
            written = one.save(file=present or b"", creates=True)
            assert held(one.file) == one.new, context
            assert written.hash == sha(one.new)
            may_hold = [one.new]
        one.leave()
        check_next_server(folder, may_hold, texts(story, folder))
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
            assert at > story.calls
            break
        assert status == DIED
        saved = [path.read_bytes() for path in (folder / "may-hold").iterdir()]
        may_hold: list[bytes | None] = [*saved, *([None] if story.before is gone else [])]
        check_next_server(folder, may_hold, texts(story, folder))
        shutil.rmtree(folder)


def test_what_was_typed_after_a_save_that_was_never_heard_of_comes_back_by_itself(fast: Path) -> None:
    one = scene(fast)
    written_before(one)
    one.leave()
    service = fresh_service(fast)
    draft, others = service.drafts.open_notebook(NAME, sha(one.file.read_bytes()), "c" * 32)
    assert draft is not None
    assert draft.summary.base_is_current
    assert [cell["source"] for cell in draft.notebook.content["cells"]] == [cell.source.text for cell in one.page.cells]
    assert list(others) == []
    service.close()


@pytest.mark.parametrize("name", [name for name in STORIES if name != "a merge"])
def test_a_disk_that_never_syncs_is_never_said_to_hold_the_file(fast: Path, name: str) -> None:
    story = STORIES[name]
    one, outcome, may_hold = told(fast, story, FaultyFs("s!+"))
    assert not outcome.is_done or held(one.file) == FOREIGN
    assert held(one.file) in may_hold
    one.leave()
    check_next_server(fast, may_hold, texts(story, fast))


def torn(folder: Path, script: str = "w w~x") -> list[bytes | None]:
    """A file that is half old and half new, and the note of a process that died; what it may become."""
    child = os.fork()
    if child == 0:
        try:
            told(folder, STORIES["a save in place"], FaultyFs(script))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DIED
    whole = [path.read_bytes() for path in (folder / "may-hold").iterdir()]
    assert held(folder / "root" / NAME) not in whole
    return [*whole]


def test_a_torn_file_is_whole_before_anybody_reads_it(fast: Path) -> None:
    may_hold = torn(fast)
    service = fresh_service(fast)
    assert held(fast / "root" / NAME) in may_hold
    assert held(fast / "root" / "other.ipynb") == held(fast / "root" / NAME)
    service.close()


def test_a_file_that_was_not_cut_to_its_new_length_is_whole_again(fast: Path) -> None:
    """The new content is shorter, and the process died between writing and cutting."""
    folder = fast / "shorter"
    child = os.fork()
    if child == 0:
        try:
            with faulty(FaultyFs("tx")) as begin:
                one = scene(folder, old=notebook(["first\n" * 500, "second\n", "third\n"]))
                other_name(one)
                begin()
                one.save()
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DIED
    file = folder / "root" / NAME
    with pytest.raises(Malformed):
        read_notebook(file.read_bytes())
    fresh_service(folder).close()
    assert sources(file.read_bytes()) == [TEXTS[0], TEXTS[1], "third\n"]


@pytest.mark.parametrize("word", WORDS)
def test_whatever_call_of_a_repair_fails_the_next_repair_succeeds(fast: Path, word: str) -> None:
    for at in itertools.count(1):
        folder = fast / f"{at}"
        may_hold = torn(folder)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = repaired(folder, FaultyFs.at(at, word))
            finally:
                os._exit(code)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert status in (0, 2, DIED)
        check_next_server(folder, may_hold, list(TEXTS))
        shutil.rmtree(folder)
        if status == 2:
            assert at > 5
            break


def repaired(folder: Path, fs: FaultyFs) -> int:
    """0 when the fault was met, 2 when there were no more calls."""
    with faulty(fs) as begin:
        store, saver, intents = opened(folder / "store")
        store.adopt_dead()
        begin()
        intents.repair(store.is_dead, lambda path, content: saver)
        return 0 if "*" in [fault.letter for fault in fs.met] else 2


def test_a_write_in_place_that_cannot_be_undone_is_undone_before_the_next_save(fast: Path) -> None:
    with faulty(FaultyFs("w w~!ENOSPC w!ENOSPC")) as begin:
        one = scene(fast)
        other_name(one)
        begin()
        with pytest.raises(FileError) as error:
            one.save()
    assert error.value.code == "disk_full"
    assert held(one.file) not in (one.old, one.new)
    assert one.saver.present(one.file) == sha(one.old)
    assert held(one.file) == one.old
    one.save()
    assert held(one.file) == one.new
    one.leave()
    check_next_server(fast, [one.new], list(TEXTS))


def test_a_file_that_somebody_else_wrote_after_a_torn_write_stays_so_and_is_kept(fast: Path) -> None:
    torn(fast)
    (fast / "root" / NAME).write_bytes(FOREIGN)
    service = fresh_service(fast)
    assert held(fast / "root" / NAME) == FOREIGN
    kept = service.upkeep.store.versions.of(service.upkeep.root_id, NAME)
    assert sha(FOREIGN) in [one.hash for one in kept]
    service.close()


def test_a_torn_file_whose_disk_is_away_is_repaired_when_it_is_back(fast: Path) -> None:
    may_hold = torn(fast)
    (fast / "root").rename(fast / "away")
    (fast / "root").mkdir()
    fresh_service(fast).close()
    (fast / "root").rmdir()
    (fast / "away").rename(fast / "root")
    check_next_server(fast, may_hold, list(TEXTS))
