"""What each message of the feed does, whether it comes by WebSocket or in a request."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from ..errors import BlobUnknown, IndelibleError, StalePart, StoreError
from ..model import Edit, Opening, Save, Saved, Seq
from ..notebook.messages import Closed, Have, Hello, Message, Ping, Renamed, Upload
from ..notebook.wire import PROTOCOL
from ..service import Service

log = logging.getLogger("indelible")

Reply = Callable[[dict[str, Any]], None]
"""Sends a message to the tab. Called on any thread."""

STORE_FAILED = "store_failed"

OnSave = Callable[[Save, Reply], None]
"""Takes what is in the journal at once, writes it later; the answer goes through `reply`."""


class Desk:
    """One tab's side of the service."""

    def __init__(self, service: Service, reply: Reply, on_save: OnSave) -> None:
        self._service = service
        self._reply = reply
        self._on_save = on_save
        self._open: set[str] = set()
        self.tab = ""

    def blocks(self, message: Message) -> bool:
        """Whether `take` may wait for the disk: then call it in an executor."""
        if isinstance(message, (Edit, Saved)):
            return self._service.needs_check(message)
        return not isinstance(message, (Hello, Ping))

    def take(self, message: Message) -> None:
        """Do it; the answer goes through `reply`, for edits when they are on disk."""
        try:
            self._do(message)
        except IndelibleError as error:
            self._reply(refusal(message, error))

    def upload(self, upload: Upload) -> None:
        """Store a chunk, if its bytes are what its name says."""
        answer: dict[str, Any] = {"hash": upload.blob.hex()}
        try:
            self._service.upload(upload.blob, upload.content)
            self._reply({"t": "stored"} | answer)
        except IndelibleError as error:
            self._reply({"t": "refused", "error": error.code, "message": str(error)} | answer)

    def left(self) -> None:
        """The tab's connection is gone."""
        for working_copy in self._open:
            self._service.left(working_copy, self._reply)
        self._open.clear()

    def _do(self, message: Message) -> None:
        service = self._service
        if isinstance(message, (Edit, Saved)):
            service.submit(message, self._answerer(message))
        elif isinstance(message, Hello):
            self.tab = message.tab
            self._reply({"t": "welcome", "protocol": PROTOCOL} | service.hello())
        elif isinstance(message, Ping):
            self._reply({"t": "pong", "n": message.n})
        elif isinstance(message, Opening):
            known = service.open(message, self._reply)
            self._open.add(message.working_copy)
            answer = {"acked": known.seq if known else 0, "saved": known.saved_seq if known else 0}
            self._reply({"t": "opened", "wc": message.working_copy, "known": known is not None} | answer)
        elif isinstance(message, Have):
            lacking = service.lacking(message.hashes)
            self._reply({"t": "want", "id": message.id, "hashes": [blob.hex() for blob in lacking]})
        elif isinstance(message, Save):
            # In turn with the edits: what comes after the save is not in it.
            self._on_save(message, self._reply)
        elif isinstance(message, Renamed):
            service.renamed(message.working_copy, "", message.path)
            self._reply({"t": "ack", "wc": message.working_copy, "seq": 0, "renamed": True})
        else:
            self._close(message)

    def _close(self, message: Closed) -> None:
        self._open.discard(message.working_copy)
        self._service.close_working_copy(message.working_copy, message.epoch, message.how)
        self._reply({"t": "ack", "wc": message.working_copy, "seq": 0, "closed": True})

    def _answerer(self, record: Edit | Saved) -> Callable[[Seq | None, BaseException | None], None]:
        def done(seq: Seq | None, error: BaseException | None) -> None:
            if error is None:
                saved = {"saved": True} if isinstance(record, Saved) else {}
                self._reply({"t": "ack", "wc": record.working_copy, "seq": seq} | saved)
            elif isinstance(error, IndelibleError):
                self._reply(refusal(record, error))
            else:
                log.error("An edit met a defect", exc_info=error)
                self._reply(refusal(record, IndelibleError(f"a defect: {error!r}")))

        return done


def unsaved(message: Save, error: IndelibleError) -> dict[str, Any]:
    """The answer to a save that did not happen. What the store cannot do, Jupyter's own way of saving may."""
    answer = {"t": "unsaved", "wc": message.working_copy, "id": message.id}
    code = STORE_FAILED if isinstance(error, StoreError) else error.code
    return answer | {"error": code, "message": str(error), "hint": error.hint}


def refusal(message: Message | None, error: IndelibleError) -> dict[str, Any]:
    """The nack for a message; `wc` is empty when the message could not be read."""
    working_copy, seq = "", 0
    if isinstance(message, Save):
        return unsaved(message, error)
    if isinstance(message, (Edit, Saved, Opening)):
        working_copy, seq = message.working_copy, message.seq
    elif isinstance(message, (Renamed, Closed)):
        working_copy = message.working_copy
    nack: dict[str, Any] = {"t": "nack", "wc": working_copy, "seq": seq, "error": error.code, "message": str(error)}
    if isinstance(error, BlobUnknown):
        nack["hashes"] = error.hashes
    if isinstance(error, StalePart):
        nack["key"] = error.key
    return nack
