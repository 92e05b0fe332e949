"""Jupyter's checkpoints: a notebook's is a version in the store, every other file's is Jupyter's own copy beside it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from jupyter_server.services.contents.filecheckpoints import AsyncFileCheckpoints, FileCheckpoints
from jupyter_server.services.contents.filemanager import FileContentsManager
from tornado.web import HTTPError

from ..checkpointing import Checkpoints
from ..errors import FileGone, IndelibleError, NotLocal, StoreError
from ..model import Version
from ..service import Service
from .rest import STATUS

log = logging.getLogger("indelible")

T = TypeVar("T")

PREFIX = "indelible-"
WAIT_S = 2.0
"""How long the event loop may stand still for a save to end, which may itself wait for the event loop."""


def install(contents: Any, service: Service) -> None:
    """Let this contents manager keep notebooks' checkpoints in the store, if it would keep them as Jupyter does."""
    if not service.settings.journal or not isinstance(contents, FileContentsManager):
        return
    kind = type(contents.checkpoints)
    if kind not in OURS:
        log.info("Checkpoints of notebooks stay those of %s", kind.__name__)
        return
    contents.checkpoints = OURS[kind](service, **contents.checkpoints_kwargs)
    log.info("Checkpoints of notebooks are kept in the store")


class NotebookCheckpoints(FileCheckpoints):
    """One checkpoint of each notebook, in the store; what the store cannot do is done as Jupyter does it.

    Checkpoints of a notebook that Jupyter itself has made are listed and restored, too.
    """

    within_s: ClassVar[float] = WAIT_S

    def __init__(self, service: Service, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._service = service

    @property
    def _stock(self) -> Any:
        """Jupyter's own ways, which have no types."""
        return super()

    @property
    def _ours(self) -> Checkpoints:
        return self._service.checkpoints

    def create_checkpoint(self, contents_mgr: Any, path: str) -> Any:
        """Never fails because of the store."""
        if is_notebook(path):
            file = file_of(contents_mgr, path)
            with harmless("its checkpoint is a copy beside it", path):
                try:
                    return model_of(self._ours.create(plain(path), file, self.within_s))
                except FileGone as error:
                    raise HTTPError(404, f"File does not exist: {path}") from error
        return self._stock.create_checkpoint(contents_mgr, path)

    def list_checkpoints(self, path: str) -> list[Any]:
        """The last one is the newest."""
        if not is_notebook(path):
            return list(self._stock.list_checkpoints(path))
        found = self._copies(path)
        with harmless("its checkpoint in the store cannot be read", path):
            newest = self._ours.newest(plain(path))
            if newest is not None:
                found.append(model_of(newest))
        return sorted(found, key=lambda one: one["last_modified"])

    def restore_checkpoint(self, contents_mgr: Any, checkpoint_id: str, path: str) -> None:
        """What it replaces is kept before."""
        if not is_notebook(path):
            self._stock.restore_checkpoint(contents_mgr, checkpoint_id, path)
            return
        file = file_of(contents_mgr, path)
        with answered():
            if is_ours(checkpoint_id):
                content = self._ours.content(self._found(checkpoint_id, path))
                self._ours.restore(plain(path), file, content, self.within_s)
                return
            try:
                content = self._copy_of(checkpoint_id, path).read_bytes()
                self._ours.restore(plain(path), file, content, self.within_s)
                return
            except (StoreError, NotLocal) as error:
                log.warning("%s is restored as Jupyter does it, and what it held is not kept: %s", path, error)
        self._stock.restore_checkpoint(contents_mgr, checkpoint_id, path)

    def rename_checkpoint(self, checkpoint_id: str, old_path: str, new_path: str) -> None:
        """One in the store goes with everything that is kept of its notebook."""
        if is_ours(checkpoint_id):
            self._renamed(old_path, new_path)
        else:
            self._stock.rename_checkpoint(checkpoint_id, old_path, new_path)

    def delete_checkpoint(self, checkpoint_id: str, path: str) -> None:
        if is_ours(checkpoint_id):
            with answered():
                self._ours.remove(self._found(checkpoint_id, path))
            return
        if is_notebook(path):
            self._copy_of(checkpoint_id, path)
        self._stock.delete_checkpoint(checkpoint_id, path)

    def rename_all_checkpoints(self, old_path: str, new_path: str) -> None:
        """Called when a notebook, another file or a folder has been renamed."""
        self._renamed(old_path, new_path)
        for one in self._copies(old_path):
            self._stock.rename_checkpoint(one["id"], old_path, new_path)

    def delete_all_checkpoints(self, path: str) -> None:
        """Called when a notebook, another file or a folder has been deleted.

        A new notebook of the same path has no checkpoint, and the store still has the old one's.
        """
        found = [one["id"] for one in self._copies(path)]
        copies = []
        for one in found if is_notebook(path) else []:
            with contextlib.suppress(OSError):
                copies.append(Path(self._stock.checkpoint_path(one, path)).read_bytes())
        with harmless("it is deleted, and what was kept of it is taken for a new one's of that name", path):
            self._ours.deleted(plain(path), copies)
        for one in found:
            self._stock.delete_checkpoint(one, path)

    def _renamed(self, old_path: str, new_path: str) -> None:
        with harmless(f"what is kept of it could not follow its renaming to {new_path}", old_path):
            self._service.renamed(None, plain(old_path), plain(new_path))

    def _found(self, checkpoint_id: str, path: str) -> Version:
        newest = self._ours.newest(plain(path))
        if newest is None or id_of(newest) != checkpoint_id:
            raise HTTPError(404, f"Checkpoint does not exist: {path}@{checkpoint_id}")
        return newest

    def _copies(self, path: str) -> list[Any]:
        """Those that Jupyter itself has made."""
        return list(self._stock.list_checkpoints(path)) if self._has_folder(path) else []

    def _copy_of(self, checkpoint_id: str, path: str) -> Path:
        if checkpoint_id not in [one["id"] for one in self._copies(path)]:
            raise HTTPError(404, f"Checkpoint does not exist: {path}@{checkpoint_id}")
        return Path(self._stock.checkpoint_path(checkpoint_id, path))

    def _has_folder(self, path: str) -> bool:
        """Whether Jupyter's folder of checkpoints is there: Jupyter makes it as soon as it is asked for one."""
        beside = self._stock._get_os_path(plain(path).rpartition("/")[0])
        folder = Path(beside, self.checkpoint_dir)
        if not os.access(folder.parent, os.W_OK):
            folder = Path(tempfile.gettempdir(), "jupyter_checkpoints", os.path.relpath(beside, self.root_dir))
        return folder.is_dir()


class InWorker(NotebookCheckpoints):
    """The same, on a thread that may wait."""

    within_s: ClassVar[float] = -1


class AsyncNotebookCheckpoints(AsyncFileCheckpoints):
    """The same for Jupyter's asynchronous contents managers: what is about notebooks is done off the event loop."""

    def __init__(self, service: Service, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._here = InWorker(service, **kwargs)

    @property
    def _stock(self) -> Any:
        """Jupyter's own ways, which have no types."""
        return super()

    async def create_checkpoint(self, contents_mgr: Any, path: str) -> Any:
        if is_notebook(path):
            return await away(lambda: self._here.create_checkpoint(contents_mgr, path))
        return await self._stock.create_checkpoint(contents_mgr, path)

    async def list_checkpoints(self, path: str) -> Any:
        if is_notebook(path):
            return await away(lambda: self._here.list_checkpoints(path))
        return await self._stock.list_checkpoints(path)

    async def restore_checkpoint(self, contents_mgr: Any, checkpoint_id: str, path: str) -> None:
        if is_notebook(path):
            await away(lambda: self._here.restore_checkpoint(contents_mgr, checkpoint_id, path))
        else:
            await self._stock.restore_checkpoint(contents_mgr, checkpoint_id, path)

    async def rename_checkpoint(self, checkpoint_id: str, old_path: str, new_path: str) -> None:
        await away(lambda: self._here.rename_checkpoint(checkpoint_id, old_path, new_path))

    async def delete_checkpoint(self, checkpoint_id: str, path: str) -> None:
        await away(lambda: self._here.delete_checkpoint(checkpoint_id, path))

    async def rename_all_checkpoints(self, old_path: str, new_path: str) -> None:
        await away(lambda: self._here.rename_all_checkpoints(old_path, new_path))

    async def delete_all_checkpoints(self, path: str) -> None:
        await away(lambda: self._here.delete_all_checkpoints(path))


async def away(work: Callable[[], T]) -> T:
    """Call it off the event loop."""
    return await asyncio.get_running_loop().run_in_executor(None, work)


def is_notebook(path: str) -> bool:
    return path.endswith(".ipynb")


def plain(path: str) -> str:
    """An API path as the store knows it."""
    return path.strip("/")


def file_of(contents: Any, path: str) -> Path:
    return Path(contents._get_os_path(path))


def id_of(checkpoint: Version) -> str:
    """Stable for as long as it exists, and never that of other content."""
    return f"{PREFIX}{checkpoint.id}-{checkpoint.hash[:12]}"


def is_ours(checkpoint_id: str) -> bool:
    return checkpoint_id.startswith(PREFIX)


def model_of(checkpoint: Version) -> dict[str, Any]:
    """As Jupyter's REST API describes a checkpoint."""
    return {"id": id_of(checkpoint), "last_modified": checkpoint.at}


@contextlib.contextmanager
def harmless(consequence: str, path: str) -> Iterator[None]:
    """A failure of ours is logged, and Jupyter goes on."""
    try:
        yield
    except HTTPError:
        raise
    except IndelibleError as error:
        log.warning("%s: %s: %s", path, consequence, error)
    except Exception:
        log.exception("%s: %s: a defect", path, consequence)


@contextlib.contextmanager
def answered() -> Iterator[None]:
    """Raise our errors as Jupyter's, with what the user can do."""
    try:
        yield
    except IndelibleError as error:
        status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
        raise HTTPError(status, f"{error}. {error.hint}".rstrip(". ")) from error


OURS: dict[type[Any], type[Any]] = {
    FileCheckpoints: NotebookCheckpoints,
    AsyncFileCheckpoints: AsyncNotebookCheckpoints,
}
"""What takes the place of Jupyter's classes: of exactly these."""
