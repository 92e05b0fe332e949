"""The server extension: `c.Indelible.*`, the endpoints, and the service's life."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.services.contents.filemanager import FileContentsManager
from tornado import ioloop
from traitlets import Bool, Int, Unicode
from traitlets.config import Config

from ..config import AUTOSAVE_INTERVAL_MS, Settings
from ..errors import IndelibleError
from ..service import Service
from . import checkpoints, fallback, rest
from .autosave import HELP, NAME, interval_ms
from .events import Events
from .feed import FeedHandler
from .metrics import Metrics, shared
from .savereports import SaveReports
from .saving import Saves, is_announced_by_us

TICK_S, WATCH_S = 5, 1
EVENTS = "https://events.jupyter.org/jupyter_server/contents_service/v1"


class Indelible(ExtensionApp):
    """Notebook work that cannot be lost."""

    name = "indelible"
    app_name = "Indelible"
    load_other_extensions = True

    autosave_interval = Int(AUTOSAVE_INTERVAL_MS, help=HELP).tag(config=True)
    journal = Bool(True, help="Keep every edit on the server's disk within a quarter of a second.").tag(config=True)
    save_on_blur = Bool(False, help="Save a changed notebook when the page or the cell loses the focus.").tag(
        config=True
    )
    save_after_run = Bool(False, help="Save a changed notebook when a cell has run.").tag(config=True)
    store_path = Unicode("", help="Folder of the store; by default `indelible` in Jupyter's data directory.").tag(
        config=True
    )
    local_store_path = Unicode(
        "", help="Folder on a local disk, used when `store_path` is on a network file system."
    ).tag(config=True)

    service: Service
    metrics: Metrics
    _failure: Exception | None = None
    # There while the service runs.
    _ticking: ioloop.PeriodicCallback | None = None
    _watching: ioloop.PeriodicCallback

    def initialize_settings(self) -> None:
        # What is raised here would switch the extension off, and no page would ever be told why.
        try:
            self._begin()
        except Exception as error:  # noqa: BLE001  Logged with its traceback, and told to every page.
            self._failure = error
            assert self.serverapp is not None
            fallback.say(self.serverapp.log, error)
            self._close_service()

    def _begin(self) -> None:
        assert self.serverapp is not None
        self._join_the_log()
        # Extensions that were linked after this one may have brought configuration files of their own: what a
        # user wrote into jupyter_notebook_config.py reaches `jupyter lab` through the notebook extension.
        self.update_config(Config({"Indelible": self.serverapp.config.get("Indelible", {})}))
        contents = self.serverapp.contents_manager
        assert self.serverapp.event_logger is not None
        events = Events(self.serverapp.event_logger, ioloop.IOLoop.current())
        self.metrics = shared()
        self.service = Service(
            self._plain_settings(),
            root=contents.root_dir or Path.cwd(),
            read_file=self._read,
            locate=lambda path: self.saves.locate(path),
            meter=self.metrics,
        )
        self.saves = Saves(contents, self.service, SaveReports(self.metrics, events), events)
        self.service.health.watch(events.turned)
        self.metrics.now.include(self.service)
        self.service.start()
        checkpoints.install(contents, self.service)
        self.settings["indelible_service"] = self.service
        self.serverapp.event_logger.add_listener(schema_id=EVENTS, listener=self._on_contents_event)
        self._ticking = ioloop.PeriodicCallback(self._tick, TICK_S * 1000)
        self._ticking.start()
        # A disk that hangs holds this thread up, and nothing else; the next look waits until it is back.
        self._watcher = ThreadPoolExecutor(1, thread_name_prefix="indelible-watch")
        self._watching = ioloop.PeriodicCallback(self._watch, WATCH_S * 1000)
        self._watching.start()

    def initialize_handlers(self) -> None:
        assert self.serverapp is not None
        if self._failure is not None:
            self.handlers.append(fallback.route(self._failure, self.serverapp.config))
            return
        known = {"service": self.service, "saves": self.saves, "metrics": self.metrics}
        self.handlers.extend(
            [
                (fallback.HELLO, rest.HelloHandler, known),
                (r"/indelible/api/feed", FeedHandler, known),
                (r"/indelible/api/open", rest.OpenHandler, known),
                (r"/indelible/api/edits", rest.EditsHandler, known),
                (r"/indelible/api/merge", rest.MergeHandler, known),
                (r"/indelible/api/versions/([0-9]{1,18})", rest.VersionHandler, known),
                (r"/indelible/api/status", rest.StatusHandler, known),
                (r"/indelible/api/drafts", rest.DraftsHandler, known),
                (r"/indelible/api/drafts/([0-9a-f]{32})", rest.DraftHandler, known),
                (r"/indelible/api/drafts/([0-9a-f]{32})/discard", rest.DiscardHandler, known),
            ]
        )

    async def stop_extension(self) -> None:
        """Flush and close; what tabs send after this waits in their outboxes."""
        if self._ticking is not None:
            self._ticking.stop()
            self._watching.stop()
            self._watcher.shutdown(wait=False)
            await self.saves.close()
            self.metrics.now.exclude(self.service)
            await asyncio.get_running_loop().run_in_executor(None, self.service.close)

    def _close_service(self) -> None:
        """Let go of the store, which nobody could reach through this server."""
        try:
            if hasattr(self, "service"):
                self.metrics.now.exclude(self.service)
                self.service.close()
        except Exception:
            self.log.exception("Indelible's store could not be closed")

    def _join_the_log(self) -> None:
        """What the core logs comes out where Jupyter's own messages do."""
        assert self.serverapp is not None
        ours = logging.getLogger("indelible")
        ours.handlers = list(self.serverapp.log.handlers)
        ours.setLevel(self.serverapp.log.level)
        ours.propagate = False

    def _plain_settings(self) -> Settings:
        assert self.serverapp is not None
        own = self.config.get("Indelible", {})
        return Settings(
            store_path=Path(self.store_path or Path(jupyter_data_dir()) / "indelible").expanduser(),
            local_store_path=Path(self.local_store_path).expanduser() if self.local_store_path else None,
            journal=self.journal,
            autosave_interval_ms=interval_ms(self.autosave_interval, NAME in own, self.serverapp.config),
            save_on_blur=self.save_on_blur,
            save_after_run=self.save_after_run,
        )

    def _read(self, path: str) -> bytes:
        """The bytes of a notebook at an API path. Raises LookupError where the contents are no local files."""
        assert self.serverapp is not None
        contents = self.serverapp.contents_manager
        if not isinstance(contents, FileContentsManager) or contents.hash_algorithm != "sha256":
            raise LookupError(f"{type(contents).__name__} does not keep notebooks as local files")
        return Path(contents._get_os_path(path)).read_bytes()  # type: ignore[no-untyped-call]

    async def _tick(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self.service.tick)

    async def _watch(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._watcher, self.service.watch)

    async def _on_contents_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        if data.get("action") == "save" and str(data["path"]).endswith(".ipynb") and not is_announced_by_us.get():
            self.metrics.saved_by_jupyter()
            self.service.files.saved_by_jupyter(str(data["path"]).strip("/"))
        if data.get("action") != "rename":
            return
        old, new = str(data["source_path"]).strip("/"), str(data["path"]).strip("/")
        try:
            await asyncio.get_running_loop().run_in_executor(None, self.service.renamed, None, old, new)
        except IndelibleError as error:
            self.log.warning("Drafts of %s could not follow its renaming to %s: %s", old, new, error)
