"""A gRPC service for tests: ``grpc_service.py PORT [NAME]``. Its answers carry the mark of an arm, as a proxy sets it."""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

SEEN: list[dict[str, str]] = []


def get(message: bytes, context: grpc.ServicerContext) -> bytes:
    """Echo; ``fail`` ends with UNAVAILABLE, ``gone`` with NOT_FOUND, ``slow`` waits, ``who`` is the service's name."""
    host = context._rpc_event.call_details.host.decode()  # grpcio shows it nowhere else
    SEEN.append({"host": host, **{str(name): str(value) for name, value in context.invocation_metadata()}})
    if message == b"slow":  # before anything is sent: a proxy can then still answer instead
        time.sleep(5)
    context.send_initial_metadata((("x-harness-arm", "canary"),))
    if message == b"fail":
        context.abort(grpc.StatusCode.UNAVAILABLE, "no stars today")
    if message == b"gone":
        context.abort(grpc.StatusCode.NOT_FOUND, "no such book")
    if message == b"who":
        return sys.argv[2].encode()
    return b"echo " + message


def seen(_: bytes, __: grpc.ServicerContext) -> bytes:
    """The metadata of the first call."""
    return repr(SEEN[0] if SEEN else {}).encode()


def listing(message: bytes, context: grpc.ServicerContext):
    """A stream of three answers to ``n``. Its mark is the arm that the caller chose, as a proxy would route it."""
    sent = {str(name): str(value) for name, value in context.invocation_metadata()}
    context.send_initial_metadata((("x-harness-arm", sent.get("x-harness-choose", "nobody chose")),))
    if message == b"fail":
        context.abort(grpc.StatusCode.UNAVAILABLE, "no stars today")
    for number in range(3):
        yield message + str(number).encode()


def main() -> None:
    """Serve until killed."""
    server = grpc.server(ThreadPoolExecutor(8))
    handlers = {
        "Get": grpc.unary_unary_rpc_method_handler(get),
        "Seen": grpc.unary_unary_rpc_method_handler(seen),
        "List": grpc.unary_stream_rpc_method_handler(listing),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Reviews", handlers),))
    server.add_insecure_port(f"127.0.0.1:{sys.argv[1]}")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    main()
