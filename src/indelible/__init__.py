"""Indelible: notebook work that cannot be lost."""

from __future__ import annotations

from typing import Any

from ._version import __version__

__all__ = ["__version__"]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Jupyter calls this before any extension has read its configuration: the time to teach notebook_shim."""
    from .server.autosave import teach_notebook_shim
    from .server.extension import Indelible

    teach_notebook_shim()
    return [{"module": "indelible.server.extension", "app": Indelible}]


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where the front end is, for `jupyter labextension develop`."""
    return [{"src": "labextension", "dest": "indelible"}]
