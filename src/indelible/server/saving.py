"""A save as Jupyter sees it: may we write the file ourselves, and what must happen besides writing it."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from jupyter_client.jsonutil import json_default
from jupyter_core.utils import ensure_async
from jupyter_server.services.contents import filemanager, largefilemanager
from jupyter_server.services.contents.filemanager import FileContentsManager

from ..errors import (
    BaseUnavailable,
    FileChanged,
    IndelibleError,
    NotLocal,
    SaveRefused,
    Superseded,
    WorkingCopyUnknown,
)
from ..fs.failures import circumstances
from ..merging import MergeAnswer, MergeRequest
from ..model import Draft, Save, Seq
from ..notebook.nbjson import Notebook
from ..saver import Written
from ..service import Service
from .dispatch import Reply, unsaved
from .events import Events
from .savereports import SaveReports
from .signing import Signer

log = logging.getLogger("indelible")

FOR_JUPYTER = (SaveRefused, BaseUnavailable, Superseded, WorkingCopyUnknown)
"""After these the page sends the whole notebook through Jupyter's own API."""

SAVING_AT_ONCE = 8
"""Notebooks: the disk of one may be hung, and must not keep the others from being saved."""

is_announced_by_us: ContextVar[bool] = ContextVar("is_announced_by_us", default=False)
"""Whether Jupyter's event of a save is about a file that we have written. Listeners run in the emitter's context."""

JUPYTERS_OWN = tuple(
    owner.save
    for owner in (
        filemanager.FileContentsManager,
        filemanager.AsyncFileContentsManager,
        largefilemanager.LargeFileManager,
        largefilemanager.AsyncLargeFileManager,
    )
)


