"""What went wrong with a user's file, in words that say what to do."""

from __future__ import annotations

import contextlib
import errno
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from ..errors import FileError, FileGone
from . import FULL, free_bytes

_LOST = frozenset({errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ENXIO, errno.EHOSTDOWN, errno.ETIMEDOUT})


@contextlib.contextmanager
def failure(path: Path) -> Iterator[None]:
    """Raise what the operating system says about this file as FileError (FileGone when its folder is gone)."""
    try:
        yield
    except OSError as error:
        raise explained(error, path) from error


def explained(error: OSError, path: Path) -> FileError | FileGone:
    """`code` names the cause; the message has the path, the number of the error, free space or owner."""
    number, words = error.errno, f"{error.strerror} [errno {error.errno}]"
    if number in FULL:
        return FileError(
            "disk_full",
            f"no space is left to write {path}: {words}, {_free(path)}",
            hint="free some space; it will be tried again by itself",
            path=path,
        )
    if number == errno.EROFS:
        return FileError(
            "read_only", f"{path} is on a file system that is read-only: {words}", hint="mount it writable", path=path
        )
    if number in (errno.EACCES, errno.EPERM):
        return FileError(
            "no_permission",
            f"{path} may not be written: {words}; {_rights(path)}",
            hint="give the server's user the right to write the file and its folder",
            path=path,
        )
    if number == errno.ENAMETOOLONG:
        return FileError("name_too_long", f"the name of {path} is too long: {words}", hint="rename it", path=path)
    if number in (errno.ENOENT, errno.ENOTDIR):
        return FileGone(f"the folder of {path} is gone: {words}", hint="save it under another name", path=path)
    if number in _LOST:
        return FileError(
            "mount_lost", f"{path} cannot be reached: {words}", hint="is its disk or server still there?", path=path
        )
    return FileError(
        "io_error", f"{path} could not be written: {words}", hint="check the disk; nothing was replaced", path=path
    )


def circumstances(path: Path) -> str:
    """What else a log should say of a file that could not be written: free space, owner, rights. Never raises."""
    return f"{_free(path)}; {_rights(path)}"


def _free(path: Path) -> str:
    try:
        return f"{free_bytes(path.parent) / 2**20:.1f} MB free"
    except OSError:
        return "free space unknown"


def _rights(path: Path) -> str:
    try:
        status = path.stat() if path.exists() else path.parent.stat()
        owner = _name(status.st_uid)
        return f"it belongs to {owner} ({stat.filemode(status.st_mode)}), the server runs as {_name(os.geteuid())}"
    except OSError:
        return f"the server runs as {_name(os.geteuid())}"


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
