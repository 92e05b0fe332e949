"""The operating system's calls through which everything in fs/ goes: tests count them here, and make each of them fail.

Each does one thing, raises OSError, and knows nothing of what it is for.
"""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

BLOCK = 2**20
"""Bytes that are read or written at a time."""
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def open_file(path: Path, flags: int, mode: int = 0o600) -> int:
    return os.open(path, flags | os.O_CLOEXEC, mode)


def read(handle: int, size: int) -> bytes:
    return os.read(handle, size)


def write(handle: int, block: memoryview) -> int:
    return os.write(handle, block)


def truncate(handle: int, size: int) -> None:
    os.ftruncate(handle, size)


def sync(handle: int) -> None:
    os.fsync(handle)


def close(handle: int) -> None:
    os.close(handle)


def link(source: Path, path: Path) -> None:
    os.link(source, path)


def unlink(path: Path) -> None:
    path.unlink()


def rename(source: Path, path: Path) -> None:
    """What had the name `path` before is gone."""
    source.replace(path)


def exchange(one: Path, other: Path) -> None:
    """Both names change places in one step. ENOSYS, EINVAL or ENOTSUP where that cannot be done."""
    if _native is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    names = os.fsencode(one), os.fsencode(other)
    if _native(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one), None, str(other))


def set_owner(path: Path, user: int, group: int) -> None:
    os.chown(path, user, group)


def set_mode(path: Path, mode: int) -> None:
    path.chmod(mode)


def set_attribute(path: Path, name: str, value: bytes) -> None:
    os.setxattr(path, name, value)


def _renameat2() -> ctypes._NamedFuncPointer | None:
    try:
        return ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return None  # A C library older than 2.28, or another system.


_native = _renameat2()
