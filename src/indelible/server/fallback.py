"""Answers `hello` for a server part that does not work, so that the page can say why nothing is protected.

Imports nothing of Indelible but its version: whatever is broken there (a dependency, most likely) must not break this.
"""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from typing import Any

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import url_path_join
from tornado import web
from traitlets import TraitError
from traitlets.config import Config

from .._version import __version__

HELLO = "/indelible/api/hello"
# The same as elsewhere in Indelible, where they cannot be had from.
PROTOCOL = 1
AUTOSAVE_INTERVAL_MS = 60_000

REINSTALL = (
    "Reinstall it where Jupyter runs (pip install --force-reinstall indelible) and start Jupyter again; "
    "the server's log has the traceback. Until then Jupyter saves as it always did."
)
CORRECT = (
    "Correct the setting in Jupyter's configuration and start Jupyter again. Until then Jupyter saves as it always did."
)

cause: Exception | None = None
"""Why the extension could not be imported; told by whoever tried."""


class BrokenHelloHandler(APIHandler):
    """What a page is told by a server part that could not be loaded."""

    auth_resource = "contents"

    def initialize(self, answer: dict[str, Any]) -> None:
        self.answer = answer

    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.finish(json.dumps(self.answer))


def route(error: Exception, config: Config) -> tuple[str, type[APIHandler], dict[str, Any]]:
    """The one endpoint that is left, below the base URL."""
    return HELLO, BrokenHelloHandler, {"answer": hello(error, config)}


def hello(error: Exception, config: Config) -> dict[str, Any]:
    """The answer, in the form that a working server part gives."""
    return {
        "protocol": PROTOCOL,
        "version": __version__,
        "server": "",
        "store": "",
        "root": "",
        "journal": True,
        "autosave_interval_ms": interval_ms(config),
        "save_on_blur": False,
        "save_after_run": False,
        "full_save_because": "the server part could not be loaded",
        "problems": [
            {
                "code": "server_part_broken",
                "message": f"Indelible's server part could not be loaded: {type(error).__name__}: {error}",
                "hint": CORRECT if isinstance(error, TraitError) else REINSTALL,
                "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "path": None,
            }
        ],
    }


def interval_ms(config: Config) -> int:
    """The setting where it can be read plainly, else the default: the page's timed saves do not need this server."""
    for section in ("Indelible", "NotebookApp"):
        value = config.get(section, {}).get("autosave_interval")
        if value is not None:
            # Of the command line it is a string.
            return int(str(value)) if str(value).isdecimal() else AUTOSAVE_INTERVAL_MS
    return AUTOSAVE_INTERVAL_MS


def say(log: logging.Logger, error: Exception) -> None:
    """Once, with the traceback, into Jupyter's own log."""
    log.error("Not protected: Indelible's server part could not be loaded", exc_info=error)


def _load_jupyter_server_extension(serverapp: Any) -> None:
    """Jupyter calls this in the place of the extension that could not be imported."""
    error = cause or ImportError("the cause is not known")
    say(serverapp.log, error)
    path, handler, known = route(error, serverapp.config)
    serverapp.web_app.add_handlers(".*$", [(url_path_join(serverapp.base_url, path), handler, known)])
