"""A file that is replaced keeps what belonged to it; where a rename would break something, it is written in place."""

from __future__ import annotations

import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from indelible.basekeeper import read_base
from indelible.errors import FileChanged, FileError, FileGone, NotLocal
from indelible.fs import replace as files
from indelible.model import Save, Source
from indelible.notebook.layout import Layout
from indelible.notebook.render import ReadSpan
from indelible.saver import Sign
from indelible.testing.faulty_fs import FaultyFs
from tests.crash.privileges import NOBODY, as_nobody, place_of_nobody, run
from tests.crash.savescene import FOREIGN, NAME, Scene, fresh_service, request_of, scene, sha

as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")

OTHER_USER = 12_345
ACL = bytes.fromhex(
    # Version 2; the owner rw, user 1000 rw, the group r, the mask rw, nobody else.
    "02000000 01000600ffffffff 02000600e8030000 04000400ffffffff 10000600ffffffff 20000000ffffffff"
)


@pytest.fixture
def one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    monkeypatch.setattr("indelible.store.store.PLENTY_BYTES", 2**62)
    found = scene(tmp_path)
    yield found
    found.leave()


@pytest.fixture
def open_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr("indelible.store.store.PLENTY_BYTES", 2**62)
    with place_of_nobody() as place:
        yield place


def somebody_writes(path: Path) -> Sign:
    """At the moment at which a save has its new content ready."""

    def write(layout: Layout, read: ReadSpan) -> None:
        path.write_bytes(FOREIGN)

    return write


def temporary(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".indelible")]


def saved(one: Scene, *, in_place: bool = False) -> None:
    """Save, and see that nothing but the content is different."""
    before = one.file.stat()
    one.save()
    assert one.file.read_bytes() == one.new
    assert temporary(one.file.resolve().parent) == []
    after = one.file.stat()
    assert (after.st_ino == before.st_ino) is in_place
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o640, 0o755, 0o444, 0o4755])
def test_the_mode_stays(one: Scene, mode: int) -> None:
    one.file.chmod(mode)
    saved(one)


def test_nobody_can_read_new_content_before_it_has_the_mode_of_the_old(one: Scene) -> None:
    one.file.chmod(0o600)
    seen: list[int] = []

    def look(layout: Layout, read: ReadSpan) -> None:
        [staged] = temporary(one.file.parent)
        seen.append(stat.S_IMODE((one.file.parent / staged).stat().st_mode))

    one.save(sign=look)
    assert seen == [0o600]
    assert stat.S_IMODE(one.file.stat().st_mode) == 0o600


