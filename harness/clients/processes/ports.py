"""Find free ports on loopback, and find out which process listens on a port."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

from harness.errors import PortError

LOWEST, HIGHEST = 10_240, 32_000
"""Below the ephemeral port ranges: Linux assigns ports from 32768, macOS and Windows from 49152."""
_ATTEMPTS = 10_000
LEASE_S = 30.0
"""For how long a port that was returned is not returned again to any process on this machine."""


def free_ports(count: int) -> list[int]:
    """Return ``count`` different TCP ports of 127.0.0.1 on which nothing listens. Raises PortError.

    Nothing reserves a port until a process binds it, so another run could be given the same one. Each port is therefore
    leased for 30 s by a file in a private folder. Ports come from below the ephemeral range, so the system does not
    assign them to processes that bind port 0 or connect.
    """
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        folder = held.enter_context(_lease_folder())
        _remove_expired_leases(folder)
        for _ in range(_ATTEMPTS):
            if len(ports) == count:
                return ports
            listener = held.enter_context(socket.socket())
            port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
            try:
                listener.bind(("127.0.0.1", port))
                os.close(os.open(str(port), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600, dir_fd=folder))
            except OSError:
                continue
            ports.append(port)
    raise PortError(f"expected {count} free ports of 127.0.0.1 from {LOWEST} to {HIGHEST}, found {len(ports)}")


@contextlib.contextmanager
def _lease_folder() -> Iterator[int]:
    """Open this user's private folder of leases and yield its file descriptor. Raises PortError.

    Its name in the temporary folder can be predicted, so another user can put a link or a folder there first. The
    folder is therefore opened without following a link, its owner is checked, and files in it are reached through the
    descriptor only.
    """
    path, user = "", os.getuid()
    try:
        path = str(Path(tempfile.gettempdir()) / f"harness-ports-{user}")
        with contextlib.suppress(FileExistsError):
            Path(path).mkdir(mode=0o700)
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        found = "a link" if Path(path).is_symlink() else "a file" if Path(path).is_file() else str(error)
        raise _not_ours(path, found) from error
    try:
        owner = os.fstat(folder).st_uid
        if owner != user:
            raise _not_ours(path, f"one of user {owner}")
        os.fchmod(folder, 0o700)
        yield folder
    finally:
        os.close(folder)


def _not_ours(path: str, found: str) -> PortError:
    where = path or "the temporary folder"
    return PortError(
        f"expected {where} to be a folder of your own, found {found}; "
        "remove it, or set TMPDIR to a folder that only you can write"
    )


def _remove_expired_leases(folder: int) -> None:
    """Delete old leases. Other files in the folder are not ours to delete."""
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            lease = os.stat(name, dir_fd=folder, follow_symlinks=False)
            is_lease = name.isdecimal() and stat.S_ISREG(lease.st_mode)
            if is_lease and time.time() - lease.st_mtime > LEASE_S:
                os.unlink(name, dir_fd=folder)


def port_holder(port: int) -> str:
    """Name the process that listens on a TCP port: ``nginx (pid 812)``, or ``another process`` if it is hidden."""
    try:
        connections = psutil.net_connections("tcp")
        pids = [c.pid for c in connections if c.status == psutil.CONN_LISTEN and c.laddr[1:] == (port,) and c.pid]
        owners = [f"{psutil.Process(pid).name()} (pid {pid})" for pid in pids]
    except psutil.Error:
        owners = []
    return owners[0] if owners else "another process"


def is_free(port: int) -> bool:
    """Return whether a process could listen on the port on loopback now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
