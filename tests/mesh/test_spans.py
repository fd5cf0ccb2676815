"""Envoy exports a span of each call of a sampled request, and the spans of a request form one trace."""

from __future__ import annotations

import socket
import struct
import threading

import pytest
from mesh_world import SUBSETS, World, routes

from harness.clients.otlp import SpanReceiver, decoded_spans
from harness.clients.processes.child import wait_until
from harness.errors import ShapeError
from harness.model.spans import Span

TRACE = "0af7651916cd43dd8448eb211c80319c"


def _spans(world: World, trace: str, count: int) -> list[Span]:
    """The spans of one trace, once that many have come."""
    found: list[Span] = []

    def come() -> bool:
        found[:] = [span for span in world.mesh.spans() if span.trace_id == trace]
        return len(found) >= count

    assert wait_until(come, timeout_s=30), found
    return found


def test_a_sampled_request_has_a_span_with_flags_and_times(world: World) -> None:
    """A delayed call shows DI and its duration, an aborted one FI; what is not sampled is not exported."""
    world.serve(
        SUBSETS,
        routes(
            """
            - match: [{uri: {prefix: /slow}}]
              fault: {delay: {fixedDelay: 0.3s, percentage: {value: 100}}}
              route: [{destination: {host: reviews, subset: v2}}]
            - match: [{uri: {prefix: /broken}}]
              fault: {abort: {httpStatus: 503, percentage: {value: 100}}}
              route: [{destination: {host: reviews, subset: v2}}]
            - route: [{destination: {host: reviews, subset: v3}}]
            """
        ),
    )
    parent = "b7ad6b7169203331"
    for path in ("/slow/1?secret=x", "/broken", "/fast"):
        world.get("reviews", path, headers={"traceparent": f"00-{TRACE}-{parent}-01"})
    world.get("reviews", "/unseen", headers={"traceparent": f"00-{TRACE}-{parent}-00"})
    world.get("reviews", "/unseen")
    by_name = {span.name: span for span in _spans(world, TRACE, 3)}
    assert by_name.keys() == {"GET /slow/1", "GET /broken", "GET /fast"}
    slow, broken, fast = (by_name[f"GET {path}"] for path in ("/slow/1", "/broken", "/fast"))
    assert (slow.service, slow.attributes["version"], slow.flags, slow.status) == ("reviews", "v2", "DI", 200)
    assert slow.duration_ns >= 250e6
    assert (broken.service, broken.flags, broken.status, broken.failed) == ("reviews", "FI", 503, True)
    assert (fast.attributes["version"], fast.flags, fast.attributes["caller"]) == ("v3", "", "loadgenerator")
    assert {span.parent_id for span in by_name.values()} == {parent}


def test_the_next_hop_is_a_child_of_the_call_before(world: World) -> None:
    """The called service gets the id of the span, and hands it on as it hands on its other headers."""
    world.serve()
    trace = TRACE[::-1]
    first = world.get("productpage", headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"})
    handed_on = first.seen["headers"]["traceparent"]
    world.get("reviews", caller="productpage-v1", headers={"traceparent": handed_on})
    page, reviews = sorted(_spans(world, trace, 2), key=lambda span: span.start_ns)
    assert (page.service, reviews.service, reviews.attributes["caller"]) == ("productpage", "reviews", "productpage")
    assert reviews.parent_id == page.span_id


@pytest.mark.parametrize("body", [b"\x0a", b"\x0a\xff\xff\xff\xff\x0f", b"\x0f", b"\xff" * 12, struct.pack("<I", 9)])
def test_what_is_no_span_is_refused(body: bytes) -> None:
    """A damaged message ends in an error of ours."""
    with pytest.raises(ShapeError, match="expected spans as OTLP"):
        list(decoded_spans(body))


def test_a_sender_that_is_killed_leaves_no_traceback(capfd: pytest.CaptureFixture[str]) -> None:
    """Envoy is stopped with its connections open; what it had sent of a message is counted as dropped."""
    others = set(threading.enumerate())
    with SpanReceiver() as receiver:
        address = ("127.0.0.1", receiver.port)
        with socket.create_connection(address) as idle, socket.create_connection(address) as sending:
            idle.sendall(b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
            assert idle.recv(64).startswith(b"HTTP/1.1 200")
            for connection in (idle, sending):  # closed by a reset, as the kernel does when unread data is left
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            idle.close()
            sending.sendall(b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\n\x0a\x09ab")
            sending.shutdown(socket.SHUT_WR)
            assert wait_until(lambda: receiver.dropped == 1, timeout_s=20)
    assert wait_until(lambda: set(threading.enumerate()) <= others, timeout_s=20)
    assert capfd.readouterr().err == ""
