"""The server extension: `c.Indelible.*`, the endpoints, and the service's life."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_data_dir
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.services.contents.filemanager import FileContentsManager
from tornado import ioloop
from traitlets import Bool, Int, TraitError, Unicode, validate
from traitlets.config import Config

from ..config import AUTOSAVE_INTERVAL_MS, Settings
from ..errors import IndelibleError
from ..service import Service
from . import rest
from .autosave import HELP, NAME, interval_ms
from .feed import FeedHandler
from .saving import Saves

TICK_S = 5
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

    @validate("autosave_interval")
    def _not_negative(self, proposal: Any) -> int:
        if proposal["value"] < 0:
            raise TraitError(
                f"c.Indelible.autosave_interval = {proposal['value']}: "
                "write milliseconds, for example 60000, or 0 for none"
            )
        return int(proposal["value"])

    def initialize_settings(self) -> None:
        assert self.serverapp is not None
        self._join_the_log()
        # Extensions that were linked after this one may have brought configuration files of their own: what a
        # user wrote into jupyter_notebook_config.py reaches `jupyter lab` through the notebook extension.
        self.update_config(Config({"Indelible": self.serverapp.config.get("Indelible", {})}))
        contents = self.serverapp.contents_manager
        self.service = Service(
            self._plain_settings(),
            root=contents.root_dir or Path.cwd(),
            read_file=self._read,
            locate=lambda path: self.saves.locate(path),
        )
        self.saves = Saves(contents, self.service)
        self.service.start()
        self.settings["indelible_service"] = self.service
        self._ticking = ioloop.PeriodicCallback(self._tick, TICK_S * 1000)
        self._ticking.start()
        assert self.serverapp.event_logger is not None
        self.serverapp.event_logger.add_listener(schema_id=EVENTS, listener=self._on_contents_event)

    def initialize_handlers(self) -> None:
        known = {"service": self.service, "saves": self.saves}
        self.handlers.extend(
            [
                (r"/indelible/api/hello", rest.HelloHandler, known),
                (r"/indelible/api/feed", FeedHandler, known),
                (r"/indelible/api/open", rest.OpenHandler, known),
                (r"/indelible/api/edits", rest.EditsHandler, known),
                (r"/indelible/api/status", rest.StatusHandler, known),
                (r"/indelible/api/drafts", rest.DraftsHandler, known),
                (r"/indelible/api/drafts/([0-9a-f]{32})", rest.DraftHandler, known),
                (r"/indelible/api/drafts/([0-9a-f]{32})/discard", rest.DiscardHandler, known),
            ]
        )

    async def stop_extension(self) -> None:
        """Flush and close; what tabs send after this waits in their outboxes."""
        if hasattr(self, "service"):
            self._ticking.stop()
            await self.saves.close()
            await asyncio.get_running_loop().run_in_executor(None, self.service.close)

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

    async def _on_contents_event(self, logger: Any, schema_id: str, data: dict[str, Any]) -> None:
        if data.get("action") != "rename":
            return
        old, new = str(data["source_path"]).strip("/"), str(data["path"]).strip("/")
        try:
            await asyncio.get_running_loop().run_in_executor(None, self.service.renamed, None, old, new)
        except IndelibleError as error:
            self.log.warning("Drafts of %s could not follow its renaming to %s: %s", old, new, error)
