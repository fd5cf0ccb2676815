"""Code that the demo's services share: the command line, the health check, random latency and forwarded headers."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from random import Random

from harness.demo.web import ClientSession, ClientTimeout, TCPConnector, web

FORWARDED = (
    "end-user", "x-request-id", "traceparent", "tracestate", "baggage",
    "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags",
)  # fmt: skip
"""Headers that a service must forward, so that routing by user and tracing work in the services behind it."""

SESSION: web.AppKey[ClientSession] = web.AppKey("session", ClientSession)


class Latency:
    """Random delays with a lognormal distribution, like most real latencies."""

    def __init__(self, *, median_s: float, spread: float, random: Random) -> None:
        """spread: standard deviation of the logarithm; with 0.15, p99 is 1.4 times the median."""
        self._location, self._spread, self._random = math.log(median_s), spread, random

    async def wait(self) -> None:
        """Wait for a random time."""
        await asyncio.sleep(self._random.lognormvariate(self._location, self._spread))


def command_line(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options that all services have."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True, help="loopback port to listen on")
    parser.add_argument("--version", default="v1", help="version of the service (default: v1)")
    parser.add_argument("--seed", type=int, default=1, help="seed of all random numbers (default: 1)")
    return parser


def forwarded_headers(request: web.Request) -> dict[str, str]:
    """Return the headers to forward with calls that ``request`` causes."""
    return {name: request.headers[name] for name in FORWARDED if name in request.headers}


def add_session(app: web.Application, *, timeout_s: float) -> None:
    """Give ``app`` a client session, under the key SESSION, for its calls to other services."""

    async def session(app: web.Application) -> AsyncIterator[None]:
        timeout = ClientTimeout(total=timeout_s)
        async with ClientSession(timeout=timeout, connector=TCPConnector(limit=0)) as app[SESSION]:
            yield

    app.cleanup_ctx.append(session)


def own_log(name: str) -> logging.Logger:
    """Return the log of a service, whose lines on standard error begin with the time in UTC."""
    lines = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    lines.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(lines)
    log = logging.getLogger(name)
    log.handlers[:] = [handler]
    return log


def serve(make: Callable[[], web.Application], port: int) -> None:
    """Serve until SIGTERM.

    Idle connections stay open for an hour, as those of proxies do. Otherwise a caller might reuse a connection that is
    just being closed.
    """
    app = make()
    app.router.add_get("/health", _healthy)
    gc.freeze()
    web.run_app(
        app, host="127.0.0.1", port=port, access_log=None, print=None, shutdown_timeout=1, keepalive_timeout=3600
    )


async def _healthy(_: web.Request) -> web.Response:
    return web.json_response({"status": "healthy"})