class Saves:
    """Saves of one server, written by the service, announced as Jupyter's own are."""

    def __init__(self, contents: Any, service: Service, reports: SaveReports, events: Events) -> None:
        self._contents, self._service = contents, service
        self._reports, self._events = reports, events
        self.signer = Signer(contents.notary)
        self._workers = ThreadPoolExecutor(SAVING_AT_ONCE, thread_name_prefix="indelible-save")
        self._told: str | None = None
        self._running: set[asyncio.Task[None]] = set()

    def why_full(self) -> str | None:
        """Why notebooks must be saved through Jupyter's own API; None when they need not. A change of it is logged."""
        why = self._why_full()
        if why not in (None, self._told):
            log.info("Notebooks are saved whole, through Jupyter's own API: %s", why)
        self._told = why
        return why

    def _why_full(self) -> str | None:
        contents = self._contents
        if not self._service.settings.journal:
            return "the journal is switched off"
        if not isinstance(contents, FileContentsManager):
            return f"{type(contents).__name__} keeps notebooks elsewhere"
        if type(contents).save not in JUPYTERS_OWN:
            return f"{type(contents).__name__} saves in its own way"
        if contents.pre_save_hook is not None or contents._pre_save_hooks:
            return "a pre-save hook may change what is saved"
        if contents.hash_algorithm != "sha256":
            return f"hashes are {contents.hash_algorithm}"
        return None

    def locate(self, path: str) -> Path:
        """The file of a notebook. Raises LookupError where notebooks are no local files."""
        contents = self._contents
        if not isinstance(contents, FileContentsManager):
            raise LookupError(f"{type(contents).__name__} does not keep notebooks as local files")
        if not contents.allow_hidden and any(name.startswith(".") for name in path.split("/")):
            raise LookupError("hidden files are not to be touched")
        return Path(contents._get_os_path(path))  # type: ignore[no-untyped-call]

    def begin(self, loop: asyncio.AbstractEventLoop, request: Save, reply: Reply) -> None:
        """Take what the journal holds now, and start a save of it on the server's event loop; from any thread.

        Blocks for the taking only. The answer goes through `reply`.
        """
        try:
            taken: Draft | IndelibleError | None = self._service.files.snapshot(request)
        except IndelibleError as error:
            taken = error
        loop.call_soon_threadsafe(self._begin, request, taken, reply)

    async def close(self) -> None:
        """Let what is under way end."""
        if self._running:
            await asyncio.wait(self._running)
        self._workers.shutdown(wait=True)

    def _begin(self, request: Save, taken: Draft | IndelibleError | None, reply: Reply) -> None:
        task = asyncio.get_running_loop().create_task(self._save(request, taken, reply))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _save(self, request: Save, taken: Draft | IndelibleError | None, reply: Reply) -> None:
        began = time.monotonic()
        try:
            if isinstance(taken, IndelibleError):
                raise taken
            reply(await self._saved(request, taken, began))
        except FOR_JUPYTER as error:
            self._reports.refused(request, error, time.monotonic() - began)
            reply(unsaved(request, error))
        except IndelibleError as error:
            found = {"found": error.found} if isinstance(error, FileChanged) else {}
            reply(unsaved(request, error) | found)
            draft = None if isinstance(taken, IndelibleError) else taken
            seconds, around = time.monotonic() - began, await self._circumstances(request, error)
            self._reports.failed(request, error, seconds, draft=draft, around=around)
        except Exception as error:
            log.exception("A save of %s met a defect", request.path)
            refusal = SaveRefused(f"a defect: {error!r}")
            self._reports.refused(request, refusal, time.monotonic() - began)
            reply(unsaved(request, refusal))

    async def _circumstances(self, request: Save, error: IndelibleError) -> str:
        """Asked of the disk away from the event loop: it is in trouble."""
        try:
            path = Path(error.path or self.locate(request.path))
        except LookupError:
            return "no local file"
        return await asyncio.get_running_loop().run_in_executor(self._workers, circumstances, path)

    async def merge(self, request: MergeRequest) -> tuple[MergeAnswer, bool]:
        """Merge a changed file, and whether Jupyter trusts it. Raises what the service's merge raises."""
        answer = await asyncio.get_running_loop().run_in_executor(None, self._service.files.merge, request)
        self._events.merged(request, answer)
        return answer, await self.signer.is_signed(answer.theirs_notebook)

    async def _saved(self, request: Save, draft: Draft | None, began: float) -> dict[str, Any]:
        why = self.why_full()
        if why is not None:
            raise NotLocal(why)
        loop = asyncio.get_running_loop()
        sign = partial(self.signer.sign, loop, request.path) if request.is_trusted else None
        written = await loop.run_in_executor(self._workers, self._service.files.save, request, draft, sign)
        self._reports.saved(request, written, time.monotonic() - began)
        model = await self._model(request.path, written)
        if draft is not None:
            self._announce(request.path, model)
        return answer(request, written, model)

    async def _model(self, path: str, written: Written) -> dict[str, Any]:
        """What Jupyter says of the file. The save is made, whatever has become of its name since."""
        try:
            model: dict[str, Any] = await ensure_async(self._contents.get(path, content=False))
        except Exception:
            log.warning("%s is saved, but cannot be found under that name any more", path, exc_info=True)
            now = datetime.now(timezone.utc)
            model = {
                "name": path.rpartition("/")[2],
                "path": path,
                "type": "notebook",
                "format": None,
                "content": None,
                "mimetype": None,
                "writable": True,
                "size": written.size,
                "created": now,
                "last_modified": now,
            }
        return model

    @staticmethod
    def mark_trusted(notebook: Notebook) -> None:
        """As Jupyter's contents API marks a notebook whose signature it knows."""
        for cell in notebook["cells"]:
            if cell["cell_type"] == "code":
                cell["metadata"] = {**cell["metadata"], "trusted": True}

    def _announce(self, path: str, model: dict[str, Any]) -> None:
        """Hooks and events, as after Jupyter's own save. The file is written: their failures do not undo that."""
        ours = is_announced_by_us.set(True)
        try:
            self._contents.run_post_save_hooks(model=model, os_path=str(self.locate(path)))
            self._contents.emit(data={"action": "save", "path": path})
        except Exception:
            log.exception("%s is saved, but a post-save hook failed", path)
        finally:
            is_announced_by_us.reset(ours)


def answer(request: Save, written: Written, model: dict[str, Any]) -> dict[str, Any]:
    """`wrote` of docs/reference/protocol.md."""
    shrunk = written.shrunk
    return {
        "t": "wrote",
        "wc": request.working_copy,
        "id": request.id,
        "seq": Seq(written.seq),
        "hash": written.hash,
        "size": written.size,
        "changed": written.is_changed,
        "shrunk": None if shrunk is None else {"version": shrunk.id, "note": shrunk.note},
        "model": json.loads(json.dumps(model, default=json_default))
        | {"hash": written.hash, "hash_algorithm": "sha256"},
    }
