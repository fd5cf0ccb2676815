"""Free ports on loopback, and who holds one that is taken."""

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
"""Linux hands out ports from 32768, macOS and Windows from 49152."""
_TRIES = 10_000
LEASE_S = 30.0
"""How long a port that was handed out is not handed out again to anyone on this machine."""


def free_ports(count: int) -> list[int]:
    """``count`` different TCP ports of 127.0.0.1 that nobody listens on.

    A port is only a number until its process binds it. Until then another run could be
    given the same one, so each is leased for 30 s by a file in the temporary folder; and it lies
    below the range from which systems hand out ports to whoever binds port 0 or connects.
    """
    folder = Path(tempfile.gettempdir()) / f"harness-ports-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    _forget_old_leases(folder)
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        for _ in range(_TRIES):
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


def _forget_old_leases(folder: Path) -> None:
    for lease in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            if time.time() - lease.stat().st_mtime > LEASE_S:
                lease.unlink()


def port_holder(port: int) -> str:
    """Who listens on a TCP port: ``nginx (pid 812)``, or ``another process`` where that cannot be seen."""
    try:
        connections = psutil.net_connections("tcp")
        pids = [c.pid for c in connections if c.status == psutil.CONN_LISTEN and c.laddr[1:] == (port,) and c.pid]
        owners = [f"{psutil.Process(pid).name()} (pid {pid})" for pid in pids]
    except psutil.Error:
        owners = []
    return owners[0] if owners else "another process"


def is_free(port: int) -> bool:
    """Whether a listener could be bound to the port on loopback now."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
