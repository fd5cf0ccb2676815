"""The services of ``benchmarks/causes.py``: shop, which calls prices and stock, with a plant that the environment sets.

================  ====================================================================================
OWN_MS            the median of the time that shop itself takes (20)
CACHED            the share of requests for which shop does not ask prices (0)
PRICES_CALLS      how often shop asks prices in the other ones, one call after the other (1)
STOCK_SHARE       the share of requests for which shop asks stock too (0)
RETRIES           how often shop asks again after a call that failed or took too long (0)
TIMEOUT_S         how long shop waits for a call (0.3)
================  ====================================================================================
"""

from __future__ import annotations

import os
from random import Random

from harness.demo.service import SESSION, Latency, add_session, command_line, forwarded_headers, serve
from harness.demo.web import ClientError, ClientTimeout, web

LONGEST_S = 10.0


def shop_app(seed: int) -> web.Application:
    """Return the application. It answers ``GET /items/{item}``."""
    random = Random(seed)
    latency = Latency(median_s=_number("OWN_MS", 20) / 1000, spread=0.3, random=random)
    cached, prices_calls = _number("CACHED", 0), int(_number("PRICES_CALLS", 1))
    stock_share, tries = _number("STOCK_SHARE", 0), 1 + int(_number("RETRIES", 0))
    timeout = ClientTimeout(total=_number("TIMEOUT_S", 0.3))

    async def asked(request: web.Request, url: str) -> bool:
        for _ in range(tries):
            try:
                async with request.app[SESSION].get(url, headers=forwarded_headers(request), timeout=timeout) as answer:
                    if answer.status == 200:
                        return True
            except (ClientError, TimeoutError):
                continue
        return False

    async def items(request: web.Request) -> web.Response:
        await latency.wait()
        item = request.match_info["item"]
        price = True
        if random.random() >= cached:
            for _ in range(prices_calls):
                price = await asked(request, f"{os.environ['PRICES_URL']}/prices/{item}")
        if random.random() < stock_share:
            await asked(request, f"{os.environ['STOCK_URL']}/stock/{item}")
        return web.json_response({"item": item, "price": 5 if price else None})

    app = web.Application()
    add_session(app, timeout_s=LONGEST_S)
    app.router.add_get(r"/items/{item:\d+}", items)
    return app


def called_app(seed: int) -> web.Application:
    """Return the application of prices and of stock, which answer after some milliseconds."""
    latency = Latency(median_s=0.008, spread=0.3, random=Random(seed))

    async def answer(_: web.Request) -> web.Response:
        await latency.wait()
        return web.json_response({"found": 5})

    app = web.Application()
    app.router.add_get(r"/{kind}/{item:\d+}", answer)
    return app


def _number(name: str, default: float) -> float:
    return float(os.environ.get(name, default))


if __name__ == "__main__":
    parser = command_line("Serve items of a shop, or what it calls.")
    parser.add_argument("--called", action="store_true", help="be prices or stock")
    args = parser.parse_args()
    serve(lambda: called_app(args.seed) if args.called else shop_app(args.seed), args.port)
