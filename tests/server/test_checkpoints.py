"""Jupyter's checkpoints through its own REST API: a notebook's is in the store, any other file's a copy beside it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.services.contents.filecheckpoints import (
    AsyncFileCheckpoints,
    AsyncGenericFileCheckpoints,
    FileCheckpoints,
)

from indelible.basekeeper import read_base
from indelible.errors import DiskFull
from indelible.model import BlobId, Source, Version
from indelible.saver import Saver
from indelible.server.checkpoints import NotebookCheckpoints
from indelible.service import Service
from indelible.store.blobs import SqliteBlobs

from .conftest import Fetch, Tab, new_copy, refused, whole

FOLDER = ".ipynb_checkpoints"
MANAGERS = ["AsyncLargeFileManager", "LargeFileManager"]


def configured(tmp_path: Path, manager: str = MANAGERS[0], **indelible: Any) -> dict[str, Any]:
    return {
        "ServerApp": {
            "jpserver_extensions": {"indelible": True},
            "contents_manager_class": f"jupyter_server.services.contents.largefilemanager.{manager}",
        },
        "FileContentsManager": {"delete_to_trash": False},
        "Indelible": {"store_path": str(tmp_path / "store"), **indelible},
    }


@pytest.fixture(params=MANAGERS)
def jp_server_config(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    return configured(tmp_path, request.param)


def notebook(*sources: str) -> bytes:
    cells: list[dict[str, Any]] = [
        {"cell_type": "code", "id": f"c{at}", "metadata": {}, "source": source, "execution_count": None, "outputs": []}
        for at, source in enumerate(sources)
    ]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1).encode()


OLD, NEW = notebook("x = 1"), notebook("x = 2", "y = 3")


class Api:
    """Jupyter's REST API as a page uses it."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    async def create(self, path: str) -> dict[str, Any]:
        answer = await self._checkpoints(path, method="POST")
        assert answer.code == 201
        made: dict[str, Any] = json.loads(answer.body)
        assert answer.headers["Location"].endswith(f"/checkpoints/{made['id']}")
        return made

    async def ids(self, path: str) -> list[str]:
        return [one["id"] for one in json.loads((await self._checkpoints(path)).body)]

    async def restore(self, path: str, checkpoint: str) -> None:
        assert (await self._checkpoints(path, checkpoint, method="POST")).code == 204

    async def forget(self, path: str, checkpoint: str) -> None:
        assert (await self._checkpoints(path, checkpoint, method="DELETE")).code == 204

    async def delete(self, path: str) -> None:
        assert (await self._fetch("api", "contents", path, method="DELETE")).code == 204

    async def rename(self, path: str, new: str) -> None:
        body = json.dumps({"path": new})
        assert (await self._fetch("api", "contents", path, method="PATCH", body=body)).code == 200

    async def save(self, path: str, content: bytes) -> None:
        body = json.dumps({"type": "notebook", "content": json.loads(content)})
        assert (await self._fetch("api", "contents", path, method="PUT", body=body)).code in (200, 201)

    async def _checkpoints(self, path: str, *more: str, **how: Any) -> Any:
        return await self._fetch("api", "contents", path, "checkpoints", *more, allow_nonstandard_methods=True, **how)


@pytest.fixture
def api(jp_fetch: Fetch) -> Api:
    return Api(jp_fetch)


class Kept:
    """What the store has."""

    def __init__(self, service: Service) -> None:
        assert service.store is not None
        self._store, self._root = service.store, service.upkeep.root_id

    def of(self, path: str) -> list[tuple[Source, bytes]]:
        """What a notebook of this path has."""
        return [(one.source, self._content(one)) for one in self._store.versions.of(self._root, path)]

    def of_deleted(self, path: str) -> list[bytes]:
        rows = self._store.blobs.ask("SELECT id FROM versions WHERE path = ? AND deleted_at_ms IS NOT NULL", (path,))
        return [self._content(self._store.versions.get(self._root, path, identity)) for (identity,) in rows]

    def blobs(self) -> int:
        return int(self._store.blobs.ask("SELECT count(*) FROM blobs", ())[0][0])

    def _content(self, version: Version) -> bytes:
        return read_base(version.chunks, self._store.blobs.get)


