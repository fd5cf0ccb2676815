"""The service details, which returns facts about a book."""

from __future__ import annotations

from random import Random

from harness.demo.service import Latency, command_line, serve
from harness.demo.web import web

BOOK = {"author": "William Shakespeare", "year": 1595, "type": "paperback", "pages": 200, "language": "English"}


def details_app(*, seed: int) -> web.Application:
    """Return the application. It answers ``GET /details/{product}``."""
    latency = Latency(median_s=0.015, spread=0.15, random=Random(seed))  # noqa: S311 - not for security

    async def details(request: web.Request) -> web.Response:
        await latency.wait()
        return web.json_response({"id": int(request.match_info["product"]), **BOOK})

    app = web.Application()
    app.router.add_get(r"/details/{product:\d+}", details)
    return app


if __name__ == "__main__":
    args = command_line("Serve facts about a book.").parse_args()
    serve(lambda: details_app(seed=args.seed), args.port)
