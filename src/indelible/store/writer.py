"""One thread that does all writing: what waits together is committed together."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

GROUP = 256
"""Records that one commit takes at most."""


@dataclass(frozen=True, slots=True)
class Job(Generic[T]):
    """Something else to do on the writer's thread, between two groups."""

    work: Callable[[], T]
    result: Future[T]


class Writer(Generic[T]):
    """Calls `commit` with the records that have gathered while it was busy with the last ones."""

    def __init__(self, commit: Callable[[list[T]], None], name: str) -> None:
        self._commit = commit
        self._queue: queue.SimpleQueue[T | Job[object] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._is_closed = False
        self._thread.start()

    def put(self, record: T) -> None:
        """Queue a record; `commit` gets it exactly once."""
        if self._is_closed:
            raise RuntimeError("the writer is closed")
        self._queue.put(record)

    def do(self, work: Callable[[], object]) -> object:
        """Run `work` on the writer's thread, after everything queued so far; its result or its error."""
        if threading.current_thread() is self._thread:
            return work()
        if self._is_closed:
            raise RuntimeError("the writer is closed")
        result: Future[object] = Future()
        self._queue.put(Job(work, result))
        return result.result()

    def close(self) -> None:
        """Finish what is queued, then end the thread."""
        if not self._is_closed:
            self._is_closed = True
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while True:
            group: list[T] = []
            following = self._gather(group)
            if group:
                self._commit(group)
            if isinstance(following, Job):
                _perform(following)
            elif following is None:
                return

    def _gather(self, group: list[T]) -> Job[object] | bool | None:
        """Fill the group; what ends it: a job, the end (None), or nothing more to take (True)."""
        one = self._queue.get()
        while True:
            if one is None or isinstance(one, Job):
                return one
            group.append(one)
            if len(group) >= GROUP:
                return True
            try:
                one = self._queue.get_nowait()
            except queue.Empty:
                return True


def _perform(job: Job[object]) -> None:
    try:
        job.result.set_result(job.work())
    except BaseException as error:  # noqa: BLE001  (it is the caller's: handed over, not swallowed)
        job.result.set_exception(error)
