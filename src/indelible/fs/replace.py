"""A user's file replaced by new content: whole or not at all, with everything that belonged to the old one."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import sync_folder
from .exchange import put_in_place

PREFIX, SUFFIX = ".indelible-", ".tmp"
BLOCK = 2**20


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells cheaply that a file is still the one that was looked at."""

    device: int
    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Identity:
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Staged:
    """New content on disk beside its target, under a name that nobody opens."""

    path: Path
    hash: str
    size: int


def real_target(path: Path) -> Path:
    """The file behind symbolic links: that is what is replaced, and the link stays. Raises OSError for a loop."""
    return Path(os.path.realpath(path, strict=False)) if path.is_symlink() else path


def content_hash(path: Path) -> tuple[str, Identity]:
    """SHA-256 of what the file holds, and the identity that it had while it was read. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.sha256()
        identity = Identity.of(os.fstat(file.fileno()))
        while block := file.read(BLOCK):
            digest.update(block)
        return digest.hexdigest(), identity


def stage(target: Path, pieces: Iterable[bytes]) -> Staged:
    """Write and sync the content beside `target`; on return it is on disk. Raises OSError, and leaves nothing then.

    The name is short, so that a target with a name of 255 bytes has room beside it.
    """
    path = target.with_name(f"{PREFIX}{secrets.token_hex(6)}{SUFFIX}")
    digest, size = hashlib.sha256(), 0
    # As Jupyter makes a new notebook: what the umask leaves. An old one's mode is taken over later.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        try:
            for piece in pieces:
                for start in range(0, len(piece), BLOCK):
                    block = memoryview(piece)[start : start + BLOCK]
                    digest.update(block)
                    size += len(block)
                    _write_all(handle, block)
            os.fsync(handle)
        finally:
            os.close(handle)
    except BaseException:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
    return Staged(path=path, hash=digest.hexdigest(), size=size)


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
    if not os.access(target.parent, os.W_OK | os.X_OK):
        return "its folder cannot be written"
    return None


def take_after(staged: Path, target: Path) -> bool:
    """Give the staged file owner, mode, and extended attributes (with them ACLs) of the target, and sync that.

    False when something cannot be taken over: then only writing in place keeps it.
    """
    status = target.stat()
    try:
        if (status.st_uid, status.st_gid) != (os.geteuid(), staged.stat().st_gid):
            os.chown(staged, status.st_uid, status.st_gid)
        staged.chmod(stat.S_IMODE(status.st_mode))
        for name in _attributes(target):
            os.setxattr(staged, name, os.getxattr(target, name))
    except OSError:
        return False
    if sorted(_attributes(staged)) != sorted(_attributes(target)):
        return False
    handle = os.open(staged, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
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
    return [name for name in names if not name.startswith(("security.", "system.nfs4", "trusted."))]


def exchange(staged: Staged, target: Path) -> Path | None:
    """The staged file takes the name; what had it before is where the answer says. Synced on return."""
    displaced = put_in_place(staged.path, target)
    sync_folder(target.parent)
    return displaced


def write_in_place(target: Path, pieces: Iterable[bytes]) -> None:
    """Write over the file's content and sync. A kill in between leaves a mixture: the caller has an intent on disk."""
    handle = os.open(target, os.O_WRONLY | os.O_CLOEXEC)
    try:
        size = 0
        for piece in pieces:
            _write_all(handle, memoryview(piece))
            size += len(piece)
        os.ftruncate(handle, size)
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, block: memoryview) -> None:
    while block:
        block = block[os.write(handle, block) :]


def discard(path: Path) -> None:
    """Remove a staged or displaced file, if it is there."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()


def sweep(folder: Path, older_than: float) -> int:
    """Remove staged files that a killed server left in a folder; the number removed. `older_than` is a POSIX time."""
    removed = 0
    for path in folder.glob(f"{PREFIX}*{SUFFIX}"):
        with contextlib.suppress(OSError):
            if path.lstat().st_mtime < older_than:
                path.unlink()
                removed += 1
    return removed
