"""The service reviews, which returns the reviews of a book, with stars from ratings.

v1 shows no stars, v2 shows black ones and v3 red ones. When ratings is slow or down, reviews waits for at most
RATINGS_TIMEOUT_S and then answers without stars. The environment variable REVIEWS_KIND selects a build with a defect:

==========  ==================================================================================
good        has no defect (the default)
slow        takes 30 % longer for every answer
errors      answers 3 % of the requests with status 500
fragile     has no defect until ratings is slow or down, and then answers with 502 instead of omitting the stars
marginal    takes 20 % longer for every answer, which is just what the demo tolerates
==========  ==================================================================================
"""

from __future__ import annotations

import asyncio
import os
import time
from random import Random

from harness.demo.kinds import Kind
from harness.demo.service import SESSION, Latency, add_session, command_line, forwarded_headers, own_log, serve
from harness.demo.web import ClientError, web

RATINGS_TIMEOUT_S = 0.4
"""More than twenty times as long as ratings usually takes."""

TEXTS = {"Reviewer1": "I read it in one night and then again.", "Reviewer2": "Good, though I missed a happy end."}
COLORS = {"v2": "black", "v3": "red"}


LOG = own_log("reviews")
SLOWER = {Kind.SLOW: 0.30, Kind.MARGINAL: 0.20}
ERROR_RATIO = 0.03


def reviews_app(*, version: str, kind: Kind, ratings_url: str, seed: int) -> web.Application:
    """Return the application. It answers ``GET /reviews/{product}``."""
    random = Random(f"{version} {seed}")  # noqa: S311 - not for security
    latency = Latency(median_s=0.09, spread=0.15, random=random)

    async def reviews(request: web.Request) -> web.Response:
        began = time.perf_counter()
        await latency.wait()
        answer = await _answer(request)
        if kind in SLOWER:
            await asyncio.sleep(SLOWER[kind] * (time.perf_counter() - began))
        return answer

    async def _answer(request: web.Request) -> web.Response:
        if kind is Kind.ERRORS and random.random() < ERROR_RATIO:
            LOG.error("%s: answering 500, as this build does to 3 %% of the requests", request.path)
            return web.json_response({"error": "an internal error, which this build causes on purpose"}, status=500)
        product = request.match_info["product"]
        if version not in COLORS:
            return web.json_response(_body(product, version, {}))
        stars = await _stars(request, f"{ratings_url}/ratings/{product}")
        if stars is None and kind is Kind.FRAGILE:
            LOG.error("%s: answering 502, because ratings did not answer", request.path)
            return web.json_response({"error": "ratings did not answer"}, status=502)
        return web.json_response(_body(product, version, _decorations(stars, COLORS[version])))

    app = web.Application()
    if version in COLORS:
        add_session(app, timeout_s=RATINGS_TIMEOUT_S)
    app.router.add_get(r"/reviews/{product:\d+}", reviews)
    return app


async def _stars(request: web.Request, url: str) -> dict[str, int] | None:
    """Return the stars by reviewer, or None when ratings is slow or down."""
    try:
        async with request.app[SESSION].get(url, headers=forwarded_headers(request)) as answer:
            if answer.status != 200:
                LOG.warning("%s answered with status %d: no stars", url, answer.status)
                return None
            stars: dict[str, int] = (await answer.json())["ratings"]
            return stars
    except (ClientError, TimeoutError) as error:
        LOG.warning("%s did not answer (%s): no stars", url, type(error).__name__)
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
    """Run the service. Exits with an error that lists the known kinds if REVIEWS_KIND is unknown."""
    parser = command_line("Serve the reviews of a book.")
    args = parser.parse_args()
    kind, ratings_url = os.environ.get("REVIEWS_KIND", "good"), os.environ.get("RATINGS_URL", "")
    if kind not in list(Kind):
        parser.error(f"REVIEWS_KIND: expected one of {', '.join(Kind)}, found {kind!r}")
    if args.version in COLORS and not ratings_url:
        parser.error(
            f"RATINGS_URL: expected the URL of ratings, from which {args.version} gets the stars, found nothing"
        )
    serve(
        lambda: reviews_app(version=args.version, kind=Kind(kind), ratings_url=ratings_url, seed=args.seed), args.port
    )


if __name__ == "__main__":
    main()
