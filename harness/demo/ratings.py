"""ratings: how many stars each reviewer gave a product."""

from __future__ import annotations

from random import Random

from harness.demo.service import Latency, command_line, serve
from harness.demo.web import web


def ratings_app(*, seed: int) -> web.Application:
    """``GET /ratings/{product}``."""
    latency = Latency(median_s=0.015, spread=0.15, random=Random(seed))  # noqa: S311 - no secrets

    async def ratings(request: web.Request) -> web.Response:
        await latency.wait()
        product = request.match_info["product"]
        return web.json_response({"id": int(product), "ratings": {"Reviewer1": 5, "Reviewer2": 4}})

    app = web.Application()
    app.router.add_get(r"/ratings/{product:\d+}", ratings)
    return app


if __name__ == "__main__":
    args = command_line("Stars of the reviewers.").parse_args()
    serve(lambda: ratings_app(seed=args.seed), args.port)
