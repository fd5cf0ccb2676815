"""A service to send load to: python service.py PORT. It counts requests and can wait or fail."""

from __future__ import annotations

import asyncio
import sys

import socketio
from aiohttp import web


class Service:
    """Answers /reviews/N as the canary for N divisible by ten and as the baseline otherwise."""

    def __init__(self) -> None:
        self.count = 0
        self.headers: list[dict[str, str]] = []
        self.peers: list[str] = []

    async def reviews(self, request: web.Request) -> web.Response:
        """Return one product after ``delay`` seconds, with ``status``, or ``reset`` the connection."""
        self.count += 1
        self.headers.append(dict(request.headers))
        await asyncio.sleep(float(request.query.get("delay", "0")))
        arm = "canary" if int(request.match_info["id"]) % 10 == 0 else "baseline"
        if "reset" in request.query and request.transport is not None:
            request.transport.abort()
        status = int(request.query.get("status", "200"))
        return web.Response(text="fine", status=status, headers={"x-harness-arm": arm})

    async def login(self, request: web.Request) -> web.Response:
        """Return a token."""
        self.count += 1
        self.headers.append(dict(request.headers))
        return web.json_response({"token": f"token-{self.count}"})

    async def peer(self, request: web.Request) -> web.Response:
        """Record the connection of the request."""
        self.peers.append(str(request.transport.get_extra_info("peername")) if request.transport else "")
        return web.Response()

    async def seen(self, request: web.Request) -> web.Response:
        """Return the recorded requests."""
        return web.json_response({"count": self.count, "headers": self.headers, "peers": self.peers})

    async def forget(self, request: web.Request) -> web.Response:
        """Reset the counters."""
        self.count, self.headers, self.peers = 0, [], []
        return web.Response()


def main() -> None:
    """Serve until SIGTERM."""
    service, app = Service(), web.Application()
    app.router.add_get("/reviews/{id}", service.reviews)
    app.router.add_post("/login", service.login)
    app.router.add_get("/peer", service.peer)
    app.router.add_get("/seen", service.seen)
    app.router.add_post("/forget", service.forget)
    sockets = socketio.AsyncServer(async_mode="aiohttp")
    sockets.on("say", lambda session, message: "heard")
    sockets.attach(app)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None, shutdown_timeout=0.1)


if __name__ == "__main__":
    main()
