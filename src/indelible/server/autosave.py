"""`c.NotebookApp.autosave_interval`, as the whole web documents it, made to work again.

Today's Jupyter refuses to start with that line, because notebook_shim looks every NotebookApp setting up in a
class that does not have it. The class gets it here, before any extension reads its configuration.
"""

from __future__ import annotations

import logging
from typing import Any

from traitlets import Integer
from traitlets.config import Config

from ..config import AUTOSAVE_INTERVAL_MS

log = logging.getLogger("indelible")

NAME = "autosave_interval"
HELP = "Milliseconds between timed saves of a changed notebook; 0 switches timed saving off (Indelible)."


def teach_notebook_shim() -> bool:
    """Let notebook_shim accept the setting; False when there is no notebook_shim to teach."""
    try:
        from notebook_shim.traits import NotebookAppTraits
    except ImportError:
        return False
    if not NotebookAppTraits.class_traits().get(NAME):
        trait = Integer(AUTOSAVE_INTERVAL_MS, help=HELP).tag(config=True)
        setattr(NotebookAppTraits, NAME, trait)
        trait.class_init(NotebookAppTraits, NAME)
        # The class keeps tables of its traits, made when it was created.
        NotebookAppTraits.setup_class(NotebookAppTraits.__dict__)
    return True


def interval_ms(own: int, is_own_set: bool, config: Config) -> int:
    """Our own setting where it is set, else NotebookApp's, else the default. A bad value is said and left out."""
    if is_own_set:
        return _understood("Indelible", own)
    value: Any = config.get("NotebookApp", {}).get(NAME)
    return own if value is None else _understood("NotebookApp", value)


def _understood(section: str, value: Any) -> int:
    try:
        number = int(str(value))
    except ValueError:
        number = -1
    if number >= 0:
        return number
    log.error(
        "c.%s.autosave_interval = %r is not understood, %d ms are used. "
        "Write a whole number of milliseconds, for example c.%s.autosave_interval = 60000, or 0 for none",
        section,
        value,
        AUTOSAVE_INTERVAL_MS,
        section,
    )
    return AUTOSAVE_INTERVAL_MS
