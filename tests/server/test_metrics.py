"""The figures on Jupyter's /metrics: what they count, what they cost, and that they are documented."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import importlib
import json
import re
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from indelible.errors import DiskFull
from indelible.fs import replace
from indelible.server import events, metrics
from indelible.service import Service

from .conftest import Fetch, new_copy, refused, whole
from .saves import notebook, open_book, sources
from .test_events import failing
from .test_feed import NewTab, until

DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "events-and-metrics.md"

Figures = dict[tuple[str, str], float]
"""By name of the sample and its label."""


async def figures(jp_fetch: Fetch) -> Figures:
    return _figures((await jp_fetch("metrics")).body.decode())


def _figures(text: str) -> Figures:
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name.startswith("indelible_")
    }


def grown(before: Figures, after: Figures) -> Figures:
    """What is counted since: other tests of this process have counted, too."""
    differences = {key: value - before.get(key, 0) for key, value in after.items()}
    return {key: value for key, value in differences.items() if value and not key[0].endswith(("_created", "_sum"))}


async def test_edits_and_their_acks_are_counted(new_tab: NewTab, jp_fetch: Fetch) -> None:
    before = await figures(jp_fetch)
    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "n.ipynb")
    for seq in range(1, 6):
        assert (await tab.edit(copy, seq, **whole(f"数据 = {seq}")))["t"] == "ack"
    counted = grown(before, await figures(jp_fetch))
    assert counted["indelible_edits_total", ""] == 5
    assert counted["indelible_ack_seconds_count", ""] == 5
    assert counted["indelible_ack_seconds_bucket", "+Inf"] == 5
    assert counted["indelible_working_copies", ""] == 1


async def test_what_arrives_is_counted_in_bytes(new_tab: NewTab, jp_fetch: Fetch) -> None:
    tab = await new_tab()
    before = await figures(jp_fetch)
    message = json.dumps({"t": "ping", "n": 1, "words": "数据"}, ensure_ascii=False)
    await tab.ask(message, "pong")
    chunk = b"x = 1\n" * 5_000
    await tab.ask(hashlib.sha256(chunk).digest() + chunk, "stored")
    counted = grown(before, await figures(jp_fetch))
    assert counted["indelible_bytes_total", "feed"] == len(message.encode())
    assert counted["indelible_bytes_total", "blobs"] == 32 + len(chunk)


async def test_saves_are_counted_by_how_they_came_about(
    new_tab: NewTab, jp_fetch: Fetch, jp_serverapp: Any, root: Path
) -> None:
    before = await figures(jp_fetch)
    book = await open_book(await new_tab(), root / "n.ipynb")
    await book.save()
    await book.type(0, "one, edited")
    await book.save()
    size = book.path.stat().st_size
    assert sources(book.path) == ["one, edited", "two"]
    model = {"type": "notebook", "format": "json", "content": json.loads(notebook("by Jupyter"))}
    await jp_fetch("api", "contents", "n.ipynb", method="PUT", body=json.dumps(model))
    text = {"type": "file", "format": "text", "content": "no notebook"}
    await jp_fetch("api", "contents", "n.txt", method="PUT", body=json.dumps(text))
    await jp_serverapp.event_logger.gather_listeners()
    counted = grown(before, await figures(jp_fetch))
    saves = {label: value for (name, label), value in counted.items() if name == "indelible_saves_total"}
    assert saves == {"unchanged": 1, "written": 1, "jupyter": 1}
    assert counted["indelible_save_seconds_count", ""] == 2
    assert counted["indelible_bytes_total", "files"] == size


async def test_failures_are_counted_by_cause(
    new_tab: NewTab, jp_fetch: Fetch, root: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await figures(jp_fetch)
    book = await open_book(await new_tab(), root / "n.ipynb")
    await book.type(0, "edited")
    content = book.path.read_bytes()
    with monkeypatch.context() as broken:
        for number in (errno.ENOSPC, errno.ENOSPC, errno.EACCES):
            broken.setattr(replace, "stage", failing(number))
            assert (await book.save())["t"] == "unsaved"
        now = await figures(jp_fetch)
        assert now["indelible_problems", "no_permission"] == 1
        assert now["indelible_problems", "disk_full"] == 0
    assert book.path.read_bytes() == content
    await book.save()
    counted = grown(before, await figures(jp_fetch))
    failures = {label: value for (name, label), value in counted.items() if name == "indelible_save_failures_total"}
    assert failures == {"disk_full": 2, "no_permission": 1}
    assert counted["indelible_saves_total", "written"] == 1
    assert (await figures(jp_fetch))["indelible_problems", "no_permission"] == 0


async def test_edits_that_wait_or_fail_are_seen(
    new_tab: NewTab, jp_fetch: Fetch, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await figures(jp_fetch)
    assert service.store is not None
    gate = threading.Event()

    def full(group: Any) -> Any:
        gate.wait(10)
        raise DiskFull("no space left")

    tab, copy = await new_tab(), new_copy()
    await tab.open(copy, "n.ipynb")
    with monkeypatch.context() as broken:
        broken.setattr(service.store.journal, "_attempt", full)
        answer = asyncio.ensure_future(tab.edit(copy, 1, **whole("a")))
        await until(lambda: service.unacked()[0] == 1)
        await asyncio.sleep(0.05)
        waiting = await figures(jp_fetch)
        assert waiting["indelible_unacked_edits", ""] == 1
        assert 0.04 < waiting["indelible_oldest_unacked_seconds", ""] < 10
        gate.set()
        assert (await answer)["error"] == "disk_full"
    after = await figures(jp_fetch)
    assert grown(before, after)["indelible_edit_failures_total", "disk_full"] == 1
    assert "indelible_edits_total" not in {name for name, _ in grown(before, after)}
    assert (after["indelible_unacked_edits", ""], after["indelible_oldest_unacked_seconds", ""]) == (0, 0)


async def test_a_server_that_ends_takes_its_gauges_along(jp_fetch: Fetch, jp_serverapp: Any, service: Service) -> None:
    assert service in metrics.shared().now._services
    await jp_serverapp.cleanup_extensions()
    assert service not in metrics.shared().now._services


def test_a_second_server_or_import_counts_into_the_same() -> None:
    first = metrics.shared()
    assert importlib.reload(metrics).shared() is first


async def test_jupyter_decides_who_may_read_them(jp_fetch: Fetch) -> None:
    assert (await refused(jp_fetch("metrics", headers={"Authorization": ""})))[0] == 403


def test_counting_costs_an_ack_microseconds() -> None:
    meter = metrics.Metrics(CollectorRegistry())
    began = time.perf_counter()
    for _ in range(10_000):
        meter.acked(0.001)
    # About 4 µs each on a slow machine; the bound is for the noise of a busy one.
    assert time.perf_counter() - began < 1


def test_a_figure_that_cannot_be_kept_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = metrics.Metrics(CollectorRegistry())
    monkeypatch.setattr(meter._ack_seconds, "observe", failing(errno.ENOSPC))
    meter.acked(0.001)
    assert meter._edits._value.get() == 0


# -- docs/reference/events-and-metrics.md --


def names_in_table(section: str) -> set[str]:
    """The first column's names of the tables below a heading."""
    text = re.split(rf"^## {section}$", DOCUMENT.read_text(), flags=re.MULTILINE)[1]
    text = re.split(r"^## ", text, flags=re.MULTILINE)[0]
    return set(re.findall(r"^\| `(\w+)(?:\{[\w, ]+\})?` \|", text, flags=re.MULTILINE))