@pytest.fixture
def kept(service: Service) -> Kept:
    return Kept(service)


class File:
    """A file in the root directory, and what is beside it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def content(self) -> bytes:
        return self.path.read_bytes()

    @content.setter
    def content(self, content: bytes) -> None:
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_bytes(content)

    @property
    def mode(self) -> int:
        return self.path.stat().st_mode & 0o777

    @mode.setter
    def mode(self, mode: int) -> None:
        self.path.chmod(mode)

    @property
    def identity(self) -> tuple[int, int]:
        status = self.path.stat()
        return status.st_ino, status.st_mtime_ns

    @property
    def exists(self) -> bool:
        return self.path.exists()

    def remove(self) -> None:
        self.path.unlink()

    @property
    def copy(self) -> File:
        """The checkpoint that Jupyter itself makes."""
        return self.beside(f"{FOLDER}/{self.path.stem}-checkpoint{self.path.suffix}")

    def beside(self, name: str) -> File:
        return File(self.path.parent / name)

    @property
    def names(self) -> list[str]:
        """Everything in its folder."""
        return sorted(path.name for path in self.path.parent.iterdir())


@pytest.fixture
def file(root: Path, service: Service) -> File:
    found = File(root / "n.ipynb")
    found.content = OLD
    return found


def test_the_manager_has_ours_in_the_place_of_jupyters(jp_serverapp: Any) -> None:
    contents = jp_serverapp.contents_manager
    assert type(contents.checkpoints).__name__ in ("NotebookCheckpoints", "AsyncNotebookCheckpoints")
    is_asynchronous = type(contents).__name__.startswith("Async")
    assert isinstance(contents.checkpoints, AsyncFileCheckpoints if is_asynchronous else FileCheckpoints)
    assert contents.checkpoints.root_dir == contents.root_dir


class TestANotebooksCheckpoint:
    async def test_is_the_files_content_in_the_store_and_no_copy_beside_it(
        self, api: Api, file: File, kept: Kept
    ) -> None:
        made = await api.create("n.ipynb")
        assert re.fullmatch(r"[\w-]+", made["id"])
        assert await api.ids("n.ipynb") == [made["id"]]
        assert kept.of("n.ipynb") == [(Source.CHECKPOINT, OLD)]
        assert file.names == ["n.ipynb"]

    async def test_is_made_by_the_first_save_as_jupyter_does_it(self, api: Api, root: Path, kept: Kept) -> None:
        await api.save("n.ipynb", OLD)
        assert kept.of("n.ipynb") == [(Source.CHECKPOINT, (root / "n.ipynb").read_bytes())]
        assert not (root / FOLDER).exists()

    async def test_takes_the_place_of_the_last_one(self, api: Api, file: File, kept: Kept) -> None:
        first = await api.create("n.ipynb")
        file.content = NEW
        second = await api.create("n.ipynb")
        assert first["id"] != second["id"]
        assert kept.of("n.ipynb") == [(Source.CHECKPOINT, NEW)]
        status, _ = await refused(api.restore("n.ipynb", first["id"]))
        assert status == 404
        assert file.content == NEW

    async def test_writes_unchanged_chunks_only_once(self, api: Api, file: File, kept: Kept) -> None:
        lines = [f"x{number} = {number}" for number in range(40_000)]
        file.content = notebook(*lines)
        await api.create("n.ipynb")
        before = kept.blobs()
        lines[20_000] = "changed = True"
        file.content = notebook(*lines)
        await api.create("n.ipynb")
        assert kept.of("n.ipynb") == [(Source.CHECKPOINT, notebook(*lines))]
        assert before > 50
        assert kept.blobs() - before <= 2

    async def test_of_many_at_once_one_stays(self, api: Api, file: File, kept: Kept) -> None:
        made = await asyncio.gather(*(api.create("n.ipynb") for _ in range(8)))
        (left,) = await api.ids("n.ipynb")
        assert left in [one["id"] for one in made]
        assert kept.of("n.ipynb") == [(Source.CHECKPOINT, OLD)]

    async def test_is_forgotten_when_the_user_says_so(self, api: Api, file: File, kept: Kept) -> None:
        made = await api.create("n.ipynb")
        await api.forget("n.ipynb", made["id"])
        assert await api.ids("n.ipynb") == []
        assert kept.of("n.ipynb") == []
        assert (await refused(api.forget("n.ipynb", made["id"])))[0] == 404

    async def test_has_an_id_that_no_other_content_ever_gets(self, api: Api, file: File) -> None:
        first = await api.create("n.ipynb")
        await api.forget("n.ipynb", first["id"])
        file.content = NEW
        await api.create("n.ipynb")
        assert (await refused(api.restore("n.ipynb", first["id"])))[0] == 404
        assert file.content == NEW

    async def test_of_a_file_that_is_not_there_is_refused(self, api: Api, root: Path, service: Service) -> None:
        assert (await refused(api.create("gone.ipynb")))[0] == 404
        assert File(root / "gone.ipynb").names == []

    async def test_cannot_reach_outside_the_root(self, api: Api, root: Path, service: Service) -> None:
        (root.parent / "secret.ipynb").write_bytes(OLD)
        assert (await refused(api.create("../secret.ipynb")))[0] in (403, 404)


class TestRestoring:
    async def test_brings_the_content_back_and_keeps_what_it_replaces(self, api: Api, file: File, kept: Kept) -> None:
        made = await api.create("n.ipynb")
        file.content = NEW
        file.mode = 0o640
        await api.restore("n.ipynb", made["id"])
        assert file.content == OLD
        assert file.mode == 0o640
        assert kept.of("n.ipynb") == [(Source.CHECKPOINT, OLD), (Source.RESTORED, NEW)]
        assert file.names == ["n.ipynb"]

    async def test_what_is_there_already_changes_nothing(self, api: Api, file: File, kept: Kept) -> None:
        made = await api.create("n.ipynb")
        before = file.identity
        await api.restore("n.ipynb", made["id"])
        assert file.identity == before
        assert kept.of("n.ipynb") == [(Source.CHECKPOINT, OLD)]

    async def test_makes_a_file_that_is_gone(self, api: Api, file: File) -> None:
        made = await api.create("n.ipynb")
        file.remove()
        await api.restore("n.ipynb", made["id"])
        assert file.content == OLD

    async def test_a_file_with_two_names_reaches_both(self, api: Api, file: File, kept: Kept) -> None:
        made = await api.create("n.ipynb")
        file.content = NEW
        other = file.beside("other.ipynb")
        os.link(file.path, other.path)
        await api.restore("n.ipynb", made["id"])
        assert (file.content, other.content) == (OLD, OLD)
        assert (Source.RESTORED, NEW) in kept.of("n.ipynb")

    async def test_keeps_edits_that_were_not_saved(
        self, api: Api, file: File, kept: Kept, new_tab: Callable[..., Awaitable[Tab]]
    ) -> None:
        made = await api.create("n.ipynb")
        tab, working_copy = await new_tab(), new_copy()
        await tab.open(working_copy, "n.ipynb")
        assert (await tab.edit(working_copy, 1, **whole("typed = 'and not saved'")))["t"] == "ack"
        await api.restore("n.ipynb", made["id"])
        (source, content) = kept.of("n.ipynb")[-1]
        assert source is Source.RESTORED
        assert [cell["source"] for cell in json.loads(content)["cells"]] in (
            ["typed = 'and not saved'"],
            [["typed = 'and not saved'"]],
        )

    async def test_is_refused_when_what_it_replaces_cannot_be_kept(
        self, api: Api, file: File, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = await api.create("n.ipynb")
        file.content = NEW
        monkeypatch.setattr(SqliteBlobs, "put", full)
        status, body = await refused(api.restore("n.ipynb", made["id"]))
        assert status == 503
        assert "no space left" in body["message"]
        assert file.content == NEW

    async def test_somebody_elses_write_in_between_is_kept_too(
        self, api: Api, file: File, kept: Kept, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = await api.create("n.ipynb")
        file.content = NEW
        keep = Saver.keep
        theirs = [notebook("theirs")]

        def kept_then_written(self: Saver, path: Path, **more: Any) -> Version:
            version = keep(self, path, **more)
            if theirs:
                path.write_bytes(theirs.pop())
            return version

        monkeypatch.setattr(Saver, "keep", kept_then_written)
        await api.restore("n.ipynb", made["id"])
        assert file.content == OLD
        assert kept.of("n.ipynb")[1:] == [(Source.RESTORED, NEW), (Source.RESTORED, notebook("theirs"))]


class TestCopiesThatJupyterHasMade:
    async def test_are_listed_restored_and_left_alone(self, api: Api, file: File, kept: Kept) -> None:
        copy = file.copy
        copy.content = NEW
        assert await api.ids("n.ipynb") == ["checkpoint"]
        await api.restore("n.ipynb", "checkpoint")
        assert (file.content, copy.content) == (NEW, NEW)
        assert kept.of("n.ipynb") == [(Source.RESTORED, OLD)]

    async def test_are_listed_before_a_newer_one_in_the_store(self, api: Api, file: File) -> None:
        copy = file.copy
        copy.content = NEW
        made = await api.create("n.ipynb")
        assert await api.ids("n.ipynb") == ["checkpoint", made["id"]]
        assert copy.content == NEW

    async def test_are_deleted_when_the_user_says_so(self, api: Api, file: File) -> None:
        copy = file.copy
        copy.content = NEW
        made = await api.create("n.ipynb")
        await api.forget("n.ipynb", "checkpoint")
        assert not copy.exists
        assert await api.ids("n.ipynb") == [made["id"]]
        assert (await refused(api.forget("n.ipynb", "checkpoint")))[0] == 404

    async def test_go_into_the_store_when_their_notebook_is_deleted(self, api: Api, file: File, kept: Kept) -> None:
        copy = file.copy
        copy.content = NEW
        await api.delete("n.ipynb")
        assert not copy.exists
        assert kept.of_deleted("n.ipynb") == [NEW]

    async def test_follow_their_notebook(self, api: Api, file: File) -> None:
        file.copy.content = NEW
        await api.rename("n.ipynb", "m.ipynb")
        assert await api.ids("m.ipynb") == ["checkpoint"]
        assert file.beside("m.ipynb").copy.content == NEW


class TestDeleting:
    async def test_a_new_notebook_of_that_name_has_no_checkpoint_and_the_store_keeps_the_old_ones(
        self, api: Api, file: File, kept: Kept
    ) -> None:
        made = await api.create("n.ipynb")
        await api.delete("n.ipynb")
        assert await api.ids("n.ipynb") == []
        assert kept.of_deleted("n.ipynb") == [OLD]
        file.content = NEW
        assert (await refused(api.restore("n.ipynb", made["id"])))[0] == 404
        await api.create("n.ipynb")
        assert kept.of("n.ipynb") == [(Source.CHECKPOINT, NEW)]
        assert kept.of_deleted("n.ipynb") == [OLD]
        assert FOLDER not in file.names

    async def test_a_folder_deletes_what_was_in_it(self, api: Api, root: Path, kept: Kept) -> None:
        inside = File(root / "a" / "n.ipynb")
        inside.content = OLD
        await api.create("a/n.ipynb")
        inside.remove()
        await api.delete("a")
        assert kept.of("a/n.ipynb") == []
        assert kept.of_deleted("a/n.ipynb") == [OLD]
        assert File(root / "a").names == []


class TestRenaming:
    async def test_takes_the_checkpoint_along_under_its_id(self, api: Api, file: File, kept: Kept) -> None:
        made = await api.create("n.ipynb")
        await api.rename("n.ipynb", "m.ipynb")
        assert (await api.ids("n.ipynb"), await api.ids("m.ipynb")) == ([], [made["id"]])
        moved = file.beside("m.ipynb")
        moved.content = NEW
        await api.restore("m.ipynb", made["id"])
        assert moved.content == OLD
        assert kept.of("m.ipynb") == [(Source.CHECKPOINT, OLD), (Source.RESTORED, NEW)]
        assert FOLDER not in file.names

    async def test_a_folder_takes_what_is_in_it_along(self, api: Api, root: Path, kept: Kept) -> None:
        inside = File(root / "a" / "n.ipynb")
        inside.content = OLD
        made = await api.create("a/n.ipynb")
        await api.rename("a", "b")
        assert await api.ids("b/n.ipynb") == [made["id"]]
        assert kept.of("b/n.ipynb") == [(Source.CHECKPOINT, OLD)]

    async def test_told_twice_is_done_once(self, api: Api, file: File, kept: Kept, service: Service) -> None:
        made = await api.create("n.ipynb")
        await api.rename("n.ipynb", "m.ipynb")
        service.renamed(None, "n.ipynb", "m.ipynb")
        assert await api.ids("m.ipynb") == [made["id"]]
        assert kept.of_deleted("m.ipynb") == []

    async def test_to_the_name_of_one_that_went_unnoticed_does_not_mix_them(
        self, api: Api, file: File, kept: Kept
    ) -> None:
        other = file.beside("m.ipynb")
        other.content = NEW
        await api.create("m.ipynb")
        made = await api.create("n.ipynb")
        other.remove()
        await api.rename("n.ipynb", "m.ipynb")
        assert await api.ids("m.ipynb") == [made["id"]]
        assert kept.of("m.ipynb") == [(Source.CHECKPOINT, OLD)]
        assert kept.of_deleted("m.ipynb") == [NEW]


def full(self: SqliteBlobs, contents: Iterable[bytes]) -> list[BlobId]:
    raise DiskFull("no space left")


def defect(self: SqliteBlobs, contents: Iterable[bytes]) -> list[BlobId]:
    raise RuntimeError("a defect")


class TestJupytersOwnWay:
    async def test_is_that_of_other_files(self, api: Api, root: Path, kept: Kept) -> None:
        file = root / "a.txt"
        file.write_text("old")
        assert (await api.create("a.txt"))["id"] == "checkpoint"
        assert (root / FOLDER / "a-checkpoint.txt").read_text() == "old"
        file.write_text("new")
        await api.restore("a.txt", "checkpoint")
        assert file.read_text() == "old"
        await api.rename("a.txt", "b.txt")
        assert await api.ids("b.txt") == ["checkpoint"]
        await api.delete("b.txt")
        assert list((root / FOLDER).iterdir()) == []
        assert kept.of("a.txt") == kept.of("b.txt") == []

    @pytest.mark.parametrize("failure", [full, defect])
    async def test_is_taken_when_the_store_cannot_be_written(
        self, api: Api, file: File, kept: Kept, monkeypatch: pytest.MonkeyPatch, failure: Any
    ) -> None:
        kept_before = await api.create("n.ipynb")
        file.content = NEW
        with monkeypatch.context() as broken:
            broken.setattr(SqliteBlobs, "put", failure)
            assert (await api.create("n.ipynb"))["id"] == "checkpoint"
        assert file.copy.content == NEW
        assert await api.ids("n.ipynb") == [kept_before["id"], "checkpoint"]
        assert kept.of("n.ipynb") == [(Source.CHECKPOINT, OLD)]

    async def test_a_store_that_failed_is_told_in_the_one_place(
        self, api: Api, file: File, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(SqliteBlobs, "put", full)
        await api.create("n.ipynb")
        assert [one.code for one in service.health.problems] == ["disk_full"]

    async def test_restores_a_copy_when_the_store_cannot_be_written(
        self, api: Api, file: File, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        file.copy.content = NEW
        monkeypatch.setattr(SqliteBlobs, "put", full)
        await api.restore("n.ipynb", "checkpoint")
        assert file.content == NEW

    async def test_deletes_and_renames_when_the_store_is_not_there(
        self, api: Api, file: File, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as closed:
            closed.setattr(service.upkeep, "is_open", None)
            await api.create("n.ipynb")
            await api.rename("n.ipynb", "m.ipynb")
            assert await api.ids("m.ipynb") == ["checkpoint"]
            await api.delete("m.ipynb")
            assert await api.ids("m.ipynb") == []
        assert file.copy.names == []


class TestWhereNothingOfOursIs:
    @pytest.fixture
    def jp_server_config(self, tmp_path: Path) -> dict[str, Any]:
        return configured(tmp_path, journal=False)

    async def test_jupyters_class_stays_when_the_journal_is_off(
        self, jp_serverapp: Any, api: Api, file: File, service: Service
    ) -> None:
        assert type(jp_serverapp.contents_manager.checkpoints) is AsyncFileCheckpoints
        assert (await api.create("n.ipynb"))["id"] == "checkpoint"
        assert file.copy.content == OLD


class TestAnotherClass:
    @pytest.fixture
    def jp_server_config(self, tmp_path: Path) -> dict[str, Any]:
        config = configured(tmp_path)
        config["FileContentsManager"]["checkpoints_class"] = AsyncGenericFileCheckpoints
        return config

    async def test_of_the_users_choice_stays(self, jp_serverapp: Any, api: Api, file: File) -> None:
        assert type(jp_serverapp.contents_manager.checkpoints) is AsyncGenericFileCheckpoints
        assert (await api.create("n.ipynb"))["id"] == "checkpoint"


class TestAStoreThatCannotBeOpened:
    @pytest.fixture
    def jp_server_config(self, tmp_path: Path) -> dict[str, Any]:
        (tmp_path / "store").write_text("a file where the folder should be")
        return configured(tmp_path)

    async def test_leaves_checkpoints_to_jupyter(self, api: Api, file: File) -> None:
        assert (await api.create("n.ipynb"))["id"] == "checkpoint"
        file.content = NEW
        await api.restore("n.ipynb", "checkpoint")
        assert file.content == OLD


class TestTheEventLoop:
    @pytest.fixture
    def jp_server_config(self, tmp_path: Path) -> dict[str, Any]:
        return configured(tmp_path)

    async def test_does_nothing_that_waits_for_a_disk(
        self, api: Api, file: File, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        here, seen = threading.current_thread(), set()
        ask, change = SqliteBlobs.ask, SqliteBlobs.change

        def asked(self: SqliteBlobs, *more: Any) -> Any:
            seen.add(threading.current_thread())
            return ask(self, *more)

        def changed(self: SqliteBlobs, work: Any) -> Any:
            seen.add(threading.current_thread())
            return change(self, work)

        monkeypatch.setattr(SqliteBlobs, "ask", asked)
        monkeypatch.setattr(SqliteBlobs, "change", changed)
        made = await api.create("n.ipynb")
        await api.ids("n.ipynb")
        file.content = NEW
        await api.restore("n.ipynb", made["id"])
        await api.rename("n.ipynb", "m.ipynb")
        await api.forget("m.ipynb", made["id"])
        await api.delete("m.ipynb")
        assert seen
        assert here not in seen


class TestASynchronousManager:
    @pytest.fixture
    def jp_server_config(self, tmp_path: Path) -> dict[str, Any]:
        return configured(tmp_path, "LargeFileManager")

    async def test_does_not_wait_long_for_a_save_that_may_wait_for_it(
        self, api: Api, file: File, service: Service, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(NotebookCheckpoints, "within_s", 0.05)
        with service.upkeep.saver._alone(file.path):
            assert (await api.create("n.ipynb"))["id"] == "checkpoint"
            status, body = await refused(api.restore("n.ipynb", "checkpoint"))
        assert status == 500
        assert "is being saved" in body["message"]

    def test_calls_it_without_a_loop(self, jp_serverapp: Any, file: File, kept: Kept) -> None:
        contents = jp_serverapp.contents_manager
        made = contents.create_checkpoint("n.ipynb")
        assert contents.list_checkpoints("n.ipynb") == [made]
        file.content = NEW
        contents.restore_checkpoint(made["id"], "n.ipynb")
        assert file.content == OLD
        contents.delete_file("n.ipynb")
        contents.checkpoints.delete_all_checkpoints("n.ipynb")
        assert contents.list_checkpoints("n.ipynb") == []
        assert kept.of_deleted("n.ipynb") == [OLD, NEW]
