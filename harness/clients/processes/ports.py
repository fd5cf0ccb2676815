"""Find free ports on loopback, and find out which process listens on a port."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import tempfile
import time
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
    leased for 30 s by a file in the temporary folder. Ports come from below the ephemeral range, so the system does not
    assign them to processes that bind port 0 or connect.
    """
    folder = Path(tempfile.gettempdir()) / f"harness-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    _remove_expired_leases(folder)
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        for _ in range(_ATTEMPTS):
            if len(ports) == count:
                return ports
            listener = held.enter_context(socket.socket())
            port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
            try:
                listener.bind(("127.0.0.1", port))
                (folder / str(port)).touch(exist_ok=False)
            except OSError:
                continue
            ports.append(port)
    raise PortError(f"expected {count} free ports of 127.0.0.1 from {LOWEST} to {HIGHEST}, found {len(ports)}")


def _remove_expired_leases(folder: Path) -> None:
    for lease in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if time.time() - lease.stat().st_mtime > LEASE_S:
                lease.unlink()


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
