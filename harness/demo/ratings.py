"""The service ratings, which returns the number of stars that each reviewer gave a product."""

from __future__ import annotations

from random import Random

from harness.demo.service import Latency, command_line, serve
from harness.demo.web import web


def ratings_app(*, seed: int) -> web.Application:
    """Return the application. It answers ``GET /ratings/{product}``."""
    latency = Latency(median_s=0.015, spread=0.15, random=Random(seed))  # noqa: S311 - not for security

    async def ratings(request: web.Request) -> web.Response:
        await latency.wait()
        product = request.match_info["product"]
        return web.json_response({"id": int(product), "ratings": {"Reviewer1": 5, "Reviewer2": 4}})

    app = web.Application()
    app.router.add_get(r"/ratings/{product:\d+}", ratings)
    return app


if __name__ == "__main__":
    args = command_line("Serve the stars that reviewers gave.").parse_args()
    serve(lambda: ratings_app(seed=args.seed), args.port)
