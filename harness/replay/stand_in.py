"""The stand-in: one process that answers for every dependency that cannot run here, as recorded.

It is started as ``python -m harness.replay.stand_in SCRIPT PORTS``: it reads its script, listens on loopback, and
writes the port of each workload, and its own for control, as JSON to PORTS. ``POST /phase/NAME`` on the control port
begins a phase, and ``GET /counts`` returns what it was asked. It must cost less than what it plays, so it reads
HTTP/1.1 itself, only as far as Envoy sends it.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import select
import selectors
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import cast

from harness.clients.processes.priority import raise_priority
from harness.replay.http_requests import Request, first_request
from harness.replay.playing import Player, Reply
from harness.replay.script import Script, read_script

_MOST_BYTES = 8 << 20
"""Of one request."""
Answering = Callable[[str, str, dict[str, str]], Reply]
"""Takes the method, the path and the headers in small letters."""


class PreciseSelector(selectors.DefaultSelector):
    """Wakes up on time: epoll's timeout counts whole milliseconds, that of ``select`` microseconds."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for events as ``DefaultSelector`` does."""
        if timeout is not None and timeout > 0 and isinstance(self, selectors.EpollSelector):
            select.select([self.fileno()], [], [], timeout)
            timeout = 0
        return super().select(timeout)


class Connection(asyncio.Protocol):
    """One connection of a proxy: a request, its answer, and the next request."""

    def __init__(self, answer: Answering, loop: asyncio.AbstractEventLoop, forward: tuple[str, int] | None) -> None:
        """Answer requests with ``answer``; what it does not answer goes to the address ``forward``."""
        self._answer, self._loop, self._forward = answer, loop, forward
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._busy = False
        self._onward: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to read."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        """Forget answers that nobody waits for."""
        self._transport = None
        if self._onward is not None:
            self._onward.abort()

    def data_received(self, data: bytes) -> None:
        """Answer the request when its headers and body are complete."""
        self._received += data
        if not self._busy:
            self._next()

    def _next(self) -> None:
        request = first_request(self._received)
        if request is None:
            if len(self._received) > _MOST_BYTES and self._transport is not None:
                self._transport.abort()
            return
        self._received = self._received[len(request.raw) :]
        self._busy = True
        reply = self._answer(request.method, request.path, request.headers)
        if reply.wait_s > 0:
            self._loop.call_later(reply.wait_s, self._send, reply, request)
        else:
            self._send(reply, request)

    def _send(self, reply: Reply, request: Request) -> None:
        if self._transport is None:
            return
        if reply.forwarded:
            self._loop.create_task(self._pass_on(request))
            return
        self._transport.write(reply.head if request.method == "HEAD" else reply.head + reply.body)
        self.answered()

    def answered(self) -> None:
        """Go on with the next request."""
        self._busy = False
        if self._received:
            self._next()

    async def _pass_on(self, request: Request) -> None:
        """Send the request to the real workload, whose answer comes back as it is."""
        try:
            if self._onward is None or self._onward.is_closing():
                host, port = cast("tuple[str, int]", self._forward)
                self._onward, _ = await self._loop.create_connection(lambda: Onward(self._transport), host, port)
            self._onward.write(request.raw)
        except OSError:
            if self._transport is not None:
                self._transport.abort()
        self.answered()  # the proxy sends the next request after it has this answer


class Onward(asyncio.Protocol):
    """A connection to the real workload, for one connection of a proxy."""

    def __init__(self, back: asyncio.Transport | None) -> None:
        self._back = back

    def data_received(self, data: bytes) -> None:
        """Pass a part of an answer back."""
        if self._back is not None:
            self._back.write(data)

    def connection_lost(self, _: Exception | None) -> None:
        """End the proxy's connection too, because an answer may be incomplete."""
        if self._back is not None:
            self._back.close()


async def play(script: Script, ports: Path) -> None:
    """Answer until SIGTERM."""
    loop, player = asyncio.get_running_loop(), Player(script)
    found: dict[str, int] = {"": await _listen(loop, player.controlled)}
    for one in script.stand_ins:
        host, _, port = one.forward.rpartition(":")
        found[one.name] = await _listen(loop, player.answering(one), (host, int(port)) if one.forward else None)
    part = ports.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.replace(ports)
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, ended.set)
    gc.freeze()
    await ended.wait()


async def _listen(loop: asyncio.AbstractEventLoop, answer: Answering, forward: tuple[str, int] | None = None) -> int:
    server = await loop.create_server(lambda: Connection(answer, loop, forward), "127.0.0.1", 0, backlog=512)
    port: int = server.sockets[0].getsockname()[1]
    return port


def main() -> None:
    """Play the script that the command line names."""
    raise_priority(own_session=True)  # a stand-in that waits for a CPU answers later than what it plays
    script, ports = map(Path, sys.argv[1:])
    loop = asyncio.SelectorEventLoop(PreciseSelector())
    try:
        loop.run_until_complete(play(read_script(script.read_text()), ports))
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
