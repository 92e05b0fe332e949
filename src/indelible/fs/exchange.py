"""Two names of one folder exchanged in one step, or the nearest thing that the file system has."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

from . import calls

_LACKING = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})
_NO_LINKS = frozenset({errno.EPERM, errno.EMLINK, *_LACKING})


def make(staged: Path, target: Path) -> None:
    """Give `staged` the name `target`, which nothing has. Raises FileExistsError, OSError; nothing has changed then."""
    try:
        # A link fails when somebody has made the file meanwhile; a rename would replace theirs.
        calls.link(staged, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        calls.rename(staged, target)
        return
    # The file is there. A second name that stays is found by the next sweep.
    with contextlib.suppress(OSError):
        calls.unlink(staged)


def exchange(staged: Path, target: Path) -> Path | None:
    """Give `staged` the name `target`; what had that name before is where the answer says.

    At no moment is there no file, or half a file, under the name. Raises OSError (FileNotFoundError when nothing had
    the name), and then nothing has changed; neither has it when the answer is None: this file system can do no better
    than a plain rename.
    """
    try:
        calls.exchange(staged, target)
        return staged
    except OSError as error:
        if error.errno not in _LACKING:
            raise
    displaced = target.with_name(f".indelible-{secrets.token_hex(6)}.tmp")
    try:
        calls.link(target, displaced)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return None
    try:
        calls.rename(staged, target)
    except OSError:
        # A network file system may report as failed what it has done.
        if staged.exists():
            with contextlib.suppress(OSError):
                calls.unlink(displaced)
            raise
    return displaced
