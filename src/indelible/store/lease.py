"""Who may use a journal: a lock that the system releases when its holder dies, and a fencing number."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import StoreHeld, StoreUnsuitable


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who wrote the lease file last."""

    pid: int
    server: str
    fence: int


class Lease:
    """Held from `take` to `release`, or until the process ends, however it ends."""

    def __init__(self, path: Path, handle: int, fence: int) -> None:
        self.path = path
        self.fence = fence
        self._handle = handle

    @classmethod
    def take(cls, path: Path, *, server: str, fence: int) -> Lease:
        """Raises StoreHeld when another process (or this one) has it, StoreUnsuitable when locks do not work here."""
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            holder = read_holder(path)
            raise StoreHeld(f"{path.stem} is held by process {holder.pid if holder else '?'}", path=path) from None
        except OSError as error:
            os.close(handle)
            raise StoreUnsuitable(
                f"locks do not work at {path.parent}: {error.strerror}",
                hint="set c.Indelible.local_store_path to a folder on a local disk",
                path=path,
            ) from error
        lease = cls(path, handle, fence)
        lease._sign(server)
        return lease

    def _sign(self, server: str) -> None:
        body = json.dumps({"pid": os.getpid(), "server": server, "fence": self.fence}).encode()
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, body, 0)

    def release(self, *, remove: bool = False) -> None:
        """Give it up; `remove` also takes the file away (only when nothing is left under its name)."""
        if remove:
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()
        os.close(self._handle)


def read_holder(path: Path) -> Holder | None:
    """What the lease file says; None when it says nothing that can be read."""
    try:
        form: Any = json.loads(path.read_bytes())
        return Holder(pid=int(form["pid"]), server=str(form["server"]), fence=int(form["fence"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
