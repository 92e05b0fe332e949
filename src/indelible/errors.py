"""Everything that can go wrong, by name. Errors become HTTP answers or exit codes only at the edge."""

from __future__ import annotations

from pathlib import Path


class IndelibleError(Exception):
    """Something went wrong in Indelible; Jupyter itself goes on.

    `code` is the name on the wire and in `--json`; `hint` says what the user can do.
    """

    code = "internal"

    def __init__(self, message: str = "", *, hint: str = "", path: Path | str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])
        self.hint = hint
        self.path = None if path is None else str(path)


class Malformed(IndelibleError):
    """The message is not understood; nothing was changed."""

    code = "malformed"


class TooLarge(IndelibleError):
    """The message is over its bound; nothing was changed."""

    code = "too_large"


class BlobUnknown(IndelibleError):
    """The edit names chunks that the server does not have."""

    code = "blob_unknown"

    def __init__(self, hashes: list[str], message: str = "") -> None:
        super().__init__(message or f"{len(hashes)} chunks are not on the server")
        self.hashes = hashes


class BlobDamaged(IndelibleError):
    """A stored chunk exists, but its checksum fails."""

    code = "store_damaged"


class StalePart(IndelibleError):
    """A splice was made against another state than the journal's."""

    code = "stale_part"

    def __init__(self, key: int, message: str = "") -> None:
        super().__init__(message or f"cell {key}: the splice does not apply")
        self.key = key


class Superseded(IndelibleError):
    """Another tab has adopted this working copy."""

    code = "superseded"


class WorkingCopyUnknown(IndelibleError):
    """The journal has nothing under this working copy's id."""

    code = "unknown_working_copy"


class VersionUnknown(IndelibleError):
    """No such kept state of this notebook."""

    code = "version_unknown"


class BaseUnavailable(IndelibleError):
    """The notebook content that a draft was made from can no longer be read."""

    code = "base_unavailable"


class SaveRefused(IndelibleError):
    """The file was not written as the page asked; the page can save it whole by Jupyter's own way."""

    code = "save_refused"


class JournalBehind(SaveRefused):
    """The journal has not reached the edit that is to be saved."""

    code = "behind"


class PageDiffers(SaveRefused):
    """Page and journal do not hold the same notebook."""

    code = "page_differs"


class NotLocal(SaveRefused):
    """The notebook's file is not ours to write in place of Jupyter."""

    code = "not_local"


class FileGone(IndelibleError):
    """The notebook's file was deleted or moved away."""

    code = "file_gone"


class NotANotebook(IndelibleError):
    """The file on disk is no notebook."""

    code = "not_a_notebook"


class FileChanged(IndelibleError):
    """Somebody else has written the file since it was read."""

    code = "file_changed"

    def __init__(self, found: str, *, path: Path | str | None = None) -> None:
        super().__init__("the file has changed on disk", path=path)
        self.found = found


class FileError(IndelibleError):
    """The file could not be written; what was there before is still there."""

    code = "file_error"

    def __init__(self, code: str, message: str, *, hint: str = "", path: Path | str | None = None) -> None:
        super().__init__(message, hint=hint, path=path)
        self.code = code


class DiskLow(IndelibleError):
    """The disk will soon be full; nothing has failed yet."""

    code = "disk_low"


class StoreError(IndelibleError):
    """The store could not be read or written; the edit is not on the server's disk."""

    code = "store_unreachable"


class DiskFull(StoreError):
    """No space is left for the store (or the quota is used up)."""

    code = "disk_full"


class StoreReadOnly(StoreError):
    """The store may not be written."""

    code = "read_only"


class StoreDamaged(StoreError):
    """The store's file exists, but cannot be right."""

    code = "store_damaged"


class StoreUnreachable(StoreError):
    """The store cannot be reached."""

    code = "store_unreachable"


class StoreHeld(StoreUnreachable):
    """Another process holds the store."""

    code = "store_held"


class StoreUnsuitable(StoreUnreachable):
    """The store's file system cannot keep a database safely."""

    code = "store_unsuitable"


class JournalOff(StoreError):
    """The journal is switched off by configuration."""

    code = "journal_off"
