"""Find the first request in what a proxy sent; HTTP/1.1 as Envoy writes it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Request:
    """A whole request. headers: by name in small letters. raw: all of its bytes."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes


def first_request(received: bytes) -> Request | None:
    """Return the first request, or None if it is not complete yet."""
    size = received.find(b"\r\n\r\n") + 4
    if size < 4:
        return None
    first, *lines = received[:size].decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    end = (
        _end_of_chunks(received, size)
        if "chunked" in headers.get("transfer-encoding", "").lower()
        else (size + _number(headers.get("content-length", "0")))
    )
    if not 0 <= end <= len(received):
        return None
    method, _, rest = first.partition(" ")
    return Request(method, rest.rpartition(" ")[0], headers, received[:end])


def _end_of_chunks(received: bytes, start: int) -> int:
    """Return where a body in chunks without trailers ends; -1 if it has not ended yet."""
    while (line := received.find(b"\r\n", start)) >= 0:
        size = int(received[start:line].partition(b";")[0], 16)
        start = line + 2 + size + 2
        if not size:
            return start
    return -1


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
