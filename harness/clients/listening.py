"""Find out whether somebody listens at a URL, without sending a request."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

from harness.errors import MeshError
from harness.userinfo import without_userinfo

_WITHIN_S = 5.0
_PORTS = {"http": 80, "https": 443}


def require_listener(url: str, what: str) -> None:
    """Raise MeshError if no connection to the URL can be made. what: the setting that names it."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or _PORTS.get(parts.scheme, 80)
        if not host:
            raise MeshError(f"{what}: expected a URL with a host, found {without_userinfo(url)}")
        socket.create_connection((host, port), timeout=_WITHIN_S).close()
    except (OSError, ValueError) as error:
        raise MeshError(
            f"{what}: expected somebody to listen at {without_userinfo(url)}, found nobody "
            f"({type(error).__name__}: {error}); names of services work only inside the cluster: run there, or forward "
            "a port of the entry service or its gateway to this machine"
        ) from error