async def test_every_metric_is_documented_and_no_other(jp_fetch: Fetch) -> None:
    served = text_string_to_metric_families((await jp_fetch("metrics")).body.decode())
    names = {
        family.name + ("_total" if family.type == "counter" else "")
        for family in served
        if family.name.startswith("indelible_")
        # The time at which a counter began, which some versions of the library add as a family of its own.
        and not family.name.endswith("_created")
    }
    assert names_in_table("Metrics") == names


def test_the_documented_labels_are_the_registered_ones() -> None:
    documented = dict(re.findall(r"^\| `(\w+)\{([\w, ]+)\}` \|", DOCUMENT.read_text(), flags=re.MULTILINE))
    registered = metrics.Metrics(registry := CollectorRegistry())
    found = {"indelible_problems": "code"}
    for one in vars(registered).values():
        for label in getattr(one, "_labelnames", ()):
            found[f"{one._name}_total"] = label
    assert documented == found
    assert registry is not REGISTRY


@pytest.mark.parametrize("schema", [events.SAVE, events.PROTECTION, events.MERGE])
def test_every_field_of_an_event_is_documented_and_every_example_is_valid(jp_serverapp: Any, schema: str) -> None:
    known = jp_serverapp.event_logger.schemas.get(schema)
    section = f"Event `{schema}`"
    assert names_in_table(re.escape(section)) == set(known.properties)
    for example in _examples(section):
        known.validate(example)


def _examples(section: str) -> Iterable[Any]:
    text = DOCUMENT.read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    blocks = re.findall(r"```json\n(.*?)```", text, flags=re.DOTALL)
    assert blocks
    return [json.loads(block) for block in blocks]
