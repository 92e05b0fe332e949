"""A user's file replaced by new content: whole or not at all, with everything that belonged to the old one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import FileChanged
from . import calls, sync_folder, write_all
from .displaced import Displaced
from .exchange import exchange, make

log = logging.getLogger("indelible")

PREFIX, SUFFIX = ".indelible-", ".tmp"
NAME_BYTES = 255
# A file that is mounted by itself, also from the same disk; a folder whose names may not be changed.
_ONLY_IN_PLACE = frozenset({errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES})


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells cheaply that a file is still the one that was looked at."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """New content on disk beside its target, under a name that nobody opens."""

    path: Path
    hash: str
    size: int
    inode: int


class OnlyInPlace(OSError):
    """Nothing has changed, and nothing can take the file's place: it can only be written over."""


def real_target(path: Path) -> Path:
    """The file behind symbolic links: that is what is replaced, and the link stays."""
    return Path(os.path.realpath(path, strict=False)) if path.is_symlink() else path


def content_hash(path: Path) -> tuple[str, Identity]:
    """SHA-256 of what the file holds, and the identity that it had while it was read. Raises OSError."""
    handle = calls.open_file(path, os.O_RDONLY)
    try:
        return _hash_of(handle)
    finally:
        calls.close(handle)


def _hash_of(handle: int) -> tuple[str, Identity]:
    digest = hashlib.sha256()
    identity = Identity.of(os.fstat(handle))
    while block := calls.read(handle, calls.BLOCK):
        digest.update(block)
    return digest.hexdigest(), identity


def stage(target: Path, pieces: Iterable[bytes], *, mode: int = 0o600) -> Staged:
    """Write and sync the content beside `target`; on return it is on disk. Raises OSError, and leaves nothing then.

    Nobody else may read it yet: the old file's mode is taken over later. The name is short, so that a target with a
    name of 255 bytes has room beside it.
    """
    path = target.with_name(f"{PREFIX}{_mark(target.name)}-{secrets.token_hex(4)}{SUFFIX}")
    digest, size = hashlib.sha256(), 0
    handle = calls.open_file(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        try:
            for piece in pieces:
                for start in range(0, len(piece), calls.BLOCK):
                    block = memoryview(piece)[start : start + calls.BLOCK]
                    digest.update(block)
                    size += len(block)
                    write_all(handle, block)
            calls.sync(handle)
            inode = os.fstat(handle).st_ino
        finally:
            calls.close(handle)
    except BaseException:
        discard(path)
        raise
    return Staged(path=path, hash=digest.hexdigest(), size=size, inode=inode)


def why_in_place(target: Path) -> str | None:
    """What a rename would break, in words for the log; None when nothing. Raises OSError when there is no file."""
    status = target.stat()
    if status.st_nlink > 1:
        return "it has other names (hard links)"
    if status.st_uid != os.geteuid() and os.geteuid() != 0:
        return "it belongs to somebody else"
    folder = target.parent.stat()
    if folder.st_mode & stat.S_ISVTX and os.geteuid() not in (0, status.st_uid, folder.st_uid):
        return "its folder lets only owners replace files"
    if status.st_dev != folder.st_dev:
        return "it is mounted by itself"
    # Read, too: without that the folder cannot be opened to be synced.
    if not os.access(target.parent, os.R_OK | os.W_OK | os.X_OK):
        return "its folder cannot be written"
    return None


def take_after(staged: Path, target: Path) -> bool:
    """Give the staged file owner, mode, and extended attributes (with them ACLs) of the target, and sync that.

    False when something cannot be taken over: then only writing in place keeps it. Raises OSError when it cannot be
    synced.
    """
    status = target.stat()
    try:
        if (status.st_uid, status.st_gid) != (os.geteuid(), staged.stat().st_gid):
            calls.set_owner(staged, status.st_uid, status.st_gid)
        calls.set_mode(staged, stat.S_IMODE(status.st_mode))
        for name in _attributes(target):
            calls.set_attribute(staged, name, os.getxattr(target, name))
        if sorted(_attributes(staged)) != sorted(_attributes(target)):
            return False
    except OSError:
        return False
    handle = calls.open_file(staged, os.O_RDONLY)
    try:
        calls.sync(handle)
    finally:
        calls.close(handle)
    return True


def _attributes(path: Path) -> list[str]:
    if not hasattr(os, "listxattr"):
        return []
    try:
        names = os.listxattr(path)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENOSYS):
            return []
        raise
    # The kernel makes these by itself, and lets nobody but itself write them.
    return [name for name in names if not name.startswith(("security.", "system.nfs4"))]


def create(staged: Staged, target: Path) -> None:
    """The staged file takes a name that nothing has; synced on return.

    Raises FileChanged when somebody has made the file meanwhile, OSError. Only after a failed sync is it there then.
    """
    try:
        make(staged.path, target)
    except FileExistsError:
        raise FileChanged(content_hash(target)[0], path=target) from None
    sync_folder(target.parent)


