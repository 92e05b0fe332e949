"""Jupyter's signature of a notebook, computed from its file: what makes its outputs trusted the next time."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hmac import HMAC
from typing import Any

from nbformat.sign import yield_everything

from ..notebook.layout import CellMark, Layout
from ..notebook.nbjson import Notebook, page_cell
from ..notebook.render import ReadSpan

log = logging.getLogger("indelible")

STORED_WITHIN_S = 20
NOTEBOOKS = 16
"""Notebooks of which is remembered how far the last signature had come at each cell."""


@dataclass(frozen=True, slots=True)
class _Passed:
    """A cell that was signed, and the state after it. A save that leaves the cell alone keeps its mark, the object."""

    mark: CellMark
    state: HMAC


class Signer:
    """Signs with a server's notary. Safe from any thread but that of the event loop, unless it says otherwise."""

    def __init__(self, notary: Any) -> None:
        self._notary = notary
        self._passed: OrderedDict[str, Sequence[_Passed]] = OrderedDict()
        self._lock = threading.Lock()

    def sign(self, loop: asyncio.AbstractEventLoop, path: str, layout: Layout, read: ReadSpan) -> None:
        """Note that the notebook may be trusted, as Jupyter does for what a page of its own has saved."""
        try:
            digest = self._of_file(path, layout, read)
        except ValueError:
            # A lone surrogate has no bytes: Jupyter cannot sign it either.
            log.warning("%s could not be signed: its outputs will have to be trusted again", path)
            return

        async def store() -> None:
            self._notary.store.store_signature(digest, self._notary.algorithm)

        # Its database belongs to the thread of the event loop.
        asyncio.run_coroutine_threadsafe(store(), loop).result(STORED_WITHIN_S)

    async def is_signed(self, notebook: Notebook) -> bool:
        """Whether Jupyter trusts the outputs of a notebook of this content. On the event loop."""
        digest = self._start()
        try:
            await asyncio.get_running_loop().run_in_executor(None, _feed, notebook, digest.update)
        except ValueError:
            return False
        return bool(self._notary.store.check_signature(digest.hexdigest(), self._notary.algorithm))

    def _start(self) -> HMAC:
        return HMAC(self._notary.secret, digestmod=self._notary.digestmod)

    def _of_file(self, path: str, layout: Layout, read: ReadSpan) -> str:
        """What nbformat would compute of the parsed notebook, one cell at a time.

        Cells before the first one that has changed since the last signature are not read again.
        """
        rest = {**layout.rest, "metadata": {k: v for k, v in layout.rest["metadata"].items() if k != "signature"}}
        # The names come in order: what stands before the cells would have to be the same for their states to hold.
        names = sorted([*rest, "cells"])
        state = self._start()
        for name in names:
            state.update(name.encode())
            if name == "cells":
                state = self._past_cells(path, layout, read, state, is_first=name == names[0])
            else:
                _feed(rest[name], state.update)
        return state.hexdigest()

    def _past_cells(self, path: str, layout: Layout, read: ReadSpan, state: HMAC, *, is_first: bool) -> HMAC:
        with self._lock:
            known = self._passed.pop(path, ()) if is_first else ()
        passed: list[_Passed] = []
        for one, span in zip(known, layout.cells, strict=False):
            if one.mark is not span.mark:
                break
            passed.append(one)
        if passed:
            state = passed[-1].state.copy()
        for span in layout.cells[len(passed) :]:
            _feed(page_cell(json.loads(read(span.start, span.end))), state.update)
            passed.append(_Passed(span.mark, state.copy()))
            # The event loop is waiting for its turn; by itself this thread would give it one every 5 ms.
            time.sleep(0)
        with self._lock:
            if is_first:
                self._passed[path] = passed
            while len(self._passed) > NOTEBOOKS:
                self._passed.popitem(last=False)
        return state


def _feed(value: Any, update: Callable[[bytes], object]) -> None:
    for piece in yield_everything(value):  # type: ignore[no-untyped-call]
        update(piece)
