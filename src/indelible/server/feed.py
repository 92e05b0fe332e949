"""The WebSocket between one browser tab and the service."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado import ioloop, web, websocket

from ..errors import IndelibleError, TooLarge
from ..model import Problem
from ..notebook.messages import Message, Upload
from ..notebook.wire import parse, parse_upload
from ..service import Service
from .dispatch import Desk, refusal
from .metrics import Metrics
from .saving import Saves

PING_S, PONG_WITHIN_S = 5, 12
PARSED_ON_THE_LOOP = 32_768
"""Bytes; a longer message is parsed in an executor, since the event loop must not stand still."""
WAITING_MESSAGES, WAITING_BYTES = 2_000, 64 * 2**20
MESSAGE_BYTES = 33 * 2**20


class FeedHandler(WebSocketMixin, JupyterHandler, websocket.WebSocketHandler):
    """One tab's feed. Messages of one tab are taken in order."""

    auth_resource = "contents"

    def initialize(self, service: Service, saves: Saves, metrics: Metrics) -> None:
        self._service, self._saves, self._metrics = service, saves, metrics
        self._arrived: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._waiting_bytes = 0
        self._outgoing: deque[dict[str, Any]] = deque()
        self._is_sending = False
        self._is_open = False

    @property
    def ping_interval(self) -> int:
        return 0  # Ours are in `open`.

    @property
    def max_message_size(self) -> int:
        return MESSAGE_BYTES

    def get_compression_options(self) -> dict[str, Any]:
        # Small messages, many connections: a small window costs little and saves a megabyte for every four tabs.
        return {"compression_level": 3, "mem_level": 5}

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        """Authenticate, authorize, then become a WebSocket."""
        if not await ensure_async(self.authorizer.is_authorized(self, self.current_user, "write", self.auth_resource)):
            raise web.HTTPError(403)
        upgraded: Awaitable[None] | None = super().get(*args, **kwargs)
        if upgraded is not None:
            await upgraded

    def open(self, *args: str, **kwargs: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._is_open = True
        self._desk = Desk(self._service, self._reply, partial(self._saves.begin, self._loop))
        self._unobserve = self._service.health.observe(self._tell)
        self._heard_at = self._loop.time()
        self._pinging = ioloop.PeriodicCallback(self._ping, PING_S * 1000)
        self._pinging.start()
        self._taking = asyncio.create_task(self._take_all())

    def on_message(self, message: str | bytes) -> None:
        self._heard_at = self._loop.time()
        self._waiting_bytes += len(message)
        if self._arrived.qsize() > WAITING_MESSAGES or self._waiting_bytes > WAITING_BYTES:
            self.close(1008, "too many messages wait")
            return
        self._arrived.put_nowait(message)

    def on_pong(self, data: bytes) -> None:
        self._heard_at = self._loop.time()

    def on_close(self) -> None:
        if self._is_open:
            self._is_open = False
            self._pinging.stop()
            self._unobserve()
            self._taking.cancel()
            self._desk.left()

    def _ping(self) -> None:
        # A laptop that sleeps or a cut cable closes nothing: without an answer the tab counts as gone.
        if self._loop.time() - self._heard_at > PONG_WITHIN_S:
            self.close()
            self.on_connection_close()
            return
        try:
            self.ping(b"")
        except websocket.WebSocketClosedError:
            self._pinging.stop()

    async def _take_all(self) -> None:
        while True:
            raw = await self._arrived.get()
            self._waiting_bytes -= len(raw)
            try:
                if len(raw) > PARSED_ON_THE_LOOP:
                    message = await self._loop.run_in_executor(None, self._parsed, raw)
                else:
                    message = self._parsed(raw)
            except IndelibleError as error:
                self._reply(refusal(None, error))
                continue
            if isinstance(message, Upload):
                await self._loop.run_in_executor(None, self._desk.upload, message)
            elif self._desk.blocks(message):
                await self._loop.run_in_executor(None, self._desk.take, message)
            else:
                self._desk.take(message)

    def _parsed(self, raw: str | bytes) -> Message | Upload:
        if isinstance(raw, bytes):
            self._metrics.received("blobs", raw)
            return parse_upload(raw)
        self._metrics.received("feed", raw)
        if len(raw) > MESSAGE_BYTES:
            raise TooLarge(f"a message of {len(raw)} characters")
        return parse(raw, self._desk.tab)

    def _tell(self, problems: Sequence[Problem]) -> None:
        self._reply({"t": "problems", "problems": self._service.problems()})

    def _reply(self, message: dict[str, Any]) -> None:
        """From any thread; messages keep their order, and acks of one working copy that wait together become one."""
        self._outgoing.append(message)
        if not self._is_sending:
            self._is_sending = True
            self._loop.call_soon_threadsafe(self._send)

    def _send(self) -> None:
        self._is_sending = False
        waiting = []
        while self._outgoing:
            waiting.append(self._outgoing.popleft())
        for message in coalesced(waiting):
            try:
                self.write_message(json.dumps(message))
            except websocket.WebSocketClosedError:
                return


def coalesced(messages: Sequence[dict[str, Any]]) -> Sequence[dict[str, Any]]:
    """An ack covers every earlier one of its working copy: of plain acks that wait, only the last is sent."""
    last = {one["wc"]: index for index, one in enumerate(messages) if _is_plain_ack(one)}
    return [one for index, one in enumerate(messages) if not _is_plain_ack(one) or last[one["wc"]] == index]


def _is_plain_ack(message: dict[str, Any]) -> bool:
    return message["t"] == "ack" and len(message) == 3
