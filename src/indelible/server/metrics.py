"""Our figures on Jupyter's own /metrics, in the registry that Jupyter serves."""

from __future__ import annotations

import functools
import logging
from collections import Counter as Tally
from collections.abc import Callable, Iterable
from typing import ParamSpec, cast

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from ..service import Service

log = logging.getLogger("indelible")

P = ParamSpec("P")

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds: from a commit on a fast disk to one that nobody would call working."""
_HOME = "indelible_metrics"


def _quietly(count: Callable[P, None]) -> Callable[P, None]:
    """Where several processes share their figures they are in files, which can fail: never an edit's affair."""

    @functools.wraps(count)
    def counted(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            count(*args, **kwargs)
        except Exception:
            log.debug("A figure could not be kept", exc_info=True)

    return counted


class Metrics:
    """A Meter, and what only the server's side counts. Safe from any thread, and never raises."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Raises ValueError when the registry has them already."""
        self._saves = Counter("indelible_saves_total", "Notebooks' files saved", ["how"], registry=registry)
        self._save_failures = Counter(
            "indelible_save_failures_total", "Saves that failed", ["cause"], registry=registry
        )
        self._save_seconds = Histogram(
            "indelible_save_seconds",
            "Seconds from the request of a save to the file on disk",
            buckets=BUCKETS,
            registry=registry,
        )
        self._ack_seconds = Histogram(
            "indelible_ack_seconds",
            "Seconds from an edit's arrival in the journal's queue to its being on disk",
            buckets=BUCKETS,
            registry=registry,
        )
        self._edits = Counter("indelible_edits_total", "Edits written to the journal", registry=registry)
        self._edit_failures = Counter(
            "indelible_edit_failures_total",
            "Edits that could not be written to the journal",
            ["cause"],
            registry=registry,
        )
        self._bytes = Counter("indelible_bytes_total", "Bytes received and written", ["kind"], registry=registry)
        for kind in ("feed", "blobs", "files"):
            self._bytes.labels(kind)
        for how in ("written", "unchanged", "jupyter"):
            self._saves.labels(how)
        self.now = Now()
        registry.register(self.now)

    @_quietly
    def acked(self, seconds: float) -> None:
        """An edit is on disk, so long after it was submitted."""
        self._ack_seconds.observe(seconds)
        self._edits.inc()

    @_quietly
    def not_acked(self, cause: str) -> None:
        """An edit could not be written."""
        self._edit_failures.labels(cause).inc()

    @_quietly
    def received(self, kind: str, message: str | bytes) -> None:
        """Something has arrived from a page: for the `feed`, or for the `blobs`."""
        is_plain = isinstance(message, bytes) or message.isascii()
        self._bytes.labels(kind).inc(len(message) if is_plain else len(message.encode("utf-8", "surrogatepass")))  # type: ignore[union-attr]

    @_quietly
    def saved(self, how: str, seconds: float, size: int) -> None:
        """We have saved a file: `written` with so many bytes, or found `unchanged`."""
        self._saves.labels(how).inc()
        self._save_seconds.observe(seconds)
        if how == "written":
            self._bytes.labels("files").inc(size)

    @_quietly
    def saved_by_jupyter(self) -> None:
        """A notebook was saved through Jupyter's own API."""
        self._saves.labels("jupyter").inc()

    @_quietly
    def not_saved(self, cause: str) -> None:
        """A file could not be written."""
        self._save_failures.labels(cause).inc()


class Now(Collector):
    """What is so at the moment, computed when somebody asks, over the servers of this process. Does not block."""

    def __init__(self) -> None:
        self._services: list[Service] = []
        self._codes: set[str] = set()

    def include(self, service: Service) -> None:
        """A server has begun; it has had no problem yet."""
        self._services.append(service)
        service.health.watch(lambda turn: self._codes.add(turn.problem.code))

    def exclude(self, service: Service) -> None:
        """It has ended."""
        if service in self._services:
            self._services.remove(service)

    def collect(self) -> Iterable[Metric]:
        services = list(self._services)
        unacked = [service.unacked() for service in services]
        yield _gauge("indelible_unacked_edits", "Edits that wait to be on disk", sum(count for count, _ in unacked))
        oldest = max((seconds for _, seconds in unacked), default=0.0)
        yield _gauge("indelible_oldest_unacked_seconds", "Age of the edit that has waited longest", oldest)
        copies = sum(len(service.tabs) for service in services)
        yield _gauge("indelible_working_copies", "Notebooks open in connected tabs", copies)
        yield self._problems(services)

    def _problems(self, services: Iterable[Service]) -> Metric:
        present = Tally(problem.code for service in services for problem in service.health.problems)
        problems = GaugeMetricFamily("indelible_problems", "Problems and warnings at present", labels=["code"])
        # What was there once is 0 afterwards, and not gone: then a rule can tell that it is over.
        for code in sorted(self._codes):
            problems.add_metric([code], present[code])
        return problems


def _gauge(name: str, words: str, value: float) -> Metric:
    return GaugeMetricFamily(name, words, value=value)


def shared() -> Metrics:
    """Those of this process: made once, however many servers it runs and however often this module is imported."""
    known = getattr(REGISTRY, _HOME, None)
    if known is None:
        known = Metrics(REGISTRY)
        setattr(REGISTRY, _HOME, known)
    return cast(Metrics, known)
