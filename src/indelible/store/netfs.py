"""Is a folder on a network file system? SQLite's WAL must not be shared there."""

from __future__ import annotations

from pathlib import Path

NETWORK = frozenset(
    [
        "nfs",
        "nfs4",
        "cifs",
        "smb3",
        "smbfs",
        "9p",
        "afs",
        "lustre",
        "glusterfs",
        "ceph",
        "beegfs",
        "gpfs",
        "ocfs2",
        "gfs2",
        "davfs",
        "fuse.sshfs",
        "fuse.glusterfs",
        "fuse.ceph",
        "fuse.s3fs",
        "fuse.rclone",
        "fuse.davfs2",
        "fuse.beegfs",
    ]
)


def kind_of(folder: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """The type of the file system that holds the folder, as the kernel names it; "" when that is not known."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    best, kind = Path(), ""
    target = folder.resolve()
    for line in lines:
        before, _, after = line.partition(" - ")
        mounted = Path(_unescaped(before.split()[4]))
        # The last of equal mounts hides the earlier ones.
        if target.is_relative_to(mounted) and len(mounted.parts) >= len(best.parts):
            best, kind = mounted, after.split()[0]
    return kind


def is_network(kind: str) -> bool:
    return kind in NETWORK


def _unescaped(path: str) -> str:
    for code, character in (("040", " "), ("011", "\t"), ("012", "\n"), ("134", "\\")):
        path = path.replace("\\" + code, character)
    return path
