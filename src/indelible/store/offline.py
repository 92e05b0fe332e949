"""Reading a store that no server uses: for the command line. Nothing is changed but the leases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..clock import SystemClock
from ..errors import StoreHeld, StoreUnreachable
from ..fs import explained as explained_os
from ..model import BlobId, Draft
from .blobs import SqliteBlobs
from .database import connect
from .lease import Lease, read_holder
from .loading import load


@dataclass(frozen=True, slots=True, kw_only=True)
class Offline:
    """What a store holds. `held_by` names the processes whose journals could not be read, because they run."""

    drafts: list[Draft]
    get_blob: Callable[[BlobId], bytes]
    held_by: list[int]


@contextmanager
def open_offline(folder: Path) -> Iterator[Offline]:
    """The drafts of every journal that no process holds, for as long as the block lasts.

    Raises StoreUnreachable when there is no store, StoreDamaged when a journal cannot be right.
    """
    journals = folder / "journals"
    if not journals.is_dir():
        raise StoreUnreachable(f"there is no store at {folder}", hint="give its folder with --store", path=folder)
    with ExitStack() as stack:
        drafts: list[Draft] = []
        held_by: list[int] = []
        for path in sorted(journals.glob("*.db")):
            lease_path = path.with_suffix(".lease")
            holder = read_holder(lease_path)
            try:
                lease = Lease.take(
                    lease_path, server=holder.server if holder else path.stem, fence=holder.fence if holder else 0
                )
            except StoreHeld:
                held_by.append(holder.pid if holder else 0)
                continue
            except OSError as error:
                raise explained_os(error, lease_path) from error
            stack.callback(lease.release)
            db = connect(path, exclusive=True)
            stack.callback(db.close)
            drafts += [held.draft(db) for held, _ in load(db) if held.working_copy.is_draft]
        blobs = SqliteBlobs(folder / "history.db", clock=SystemClock())
        stack.callback(blobs.close)
        yield Offline(drafts=drafts, get_blob=blobs.get, held_by=held_by)
