"""The receiver of spans with input that no proxy sends."""

from __future__ import annotations

import socket

import pytest

from harness.clients.otlp import SpanReceiver, decoded_spans
from harness.errors import ShapeError


def field(number: int, body: bytes) -> bytes:
    """A field of protobuf with a length."""
    return bytes([number << 3 | 2, len(body)]) + body


def message(span: bytes) -> bytes:
    """A request with one span."""
    return field(1, field(2, field(2, span)))


def test_a_time_that_no_bundle_can_hold_is_refused() -> None:
    """Bundles have 64 bits with a sign."""
    (span,) = decoded_spans(message(bytes([7 << 3 | 1]) + (2**63 - 1).to_bytes(8, "little")))
    assert 2**63 - 1 == span.start_ns
    with pytest.raises(ShapeError, match="expected times in nanoseconds"):
        list(decoded_spans(message(bytes([7 << 3 | 1]) + (2**63).to_bytes(8, "little"))))


@pytest.mark.parametrize(
    "request_",
    [
        b"content-length: -1\r\n\r\n",
        b"content-length: many\r\n\r\n",
        b"content-length: 999999999999\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n-1\r\n",
        b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        b"transfer-encoding: chunked\r\n\r\nffffffffff\r\n",
    ],
)
def test_a_length_that_cannot_be_is_refused_at_once(request_: bytes) -> None:
    """Instead of waiting for bytes that never come, or keeping all that do."""
    with SpanReceiver() as receiver, socket.create_connection(("127.0.0.1", receiver.port), timeout=30) as client:
        client.sendall(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n" + request_)
        assert client.recv(12) == b"HTTP/1.1 400"
        assert receiver.spans() == ()
