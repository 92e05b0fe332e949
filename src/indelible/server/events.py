"""What happens to saves and to the protection, as events of Jupyter's event stream."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from jupyter_events import EventLogger
from tornado.ioloop import IOLoop

from ..errors import IndelibleError
from ..health import Turn
from ..merging import MergeAnswer, MergeRequest
from ..model import Save
from ..saver import Written

log = logging.getLogger("indelible")

SCHEMAS = Path(__file__).parent / "event_schemas"
# Names, at which nothing can be fetched. A new version when a field goes or changes its meaning.
SAVE, PROTECTION, MERGE = (f"urn:indelible:event:{name}:v1" for name in ("save", "protection", "merge"))


class Events:
    """Emits on the event loop's thread; the calls are safe from any thread and never raise."""

    def __init__(self, logger: EventLogger, loop: IOLoop) -> None:
        """Teach the server's event logger our schemas."""
        self._logger, self._loop = logger, loop
        for schema in sorted(SCHEMAS.glob("*.yaml")):
            logger.register_event_schema(schema)

    def saved(self, request: Save, written: Written, seconds: float) -> None:
        """The file of a notebook is on disk."""
        how = "written" if written.is_changed else "unchanged"
        self._emit(SAVE, _save("saved", request, seconds) | {"how": how, "hash": written.hash, "size": written.size})

    def not_saved(self, request: Save, error: IndelibleError, seconds: float, *, is_refused: bool) -> None:
        """The file is as it was. `is_refused`: the page saves it through Jupyter's own API."""
        why = {"cause": error.code, "message": str(error), "hint": error.hint}
        self._emit(SAVE, _save("refused" if is_refused else "failed", request, seconds) | why)

    def merged(self, request: MergeRequest, answer: MergeAnswer) -> None:
        """A working copy and its changed file were brought together."""
        conflicts = len(answer.merged.conflicts)
        self._emit(
            MERGE,
            {
                "action": "conflict" if conflicts else "clean",
                "path": request.path,
                "working_copy": request.working_copy,
                "hash": answer.theirs,
                "conflicts": conflicts,
                "kept": answer.kept.id,
            },
        )

    def turned(self, turn: Turn) -> None:
        """The health record has changed."""
        problem = turn.problem
        event = {
            "action": "over" if turn.is_over else "began",
            "code": problem.code,
            "message": problem.message,
            "hint": problem.hint,
            "is_warning": problem.is_warning,
            "is_about_file": problem.is_about_file,
            "since": problem.since.isoformat(timespec="seconds"),
        }
        self._emit(PROTECTION, event if problem.path is None else event | {"path": problem.path})

    def _emit(self, schema: str, event: dict[str, Any]) -> None:
        # Of a loop that is closed it takes no notice.
        self._loop.add_callback(self._emit_now, schema, event)

    def _emit_now(self, schema: str, event: dict[str, Any]) -> None:
        try:
            self._logger.emit(schema_id=schema, data=event)
        except Exception:
            log.exception("An event could not be emitted: %s", schema)


def _save(action: str, request: Save, seconds: float) -> dict[str, Any]:
    known = {
        "action": action,
        "path": request.path,
        "working_copy": request.working_copy,
        "seq": request.seq,
        "duration_s": round(seconds, 4),
    }
    return known if request.by is None else known | {"by": request.by}
