"""Many working copies on one server: time from edit to ack, processor, memory, bytes to the disk.

Run: python -m benchmarks.load [COUNT ...]
"""

from __future__ import annotations

import asyncio
import json
import secrets
import statistics
import sys
import time
from dataclasses import dataclass

from tornado.httpclient import HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

from .servers import Running, jupyter

EDITS_PER_SECOND = 4
SECONDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one run showed; times in ms."""

    working_copies: int
    edits: int
    unacked: int
    p50: float
    p99: float
    worst: float
    cpu_ms_per_edit: float
    cpu_share: float
    rss_mb: float
    disk_bytes_per_edit: float


def quantile(values: list[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Typist:
    """One working copy whose user never stops typing."""

    def __init__(self, server: Running, number: int) -> None:
        self.server, self.number = server, number
        self.working_copy = secrets.token_hex(16)
        self.sent: dict[int, float] = {}
        self.waits: list[float] = []
        self.feed: WebSocketClientConnection | None = None
        self.has_finished = False
        self.all_acked = asyncio.Event()

    async def connect(self) -> None:
        url = self.server.url.replace("http", "ws", 1) + f"indelible/api/feed?token={self.server.token}"
        self.feed = await websocket_connect(HTTPRequest(url), compression_options={}, ping_interval=0)
        await self.say({"t": "hello", "protocol": 1, "tab": secrets.token_hex(16)})
        await self.say(
            {"t": "open", "wc": self.working_copy, "epoch": 1, "path": f"n{self.number}.ipynb", "base": None,
             "cells": 0, "seq": 0, "mode": "full"}
        )  # fmt: skip

    async def say(self, message: object) -> None:
        assert self.feed is not None
        await self.feed.write_message(json.dumps(message))

    async def type(self, until: float) -> None:
        text = "import numpy as np\n" * 20
        seq, cells = 0, [0, 1, 2, 3]
        await asyncio.sleep(self.number % 50 / 50 / EDITS_PER_SECOND)
        due = time.monotonic()
        while due < until:
            seq += 1
            text += "x"
            head = {"cell_type": "code", "id": None, "execution_count": None, "trusted": True}
            keys = cells if seq == 1 else [seq // 40 % 4]
            edit = {
                "t": "edit", "wc": self.working_copy, "epoch": 1, "seq": seq, "at": int(time.time() * 1000),
                "cells": [
                    {"key": key, "source": text}
                    | ({"head": head, "metadata": {"json": {}}, "outputs": {"len": 0, "set": []}} if seq == 1 else {})
                    for key in keys
                ],
            }  # fmt: skip
            if seq == 1:
                meta = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}}
                edit |= {"reset": True, "order": [[0, 4]], "meta": {"json": meta}}
            self.sent[seq] = time.monotonic()
            await self.say(edit)
            due += 1 / EDITS_PER_SECOND
            await asyncio.sleep(max(0.0, due - time.monotonic()))
        self.has_finished = True
        self._look()

    def _look(self) -> None:
        if self.has_finished and not self.sent:
            self.all_acked.set()

    async def listen(self) -> None:
        assert self.feed is not None
        while (raw := await self.feed.read_message()) is not None:
            message = json.loads(raw)
            if message["t"] == "nack":
                raise RuntimeError(f"refused: {message}")
            if message["t"] == "ack":
                now = time.monotonic()
                for seq in [one for one in self.sent if one <= message["seq"]]:
                    self.waits.append(1000 * (now - self.sent.pop(seq)))
                self._look()


async def run(server: Running, count: int) -> Result:
    """`count` working copies, four edits a second each, for twelve seconds."""
    typists = [Typist(server, number) for number in range(count)]
    for typist in typists:
        await typist.connect()
    listeners = [asyncio.create_task(typist.listen()) for typist in typists]
    cpu, disk, began = server.cpu_s(), server.bytes_to_disk(), time.monotonic()
    await asyncio.gather(*(typist.type(began + SECONDS) for typist in typists))
    await asyncio.wait([asyncio.create_task(typist.all_acked.wait()) for typist in typists], timeout=10)
    for listener in listeners:
        if listener.done():
            listener.result()
        listener.cancel()
    waits = [wait for typist in typists for wait in typist.waits]
    used, took = server.cpu_s() - cpu, time.monotonic() - began
    return Result(
        working_copies=count,
        edits=len(waits),
        unacked=sum(len(typist.sent) for typist in typists),
        p50=statistics.median(waits),
        p99=quantile(waits, 0.99),
        worst=max(waits),
        cpu_ms_per_edit=1000 * used / len(waits),
        cpu_share=used / took,
        rss_mb=server.rss_mb(),
        disk_bytes_per_edit=(server.bytes_to_disk() - disk) / len(waits),
    )


def main(counts: list[int]) -> list[Result]:
    """A server of its own for each count, so that memory can be compared."""
    results = []
    print(f"{'copies':>7} {'edits':>7} {'unacked':>8} {'p50 ms':>8} {'p99 ms':>8} {'worst':>8} "
          f"{'cpu ms/edit':>12} {'cpu':>5} {'RSS MB':>7} {'disk B/edit':>12}")  # fmt: skip
    for count in counts:
        with jupyter() as server:
            one = asyncio.run(run(server, count))
        results.append(one)
        print(f"{one.working_copies:7} {one.edits:7} {one.unacked:8} {one.p50:8.1f} {one.p99:8.1f} {one.worst:8.1f} "
              f"{one.cpu_ms_per_edit:12.2f} {one.cpu_share:5.0%} {one.rss_mb:7.0f} {one.disk_bytes_per_edit:12.0f}",
              flush=True)  # fmt: skip
    return results


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or [1, 50, 200, 500])
