"""Which file system a path lies on: SQLite's locks do not hold over a network."""

import re
from pathlib import Path

from storage.errors import StorageError

_MOUNTS = Path("/proc/self/mounts")  # Linux; elsewhere nothing is known and nothing refused
_NETWORK = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "glusterfs", "lustre"),
        *("beegfs", "gpfs", "ocfs2", "orangefs", "pvfs2", "davfs", "fuse.davfs2", "fuse.sshfs"),
        *(
            "fuse.s3fs",
            "fuse.rclone",
            "fuse.glusterfs",
            "fuse.ceph",
            "fuse.gcsfuse",
            "fuse.juicefs",
        ),
    )
)


def filesystem_of(path: Path, mounts: Path = _MOUNTS) -> str | None:
    """Type of the file system that holds the path, for example `ext4`; None: cannot be told."""
    if not mounts.exists():
        return None
    path, best, kind = path.resolve(), -1, None
    for line in mounts.read_text(errors="replace").splitlines():
        _, place, type_, *_ = line.split(" ")
        folder = Path(re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), place))
        if path.is_relative_to(folder) and len(folder.parts) >= best:  # a later mount hides
            best, kind = len(folder.parts), type_
    return kind


def refuse_network(path: Path, mounts: Path = _MOUNTS) -> None:
    kind = filesystem_of(path, mounts)
    if kind in _NETWORK:
        raise StorageError(
            f"{path} is on a network file system ({kind}), where SQLite loses data: "
            "use a local folder, or PostgreSQL"
        )