def test_a_new_file_has_the_mode_that_the_umask_leaves(one: Scene) -> None:
    one.file.unlink()
    before = os.umask(0o027)
    try:
        one.save(creates=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE(one.file.stat().st_mode) == 0o640


@as_root
def test_the_owner_and_the_group_stay(one: Scene) -> None:
    os.chown(one.file, OTHER_USER, OTHER_USER + 1)
    one.file.chmod(0o2755)
    saved(one)


@as_root
def test_a_file_of_somebody_else_is_written_in_place(open_place: Path) -> None:
    def work() -> None:
        one = scene(open_place)
        assert one.file.stat().st_uid == NOBODY
        one.file.chmod(0o666)
        (open_place / "mine").touch()
        while not (open_place / "given away").exists():
            time.sleep(0.005)
        saved(one, in_place=True)
        assert one.file.stat().st_uid == OTHER_USER
        one.leave()

    child = os.fork()
    if child == 0:
        while not (open_place / "mine").exists():
            time.sleep(0.005)
        os.chown(open_place / "root" / NAME, OTHER_USER, OTHER_USER)
        (open_place / "given away").touch()
        os._exit(0)
    as_nobody(work)
    os.waitpid(child, 0)


@as_root
def test_in_a_sticky_folder_a_file_of_somebody_else_is_written_in_place(open_place: Path) -> None:
    def work() -> None:
        one = scene(open_place)
        saved(one)
        one.leave()

    (open_place / "root").mkdir()
    os.chown(open_place / "root", OTHER_USER, OTHER_USER)
    (open_place / "root").chmod(0o1777)
    # One's own file may be replaced there.
    as_nobody(work)
    target = open_place / "root" / NAME
    os.chown(target, OTHER_USER, OTHER_USER)
    target.chmod(0o666)

    def of_another() -> None:
        assert files.why_in_place(target) is not None

    as_nobody(of_another)


@pytest.mark.parametrize("name", ["user.tag", "user.\xe9", "system.posix_acl_access", "trusted.mark"])
def test_extended_attributes_and_acls_stay(one: Scene, name: str) -> None:
    value = ACL if name.startswith("system") else b"\0value"
    try:
        os.setxattr(one.file, name, value)
    except OSError as error:
        pytest.skip(f"{name} cannot be set here: {error.strerror}")
    before = {known: os.getxattr(one.file, known) for known in os.listxattr(one.file)}
    saved(one)
    assert {known: os.getxattr(one.file, known) for known in os.listxattr(one.file)} == before


def test_attributes_that_cannot_be_copied_are_kept_by_writing_in_place(one: Scene) -> None:
    os.setxattr(one.file, "user.tag", b"value")
    with FaultyFs("a a!ENOTSUP"):
        saved(one, in_place=True)
    assert os.getxattr(one.file, "user.tag") == b"value"


def test_an_acl_that_the_folder_gives_to_new_files_is_not_given_to_an_old_one(one: Scene) -> None:
    try:
        os.setxattr(one.file.parent, "system.posix_acl_default", ACL)
    except OSError as error:
        pytest.skip(f"a default ACL cannot be set here: {error.strerror}")
    one.save()
    assert one.file.read_bytes() == one.new
    assert os.listxattr(one.file) == []
    assert temporary(one.file.parent) == []


def test_a_symbolic_link_stays_one_and_its_file_is_replaced(one: Scene) -> None:
    real = one.folder / "elsewhere" / "real.ipynb"
    real.parent.mkdir()
    one.file.rename(real)
    (one.folder / "hop").symlink_to(real)
    one.file.symlink_to("../hop")
    saved(one)
    assert one.file.is_symlink()
    assert os.readlink(one.file) == "../hop"  # noqa: PTH115  (the text of the link, as it is)
    assert real.read_bytes() == one.new
    assert temporary(real.parent) == []


def test_a_symbolic_link_to_nothing_stays_one_and_its_file_is_made(one: Scene) -> None:
    one.file.unlink()
    one.file.symlink_to("made.ipynb")
    one.save(creates=True)
    assert one.file.is_symlink()
    assert (one.file.parent / "made.ipynb").read_bytes() == one.new


def test_a_hard_link_still_shows_the_same_file(one: Scene) -> None:
    other = one.folder / "other"
    other.hardlink_to(one.file)
    saved(one, in_place=True)
    assert other.read_bytes() == one.new
    assert other.samefile(one.file)


@pytest.mark.parametrize(
    "name",
    [
        b"n" * 249 + b".ipynb",
        ("数" * 83 + ".ipynb").encode(),
        b"\xff\xfe not utf-8 \x80.ipynb",
        b" .ipynb",
        b"a\nb.ipynb",
        b".ipynb",
        b"n" * 255,
    ],
)
def test_any_name_that_a_file_can_have_can_be_saved(one: Scene, name: bytes) -> None:
    assert len(name) <= 255
    path = one.file.parent / os.fsdecode(name)
    one.file.rename(path)
    written = one.saver.save(request(one), one.draft, path)
    assert path.read_bytes() == one.new
    assert written.hash == sha(one.new)
    path.unlink()
    one.saver.save(request(one, creates=True), one.draft, path)
    assert path.read_bytes() == one.new
    path.with_name("second").hardlink_to(path)
    path.write_bytes(one.old)
    one.saver.save(request(one), one.draft, path)
    assert path.with_name("second").read_bytes() == one.new
    assert sorted(os.listdir(os.fsencode(path.parent))) == sorted([name, b"second"])  # noqa: PTH208  (names as bytes)


def request(one: Scene, *, creates: bool = False) -> Save:
    return request_of(one.page, sha(one.old), creates=creates)


def test_content_that_cannot_be_put_back_is_kept_under_a_name_that_fits(one: Scene) -> None:
    path = one.file.with_name("数" * 83 + ".ipynb")
    one.file.rename(path)
    with FaultyFs("e e!"), pytest.raises(FileChanged):
        one.saver.save(request(one), one.draft, path, somebody_writes(path))
    [kept] = path.parent.glob("*.kept-*.ipynb")
    assert kept.read_bytes() == FOREIGN
    assert path.read_bytes() == one.new


@as_root
@pytest.mark.parametrize("disk", ["of its own", "the same"])
def test_a_file_that_is_mounted_by_itself_is_written_in_place(one: Scene, tmp_path: Path, disk: str) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm" if disk == "of its own" else tmp_path) as folder:
        outside = Path(folder) / "outside.ipynb"
        outside.write_bytes(one.old)
        run("mount", "--bind", outside, one.file)
        try:
            saved(one, in_place=True)
            assert outside.read_bytes() == one.new
        finally:
            subprocess.run(["umount", one.file], check=True)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_not_ours_to_save(one: Scene, kind: str) -> None:
    one.file.unlink()
    one.file.mkdir() if kind == "folder" else os.mkfifo(one.file)
    with pytest.raises(NotLocal):
        one.save()


# -- file systems that can do less --


@pytest.mark.parametrize("error", ["ENOSYS", "EINVAL", "ENOTSUP"])
def test_without_an_exchange_the_old_file_gets_a_second_name_first(one: Scene, error: str) -> None:
    with FaultyFs(f"e!{error}+") as fs:
        saved(one)
    assert "".join(fs.steps).endswith("elnorroscu" + "u")


def test_without_an_exchange_what_somebody_else_wrote_meanwhile_gets_its_place_back(one: Scene) -> None:
    with FaultyFs("e!ENOSYS+"), pytest.raises(FileChanged) as error:
        one.save(sign=somebody_writes(one.file))
    assert error.value.found == sha(FOREIGN)
    assert one.file.read_bytes() == FOREIGN
    assert temporary(one.file.parent) == []


def test_a_second_name_goes_again_when_the_rename_fails(one: Scene) -> None:
    with FaultyFs("e!EINVAL n!"), pytest.raises(FileError):
        one.save()
    assert one.file.stat().st_nlink == 1
    assert one.file.read_bytes() == one.old
    assert temporary(one.file.parent) == []


def test_without_an_exchange_and_second_names_a_rename_after_a_last_look_must_do(one: Scene) -> None:
    with FaultyFs("e!EINVAL l!EPERM"):
        saved(one)
    one.page.cells[2].source.replace("third, edited\n")
    one.page.cells[2].dirty.add("source")
    one.record()
    with FaultyFs("e!EINVAL l!EPERM"), pytest.raises(FileChanged):
        one.save(file=one.file.read_bytes(), sign=somebody_writes(one.file))
    assert one.file.read_bytes() == FOREIGN


def test_without_second_names_a_file_can_be_made(one: Scene) -> None:
    one.file.unlink()
    with FaultyFs("l!EPERM"):
        one.save(creates=True)
    assert one.file.read_bytes() == one.new
    assert temporary(one.file.parent) == []


@pytest.mark.parametrize("script", ["", "l!EPERM"])
def test_a_gone_file_that_somebody_else_makes_again_meanwhile_is_theirs(one: Scene, script: str) -> None:
    one.file.unlink()
    with FaultyFs(script), pytest.raises(FileChanged) as error:
        one.save(creates=True, sign=somebody_writes(one.file))
    assert error.value.found == sha(FOREIGN)
    assert one.file.read_bytes() == FOREIGN
    assert temporary(one.file.parent) == []


def test_a_file_that_is_deleted_in_the_midst_of_a_save_stays_deleted(one: Scene) -> None:
    with pytest.raises(FileGone):
        one.save(sign=lambda layout, read: one.file.unlink())
    assert list(one.file.parent.iterdir()) == []


def test_writes_that_take_half_of_what_they_are_given_are_gone_on_with(one: Scene) -> None:
    with FaultyFs("w/+"):
        saved(one)


def test_an_exchange_that_was_done_and_reported_as_failed_loses_nothing(one: Scene) -> None:
    with FaultyFs("e~"), pytest.raises(FileChanged):
        one.save(sign=somebody_writes(one.file))
    assert one.file.read_bytes() == FOREIGN
    assert temporary(one.file.parent) == []


# -- leftovers --


def leave(one: Scene, content: bytes, mark: str = "") -> Path:
    path = one.file.parent / f".indelible-{mark or files._mark(NAME)}-0a0b0c0d.tmp"
    path.write_bytes(content)
    return path


def swept(one: Scene, age_s: float) -> None:
    """As the first save in the folder does, so many seconds later."""
    root = one.draft.working_copy.root
    one.saver.sweep(one.file.parent, root=root, name=NAME, older_than=time.time() + age_s)


def versions(one: Scene) -> list[str]:
    return [version.hash for version in one.store.versions.of(one.draft.working_copy.root, NAME)]


def test_leftovers_are_removed_once_nobody_can_be_at_work_with_them(one: Scene) -> None:
    leave(one, b"half of a notebook")
    swept(one, -3600)
    assert len(temporary(one.file.parent)) == 1
    swept(one, 1)
    assert temporary(one.file.parent) == []
    assert versions(one) == []


def test_what_a_save_has_just_displaced_is_no_leftover_however_old_its_content(one: Scene) -> None:
    os.utime(leave(one, one.old), (0, 0))
    swept(one, -3600)
    assert len(temporary(one.file.parent)) == 1


def test_a_leftover_that_is_somebody_elses_content_is_kept_as_a_version_of_its_file(one: Scene) -> None:
    leave(one, FOREIGN)
    leave(one, one.old, "00000000")
    swept(one, 1)
    assert temporary(one.file.parent) == []
    assert versions(one) == [sha(FOREIGN)]


def test_a_leftover_whose_file_is_gone_is_kept_under_its_own_name(one: Scene) -> None:
    left = leave(one, FOREIGN, "00000000")
    swept(one, 1)
    kept = one.store.versions.of(one.draft.working_copy.root, left.name)
    assert [version.hash for version in kept] == [sha(FOREIGN)]


def test_the_first_save_in_a_folder_sweeps_it_and_later_ones_do_not(
    one: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indelible.saver.SWEEP_AFTER_S", 0)
    leave(one, b"half")
    time.sleep(0.02)
    one.save()
    assert temporary(one.file.parent) == []


def test_two_servers_saves_of_one_folder_do_not_sweep_each_other(one: Scene) -> None:
    """The other server looks for leftovers in the midst of our save."""
    service = fresh_service(one.folder)
    try:
        saver, root = service.upkeep.saver, service.upkeep.root_id

        def sweep_too(layout: Layout, read: ReadSpan) -> None:
            os.utime(one.file, (0, 0))
            saver.sweep(one.file.parent, root=root, name=NAME, older_than=time.time() - 3600)

        one.save(sign=sweep_too)
    finally:
        service.close()
    assert one.file.read_bytes() == one.new


def test_a_notebook_that_has_not_changed_is_not_written(one: Scene) -> None:
    one.save()
    one.saved()
    inode = one.file.stat().st_ino
    written = one.save(file=one.new)
    assert not written.is_changed
    assert one.file.stat().st_ino == inode


def test_a_change_that_leaves_size_and_time_alone_is_seen(one: Scene) -> None:
    time.sleep(0.06)
    assert one.saver.present(one.file) == sha(one.old)
    status = one.file.stat()
    changed = one.old.replace(b"third", b"drith")
    one.file.write_bytes(changed)
    os.utime(one.file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert one.saver.present(one.file) == sha(changed)


def test_what_a_program_writes_into_a_file_that_was_replaced_meanwhile_is_kept(one: Scene) -> None:
    """It had opened the file before the save, and writes after it."""
    with one.file.open("r+b") as late:
        one.save()
        late.write(FOREIGN)
        late.truncate()
    one.saver.look_again()
    assert one.store.versions.of(one.draft.working_copy.root, NAME) == []  # It may still be at work.
    one.saver.close()
    (kept,) = one.store.versions.of(one.draft.working_copy.root, NAME)
    assert kept.source is Source.EXTERNAL
    assert read_base(kept.chunks, one.store.blobs.get) == FOREIGN
    assert one.file.read_bytes() == one.new


def test_a_file_that_was_replaced_is_let_go_of(one: Scene) -> None:
    open_files = Path("/proc/self/fd")
    before = len(list(open_files.iterdir()))
    one.save()
    one.saver.close()
    assert len(list(open_files.iterdir())) == before
    assert one.store.versions.of(one.draft.working_copy.root, NAME) == []
