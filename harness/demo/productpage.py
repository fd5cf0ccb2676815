"""The service productpage, which builds the page of a book. It apologises for details or reviews that do not answer."""

from __future__ import annotations

import asyncio
import html
import os
from typing import NotRequired, TypedDict, cast

from harness.demo.service import SESSION, add_session, command_line, forwarded_headers, serve
from harness.demo.web import ClientError, web

CALL_TIMEOUT_S = 3.0


class _Rating(TypedDict, total=False):
    """With stars and their color, or with the error of ratings."""

    stars: int
    color: str
    error: str


class _Review(TypedDict):
    text: str
    reviewer: str
    rating: NotRequired[_Rating]


class _Reviews(TypedDict, total=False):
    reviews: list[_Review]


_Details = dict[str, str | int]


def productpage_app(*, details_url: str, reviews_url: str) -> web.Application:
    """Return the application.

    It answers ``GET /productpage`` with HTML, and ``GET /api/v1/products/0`` with the same content as JSON, as Bookinfo
    does. ``POST /login`` sets a cookie.
    """

    async def parts(request: web.Request, product: str) -> tuple[_Details | None, _Reviews | None]:
        details, reviews = await asyncio.gather(
            _fetch(request, f"{details_url}/details/{product}"), _fetch(request, f"{reviews_url}/reviews/{product}")
        )
        return cast("_Details | None", details), cast("_Reviews | None", reviews)

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=_page(*await parts(request, "0")), content_type="text/html")

    async def product(request: web.Request) -> web.Response:
        details, reviews = await parts(request, request.match_info["product"])
        return web.json_response({"details": details, "reviews": reviews})

    async def login(request: web.Request) -> web.Response:
        answer = web.Response(status=204)
        answer.set_cookie("user", str((await request.post()).get("username", "")))
        return answer

    app = web.Application()
    add_session(app, timeout_s=CALL_TIMEOUT_S)
    app.router.add_get("/productpage", page)
    app.router.add_post("/login", login)
    app.router.add_get(r"/api/v1/products/{product:\d+}", product)
    return app


async def _fetch(request: web.Request, url: str) -> object:
    """Return what the service answers; None if it does not, or not with 200."""
    try:
        async with request.app[SESSION].get(url, headers=forwarded_headers(request)) as answer:
            return await answer.json() if answer.status == 200 else None
    except (ClientError, TimeoutError):
        return None


def _page(details: _Details | None, reviews: _Reviews | None) -> str:
    facts = "".join(f"<dt>{_text(name)}<dd>{_text(value)}" for name, value in (details or {}).items())
    texts = "".join(_review(review) for review in (reviews or {}).get("reviews", []))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>The Comedy of Errors</title>'
        "<h1>The Comedy of Errors</h1>"
        f"<h2>Details</h2><dl>{facts or 'Sorry, details are currently unavailable.'}</dl>"
        f"<h2>Reviews</h2>{texts or 'Sorry, reviews are currently unavailable.'}</html>"
    )


def _review(review: _Review) -> str:
    rating = review.get("rating", {})
    stars = f'<p style="color: {_text(rating["color"])}">{"★" * rating["stars"]}</p>' if "stars" in rating else ""
    apology = f"<p>{_text(rating['error'])}</p>" if "error" in rating else ""
    return (
        f"<blockquote>{_text(review['text'])}<footer>{_text(review['reviewer'])}</footer></blockquote>{stars}{apology}"
    )


def _text(value: object) -> str:
    return html.escape(str(value))


if __name__ == "__main__":
    parser = command_line("Serve the page of a book.")
    args = parser.parse_args()
    missing = [name for name in ("DETAILS_URL", "REVIEWS_URL") if not os.environ.get(name)]
    if missing:
        parser.error(f"{' and '.join(missing)}: expected the URL of a service, found nothing")
    urls = os.environ["DETAILS_URL"], os.environ["REVIEWS_URL"]
    serve(lambda: productpage_app(details_url=urls[0], reviews_url=urls[1]), args.port)
