"""Parse one HTTP/1.1 response (RFC 9112) whose body ends by its length, by chunks or with the connection."""

from __future__ import annotations

import re
from typing import TypeAlias

_LENGTH = re.compile(rb"\ncontent-length:[ \t]*(\d+)[ \t]*\r")
_ENCODED = b"\ntransfer-encoding:"
_CHUNKED = re.compile(rb"\ntransfer-encoding:[^\r]*\bchunked[ \t]*\r")
_CLOSE = re.compile(rb"\nconnection:[^\r]*\bclose\b")


class Http1Error(ConnectionError):
    """The received bytes are not an HTTP/1.1 response, or the response is incomplete."""


Parsed: TypeAlias = tuple[int, bytes, bytes, bool]
"""A complete response: status, status line and headers, body, and whether the connection can be reused."""


def parse_answer(data: bytes, *, head: bool, ended: bool) -> Parsed | None:
    """Return the response in ``data``, or None while it is incomplete.

    data: all bytes received for this request. head: the request was HEAD, so there is no body. ended: the connection
    has ended. Raises Http1Error for invalid data, and for an incomplete response if the connection has ended.
    """
    end = data.find(b"\r\n\r\n")
    if end < 0:
        _check_open("headers" if data else "first byte", ended=ended)
        return None
    if data[:7] != b"HTTP/1." or not data[9:12].isdigit():
        raise Http1Error(f"expected an HTTP/1.1 response, found {data[:20]!r}")
    status, lines = int(data[9:12]), data[: end + 2]
    if 100 <= status < 200 and status != 101:
        return parse_answer(data[end + 4 :], head=head, ended=ended)
    lower = lines.lower()
    length = None if _ENCODED in lower else _LENGTH.search(lower)
    if head or status in {204, 304}:
        body: bytes | None = b""
    elif length is not None:
        stop = end + 4 + int(length[1])
        body = data[end + 4 : stop] if len(data) >= stop else None
    else:
        body = _body_without_length(data, end + 4, lower, ended=ended)
    if body is None:
        _check_open("body", ended=ended)
        return None
    framed = length is not None or not body or _ENCODED in lower
    closing = ended or (b"\nconnection:" in lower and _CLOSE.search(lower) is not None)
    return status, lines, body, framed and not closing and data[7:8] == b"1"


def _check_open(part: str, *, ended: bool) -> None:
    if ended:
        raise Http1Error(f"the connection ended in the answer's {part}")


def _body_without_length(data: bytes, start: int, lower: bytes, *, ended: bool) -> bytes | None:
    """Return a body without a length, which ends by chunks or with the connection, or None while it is incomplete."""
    if _CHUNKED.search(lower):
        return _dechunked(data, start)
    return data[start:] if ended else None


def _dechunked(data: bytes, offset: int) -> bytes | None:
    """Return the body of a chunked response, or None while chunks are missing."""
    parts: list[bytes] = []
    while (line := data.find(b"\r\n", offset)) >= 0:
        size_text = data[offset:line].split(b";")[0].strip()
        try:
            size = int(size_text, 16)
        except ValueError:
            raise Http1Error(f"expected the size of a chunk, found {size_text[:20]!r}") from None
        offset = line + 2
        if size == 0:
            whole = data[offset : offset + 2] == b"\r\n" or data.find(b"\r\n\r\n", line) >= 0
            return b"".join(parts) if whole else None
        if len(data) < offset + size + 2:
            return None
        parts.append(data[offset : offset + size])
        offset += size + 2
    return None