def replace(staged: Staged, target: Path, expected: str) -> Displaced | None:
    """The staged file takes the name of the one that holds `expected` (SHA-256); synced on return.

    The answer is the old file, open and without a name; None where the system has no exchange. Raises FileChanged when
    `expected` was not what it held, OSError, OnlyInPlace. Then what was there has its name again; or, should even that
    fail, is beside it under a name that the log tells.
    """
    path: Path | None
    try:
        path = exchange(staged.path, target)
    except OSError as error:
        if _is_there(staged):
            if error.errno in _ONLY_IN_PLACE:
                raise OnlyInPlace(error.errno, error.strerror, str(target)) from error
            raise
        # Done, and reported as failed: what is under the staged name now may be somebody else's.
        path = staged.path
    if path is None:
        _replace_after_a_look(staged, target, expected)
        return None
    handle = None
    try:
        # What came out tells whether somebody has written between the last look and the exchange.
        handle = calls.open_file(path, os.O_RDONLY)
        found, identity = _hash_of(handle)
        if found != expected:
            log.warning("%s was written by somebody else during a save: theirs gets its place back", target)
            raise FileChanged(found, path=target)
        sync_folder(target.parent)
    except BaseException:
        _put_back(path, staged, target)
        if handle is not None:
            calls.close(handle)
        raise
    discard(path)
    return Displaced(handle, identity.size, identity.modified_ns)


def _is_there(staged: Staged) -> bool:
    """Whether the staged file still has its own name."""
    try:
        return staged.path.stat().st_ino == staged.inode
    except FileNotFoundError:
        return False


def _replace_after_a_look(staged: Staged, target: Path, expected: str) -> None:
    """Where the system has neither an exchange nor second names."""
    found, _ = content_hash(target)
    if found != expected:
        raise FileChanged(found, path=target)
    calls.rename(staged.path, target)
    sync_folder(target.parent)


def _put_back(displaced: Path, staged: Staged, target: Path) -> None:
    """What came out gets its name again. Never raises: what cannot be put back is kept beside."""
    try:
        ours = exchange(displaced, target)
        came_out = None if ours is None else content_hash(ours)[0]
    except OSError as error:
        log.error("%s could not be put back: %s", target, error)
        _keep_beside(displaced, target)
        return
    if ours is None:
        _keep_beside(displaced, target)
    elif came_out == staged.hash:
        discard(ours)
    else:
        _keep_beside(ours, target)
    with contextlib.suppress(OSError):
        sync_folder(target.parent)


def _keep_beside(path: Path, target: Path) -> None:
    """Content that belongs to nobody we know stays, under a name that a person can find."""
    mark = f".kept-{secrets.token_hex(4)}{target.suffix[:20]}"
    stem = os.fsencode(target.stem)[: NAME_BYTES - len(os.fsencode(mark))].decode(errors="ignore")
    kept = target.with_name(f"{stem}{mark}")
    try:
        if path.exists():
            calls.rename(path, kept)
            log.error("What another program wrote to %s during a save is in %s", target, kept)
    except OSError as error:
        log.error("What another program wrote to %s during a save is in %s: %s", target, path, error)


@contextlib.contextmanager
def open_in_place(target: Path) -> Iterator[int]:
    """A descriptor for `write_over`. Nothing has changed yet. Raises OSError where the file may not be written."""
    handle = calls.open_file(target, os.O_WRONLY)
    try:
        yield handle
    finally:
        calls.close(handle)


def write_over(handle: int, content: bytes) -> None:
    """Write over the file's content and sync. A kill in between leaves a mixture: the caller has an intent on disk."""
    write_all(handle, memoryview(content))
    calls.truncate(handle, len(content))
    calls.sync(handle)


def sync_file(target: Path) -> None:
    """On return the file's content and its name are on disk, whoever wrote it. Raises OSError."""
    handle = calls.open_file(target, os.O_RDONLY)
    try:
        calls.sync(handle)
    finally:
        calls.close(handle)
    sync_folder(target.parent)


def discard(path: Path) -> None:
    """Remove a staged or displaced file, if it is there. What cannot be removed is left for a sweep."""
    with contextlib.suppress(OSError):
        calls.unlink(path)


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a save that was cut off has left: half of a new content, a whole one, or what it had taken the place of.

    `name` is of the file that it belongs to, None when there is none of that name.
    """

    path: Path
    name: str | None


def leftovers(folder: Path, older_than: float) -> Iterator[Leftover]:
    """Those that nobody is at work with any more: `older_than` is a POSIX time. Raises OSError."""
    found = []
    for path in folder.glob(f"{PREFIX}*{SUFFIX}"):
        with contextlib.suppress(OSError):
            # Not the time of its content: what a save of another server displaced a moment ago may be years old.
            if path.lstat().st_ctime < older_than:
                found.append(path)
    if found:
        names = {_mark(path.name): path.name for path in folder.iterdir()}
        for path in found:
            yield Leftover(path, names.get(path.name[len(PREFIX) :].partition("-")[0]))


def _mark(name: str) -> str:
    """What tells in a staged file's name which file it is for."""
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
