"""The store as a whole: who may read it, what dead servers left, damage, network file systems."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from random import Random

import pytest

from indelible.clock import SystemClock
from indelible.errors import BlobDamaged, BlobUnknown, StoreDamaged, StoreHeld, StoreUnreachable
from indelible.model import UNSET, CellKey
from indelible.notebook.wire import parse_message
from indelible.store.journal import SqliteJournal
from indelible.store.lease import Lease
from indelible.store.netfs import is_network, kind_of
from indelible.store.offline import open_offline
from indelible.store.store import Store, choose_place
from tests.crash.appender import TAB, WC, message, texts


def opened(folder: Path) -> Store:
    return Store(choose_place(folder, None), clock=SystemClock())


def with_draft(folder: Path, seq: int = 3) -> Store:
    store = opened(folder)
    opening = {"t": "open", "wc": WC, "epoch": 1, "path": "n.ipynb", "base": None, "cells": 0, "seq": 0, "mode": "full"}
    store.journal.open(parse_message(opening, TAB), "root")  # type: ignore[arg-type]
    for number in range(1, seq + 1):
        store.journal.append(parse_message(message(number, is_first=number == 1), TAB))  # type: ignore[arg-type]
    return store


def killed(store: Store) -> None:
    """What is left when the process is gone: the files, and a lease that nobody holds."""
    store.journal.close()
    store.blobs.close()
    store._lease.release()


def content(journal: SqliteJournal) -> list[object]:
    draft = journal.draft(WC)
    sources = [draft.cells[CellKey(key)].source for key in range(2)]
    return [None if source is UNSET else source.origin for source in sources]


def test_nobody_else_can_read_it_and_other_files_keep_their_rights(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        store = with_draft(tmp_path / "store")
        beside = tmp_path / "beside"
        beside.touch()
        assert stat.S_IMODE(beside.stat().st_mode) == 0o644
        for path in [store.folder, *store.folder.rglob("*")]:
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
        store.close()
    finally:
        os.umask(before)


def test_a_new_server_takes_over_what_a_dead_one_left(tmp_path: Path) -> None:
    killed(with_draft(tmp_path / "store"))
    store = opened(tmp_path / "store")
    assert store.adopt_dead() == [WC]
    assert content(store.journal) == list(texts(3))
    assert [path.name for path in store.journals.glob("*.db")] == [store.journal_path.name]
    killed(store)
    again = opened(tmp_path / "store")
    assert again.adopt_dead() == [WC]
    assert content(again.journal) == list(texts(3))
    again.close()


def test_the_journal_of_a_server_that_lives_is_left_alone(tmp_path: Path) -> None:
    first = with_draft(tmp_path / "store")
    second = opened(tmp_path / "store")
    assert second.adopt_dead() == []
    assert not second.is_alone()
    assert content(first.journal) == list(texts(3))
    with open_offline(tmp_path / "store") as offline:
        assert offline.drafts == []
        assert offline.held_by == [os.getpid(), os.getpid()]
    second.close()
    first.close()


def test_a_server_that_had_nothing_leaves_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path / "store")
    store.close()
    assert list(store.journals.iterdir()) == []


def test_a_lease_is_held_once(tmp_path: Path) -> None:
    lease = Lease.take(tmp_path / "a.lease", server="one", fence=1)
    with pytest.raises(StoreHeld, match=str(os.getpid())):
        Lease.take(tmp_path / "a.lease", server="two", fence=2)
    lease.release()
    Lease.take(tmp_path / "a.lease", server="two", fence=2).release()


def test_a_draft_can_be_read_without_any_server(tmp_path: Path) -> None:
    killed(with_draft(tmp_path / "store"))
    with open_offline(tmp_path / "store") as offline:
        assert [draft.working_copy.id for draft in offline.drafts] == [WC]
    with pytest.raises(StoreUnreachable), open_offline(tmp_path / "nowhere"):
        pass


def test_a_flipped_byte_is_found_or_was_of_no_consequence(tmp_path: Path) -> None:
    store = with_draft(tmp_path / "store")
    path = store.journal_path
    killed(store)
    whole = path.read_bytes()
    chance, found = Random(3), 0
    for _ in range(150):
        at = chance.randrange(len(whole))
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << chance.randrange(8))]) + whole[at + 1 :])
        try:
            journal = SqliteJournal(path, clock=SystemClock())
        except StoreDamaged:
            found += 1
        else:
            try:
                if journal.working_copies():
                    assert content(journal) == list(texts(3))
                else:
                    found += 1
            except StoreDamaged:
                found += 1
            finally:
                journal.close()
    assert found > 10


def test_a_damaged_journal_of_a_dead_server_is_set_aside_and_salvaged(tmp_path: Path) -> None:
    store = with_draft(tmp_path / "store")
    path = store.journal_path
    killed(store)
    body = path.read_bytes()
    at = body.index(texts(3)[1].encode())
    path.write_bytes(body[:at] + b"#" + body[at + 1 :])
    reports: list[list[str]] = []
    store = Store(
        choose_place(tmp_path / "store", None),
        clock=SystemClock(),
        on_damage=lambda aside, working_copies: reports.append(working_copies),
    )
    assert store.adopt_dead() == [WC]
    assert reports == [[WC]]
    assert [one.name for one in (tmp_path / "store" / "damaged").rglob("*.db")] == [path.name]
    draft = store.journal.draft(WC)
    source = draft.cells[CellKey(0)].source
    assert source is not UNSET
    assert source.origin == texts(3)[0]
    assert draft.cells[CellKey(1)].source is UNSET
    store.close()


def test_blobs_are_checked_when_they_are_read(tmp_path: Path) -> None:
    store = opened(tmp_path / "store")
    text = b"a line that repeats\n" * 500
    [name] = store.blobs.put([text])
    assert store.blobs.get(name) == text
    assert store.blobs.put([text]) == [name]
    missing = type(name)(b"\0" * 32)
    assert store.blobs.lacking([name, missing]) == [missing]
    with pytest.raises(BlobUnknown):
        store.blobs.get(missing)
    db = store.blobs._connected()
    db.execute("UPDATE blobs SET codec = 0")
    with pytest.raises(BlobDamaged):
        store.blobs.get(name)
    store.close()


def test_blobs_that_nothing_points_to_go_after_an_hour(tmp_path: Path) -> None:
    store = opened(tmp_path / "store")
    kept, dropped, fresh = store.blobs.put([b"kept", b"dropped", b"fresh"])
    db = store.blobs._connected()
    db.execute("UPDATE blobs SET wanted_at = wanted_at - 4000 WHERE hash <> ?", (fresh,))
    assert store.blobs.prune({kept}) == 1
    assert store.blobs.lacking([kept, dropped, fresh]) == [dropped]
    store.close()


MOUNTS = """\
22 1 259:2 / / rw,relatime shared:1 - ext4 /dev/root rw
40 22 0:35 / /home rw,relatime shared:20 - nfs4 server:/home rw,vers=4.2
41 40 0:36 / /home/me/with\\040space rw - tmpfs tmpfs rw
42 22 0:37 / /mnt/ssh rw - fuse.sshfs me@host: rw
"""


@pytest.mark.parametrize(
    ("folder", "kind", "network"),
    [
        ("/var/lib", "ext4", False),
        ("/home/me", "nfs4", True),
        ("/home/me/with space/x", "tmpfs", False),
        ("/mnt/ssh/deep/down", "fuse.sshfs", True),
    ],
)
def test_the_file_system_of_a_folder_is_read_off_the_mounts(
    tmp_path: Path, folder: str, kind: str, network: bool
) -> None:
    (tmp_path / "mounts").write_text(MOUNTS)
    assert kind_of(Path(folder), tmp_path / "mounts") == kind
    assert is_network(kind) is network


def test_on_a_network_file_system_the_store_moves_or_is_for_one_alone(tmp_path: Path) -> None:
    def kind(folder: Path) -> str:
        return "ext4" if folder.is_relative_to(tmp_path / "local") else "nfs4"

    (tmp_path / "local").mkdir()
    (tmp_path / "net").mkdir()
    moved = choose_place(tmp_path / "net" / "store", tmp_path / "local" / "store", kind)
    assert (moved.folder, moved.exclusive) == (tmp_path / "local" / "store", False)
    assert "nfs4" in moved.reason
    alone = choose_place(tmp_path / "net" / "store", None, kind)
    assert (alone.folder, alone.exclusive) == (tmp_path / "net" / "store", True)
    first = Store(alone, clock=SystemClock())
    first.blobs.put([b"x"])
    with pytest.raises(StoreHeld):
        Store(alone, clock=SystemClock())
    first.close()
