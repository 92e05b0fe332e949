"""Two names of one folder exchanged in one step, or the nearest thing that the file system has."""

from __future__ import annotations

import ctypes
import errno
import os
import secrets
from pathlib import Path

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_LACKING = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})


def _renameat2() -> ctypes._NamedFuncPointer | None:
    try:
        return ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return None  # A C library older than 2.28, or another system.


_native = _renameat2()


def put_in_place(staged: Path, target: Path) -> Path | None:
    """Give `staged` the name `target`; what had that name before is where the answer says (None: nothing had it).

    At no moment is there no file, or half a file, under the name. Raises OSError, and then nothing has changed.
    """
    if not os.path.lexists(target):
        # A link fails when somebody has made the file meanwhile; a rename would replace theirs.
        try:
            os.link(staged, target)
            staged.unlink()
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EMLINK, *_LACKING):
                raise
            staged.rename(target)
        return None
    try:
        _exchange(staged, target)
        return staged
    except OSError as error:
        if error.errno not in _LACKING:
            raise
    displaced = target.with_name(f".indelible-{secrets.token_hex(6)}.tmp")
    os.link(target, displaced)
    staged.replace(target)
    return displaced


def _exchange(one: Path, other: Path) -> None:
    if _native is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    names = os.fsencode(one), os.fsencode(other)
    if _native(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one), None, str(other))
