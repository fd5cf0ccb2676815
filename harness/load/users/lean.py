"""LeanUser, an extra: HTTP/1.1 over plain sockets on the event loop, for rates at which libcurl costs too much CPU.

It sends four times as many requests per core as FastHttpUser, because it omits features that a load test of an internal
service rarely needs: TLS, HTTP/2, cookies, redirects and compression. Use CurlUser if you need any of them. Nothing in
the harness imports this module; a profile that wants it does.

A connection's watcher stays active between requests. The loop calls ``Connection.on_readable``, which reads from the
socket and switches to the waiting greenlet once the answer is complete.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import urlsplit
from weakref import WeakSet

import gevent
from gevent import getcurrent, monkey
from gevent.hub import get_hub
from gevent.socket import create_connection
from locust import User
from locust.env import Environment
from locust.exception import StopTest

from harness.load.users.answers import Answer, BadStatusError, Headers
from harness.load.users.client import HttpClient
from harness.load.users.http1 import Http1Error, parse_answer

_PLAIN_SOCKET: type[socket.socket] = monkey.get_original("socket", "socket")
_READ, _WRITE = 1, 2
_CHUNK = 65536
_CHECK_TIMEOUTS_S = 0.05


class Connection:
    """One kept-alive connection. It carries at most one request at a time."""

    __slots__ = ("__weakref__", "_buffer", "_head", "_hub", "_waiting", "_watcher", "closed", "deadline", "sock")

    def __init__(self, address: tuple[str, int], timeout_s: float) -> None:
        made = create_connection(address, timeout_s)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = _PLAIN_SOCKET(fileno=made.detach())
        self.sock.setblocking(False)  # noqa: FBT003 - the method's own signature
        self._hub = get_hub()
        self._watcher = self._hub.loop.io(self.sock.fileno(), _READ)
        self._watcher.start(self.on_readable)
        self._buffer, self._head, self._waiting = b"", False, None
        self.closed, self.deadline = False, float("inf")

    def exchange(self, request: bytes, *, head: bool, timeout_s: float) -> tuple[int, bytes, bytes]:
        """Send a request. Returns status, header lines and body. Closes the connection on OSError and Http1Error."""
        self._head, self._buffer = head, b""
        self.deadline = time.perf_counter() + timeout_s
        try:
            self._send(request)
            self._waiting = getcurrent()
            answer: tuple[int, bytes, bytes] = self._hub.switch()
        except BaseException:  # also when gevent ends the greenlet (GreenletExit)
            self.close()
            raise
        finally:
            self._waiting, self.deadline = None, float("inf")
        return answer

    def on_readable(self) -> None:
        """Read from the socket, and resume the waiting greenlet if its answer is complete. Called by the loop."""
        try:
            data = self.sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            self._fail(error)
            return
        if self._waiting is None:
            self.close()  # the server closed an idle connection, or sent data without a request
            return
        self._buffer = self._buffer + data if self._buffer else data
        try:
            parsed = parse_answer(self._buffer, head=self._head, ended=not data)
        except Http1Error as error:
            self._fail(error)
            return
        if parsed is not None:
            status, lines, body, keep = parsed
            if not keep:
                self.close()
            self._waiting.switch((status, lines, body))

    def time_out(self) -> None:
        """Fail the current request because its answer took too long."""
        self._fail(TimeoutError("no answer within the time limit"))

    def close(self) -> None:
        """Close the socket and its watcher."""
        if not self.closed:
            self.closed = True
            self._watcher.stop()
            self._watcher.close()
            self.sock.close()

    def _fail(self, error: Exception) -> None:
        self.close()
        if self._waiting is not None:
            self._waiting.throw(error)

    def _send(self, request: bytes) -> None:
        try:
            sent = self.sock.send(request)
        except BlockingIOError:
            sent = 0
        while sent < len(request):
            self._hub.wait(self._hub.loop.io(self.sock.fileno(), _WRITE))
            sent += self.sock.send(request[sent:])


class LeanClient(HttpClient):
    """A LeanUser's ``self.client``. It has a connection of its own and keeps it between requests."""

    def __init__(self, user: LeanUser, base_url: str, connections: WeakSet[Connection]) -> None:
        super().__init__(user, base_url)
        self._settings, self._open = user, connections
        self._free: list[Connection] = []
        self._base = urlsplit(base_url)
        self._address = (self._base.hostname or "", self._base.port or 80)
        self._last_headers: Mapping[str, str] = {}
        self._lines = ""

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        follow: bool,  # noqa: ARG002 - LeanUser never follows redirects
    ) -> tuple[Answer, float]:
        """Implement ``HttpClient.exchange``."""
        if not url.startswith(self._base_url):
            error = Http1Error(f"expected a URL on LeanUser's own host, found {url}")
            return Answer(url, 0, Headers([]), b"", error), time.perf_counter()
        request = self._request(method, url[len(self._base_url) :] or "/", headers, body)
        try:
            status, lines, content = self._send(request, head=method == "HEAD")
        except (OSError, Http1Error) as failure:
            return Answer(url, 0, Headers([]), b"", failure), time.perf_counter()
        ended = time.perf_counter()
        bad = BadStatusError(f"status {status}") if status >= 400 else None
        return Answer(url, status, Headers([lines]), content, bad), ended

    def _send(self, request: bytes, *, head: bool) -> tuple[int, bytes, bytes]:
        connection = self._free.pop() if self._free else None
        if connection is None or connection.closed:
            connection = Connection(self._address, self._settings.connection_timeout)
            self._open.add(connection)
        answer = connection.exchange(request, head=head, timeout_s=self._settings.network_timeout)
        self._free.append(connection)
        return answer

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
        if headers != self._last_headers:
            self._last_headers = dict(headers)
            self._lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        text = f"{method} {path} HTTP/1.1\r\nHost: {self._base.netloc}\r\n{self._lines}"
        if body is not None:
            return f"{text}Content-Length: {len(body)}\r\n\r\n".encode("latin-1") + body
        return f"{text}\r\n".encode("latin-1")


class LeanUser(User):
    """A user with a plain HTTP/1.1 connection of its own: the least CPU per request and the fewest features."""

    abstract = True
    connection_timeout = 60.0
    """Time limit for connecting, in seconds."""
    network_timeout = 60.0
    """Time limit for receiving the whole answer, in seconds; checked 20 times per second."""

    _open: ClassVar[dict[int, WeakSet[Connection]]] = {}

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        if self.host is None or not self.host.startswith("http://"):
            raise StopTest(
                f"LeanUser: expected a host that starts with http://, found {self.host!r}; use CurlUser for TLS"
            )
        if os.getpid() not in self._open:
            self._open[os.getpid()] = WeakSet()
            gevent.spawn(_watch_deadlines, self._open[os.getpid()])
        self.client = LeanClient(self, self.host.rstrip("/"), self._open[os.getpid()])


def _watch_deadlines(connections: WeakSet[Connection]) -> None:
    """Check the deadlines of all requests: one greenlet costs less than a timer per request."""
    loop = get_hub().loop
    while True:
        gevent.sleep(_CHECK_TIMEOUTS_S)
        now = time.perf_counter()
        for connection in [each for each in connections if each.deadline < now]:
            loop.run_callback(connection.time_out)
