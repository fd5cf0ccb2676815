"""Middleware for every request: the host must be ours, changes come from our own pages, answers carry no surprise."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.server.security import host_allowed, same_origin

_SAFE_METHODS = frozenset({"GET", "HEAD"})
_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class PageGuard:
    """Protects pages on loopback from other pages in the same browser."""

    def __init__(self, app: ASGIApp, *, hosts: Collection[str]) -> None:
        """hosts: names besides those of loopback that a ``Host`` header may have."""
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 421 to a strange host, 403 to a change from another page, and pass on everything else."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not host_allowed(host, self._hosts):
            answer = PlainTextResponse("this host is not served here; allow it with harness serve --host-name\n", 421)
            await answer(scope, receive, send)
            return
        changes = scope["method"] not in _SAFE_METHODS
        if changes and not same_origin(headers.get("origin"), headers.get("sec-fetch-site"), host):
            await PlainTextResponse("changes are accepted from our own pages only\n", 403)(scope, receive, send)
            return
        await self._app(scope, receive, _with_headers(send))


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Content-Security-Policy", _POLICY)
        await send(message)

    return sent
