"""The script of faults does what it says: otherwise no test that uses it proves anything."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from indelible.fs import calls, write_whole
from indelible.testing.faulty_fs import DIED, FaultyFs, parse


def test_every_call_is_counted_and_made_when_the_script_is_empty(tmp_path: Path) -> None:
    with FaultyFs() as fs:
        write_whole(tmp_path / "a", b"content")
    assert "".join(fs.steps) == "owscnuosc"
    assert fs.met == []
    assert (tmp_path / "a").read_bytes() == b"content"


def test_the_third_word_is_met_after_the_first_two(tmp_path: Path) -> None:
    with FaultyFs("w w s!ENOSPC") as fs:
        write_whole(tmp_path / "a", b"one")
        with pytest.raises(OSError, match="No space") as error:
            write_whole(tmp_path / "b", b"two")
    assert error.value.errno == errno.ENOSPC
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert len(fs.met) == 1


def test_a_torn_write_writes_half(tmp_path: Path) -> None:
    handle = calls.open_file(tmp_path / "a", os.O_WRONLY | os.O_CREAT)
    with FaultyFs("w~"), pytest.raises(OSError, match="Input/output"):
        calls.write(handle, memoryview(b"12345678"))
    calls.close(handle)
    assert (tmp_path / "a").read_bytes() == b"1234"


def test_a_torn_sync_loses_half_of_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"oldold")
    with FaultyFs("s~"):
        handle = calls.open_file(tmp_path / "a", os.O_WRONLY)
        calls.write(handle, memoryview(b"newnew"))
        with pytest.raises(OSError, match="Input/output"):
            calls.sync(handle)
        calls.close(handle)
    assert (tmp_path / "a").read_bytes() == b"newold"


def test_other_torn_calls_are_made_and_reported_as_failed(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with FaultyFs("n~"), pytest.raises(OSError, match="Input/output"):
        calls.rename(tmp_path / "a", tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize(("word", "left"), [("wx", b""), ("w~x", b"cont")])
def test_the_process_dies_before_a_call_or_in_its_midst(tmp_path: Path, word: str, left: bytes) -> None:
    child = os.fork()
    if child == 0:
        try:
            with FaultyFs(word):
                write_whole(tmp_path / "a", b"contents")
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == DIED
    [path] = tmp_path.iterdir()
    assert path.read_bytes() == left


def test_a_fault_may_go_on_for_ever(tmp_path: Path) -> None:
    with FaultyFs("s!+"):
        for name in ("a", "b"):
            with pytest.raises(OSError, match="Input/output"):
                write_whole(tmp_path / name, b"content")


@pytest.mark.parametrize("script", ["w?", "!", "w!NOSUCH", "ww"])
def test_a_word_that_is_none_is_refused(script: str) -> None:
    with pytest.raises((ValueError, AttributeError)):
        parse(script)
