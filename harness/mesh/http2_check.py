"""Ask a server whether it speaks HTTP/2 in plain text: whether it answers the connection preface with its settings.

A gRPC server need not implement a health check, but it must send its SETTINGS frame first (RFC 9113, section 3.4).
"""

from __future__ import annotations

import socket

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS = 4
_EMPTY_SETTINGS = bytes([0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0])
_HEADER = 9
"""The length of a frame's header: length (3 bytes), type, flags, stream (4 bytes)."""


def speaks_http2(host: str, port: int, *, timeout_s: float = 2.0) -> str:
    """Return ``200`` if the server sends its settings, otherwise what it did instead."""
    try:
        with socket.create_connection((host, port), timeout=timeout_s) as connection:
            connection.sendall(_PREFACE + _EMPTY_SETTINGS)
            received = b""
            while len(received) < _HEADER:
                more = connection.recv(_HEADER - len(received))
                if not more:
                    return "it closed the connection instead of speaking HTTP/2"
                received += more
    except OSError as error:
        return str(error) or type(error).__name__
    return "200" if received[3] == _SETTINGS else f"it does not speak HTTP/2: it sent {received!r}"
