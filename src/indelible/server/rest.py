"""The REST endpoints: authenticate, parse, call the service once, encode."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import APIHandler
from tornado import web

from .._version import __version__
from ..errors import (
    BaseUnavailable,
    BlobDamaged,
    BlobUnknown,
    FileGone,
    IndelibleError,
    JournalBehind,
    Malformed,
    NotANotebook,
    StoreError,
    Superseded,
    TooLarge,
    VersionUnknown,
    WorkingCopyUnknown,
)
from ..merging import MergeRequest
from ..model import Save
from ..notebook import fields
from ..notebook.wire import PROTOCOL, decode, parse_batch, parse_message
from ..service import Service
from .dispatch import Desk, refusal
from .metrics import Metrics
from .saving import Saves

T = TypeVar("T")

STATUS: tuple[tuple[type[IndelibleError], int], ...] = (
    (Malformed, 400),
    (TooLarge, 413),
    (WorkingCopyUnknown, 404),
    (VersionUnknown, 404),
    (FileGone, 404),
    (JournalBehind, 409),
    (NotANotebook, 409),
    (BaseUnavailable, 410),
    (Superseded, 409),
    (BlobUnknown, 409),
    (BlobDamaged, 500),
    (StoreError, 503),
)
EDITS_BYTES = 2**20
ACK_WITHIN_S = 20


class Endpoint(APIHandler):
    """What the endpoints share."""

    auth_resource = "contents"

    def initialize(self, service: Service, saves: Saves, metrics: Metrics) -> None:
        self.service, self.saves, self.metrics = service, saves, metrics

    async def away(self, work: Callable[[], T]) -> T:
        """Call the service off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(None, work)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        error = (kwargs.get("exc_info") or (None, None, None))[1]
        if not isinstance(error, IndelibleError):
            super().write_error(status_code, **kwargs)
            return
        self.set_status(next((status for kind, status in STATUS if isinstance(error, kind)), 500))
        self.set_header("Content-Type", "application/json")
        self.finish(json.dumps({"error": error.code, "message": str(error), "hint": error.hint}))

    def log_exception(self, *args: Any) -> None:
        if not isinstance(args[1], IndelibleError):
            super().log_exception(*args)

    def body(self) -> dict[str, Any]:
        """The request's body: a JSON object. Raises Malformed, TooLarge."""
        if len(self.request.body) > EDITS_BYTES:
            raise TooLarge(f"a body of {len(self.request.body)} bytes")
        return fields.an_object(decode(self.request.body), "body")


class HelloHandler(Endpoint):
    """What a page needs to know first."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.finish(
            json.dumps(
                {"protocol": PROTOCOL, "version": __version__}
                | self.service.hello()
                | {"full_save_because": self.saves.why_full()}
            )
        )


class OpenHandler(Endpoint):
    """The first read of a notebook: the file's content, or a draft?"""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.body()
        path = fields.a_path(fields.required(body, "path"), "path", 4096)
        file_hash = None if body.get("hash") is None else fields.a_sha256(body["hash"], "hash")
        tab = fields.an_id(fields.required(body, "tab"), "tab")
        draft, others = await self.away(lambda: self.service.drafts.open_notebook(path, file_hash, tab))
        answer = {"draft": draft and draft.to_json(), "others": [one.to_json() for one in others]}
        self.finish(await self.away(lambda: json.dumps(answer)))


class DraftsHandler(Endpoint):
    """Every draft, or those of one notebook."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        path = self.get_query_argument("path", None)
        drafts = await self.away(lambda: self.service.drafts.every(path))
        self.finish(json.dumps({"drafts": [one.to_json() for one in drafts]}))


class DraftHandler(Endpoint):
    """One draft, made whole."""

    @web.authenticated
    @authorized
    async def get(self, working_copy: str) -> None:
        draft = await self.away(lambda: self.service.drafts.one(working_copy))
        self.finish(await self.away(lambda: json.dumps(draft.to_json())))


class DiscardHandler(Endpoint):
    """Keep a draft, but never bring it back unasked."""

    @web.authenticated
    @authorized
    async def post(self, working_copy: str) -> None:
        await self.away(lambda: self.service.drafts.discard(working_copy))
        self.finish("{}")


class MergeHandler(Endpoint):
    """The file is not what the page takes it for: what both sides make together."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        body = self.body()
        file = body.get("file")
        request = MergeRequest(
            working_copy=fields.an_id(fields.required(body, "wc"), "wc"),
            epoch=fields.an_int(fields.required(body, "epoch"), "epoch", 1),
            seq=fields.an_int(fields.required(body, "seq"), "seq"),
            path=fields.a_path(fields.required(body, "path"), "path", 4096),
            file=None if file is None else fields.a_sha256(file, "file"),
        )
        answer, is_trusted = await self.saves.merge(request)
        self.finish(await self.away(lambda: json.dumps(answer.to_json(is_trusted=is_trusted))))


class VersionHandler(Endpoint):
    """The content of a kept state; its outputs are marked as trusted when Jupyter trusts them."""

    @web.authenticated
    @authorized
    async def get(self, version: str) -> None:
        path = fields.a_path(self.get_query_argument("path"), "path", 4096)
        notebook = await self.away(lambda: self.service.files.version(path, int(version)))
        if await self.saves.signer.is_signed(notebook):
            self.saves.mark_trusted(notebook)
        self.finish(await self.away(lambda: json.dumps(notebook)))


class StatusHandler(Endpoint):
    """What `indelible status` prints."""

    @web.authenticated
    @authorized
    async def get(self) -> None:
        self.finish(json.dumps(await self.away(self.service.status)))


class EditsHandler(Endpoint):
    """Messages of the feed in one request: what a page sends when it goes."""

    @web.authenticated
    @authorized
    async def post(self) -> None:
        if len(self.request.body) > EDITS_BYTES:
            raise TooLarge(f"a body of {len(self.request.body)} bytes")
        self.metrics.received("feed", self.request.body)
        replies = await self.away(lambda: take_all(self.service, *parse_batch(self.request.body)))
        self.finish(json.dumps({"replies": replies}))


def no_save(request: Save, reply: Callable[[dict[str, Any]], None]) -> None:
    """A page that goes hears no answer: saves come by the feed."""
    raise Malformed("t: 'save' is taken by the feed only")


def take_all(service: Service, tab: str, messages: list[Any]) -> list[dict[str, Any]]:
    """Each message's answer, in the order in which they came; edits are answered when they are on disk."""
    replies: list[dict[str, Any]] = []
    complete = threading.Semaphore(0)

    def reply(message: dict[str, Any]) -> None:
        replies.append(message)
        complete.release()

    desk = Desk(service, reply, no_save)
    for one in messages:
        try:
            desk.take(parse_message(one, tab))
        except IndelibleError as error:
            reply(refusal(None, error))
    until = time.monotonic() + ACK_WITHIN_S
    for _ in messages:
        complete.acquire(timeout=max(0.0, until - time.monotonic()))
    desk.left()
    return list(replies)
