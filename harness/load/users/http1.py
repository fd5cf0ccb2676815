"""Reads one HTTP/1.1 response from bytes (RFC 9112): by length, by chunks, or until the connection ends."""

from __future__ import annotations

import re
from typing import TypeAlias

_LENGTH = re.compile(rb"\ncontent-length:[ \t]*(\d+)[ \t]*\r")
_CODED = b"\ntransfer-encoding:"
_CHUNKED = re.compile(rb"\ntransfer-encoding:[^\r]*\bchunked[ \t]*\r")
_CLOSE = re.compile(rb"\nconnection:[^\r]*\bclose\b")


class Http1Error(ConnectionError):
    """What came is no HTTP/1.1 response, or it ended early."""


Parsed: TypeAlias = tuple[int, bytes, bytes, bool]
"""A whole response: status, status line and headers, body, and whether the connection can carry another request."""


def parse_answer(data: bytes, *, head: bool, ended: bool) -> Parsed | None:
    """The response in ``data``, or None while something is missing.

    data: all that came for this request. head: the request was HEAD, so there is no body. ended: nothing more
    will come. Raises Http1Error for anything that is no whole response then.
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
    length = None if _CODED in lower else _LENGTH.search(lower)
    if head or status in {204, 304}:
        body: bytes | None = b""
    elif length is not None:
        stop = end + 4 + int(length[1])
        body = data[end + 4 : stop] if len(data) >= stop else None
    else:
        body = _unmeasured(data, end + 4, lower, ended=ended)
    if body is None:
        _check_open("body", ended=ended)
        return None
    framed = length is not None or not body or _CODED in lower
    closing = ended or (b"\nconnection:" in lower and _CLOSE.search(lower) is not None)
    return status, lines, body, framed and not closing and data[7:8] == b"1"


def _check_open(what: str, *, ended: bool) -> None:
    if ended:
        raise Http1Error(f"the connection ended in the answer's {what}")


def _unmeasured(data: bytes, start: int, lower: bytes, *, ended: bool) -> bytes | None:
    """A body without a length, by chunks or until the end; None while it is not all there."""
    if _CHUNKED.search(lower):
        return _dechunked(data, start)
    return data[start:] if ended else None


def _dechunked(data: bytes, place: int) -> bytes | None:
    """The body of a chunked response, or None while chunks are missing."""
    parts: list[bytes] = []
    while (line := data.find(b"\r\n", place)) >= 0:
        size_text = data[place:line].split(b";")[0].strip()
        try:
            size = int(size_text, 16)
        except ValueError:
            raise Http1Error(f"expected the size of a chunk, found {size_text[:20]!r}") from None
        place = line + 2
        if size == 0:
            whole = data[place : place + 2] == b"\r\n" or data.find(b"\r\n\r\n", line) >= 0
            return b"".join(parts) if whole else None
        if len(data) < place + size + 2:
            return None
        parts.append(data[place : place + size])
        place += size + 2
    return None
