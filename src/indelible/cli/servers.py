"""The Jupyter servers that run here, and how to ask them."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_runtime_dir

from ..errors import IndelibleError, StoreUnreachable

ANSWER_S = 10


class NoIndelible(IndelibleError):
    """The server runs, but has no Indelible."""

    code = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server, as its own runtime file describes it."""

    pid: int
    url: str
    token: str
    root: Path

    def get(self, path: str) -> Any:
        """GET below indelible/api/. Raises NoIndelible, StoreUnreachable, or the error that the server names."""
        request = urllib.request.Request(f"{self.url}indelible/api/{path}")
        if self.token:
            request.add_header("Authorization", f"token {self.token}")
        # A proxy of the environment has no business between a machine and itself.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=ANSWER_S) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            raise _named(error, self) from error
        except (OSError, ValueError) as error:
            raise StoreUnreachable(f"the server {self.pid} at {self.url} does not answer: {error}") from error


def _named(error: urllib.error.HTTPError, server: Server) -> IndelibleError:
    try:
        form = json.loads(error.read())
    except (OSError, ValueError):
        form = {}
    if error.code == 404 and "error" not in form:
        return NoIndelible(f"the server {server.pid} at {server.url} runs without Indelible")
    if error.code in (401, 403):
        return StoreUnreachable(
            f"the server {server.pid} at {server.url} refuses its own token", hint="is it protected by a password only?"
        )
    named = IndelibleError(form.get("message") or str(error), hint=form.get("hint", ""))
    named.code = form.get("error") or "internal"
    return named


def running() -> list[Server]:
    """The servers of this user that are alive."""
    found = []
    for path in sorted(Path(jupyter_runtime_dir()).glob("jpserver-*.json")):
        try:
            form = json.loads(path.read_bytes())
            server = Server(
                pid=int(form["pid"]),
                url=str(form["url"]),
                token=str(form.get("token", "")),
                root=Path(form.get("root_dir") or form.get("notebook_dir")),
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if _is_alive(server.pid):
            found.append(server)
    return found


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
