"""reviews: what readers wrote about a book, with stars from ratings.

v1 has no stars, v2 black and v3 red ones. When ratings is slow or down, the answer comes without stars:
nobody waits longer than PATIENCE_S for a decoration. REVIEWS_KIND in the environment makes a worse build of it:

==========  ==================================================================================
good        as described (the default)
slow        every answer takes 30 % longer
errors      3 of 100 answers are a 500
fragile     as good as any until ratings is slow or down: then a 502 instead of an answer without stars
==========  ==================================================================================
"""

from __future__ import annotations

import asyncio
import os
import time
from random import Random

from harness.demo.kinds import Kind
from harness.demo.service import SESSION, Latency, calling, command_line, handed_on, serve
from harness.demo.web import ClientError, web

PATIENCE_S = 0.4
"""More than twenty times what ratings usually takes."""

TEXTS = {"Reviewer1": "I read it in one night and then again.", "Reviewer2": "Good, though I missed a happy end."}
COLORS = {"v2": "black", "v3": "red"}


SLOWER, ERROR_RATIO = 0.30, 0.03


def reviews_app(*, version: str, kind: Kind, ratings_url: str, seed: int) -> web.Application:
    """``GET /reviews/{product}``."""
    random = Random(f"{version} {seed}")  # noqa: S311 - no secrets
    latency = Latency(median_s=0.09, spread=0.15, random=random)

    async def reviews(request: web.Request) -> web.Response:
        began = time.perf_counter()
        await latency.wait()
        answer = await _answer(request)
        if kind is Kind.SLOW:
            await asyncio.sleep(SLOWER * (time.perf_counter() - began))
        return answer

    async def _answer(request: web.Request) -> web.Response:
        if kind is Kind.ERRORS and random.random() < ERROR_RATIO:
            return web.json_response({"error": "an internal error, as this build makes them"}, status=500)
        product = request.match_info["product"]
        if version not in COLORS:
            return web.json_response(_body(product, version, {}))
        stars = await _stars(request, f"{ratings_url}/ratings/{product}")
        if stars is None and kind is Kind.FRAGILE:
            return web.json_response({"error": "ratings did not answer"}, status=502)
        return web.json_response(_body(product, version, _decorations(stars, COLORS[version])))

    app = web.Application()
    if version in COLORS:
        calling(app, timeout_s=PATIENCE_S)
    app.router.add_get(r"/reviews/{product:\d+}", reviews)
    return app


async def _stars(request: web.Request, url: str) -> dict[str, int] | None:
    """Stars by reviewer; None when ratings is slow or down."""
    try:
        async with request.app[SESSION].get(url, headers=handed_on(request)) as answer:
            if answer.status != 200:
                return None
            stars: dict[str, int] = (await answer.json())["ratings"]
            return stars
    except (ClientError, TimeoutError):
        return None


def _decorations(stars: dict[str, int] | None, color: str) -> dict[str, object]:
    if stars is None:
        return {reviewer: {"error": "Ratings service is currently unavailable"} for reviewer in TEXTS}
    return {reviewer: {"stars": count, "color": color} for reviewer, count in stars.items()}


def _body(product: str, version: str, ratings: dict[str, object]) -> dict[str, object]:
    reviews = [
        {"reviewer": reviewer, "text": text} | ({"rating": ratings[reviewer]} if reviewer in ratings else {})
        for reviewer, text in TEXTS.items()
    ]
    return {"id": product, "podname": f"reviews-{version}", "clustername": "local", "reviews": reviews}


def main() -> None:
    """Run the service. An unknown kind ends it with the known ones."""
    parser = command_line("What readers wrote about a book.")
    args = parser.parse_args()
    kind, ratings_url = os.environ.get("REVIEWS_KIND", "good"), os.environ.get("RATINGS_URL", "")
    if kind not in list(Kind):
        parser.error(f"REVIEWS_KIND: expected one of {', '.join(Kind)}, found {kind!r}")
    if args.version in COLORS and not ratings_url:
        parser.error(f"RATINGS_URL: expected the URL of ratings, which {args.version} asks for stars, found nothing")
    serve(
        lambda: reviews_app(version=args.version, kind=Kind(kind), ratings_url=ratings_url, seed=args.seed), args.port
    )


if __name__ == "__main__":
    main()
