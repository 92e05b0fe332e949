"""What became of each save, told to the log, the event stream and the metrics alike."""

from __future__ import annotations

import logging

from ..errors import FileChanged, IndelibleError
from ..model import Draft, Save
from ..saver import Written
from .events import Events
from .metrics import Metrics

log = logging.getLogger("indelible")


class SaveReports:
    """One call for each save that a page has asked for. Never raises."""

    def __init__(self, metrics: Metrics, events: Events) -> None:
        self._metrics, self._events = metrics, events

    def saved(self, request: Save, written: Written, seconds: float) -> None:
        """The file is on disk."""
        self._metrics.saved("written" if written.is_changed else "unchanged", seconds, written.size)
        self._events.saved(request, written, seconds)

    def refused(self, request: Save, error: IndelibleError, seconds: float) -> None:
        """The page saves it through Jupyter's own API."""
        log.info("%s is saved through Jupyter's own API: %s [%s]", request.path, error, error.code)
        self._events.not_saved(request, error, seconds, is_refused=True)

    def failed(self, request: Save, error: IndelibleError, seconds: float, *, draft: Draft | None, around: str) -> None:
        """The file is as it was. `around`: the circumstances of the file, for the log."""
        if isinstance(error, FileChanged):
            log.info("%s was not saved: %s", request.path, error)
        else:
            log.error(
                "%s was not saved: %s [%s]; %s; edits up to %d wait in the journal%s",
                request.path,
                error,
                ", ".join([error.code, *_number(error)]),
                around,
                request.seq,
                "" if draft is None else f" ({request.seq - draft.working_copy.saved_seq} since the last save)",
            )
        self._metrics.not_saved(error.code)
        self._events.not_saved(request, error, seconds, is_refused=False)


def _number(error: BaseException | None) -> list[str]:
    """The operating system's number of the error behind this one, if it has one."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return [f"errno {error.errno}"]
        error = error.__cause__
    return []
