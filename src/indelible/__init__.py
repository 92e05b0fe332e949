"""Indelible: notebook work that cannot be lost."""

from __future__ import annotations

import logging
from typing import Any

from ._version import __version__

__all__ = ["__version__"]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Jupyter calls this before any extension has read its configuration: the time to teach notebook_shim.

    Never raises: Jupyter would go on without a word to the page.
    """
    _teach_notebook_shim()
    try:
        from .server.extension import Indelible
    except Exception as error:  # noqa: BLE001  Logged by the fallback, which is given Jupyter's log.
        from .server import fallback

        fallback.cause = error
        return [{"module": "indelible.server.fallback", "name": "indelible"}]
    return [{"module": "indelible.server.extension", "app": Indelible}]


def _teach_notebook_shim() -> None:
    # By itself: with `c.NotebookApp.autosave_interval` Jupyter starts also when the rest is broken.
    try:
        from .server.autosave import teach_notebook_shim

        teach_notebook_shim()
    except Exception:
        logging.getLogger("indelible").exception("c.NotebookApp.autosave_interval cannot be understood")


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where the front end is, for `jupyter labextension develop`."""
    return [{"src": "labextension", "dest": "indelible"}]
