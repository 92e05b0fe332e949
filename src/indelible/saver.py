"""Writes a notebook's file from its journal: compare, compose, replace. Knows nothing of Jupyter."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from weakref import WeakValueDictionary

from .basekeeper import content_as_blobs, keep_content, read_base
from .clock import Clock
from .errors import (
    BaseUnavailable,
    FileChanged,
    FileError,
    FileGone,
    IndelibleError,
    JournalBehind,
    NotLocal,
    PageDiffers,
    Superseded,
)
from .filewriter import FileWriter, KeepLate, NewContent, opened
from .fs import replace as files
from .fs.calls import BLOCK
from .fs.failures import failure
from .intents import Intents
from .model import Draft, Save, Seq, Source, Version, WorkingCopy
from .notebook.layout import Layout, read_layout
from .notebook.render import ReadSpan, Rendered, Span, render
from .store.contract import Blobs, Journal, Versions

log = logging.getLogger("indelible")

LAYOUTS = 16
"""Files whose cells' places are remembered."""
RACY_NS = 50_000_000
"""A file changed so shortly before it was looked at may change again within the same tick of its clock."""
SMALL_CHARACTERS, MOST = 400, 0.8
"""A save that takes away more than this share of a notebook larger than this many characters is told."""
SWEEP_AFTER_S = 3600

Sign = Callable[[Layout, ReadSpan], None]
"""Called with the new content (its cells' places, and a reader of its bytes) before it takes the old one's place."""
TRIES = 5
"""How often a file is replaced that somebody else keeps writing at the same moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The file holds everything of the working copy up to `seq`.

    `shrunk` is what it replaced, if that was a lot more.
    """

    hash: str
    seq: Seq
    size: int
    is_changed: bool
    cells: int
    shrunk: Version | None = None


