"""Temporary folders that a later start removes if this process is killed."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SURELY_LOCKED_S = 60.0
"""A younger folder may be one whose process is just about to lock it."""


@contextmanager
def scratch(prefix: str, parent: Path | None = None, *, keep_after_error: bool = False) -> Iterator[Path]:
    """Yield a new folder that is locked inside the block and removed after it, unless it was renamed.

    Unlocked folders of this user with the same beginning of their name are removed first: their processes were killed.
    parent: where it is; the folder for temporary files if None. keep_after_error: leave it to a later start to remove
    the folder if the block raises an error, so that the logs in it can be read.
    """
    place = Path(tempfile.gettempdir()) if parent is None else parent
    for old in place.iterdir() if place.is_dir() else ():
        if old.name.startswith(prefix):
            _remove_left(old)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    handle = os.open(folder, os.O_RDONLY)
    kept = False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield folder
    except Exception:
        kept = keep_after_error
        raise
    finally:
        if not kept:
            shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _remove_left(folder: Path) -> None:
    """Remove a folder whose process is gone; leave anything else."""
    try:
        found = folder.lstat()
        if found.st_uid != os.getuid() or time.time() - found.st_mtime < _SURELY_LOCKED_S:
            return
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return  # it has just been removed, or it is no folder
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # its process is at work
    else:
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)
