"""Settings as plain values; the server's traits and the command line fill them in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

AUTOSAVE_INTERVAL_MS = 60_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a server was told. `autosave_interval_ms` 0 means no timed saving."""

    store_path: Path
    local_store_path: Path | None = None
    journal: bool = True
    autosave_interval_ms: int = AUTOSAVE_INTERVAL_MS
    save_on_blur: bool = False
    save_after_run: bool = False
