"""When a file was written."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import TracebackType


class FileWatch:
    """Notes each time that the file's content or time of modification changes, while the `with` block runs."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = path.stat().st_mtime_ns
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.writes: list[float] = []

    def _look(self) -> None:
        while not self._stopped.wait(0.02):
            modified = self._path.stat().st_mtime_ns
            # Jupyter writes in place: several changes in a row are one save.
            if modified != self._last and not (self.writes and time.monotonic() - self.writes[-1] < 0.2):
                self.writes.append(time.monotonic())
            self._last = modified

    def __enter__(self) -> FileWatch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
