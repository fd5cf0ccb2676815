"""What the demo's services have in common: command line, health, random latency, headers handed on."""

from __future__ import annotations

import argparse
import asyncio
import gc
import math
from collections.abc import Callable
from random import Random

from harness.demo.web import ClientSession, ClientTimeout, TCPConnector, web

HANDED_ON = (
    "end-user", "x-request-id", "traceparent", "tracestate", "baggage",
    "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags",
)  # fmt: skip
"""Headers that a service must hand on, so that routing by user and traces work behind it."""

SESSION: web.AppKey[ClientSession] = web.AppKey("session", ClientSession)


class Latency:
    """Waits of random length, lognormal like most real ones."""

    def __init__(self, *, median_s: float, spread: float, random: Random) -> None:
        """spread: the logarithm's standard deviation; 0.15 puts p99 at 1.4 times the median."""
        self._location, self._spread, self._random = math.log(median_s), spread, random

    async def wait(self) -> None:
        """Wait once."""
        await asyncio.sleep(self._random.lognormvariate(self._location, self._spread))


def command_line(what: str) -> argparse.ArgumentParser:
    """The options of every service."""
    parser = argparse.ArgumentParser(description=what, allow_abbrev=False)
    parser.add_argument("--port", type=int, required=True, help="port to listen on, on loopback")
    parser.add_argument("--version", default="v1", help="version of the service (default: v1)")
    parser.add_argument("--seed", type=int, default=1, help="of all randomness (default: 1)")
    return parser


def handed_on(request: web.Request) -> dict[str, str]:
    """The headers for calls made on behalf of ``request``."""
    return {name: request.headers[name] for name in HANDED_ON if name in request.headers}


def calling(app: web.Application, *, timeout_s: float) -> None:
    """Give ``app`` a client session for its calls, under SESSION."""

    async def session(app: web.Application) -> object:
        timeout = ClientTimeout(total=timeout_s)
        async with ClientSession(timeout=timeout, connector=TCPConnector(limit=0)) as app[SESSION]:
            yield

    app.cleanup_ctx.append(session)  # type: ignore[arg-type]


def serve(make: Callable[[], web.Application], port: int) -> None:
    """Run until SIGTERM. Idle connections are kept for an hour, as proxies do, or a reused one might just be closing."""
    app = make()
    app.router.add_get("/health", _healthy)
    gc.freeze()
    web.run_app(
        app, host="127.0.0.1", port=port, access_log=None, print=None, shutdown_timeout=1, keepalive_timeout=3600
    )


async def _healthy(_: web.Request) -> web.Response:
    return web.json_response({"status": "healthy"})
