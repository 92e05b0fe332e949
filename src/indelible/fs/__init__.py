"""The only place that syncs, renames or replaces files."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from pathlib import Path

from ..errors import DiskFull, StoreError, StoreReadOnly, StoreUnreachable
from . import calls

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
REFUSED = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})


def private_folder(path: Path) -> Path:
    """Make the folder (0700) if it is missing; take other people's rights away if it is there."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)
    return path


def sync_folder(path: Path) -> None:
    """On return the folder's entries are on disk."""
    # Without this ext4 may forget a rename after a power cut.
    handle = calls.open_file(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        calls.sync(handle)
    finally:
        calls.close(handle)


def write_all(handle: int, block: memoryview) -> None:
    """Write all of it, however little the system takes at a time."""
    while block:
        block = block[calls.write(handle, block) :]


def write_whole(path: Path, content: bytes, *, mode: int = 0o600, replace: bool = True) -> None:
    """Write the file whole or not at all; on return it is on disk. Raises FileExistsError unless `replace`."""
    # The name stays short, so that a target with a name of 255 bytes has room beside it.
    staged = path.with_name(f".indelible-{secrets.token_hex(6)}.tmp")
    try:
        handle = calls.open_file(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            write_all(handle, memoryview(content))
            calls.sync(handle)
        finally:
            calls.close(handle)
        if replace:
            calls.rename(staged, path)
        else:
            calls.link(staged, path)
    finally:
        with contextlib.suppress(OSError):
            calls.unlink(staged)
    sync_folder(path.parent)


def move_into(folder: Path, *paths: Path) -> None:
    """Move the files that exist into the (new) folder; on return that is on disk."""
    private_folder(folder)
    for path in paths:
        if path.exists():
            calls.rename(path, folder / path.name)
    sync_folder(folder)
    for parent in {path.parent for path in paths}:
        sync_folder(parent)


def sweep(folder: Path, older_than: float) -> None:
    """Remove what `write_whole` has left in a folder when it was killed; `older_than` is a POSIX time."""
    for path in folder.glob(".indelible-*.tmp"):
        with contextlib.suppress(OSError):
            if path.lstat().st_ctime < older_than:
                calls.unlink(path)


def remove(*paths: Path) -> None:
    """Remove the files that exist."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            calls.unlink(path)


def free_bytes(path: Path) -> int:
    """Bytes that this user may still write on the file system of `path`."""
    return shutil.disk_usage(path).free


def device_and_free(path: Path) -> tuple[int, int]:
    """Number of the device that holds `path`, and the bytes that this user may still write on it. Raises OSError."""
    return path.stat().st_dev, free_bytes(path)


def explained(error: OSError, path: Path) -> StoreError:
    """The store's error for an error of the operating system."""
    if error.errno in FULL:
        return DiskFull(
            f"no space left at {path} ({_free_words(path)} free): {error.strerror}",
            hint="free some space; edits wait in the browser until then",
            path=path,
        )
    if error.errno in REFUSED:
        return StoreReadOnly(
            f"{path} may not be written by {_user()}: {error.strerror}",
            hint=f"make {path} writable for {_user()}, or set c.Indelible.store_path to another folder",
            path=path,
        )
    return StoreUnreachable(f"{path}: {error.strerror}", hint="is the disk still there?", path=path)


def _free_words(path: Path) -> str:
    while not path.exists() and path != path.parent:
        path = path.parent
    try:
        return f"{free_bytes(path) / 2**20:.1f} MB"
    except OSError:
        return "an unknown amount"


def _user() -> str:
    return f"user {os.getuid()}" if hasattr(os, "getuid") else "this user"