class Saver:
    """Saves of the files below one root. Safe from any thread; saves of one file wait for each other."""

    def __init__(self, journal: Journal, blobs: Blobs, versions: Versions, *, intents: Intents, clock: Clock) -> None:
        self._journal, self._blobs, self._versions = journal, blobs, versions
        self._intents, self._writer = intents, FileWriter(intents, blobs)
        self._clock = clock
        self._layouts: OrderedDict[str, Layout] = OrderedDict()
        self._hashes: OrderedDict[Path, tuple[files.Identity, str]] = OrderedDict()
        # A lock is there while somebody holds it or waits for it.
        self._locks: WeakValueDictionary[Path, threading.Lock] = WeakValueDictionary()
        self._lock = threading.Lock()
        self._swept: dict[Path, float] = {}

    def save(self, request: Save, draft: Draft, path: Path, sign: Sign | None = None) -> Written:
        """Write `draft` as the file at `path`; on return it is there, whole, and on disk.

        Raises FileChanged and FileGone when the file is not what the page takes it for; SaveRefused when the page
        must save in another way; FileError when the file cannot be written; StoreError. Then it is as it was.
        """
        one = draft.working_copy
        if request.epoch < one.epoch:
            raise Superseded(path=one.path)
        if one.seq != request.seq:
            raise JournalBehind(f"the journal is at edit {one.seq}, {request.seq} are to be saved", path=one.path)
        target = files.real_target(path)
        with self._alone(target), failure(target):
            self._sweep_now_and_then(target.parent, one.root, one.path)
            return self._save(request, draft, target, sign)

    def check(self, path: Path, expected: str | None) -> str:
        """SHA-256 of a file that is to stay as it is. Raises FileChanged, FileGone, FileError."""
        target = files.real_target(path)
        with self._alone(target), failure(target):
            found = self._present(target)
            if found != expected:
                raise FileChanged(found, path=path)
            return found

    def present(self, path: Path) -> str:
        """SHA-256 of what a file holds, never from the middle of a save. Raises FileGone, FileError."""
        target = files.real_target(path)
        with self._alone(target), failure(target):
            return self._present(target)

    def read(self, path: Path, within_s: float = -1) -> bytes:
        """What a file holds, never from the middle of a save. Raises FileGone, FileError, NotLocal.

        Waits for a save of the file no longer than `within_s` seconds (below 0: as long as it takes).
        """
        target = files.real_target(path)
        with self._alone(target, within_s), failure(target):
            _status(target)
            return target.read_bytes()

    def put(
        self,
        path: Path,
        content: bytes,
        *,
        root: str,
        name: str,
        source: Source,
        note: str = "",
        within_s: float = -1,
    ) -> Version | None:
        """Give a file new content, whole; on return it is on disk. A missing file is made.

        What it held is kept before, as the version that is returned; None when nothing had to be replaced.
        Raises FileGone when its folder is gone, FileError, NotLocal, StoreError: then the file is as it was.
        """
        target = files.real_target(path)

        def keep() -> Version:
            return self.keep(target, root=root, name=name, source=source, note=note)

        with self._alone(target, within_s), failure(target):
            self._sweep_now_and_then(target.parent, root, name)
            for _ in range(TRIES - 1):
                # Written by somebody else between our look and the exchange: then theirs is kept, too.
                with contextlib.suppress(FileChanged, FileExistsError):
                    return self._put(target, content, keep, self._late_keeper(root, name))
            return self._put(target, content, keep, self._late_keeper(root, name))

    def keep(self, path: Path, *, root: str, name: str, source: Source, note: str = "") -> Version:
        """Keep what the file at `path` holds now as a version. Raises FileGone, FileError, StoreError."""
        with failure(path):
            try:
                content = path.read_bytes()
            except FileNotFoundError as error:
                raise FileGone(path=path) from error
            return self.keep_bytes(content, root=root, name=name, source=source, note=note)

    def keep_bytes(
        self, content: bytes, *, root: str, name: str, source: Source, note: str = "", like: Version | None = None
    ) -> Version:
        """The same for bytes; `like` is a version that has most of them, if there is one. Raises StoreError."""
        digest = hashlib.sha256(content).hexdigest()
        version = Version(
            root=root,
            path=name,
            source=source,
            at=self._clock.now(),
            hash=digest,
            size=len(content),
            chunks=keep_content(content, self._blobs, like.chunks if like else ()),
            note=note,
        )
        return self._versions.add(version)

    def look_again(self) -> None:
        """Every few seconds: see whether a program has written into a file that a save had replaced meanwhile."""
        self._writer.look_again()

    def close(self) -> None:
        """Look at all of them once more, and let them go."""
        self._writer.look_again(0)

    # -- one save --

    def _save(self, request: Save, draft: Draft, target: Path, sign: Sign | None) -> Written:
        one = draft.working_copy
        try:
            present = self._present(target)
        except FileGone:
            if not request.creates:
                raise
            return self._create(request, draft, target, sign)
        if present not in (request.file, one.written):
            raise FileChanged(present, path=target)
        with _ground(one, present, target, self._blobs) as (digest, read, size):
            layout = self._layout(digest, lambda: read(0, size))
            rendered = render(draft, layout, read, self._blobs.get)
            self._agree(request, rendered)
            if list(rendered.pieces) == [Span(0, size)] and digest == present:
                if present == one.written:
                    # Of a save that was cut off, or failed: nobody has said yet that it is on disk.
                    files.sync_file(target)
                return _written(present, one, rendered, is_changed=False)
            if one.base == digest and one.base_chunks is None:
                # Once the file is replaced, nothing else has what later edits build on, should we be killed.
                kept = self._versions.of(one.root, one.path)
                chunks = content_as_blobs(digest, lambda: read(0, size), kept, self._blobs)
                self._journal.keep_base(one.id, digest, chunks)
            shrunk = self._keep_shrunk(one, target, layout, rendered)
            new = self._writer.replace(target, present, self._content(one, rendered, read, sign))
        self._remember(new, rendered.layout)
        return _written(new, one, rendered, is_changed=True, shrunk=shrunk)

    def _create(self, request: Save, draft: Draft, target: Path, sign: Sign | None) -> Written:
        """The file is gone, and the user wants it back."""
        one = draft.working_copy
        base = b""
        if one.base is not None:
            if one.base_chunks is None:
                raise BaseUnavailable(path=one.path)
            base = read_base(one.base_chunks, self._blobs.get)
        else:
            base = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
        layout = self._layout(hashlib.sha256(base).hexdigest(), lambda: base)
        rendered = render(draft, layout, lambda start, end: base[start:end], self._blobs.get)
        self._agree(request, rendered)
        new = self._writer.make(target, self._content(one, rendered, lambda start, end: base[start:end], sign))
        self._remember(new, rendered.layout)
        return _written(new, one, rendered, is_changed=True)

    def _agree(self, request: Save, rendered: Rendered) -> None:
        if rendered.digest != request.digest:
            raise PageDiffers

    def _content(self, one: WorkingCopy, rendered: Rendered, read: ReadSpan, sign: Sign | None) -> NewContent:
        def certify(read_new: ReadSpan) -> None:
            assert sign is not None
            sign(rendered.layout, read_new)

        return NewContent(
            pieces=lambda: _bytes_of(rendered, read),
            keep_late=self._late_keeper(one.root, one.path),
            announce=lambda digest: self._journal.writing(one.id, digest, one.seq),
            certify=None if sign is None else certify,
        )

    def _late_keeper(self, root: str, name: str) -> KeepLate:
        note = "written into the file that a save had replaced"
        return lambda content: self.keep_bytes(content, root=root, name=name, source=Source.EXTERNAL, note=note)

    def _put(self, target: Path, content: bytes, keep: Callable[[], Version], keep_late: KeepLate) -> Version | None:
        new = NewContent.of(content, keep_late)
        try:
            present = self._present(target)
        except FileGone:
            self._writer.make(target, new)
            return None
        if present == hashlib.sha256(content).hexdigest():
            return None
        kept = keep()
        self._writer.replace(target, kept.hash, new)
        return kept

    def _keep_shrunk(self, one: WorkingCopy, target: Path, old: Layout, rendered: Rendered) -> Version | None:
        before, after = _characters(old), _characters(rendered.layout)
        if before < SMALL_CHARACTERS or after > before * (1 - MOST):
            return None
        note = f"{len(old.cells)} cells became {len(rendered.layout.cells)}"
        log.warning("A save of %s drops most of it (%s): what it replaces is kept", target, note)
        return self.keep(target, root=one.root, name=one.path, source=Source.SHRUNK, note=note)

    # -- what is known of files --

    def _present(self, target: Path) -> str:
        """SHA-256 of what the file holds; not read again when nothing suggests that it has changed."""
        status = _status(target)
        known = self._hashes.get(target)
        if known is not None and known[0] == files.Identity.of(status):
            return known[1]
        looked_ns = time.time_ns()
        digest, identity = files.content_hash(target)
        if looked_ns - max(identity.modified_ns, identity.changed_ns) > RACY_NS:
            with self._lock:
                self._hashes[target] = (identity, digest)
                while len(self._hashes) > LAYOUTS:
                    self._hashes.popitem(last=False)
        return digest

    def _layout(self, digest: str, content: Callable[[], bytes]) -> Layout:
        with self._lock:
            known = self._layouts.get(digest)
        if known is None:
            known = read_layout(content())
            if known is None:
                raise NotLocal("the file must be read and written as a whole")
            self._remember(digest, known)
        return known

    def _remember(self, digest: str, layout: Layout) -> None:
        with self._lock:
            self._layouts[digest] = layout
            self._layouts.move_to_end(digest)
            while len(self._layouts) > LAYOUTS:
                self._layouts.popitem(last=False)

    def is_prepared(self, digest: str) -> bool:
        """Whether the places of the cells of a file of this content are known."""
        with self._lock:
            return digest in self._layouts

    def prepare(self, content: bytes) -> None:
        """Find the cells of a file that will be saved."""
        layout = read_layout(content)
        if layout is not None:
            self._remember(hashlib.sha256(content).hexdigest(), layout)

    @contextlib.contextmanager
    def _alone(self, target: Path, within_s: float = -1) -> Iterator[None]:
        with self._lock:
            lock = self._locks.setdefault(target, threading.Lock())
        if not lock.acquire(timeout=within_s):
            raise FileError("busy", f"{target} is being saved", hint="try again in a moment", path=target)
        try:
            with failure(target):
                self._intents.settle(target)
            yield
        finally:
            lock.release()

    def _sweep_now_and_then(self, folder: Path, root: str, name: str) -> None:
        now = self._clock.monotonic()
        if now - self._swept.get(folder, float("-inf")) > SWEEP_AFTER_S:
            self._swept[folder] = now
            try:
                self.sweep(folder, root=root, name=name, older_than=time.time() - SWEEP_AFTER_S)
            except (OSError, IndelibleError) as error:
                log.warning("What interrupted saves have left in %s stays for now: %s", folder, error)

    def sweep(self, folder: Path, *, root: str, name: str, older_than: float) -> None:
        """Remove what killed saves have left in a folder. `name` is the path of any notebook in it.

        A whole notebook that nobody knows is kept as a version: it was written between the last look of a save and
        the exchange, and the save was killed before it could put it back. Raises OSError, StoreError.
        """
        for left in files.leftovers(folder, older_than):
            known = self._known_hashes()
            if left.name is not None:
                known.add(files.content_hash(folder / left.name)[0])
            content = left.path.read_bytes()
            if hashlib.sha256(content).hexdigest() not in known and read_layout(content) is not None:
                path = str(PurePosixPath(name).with_name(left.name or left.path.name))
                self.keep_bytes(content, root=root, name=path, source=Source.EXTERNAL, note="left by a save cut off")
            files.discard(left.path)
            log.info("Removed %s, which an interrupted save had left", left.path)

    def _known_hashes(self) -> set[str | None]:
        copies = self._journal.working_copies()
        return {digest for one in copies for digest in (one.base, one.written, one.loaded_from)}


