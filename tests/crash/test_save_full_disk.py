"""A disk without space, a folder or a file that may not be written: said by its name, and over when its cause is."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from indelible.errors import FileError, IndelibleError, StoreError
from indelible.testing.faulty_fs import FaultyFs

from .privileges import NOBODY, as_nobody, place_of_nobody, run
from .savescene import TEXTS, Scene, notebook, scene, sha, sources, type_into
from .test_full_disk import fill

LONG = "a line that makes the notebook larger\n" * 3_000

pytestmark = [
    pytest.mark.crash,
    pytest.mark.skipif(os.getuid() != 0, reason="mounting and giving files away needs root"),
]


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    # No ballast: it would be given back, and the disk not full.
    monkeypatch.setattr("indelible.store.store.PLENTY_BYTES", 2**62)
    place = tmp_path / "small"
    place.mkdir()
    run("mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", place)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def grown(folder: Path, store: Path) -> Scene:
    """A scene whose next save needs more space than its file has."""
    one = scene(folder, store=store)
    type_into(one.page, (LONG, TEXTS[1]))
    one.record()
    return one


def refused(act: Callable[[], object]) -> IndelibleError:
    with pytest.raises(IndelibleError) as caught:
        act()
    assert caught.value.hint
    return caught.value


def temporary(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".indelible")]


@pytest.mark.parametrize("free_pages", [0, 1, 2, 3])
@pytest.mark.parametrize("has_two_names", [False, True])
@pytest.mark.parametrize("is_store_there", [False, True])
def test_a_full_disk_keeps_the_file_as_it_was_until_there_is_space(
    small_disk: Path, tmp_path: Path, free_pages: int, has_two_names: bool, is_store_there: bool
) -> None:
    one = grown(small_disk, (small_disk if is_store_there else tmp_path) / "store")
    if has_two_names:
        (small_disk / "other").hardlink_to(one.file)
    fill(small_disk / "filler", free_pages)
    error = refused(one.save)
    assert error.code == "disk_full"
    assert isinstance(error, (FileError, StoreError))
    assert "space" in str(error)
    assert one.file.read_bytes() == one.old
    assert temporary(one.file.parent) == []
    assert one.draft.cells
    (small_disk / "filler").unlink()
    assert one.save().hash == sha(one.new)
    assert one.file.read_bytes() == one.new
    assert not has_two_names or (small_disk / "other").read_bytes() == one.new
    one.leave()


def test_the_disk_that_is_full_is_the_one_that_is_named(small_disk: Path, tmp_path: Path) -> None:
    one = grown(tmp_path, small_disk / "store")
    (tmp_path / "other").hardlink_to(one.file)
    fill(small_disk / "filler", 0)
    error = refused(one.save)
    assert (error.code, isinstance(error, StoreError)) == ("disk_full", True)
    assert str(small_disk) in str(error)
    assert one.file.read_bytes() == one.old
    (small_disk / "filler").unlink()
    one.save()
    assert one.file.read_bytes() == one.new
    one.leave()


def test_a_file_that_becomes_smaller_can_be_saved_in_place_on_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    one = scene(small_disk, store=tmp_path / "store", old=notebook([LONG, "second\n", "third\n"]))
    (small_disk / "other").hardlink_to(one.file)
    fill(small_disk / "filler", 0)
    one.save()
    assert sources((small_disk / "other").read_bytes()) == [*TEXTS, "third\n"]
    one.leave()


def test_a_quota_that_is_used_up_is_a_full_disk(tmp_path: Path) -> None:
    one = scene(tmp_path)
    with FaultyFs("w!EDQUOT"):
        error = refused(one.save)
    assert error.code == "disk_full"
    assert one.file.read_bytes() == one.old
    one.save()
    assert one.file.read_bytes() == one.new
    one.leave()


def test_a_quota_of_the_disk_itself(tmp_path: Path) -> None:
    if shutil.which("setquota") is None or shutil.which("quotaon") is None:
        pytest.skip("setquota is not installed: EDQUOT is tested by a fault instead")
    image, disk = tmp_path / "disk.img", tmp_path / "disk"
    image.touch()
    os.truncate(image, 32 * 2**20)
    run("mkfs.ext4", "-q", "-F", "-O", "quota", image)
    disk.mkdir()
    run("mount", "-o", "loop,usrquota", image, disk)
    try:
        disk.chmod(0o777)
        run("setquota", "-u", str(NOBODY), "64", "64", "0", "0", disk)

        def work() -> None:
            one = grown(disk / "notebooks", Path(tempfile.mkdtemp(dir="/dev/shm")))
            assert refused(one.save).code == "disk_full"
            assert one.file.read_bytes() == one.old
            one.leave()
            shutil.rmtree(one.store.folder)

        as_nobody(work)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.fixture
def open_place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr("indelible.store.store.PLENTY_BYTES", 2**62)
    with place_of_nobody() as place:
        yield place


def test_a_file_in_a_folder_that_may_not_be_written_is_saved_in_place(open_place: Path) -> None:
    def work() -> None:
        one = scene(open_place)
        one.file.parent.chmod(0o555)
        inode = one.file.stat().st_ino
        one.save()
        assert one.file.read_bytes() == one.new
        assert one.file.stat().st_ino == inode
        one.leave()

    as_nobody(work)


def test_a_file_that_may_not_be_written_is_named_and_saved_once_it_may(open_place: Path) -> None:
    def work() -> None:
        one = scene(open_place)
        one.file.chmod(0o444)
        one.file.parent.chmod(0o555)
        error = refused(one.save)
        assert error.code == "no_permission"
        assert "nobody" in str(error)
        assert one.file.read_bytes() == one.old
        one.file.parent.chmod(0o755)
        one.save()
        assert one.file.read_bytes() == one.new
        assert one.file.stat().st_mode & 0o777 == 0o444
        one.leave()

    as_nobody(work)


def test_a_gone_file_cannot_come_back_to_a_folder_that_may_not_be_written_before_it_may(open_place: Path) -> None:
    def work() -> None:
        one = scene(open_place)
        one.file.unlink()
        one.file.parent.chmod(0o555)
        assert refused(lambda: one.save(creates=True)).code == "no_permission"
        one.file.parent.chmod(0o755)
        one.save(creates=True)
        assert one.file.read_bytes() == one.new
        one.leave()

    as_nobody(work)


def test_a_folder_that_cannot_be_listed_is_written_in_place(open_place: Path) -> None:
    def work() -> None:
        one = scene(open_place)
        one.file.parent.chmod(0o333)
        one.save()
        assert one.file.read_bytes() == one.new
        one.file.parent.chmod(0o755)
        one.leave()

    as_nobody(work)


def test_a_file_system_that_turned_read_only_is_named_and_saved_to_once_it_is_writable(tmp_path: Path) -> None:
    one = scene(tmp_path)
    folder = one.file.parent
    run("mount", "--bind", folder, folder)
    try:
        run("mount", "-o", "remount,ro,bind", folder)
        error = refused(one.save)
        assert error.code == "read_only"
        assert one.file.read_bytes() == one.old
        assert list((tmp_path / "store").rglob("intents/*")) == []
        run("mount", "-o", "remount,rw,bind", folder)
        one.save()
        assert one.file.read_bytes() == one.new
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
    one.leave()


@pytest.mark.parametrize("flag", ["i", "a"])
def test_a_file_that_may_not_be_changed_at_all_is_named_and_saved_once_it_may(tmp_path: Path, flag: str) -> None:
    one = scene(tmp_path)
    with attribute(one.file, flag):
        error = refused(one.save)
        assert error.code == "no_permission"
        assert one.file.read_bytes() == one.old
    one.save()
    assert one.file.read_bytes() == one.new
    one.leave()


@pytest.mark.parametrize("flag", ["i", "a"])
def test_a_folder_whose_names_may_not_be_changed_is_written_in_place(tmp_path: Path, flag: str) -> None:
    one = scene(tmp_path)
    with attribute(one.file.parent, flag):
        inode = one.file.stat().st_ino
        one.save()
        assert one.file.read_bytes() == one.new
        assert one.file.stat().st_ino == inode
    one.leave()


@contextlib.contextmanager
def attribute(path: Path, flag: str) -> Iterator[None]:
    if shutil.which("chattr") is None:
        pytest.skip("chattr is not installed")
    run("chattr", f"+{flag}", path)
    try:
        yield
    finally:
        subprocess.run(["chattr", f"-{flag}", path], check=True)
