"""A gRPC service with one method, ``/shop.Reviews/Get``: the stars of a book, which it gets from ratings over HTTP.

When ratings is slow or down it waits for at most RATINGS_TIMEOUT_S and then answers without stars. With REVIEWS_KIND
set to ``fragile`` it answers with UNAVAILABLE instead.
"""

from __future__ import annotations

import asyncio
import os
import sys
from random import Random

import aiohttp
import grpc

RATINGS_TIMEOUT_S = 0.4
FORWARDED = ("x-request-id", "traceparent", "tracestate", "baggage")


class Reviews(grpc.GenericRpcHandler):
    """Serves the method without generated code: messages stay bytes."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session, self._url = session, os.environ["RATINGS_URL"]
        self._fragile = os.environ.get("REVIEWS_KIND") == "fragile"
        self._random = Random(1)  # noqa: S311 - not for security

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        """Return the method's handler; None for any other method, which ends with UNIMPLEMENTED."""
        if handler_call_details.method != "/shop.Reviews/Get":
            return None
        return grpc.unary_unary_rpc_method_handler(self._get)

    async def _get(self, message: bytes, context: grpc.aio.ServicerContext) -> bytes:
        await asyncio.sleep(self._random.lognormvariate(-2.4, 0.15))  # some 90 ms
        sent = {str(name): str(value) for name, value in context.invocation_metadata() or ()}
        book = message[1] if len(message) > 1 else 1
        try:
            headers = {name: sent[name] for name in FORWARDED if name in sent}
            async with self._session.get(f"{self._url}/ratings/{book}", headers=headers) as answer:
                answer.raise_for_status()
                return await answer.read()
        except (TimeoutError, aiohttp.ClientError):
            if self._fragile:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "ratings did not answer")
            return b"{}"


async def main(port: str) -> None:
    """Serve until SIGTERM ends the process."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=RATINGS_TIMEOUT_S)) as session:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((Reviews(session),))
        server.add_insecure_port(f"127.0.0.1:{port}")
        await server.start()
        await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