def _status(target: Path) -> os.stat_result:
    """Of a file that can be saved. Raises FileGone, NotLocal, OSError."""
    try:
        status = target.stat()
    except FileNotFoundError as error:
        raise FileGone(path=target) from error
    if not stat.S_ISREG(status.st_mode):
        raise NotLocal(f"{target} is no regular file")
    return status


@contextlib.contextmanager
def _ground(one: WorkingCopy, present: str, target: Path, blobs: Blobs) -> Iterator[tuple[str, ReadSpan, int]]:
    """The content that the draft builds on (or, without one, takes unchanged cells from): its hash, reader and size."""
    if one.base in (None, present):
        with opened(target) as read:
            yield present, read, target.stat().st_size
        return
    if one.base_chunks is None:
        raise BaseUnavailable(path=one.path)
    content = read_base(one.base_chunks, blobs.get)
    assert one.base is not None
    yield one.base, lambda start, end: content[start:end], len(content)


def _bytes_of(rendered: Rendered, read: ReadSpan) -> Iterator[bytes]:
    for piece in rendered.pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        for start in range(piece.start, piece.end, BLOCK):
            yield read(start, min(piece.end, start + BLOCK))


def _characters(layout: Layout) -> int:
    return sum(cell.mark.source_length for cell in layout.cells)


def _written(
    digest: str, one: WorkingCopy, rendered: Rendered, *, is_changed: bool, shrunk: Version | None = None
) -> Written:
    return Written(
        hash=digest,
        seq=one.seq,
        size=rendered.layout.size,
        is_changed=is_changed,
        cells=len(rendered.keys),
        shrunk=shrunk,
    )
