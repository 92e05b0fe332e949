"""A Jupyter server in this process, with the extension.

Jupyter's test kit is imported here, not named in `pytest_plugins`: some of its fixtures are `autouse` and close the
event loop after every test, which only the tests of this folder want.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403
from tornado.httpclient import HTTPClientError
from tornado.websocket import WebSocketClientConnection

from indelible.service import Service

TAB = "b" * 32
META = {"json": {"nbformat": 4, "nbformat_minor": 5, "metadata": {}}}
HEAD = {"cell_type": "code", "id": "c0", "execution_count": None, "trusted": True}
WITHIN_S = 10

Fetch = Callable[..., Awaitable[Any]]
Events = list[dict[str, Any]]
Listen = Callable[[str], Events]


@pytest.fixture  # type: ignore[no-redef]
def jp_server_config(tmp_path: Path) -> dict[str, Any]:
    return {
        "ServerApp": {"jpserver_extensions": {"indelible": True}},
        "Indelible": {"store_path": str(tmp_path / "store")},
    }


@pytest.fixture
def service(jp_serverapp: Any) -> Service:
    found: Service = jp_serverapp.web_app.settings["indelible_service"]
    return found


@pytest.fixture
def root(jp_serverapp: Any) -> Path:
    return Path(jp_serverapp.contents_manager.root_dir)


@pytest.fixture
def listen(jp_serverapp: Any) -> Listen:
    """Gathers the events of one schema from now on."""

    def begin(schema: str) -> Events:
        heard: Events = []

        async def hear(logger: Any, schema_id: str, data: dict[str, Any]) -> None:
            heard.append(data)

        jp_serverapp.event_logger.add_listener(schema_id=schema, listener=hear)
        return heard

    return begin


class Tab:
    """A page's side of the feed."""

    def __init__(self, socket: WebSocketClientConnection, name: str = TAB) -> None:
        self.socket, self.name = socket, name

    async def say(self, message: dict[str, Any] | str | bytes) -> None:
        raw = json.dumps(message) if isinstance(message, dict) else message
        await self.socket.write_message(raw, binary=isinstance(raw, bytes))

    async def hear(self, *kinds: str) -> dict[str, Any]:
        """The next message of one of these kinds."""
        while True:
            raw = await asyncio.wait_for(self.socket.read_message(), WITHIN_S)
            assert raw is not None, "the feed was closed"
            message: dict[str, Any] = json.loads(raw)
            if message["t"] in kinds:
                return message

    async def ask(self, message: dict[str, Any] | str | bytes, *kinds: str) -> dict[str, Any]:
        await self.say(message)
        return await self.hear(*kinds)

    async def open(self, working_copy: str, path: str, base: str | None = None, cells: int = 0, epoch: int = 1) -> Any:
        message = {"t": "open", "wc": working_copy, "epoch": epoch, "path": path, "base": base, "cells": cells}
        return await self.ask({**message, "seq": 0, "mode": "full"}, "opened", "nack")

    async def edit(self, working_copy: str, seq: int, **more: Any) -> dict[str, Any]:
        message = {"t": "edit", "wc": working_copy, "epoch": 1, "seq": seq, "at": 0}
        return await self.ask({**message, **more}, "ack", "nack")


@pytest.fixture
def new_tab(jp_ws_fetch: Fetch) -> Callable[..., Awaitable[Tab]]:
    async def connect(name: str = TAB) -> Tab:
        tab = Tab(await jp_ws_fetch("indelible", "api", "feed"), name)
        await tab.ask({"t": "hello", "protocol": 1, "tab": name}, "welcome")
        return tab

    return connect


def new_copy() -> str:
    return secrets.token_hex(16)


def whole(text: str) -> dict[str, Any]:
    """The parts of an edit that needs no base: one code cell."""
    cell = {"key": 0, "head": HEAD, "source": text, "metadata": {"json": {}}, "outputs": {"len": 0, "set": []}}
    return {"reset": True, "order": [[0, 1]], "meta": META, "cells": [cell]}


async def refused(answer: Awaitable[Any]) -> tuple[int, dict[str, Any]]:
    """Status and body of an answer that is an error."""
    with pytest.raises(HTTPClientError) as error:
        await answer
    response = error.value.response
    assert response is not None
    try:
        return error.value.code, json.loads(response.body)
    except ValueError:
        return error.value.code, {}
