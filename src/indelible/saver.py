"""Writes a notebook's file from its journal: compare, compose, replace. Knows nothing of Jupyter."""

from __future__ import annotations

import contextlib
import errno
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
from .fs import replace as files
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

Sign = Callable[[bytes], None]
"""Called with the new content, before it takes the old one's place."""
Pieces = Callable[[], Iterator[bytes]]
"""Gives the new content; anew at each call."""
Announce = Callable[[str], None]
"""Called with the new content's hash, when it is about to take the old one's place."""
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
        self._intents = intents
        self._clock = clock
        self._layouts: OrderedDict[str, Layout] = OrderedDict()
        self._hashes: OrderedDict[Path, tuple[files.Identity, str]] = OrderedDict()
        self._locks: dict[Path, threading.Lock] = {}
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
                    return self._put(target, content, keep)
            return self._put(target, content, keep)

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
            new = self._replace(
                target,
                present,
                lambda: _bytes_of(rendered, read),
                lambda digest: self._journal.writing(one.id, digest, one.seq),
                sign,
            )
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
        new = self._make(
            target,
            lambda: _bytes_of(rendered, lambda start, end: base[start:end]),
            lambda digest: self._journal.writing(one.id, digest, one.seq),
            sign,
        )
        self._remember(new, rendered.layout)
        return _written(new, one, rendered, is_changed=True)

    def _agree(self, request: Save, rendered: Rendered) -> None:
        if rendered.digest != request.digest:
            raise PageDiffers

    # -- putting content in place --

    def _put(self, target: Path, content: bytes, keep: Callable[[], Version]) -> Version | None:
        def pieces() -> Iterator[bytes]:
            yield content

        try:
            present = self._present(target)
        except FileGone:
            self._make(target, pieces, lambda digest: None, None)
            return None
        if present == hashlib.sha256(content).hexdigest():
            return None
        kept = keep()
        self._replace(target, kept.hash, pieces, lambda digest: None, None)
        return kept

    def _replace(self, target: Path, present: str, pieces: Pieces, announce: Announce, sign: Sign | None) -> str:
        """Put the new content in place of the old. Returns its hash. Raises FileChanged when `present` is not there."""
        in_place = files.why_in_place(target)
        if in_place is not None:
            return self._in_place(target, present, pieces, announce, sign, in_place)
        staged = self._stage(target, pieces, sign)
        try:
            if not files.take_after(staged.path, target):
                why = "its attributes cannot be given to another file"
                return self._in_place(target, present, pieces, announce, None, why)
            announce(staged.hash)
            try:
                files.replace(staged, target, present)
            except files.OnlyInPlace:
                return self._in_place(target, present, pieces, announce, None, "nothing may take its place")
            return staged.hash
        finally:
            files.discard(staged.path)

    def _in_place(
        self, target: Path, present: str, pieces: Pieces, announce: Announce, sign: Sign | None, why: str
    ) -> str:
        """Write over the old content, behind an intent from which a half-done write is finished."""
        log.info("%s is written in place, since %s", target, why)
        content = b"".join(pieces())
        if sign is not None:
            sign(content)
        # Both contents are on disk before the first byte is written: from them a torn file is told and repaired.
        old = keep_content(read_whole(target, present), self._blobs)
        new = keep_content(content, self._blobs)
        digest = hashlib.sha256(content).hexdigest()
        announce(digest)
        self._intents.write(target, content, old_hash=present, new_hash=digest, old=old, new=new)
        return digest

    def _make(self, target: Path, pieces: Pieces, announce: Announce, sign: Sign | None) -> str:
        """Make the file that is not there. Returns its hash. Raises FileChanged when somebody has made it."""
        # As Jupyter makes a new notebook: what the umask leaves.
        staged = self._stage(target, pieces, sign, mode=0o666)
        try:
            announce(staged.hash)
            files.create(staged, target)
            return staged.hash
        finally:
            files.discard(staged.path)

    def _stage(self, target: Path, pieces: Pieces, sign: Sign | None, *, mode: int = 0o600) -> files.Staged:
        staged = files.stage(target, pieces(), mode=mode)
        if sign is None:
            return staged
        try:
            sign(staged.path.read_bytes())
        except BaseException:
            files.discard(staged.path)
            raise
        return staged

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
        handle = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield present, lambda start, end: _pread(handle, start, end), os.fstat(handle).st_size
        finally:
            os.close(handle)
        return
    if one.base_chunks is None:
        raise BaseUnavailable(path=one.path)
    content = read_base(one.base_chunks, blobs.get)
    assert one.base is not None
    yield one.base, lambda start, end: content[start:end], len(content)


def _pread(handle: int, start: int, end: int) -> bytes:
    pieces = []
    while start < end:
        piece = os.pread(handle, end - start, start)
        if not piece:
            raise OSError(errno.EIO, "the file has become shorter while it was read")
        pieces.append(piece)
        start += len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _bytes_of(rendered: Rendered, read: ReadSpan) -> Iterator[bytes]:
    for piece in rendered.pieces:
        if isinstance(piece, bytes):
            yield piece
            continue
        for start in range(piece.start, piece.end, files.BLOCK):
            yield read(start, min(piece.end, start + files.BLOCK))


def read_whole(target: Path, expected: str) -> bytes:
    """The file's bytes, when they are still the expected. Raises FileChanged."""
    content = target.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise FileChanged(found, path=target)
    return content


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


def is_about_the_file(error: IndelibleError) -> bool:
    """Whether a save failed because of its file, which the user can do something about."""
    return isinstance(error, (FileError, FileGone, FileChanged))
