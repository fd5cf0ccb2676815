"""Put the parts together and serve them: the pages on one address, webhooks and adapters on another."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from harness.clients.http import http_send
from harness.config import Config
from harness.errors import PortError
from harness.server.adapters import Adapters
from harness.server.hooks import Hooks
from harness.server.jobs import Jobs, locked
from harness.server.notices import Notices
from harness.server.pages import Pages
from harness.server.request_checks import PageGuard
from harness.server.worker import Worker

_HEAD_WITHIN_S = 10.0
_MOST_CONNECTIONS = 500
_END_WITHIN_S = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to listen. host: a name or an IP address. port: 0 for any free one."""

    host: str
    port: int


def serve(
    config: Config,
    *,
    out: Path,
    pages: Address,
    hooks: Address | None,
    host_names: tuple[str, ...],
    environment: Mapping[str, str],
    tell: Callable[[str], None],
) -> None:
    """Serve until SIGINT or SIGTERM; the running job is then stopped and waits for the next start.

    out: the folder of recorded runs. host_names: names besides loopback's that pages are asked for by. environment:
    where secrets are. tell: called with each address. Raises PortError for an address that cannot be used.
    """
    folder = out / ".server" / "jobs"
    with locked(folder):
        jobs = Jobs(folder, most_waiting=config.serve.most_waiting)
        notices = Notices(settings=config.serve, environment=environment, send=http_send, note=jobs.note)
        token = environment.get(config.serve.page_token, "") if config.serve.page_token else ""
        shown = Pages(out=out, jobs=jobs, token=token, service=config.service)
        servers = [_server(pages_app(shown, host_names), pages, "pages", tell)]
        if hooks is not None:
            servers.append(_server(hooks_app(config, environment, jobs), hooks, "webhooks and adapters", tell))
        with Worker(jobs, root=config.root, out=out, tell=notices.tell):
            asyncio.run(_run(servers, shown))


def pages_app(pages: Pages, host_names: tuple[str, ...]) -> Starlette:
    """Return the application that shows pages."""
    guard = Middleware(PageGuard, hosts=(*host_names,))
    return Starlette(routes=[*pages.routes(), Route("/healthz", _healthy)], middleware=[guard])


def hooks_app(config: Config, environment: Mapping[str, str], jobs: Jobs) -> Starlette:
    """Return the application that takes events and answers other tools."""
    hooks = Hooks(settings=config.serve, environment=environment, jobs=jobs)
    adapters = Adapters(settings=config.serve, environment=environment, jobs=jobs)
    return Starlette(routes=[*hooks.routes(), *adapters.routes(), Route("/healthz", _healthy)])


async def _healthy(_: Request) -> PlainTextResponse:
    return PlainTextResponse("ok\n")


class _PatientlyLimited(H11Protocol):
    """Close connections whose request does not begin in time, so that slow senders cannot use up all connections."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as H11Protocol does
        super().connection_made(transport)
        self.loop.call_later(_HEAD_WITHIN_S, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()


class _Server(uvicorn.Server):
    """A server that leaves signals to us, because two of them run in one process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: Starlette, address: Address, name: str, tell: Callable[[str], None]) -> tuple[_Server, socket.socket]:
    listening = _bound(address)
    host, port = listening.getsockname()[:2]
    tell(f"{name}: http://{f'[{host}]' if ':' in host else host}:{port}")
    settings = uvicorn.Config(
        app,
        http=_PatientlyLimited,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        h11_max_incomplete_event_size=16 * 1024,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=_END_WITHIN_S,
    )
    return _Server(settings), listening


def _bound(address: Address) -> socket.socket:
    try:
        return socket.create_server(
            (address.host, address.port),
            family=socket.AF_INET6 if ":" in address.host else socket.AF_INET,
            backlog=1024,
        )
    except OSError as error:
        raise PortError(
            f"{address.host}:{address.port}: expected an address that nobody listens on, found: "
            f"{error.strerror or error}"
        ) from error


async def _run(servers: list[tuple[_Server, socket.socket]], pages: Pages) -> None:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        for server, _ in servers:
            server.should_exit = True
        ending.append(loop.create_task(pages.updates.end()))

    ending: list[asyncio.Task[None]] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    await asyncio.gather(*(server.serve(sockets=[listening]) for server, listening in servers))
