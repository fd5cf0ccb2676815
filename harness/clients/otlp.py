"""Receive spans by OpenTelemetry's protocol over HTTP (OTLP, binary protobuf), on loopback.

Only the fields that are used are read; their numbers are those of opentelemetry/proto/trace/v1/trace.proto.
"""

from __future__ import annotations

import struct
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from harness.errors import ShapeError
from harness.model.json import JsonScalar

MOST_SPANS = 50_000
"""Spans that a receiver keeps; later ones are counted only."""
_MOST_BYTES = 16 * 2**20
_LATEST_NS = 2**63 - 1
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpSpan:
    """A span as it was sent. Ids in hexadecimal, times in nanoseconds since the Unix epoch."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, JsonScalar]


class SpanReceiver:
    """Takes spans at a port of loopback while its block runs."""

    def __init__(self) -> None:
        """Choose the port; spans are taken inside the block only."""
        self.dropped = 0
        """Spans that came when there were too many already, and messages that could not be read."""
        self._spans: list[OtlpSpan] = []
        self._server = _Server(("127.0.0.1", 0), _handler(self._take))
        self._thread = threading.Thread(target=self._server.serve_forever, name="spans", daemon=True)

    @property
    def port(self) -> int:
        """Where it takes spans."""
        return int(self._server.server_address[1])

    def spans(self) -> tuple[OtlpSpan, ...]:
        """Return the spans that have come so far."""
        return tuple(self._spans)

    def _take(self, body: bytes) -> None:
        try:
            found = list(decoded_spans(body))
        except ShapeError:
            self.dropped += 1
            return
        room = max(0, MOST_SPANS - len(self._spans))
        self._spans += found[:room]
        self.dropped += len(found[room:])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def decoded_spans(body: bytes) -> Iterator[OtlpSpan]:
    """Yield the spans of an ExportTraceServiceRequest. Raises ShapeError for anything else."""
    try:
        for resource_spans in _messages(body, 1):
            for scope_spans in _messages(resource_spans, 2):
                yield from map(_span, _messages(scope_spans, 2))
    except (IndexError, struct.error, UnicodeDecodeError) as error:
        raise ShapeError(f"expected spans as OTLP, found something else: {error}", path="body") from error


def _span(message: bytes) -> OtlpSpan:
    fields = list(_fields(message))
    blobs = {number: value for number, value in fields if isinstance(value, bytes) and number in (1, 2, 4, 5)}
    times = {number: value for number, value in fields if isinstance(value, int) and number in (7, 8)}
    if any(value > _LATEST_NS for value in times.values()):
        raise ShapeError("expected times in nanoseconds, found one that 64 bits cannot hold", path="span")
    return OtlpSpan(
        trace_id=blobs.get(1, b"").hex(),
        span_id=blobs.get(2, b"").hex(),
        parent_id=blobs.get(4, b"").hex(),
        name=blobs.get(5, b"").decode(),
        start_ns=times.get(7, 0),
        end_ns=times.get(8, 0),
        attributes=dict(_attribute(value) for number, value in fields if number == 9 and isinstance(value, bytes)),
    )


def _attribute(message: bytes) -> tuple[str, JsonScalar]:
    key, found = "", ""
    value: JsonScalar = found
    for number, part in _fields(message):
        if number == 1 and isinstance(part, bytes):
            key = part.decode()
        elif number == 2 and isinstance(part, bytes):
            value = _any_value(part)
    return key, value


def _any_value(message: bytes) -> JsonScalar:
    for number, part in _fields(message):
        if number == 1 and isinstance(part, bytes):
            return part.decode()
        if number == 2 and isinstance(part, int):
            return bool(part)
        if number == 3 and isinstance(part, int):
            return part
        if number == 4 and isinstance(part, int):
            (real,) = struct.unpack("<d", struct.pack("<Q", part))
            return float(real)
    return ""


def _messages(message: bytes, wanted: int) -> Iterator[bytes]:
    return (value for number, value in _fields(message) if number == wanted and isinstance(value, bytes))


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the number and the value of each field in protobuf's wire format."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
            (fixed,) = struct.unpack_from("<Q" if size == 8 else "<I", message, at)
            yield number, fixed
            at += size
        elif kind == _LENGTH:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise IndexError("a field is longer than its message")
            yield number, message[at : at + size]
            at += size
        else:
            raise IndexError(f"a field of the unknown type {kind}")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
        if shift > 63:
            raise IndexError("a number is too long")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Print what went wrong, except that a sender ended in the middle of a connection, as Envoy does at the end."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type] # typeshed's type has no public name


def _length(text: str | bytes, base: int, *, room: int) -> int:
    length = int(text, base)
    if not 0 <= length <= room:
        raise ValueError(f"expected at most {room} bytes, found {length}")
    return length


def _handler(take: object) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            try:
                body = self._body()
            except ValueError:
                self.close_connection = True
                self.send_error(400)
                return
            if callable(take):
                take(body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def _body(self) -> bytes:
            """Return the body, which Envoy sends in chunks; a part of it if the connection ends.

            Raises ValueError for a body that is too long or whose length is no number.
            """
            if self.headers.get("transfer-encoding", "").lower() != "chunked":
                return self.rfile.read(_length(self.headers.get("content-length", "0"), 10, room=_MOST_BYTES))
            found = b""
            while size := _length(self.rfile.readline(99).split(b";")[0] or b"0", 16, room=_MOST_BYTES - len(found)):
                found += self.rfile.read(size)
                self.rfile.readline(9)
            self.rfile.readline(9)
            return found

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep quiet."""

    return Handler
