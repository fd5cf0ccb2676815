"""GrpcUser: a Locust User for gRPC services, with the stubs that protoc generates or with methods by name.

Every call fires Locust's request event. A call that the server answered has HTTP status 200, as on the wire, and is an
error unless its gRPC status is OK; the error names the status, such as ``gRPC UNAVAILABLE: no healthy upstream``. A
call that got no answer at all has status 0. Needs grpcio: ``pip install 'canary-harness[grpc]'``. It has no types, so
its channels, calls and messages are Any here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from locust import User
from locust.env import Environment
from locust.exception import ResponseError, StopTest

from harness.load.users.answers import RECORDED

try:
    import grpc
    from grpc.experimental import gevent as grpc_gevent
except ModuleNotFoundError as missing:
    raise StopTest("GrpcUser needs grpcio: pip install 'canary-harness[grpc]'") from missing

_ANSWERED = 200
_NO_ANSWER = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})
"""Statuses that the client makes itself when nothing was received."""
Metadata = Sequence[tuple[str, str | bytes]]


class GrpcStatusError(ResponseError):
    """The call ended with a gRPC status other than OK."""


class GrpcAnswer:
    """What the request event shows of a call.

    status_code: 200 if the server answered, whatever the gRPC status, otherwise 0. code: the gRPC status.
    headers: the initial and the trailing metadata, by name in small letters.
    """

    __slots__ = ("code", "error", "headers", "status_code")

    def __init__(self, code: Any, details: str, received: Mapping[str, str | bytes]) -> None:
        self.code, self.headers = code, received
        answered = bool(received) or code not in _NO_ANSWER
        self.status_code = _ANSWERED if answered else 0
        text = f"gRPC {code.name}" + (f": {details}" if details else "")
        self.error = None if code is grpc.StatusCode.OK else (GrpcStatusError if answered else ConnectionError)(text)


class _Details(grpc.ClientCallDetails):  # type: ignore[misc]  # grpcio has no types
    """A call with other metadata, and with a time limit."""

    def __init__(self, given: Any, metadata: Metadata, timeout: float | None) -> None:
        self.method, self.credentials = given.method, given.credentials
        self.metadata, self.timeout = list(metadata), timeout if given.timeout is None else given.timeout
        self.wait_for_ready = getattr(given, "wait_for_ready", None)
        self.compression = getattr(given, "compression", None)


_Unary: Any = grpc.UnaryUnaryClientInterceptor
_Stream: Any = grpc.UnaryStreamClientInterceptor


class GrpcClient(_Unary, _Stream):  # type: ignore[misc]  # grpcio has no types
    """A GrpcUser's ``self.client``: calls methods by name, and records the calls of stubs."""

    def __init__(self, user: GrpcUser, channel: Any) -> None:
        self.headers: dict[str, str] = {}
        """Metadata that is sent with every call."""
        self._fire, self._context = user.environment.events.request.fire, user.context
        self._timeout, self._channel = user.network_timeout, grpc.intercept_channel(channel, self)

    @property
    def channel(self) -> Any:
        """The channel for stubs: ``RouteGuideStub(self.client.channel)``."""
        return self._channel

    def call(self, method: str, message: bytes = b"", *, headers: Mapping[str, str] | None = None) -> Any:
        """Call a unary method, such as ``/shop.Reviews/Get``, with a serialized message; return the answer's bytes.

        Raises grpc.RpcError unless the status is OK, as stubs do. It is recorded, so a task need not catch it.
        """
        return self._channel.unary_unary(method)(message, metadata=[*(headers or {}).items()])

    def intercept_unary_unary(self, continuation: Callable[..., Any], details: Any, message: Any) -> Any:
        """Send a call of a stub, and record it when it has ended."""
        return self.request("GRPC", details.method, send=lambda more: continuation(self._with(details, more), message))

    def intercept_unary_stream(self, continuation: Callable[..., Any], details: Any, message: Any) -> Iterator[Any]:
        """Send a call that is answered by a stream, and return its messages; it is recorded when the stream ends."""

        def send(more: Mapping[str, str]) -> Any:
            return continuation(self._with(details, more), message)

        messages: Iterator[Any] = self.request("GRPC", details.method, send=send, streamed=True)
        return messages

    def request(
        self,
        method: str,
        url: str,
        *,
        send: Callable[[Mapping[str, str]], Any],
        headers: Mapping[str, str] | None = None,
        streamed: bool = False,
    ) -> Any:
        """Send one call with additional metadata, and record it. method: the request type. url: the gRPC method."""
        began = time.time(), time.perf_counter()
        call = send(headers or {})
        if streamed:
            return self._messages(url, call, began)
        message = None
        try:
            message = call.result()
        except grpc.RpcError as error:  # the caller gets it from the call that is returned
            setattr(error, RECORDED, True)
        except BaseException:  # also when gevent ends the greenlet (GreenletExit)
            call.cancel()
            raise
        self._record(method, url, call, began, size=_size(message))
        return call

    def _messages(self, url: str, call: Any, began: tuple[float, float]) -> Iterator[Any]:
        """Yield the messages of a stream and record the call. A task may stop before the end; that is no failure."""
        size = 0
        try:
            for message in call:
                size += _size(message)
                yield message
        except grpc.RpcError as error:
            setattr(error, RECORDED, True)
        except GeneratorExit:
            call.cancel()
            self._record("GRPC", url, call, began, size=size, code=grpc.StatusCode.OK)
            raise
        except BaseException:  # also when gevent ends the greenlet (GreenletExit)
            call.cancel()
            raise
        self._record("GRPC", url, call, began, size=size)
        if call.code() is not grpc.StatusCode.OK:
            raise call

    def _with(self, details: Any, more: Mapping[str, str]) -> _Details:
        lower = {name.lower(): value for name, value in {**self.headers, **more}.items()}
        lower.pop("host", None)  # the channel sends it as :authority, for which proxies look
        return _Details(details, [*(details.metadata or ()), *lower.items()], self._timeout)

    def _record(
        self, kind: str, method: str, call: Any, began: tuple[float, float], *, size: int, code: Any = None
    ) -> None:
        """Fire Locust's event. code: the status, if it is not the call's own."""
        took_s = time.perf_counter() - began[1]
        received = {**dict(call.initial_metadata() or ()), **dict(call.trailing_metadata() or ())}
        answer = GrpcAnswer(code or call.code(), call.details() or "", received)
        self._fire(
            request_type=kind,
            name=method,
            response_time=took_s * 1e3,
            response_length=size,
            response=answer,
            context=self._context(),
            exception=answer.error,
            start_time=began[0],
            url=method,
        )


class GrpcUser(User):
    """A user whose ``self.stub`` is ``stub_class`` on a channel that records every call.

    host: ``http://ADDRESS`` for plain text, ``https://ADDRESS`` for TLS. All users of a process share one connection.
    """

    abstract = True
    stub_class: Callable[[Any], Any] | None = None
    """The generated stub; None if the profile calls methods by name (``self.client.call``)."""
    network_timeout = 60.0
    """Time limit for a call, in seconds, unless the call has one."""
    ca_file: str | None = None
    """PEM file of the certificate authorities to trust; None: those of grpcio."""
    authority: str | None = None
    """The host that calls name; None: that of ``host``. The harness sets it to the Host header of the run's load."""
    entry_ca_file: str | None = None
    """The same, unless ca_file is set. The harness sets it where load enters through a gateway of the local mesh."""

    _channels: ClassVar[dict[str, Any]] = {}

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        if self.host is None:
            raise StopTest("expected a host on the command line or as an attribute of the User class, found none")
        self.client = GrpcClient(self, self._channel(self.host))
        make = type(self).stub_class
        self.stub = None if make is None else make(self.client.channel)

    def _channel(self, host: str) -> Any:
        key = f"{host} {self.authority}"
        if key not in self._channels:
            grpc_gevent.init_gevent()
            parts = urlsplit(host if "://" in host else f"http://{host}")
            if parts.scheme not in {"http", "https"} or not parts.netloc:
                raise StopTest(f"expected a host such as http://127.0.0.1:9090, found {host!r}")
            options: list[tuple[str, int | str]] = [("grpc.enable_http_proxy", 0)]
            options += [("grpc.default_authority", self.authority)] if self.authority else []
            if parts.scheme == "http":
                self._channels[key] = grpc.insecure_channel(parts.netloc, options)
            else:
                file = self.ca_file or self.entry_ca_file
                trusted = None if file is None else _content(file)
                self._channels[key] = grpc.secure_channel(parts.netloc, grpc.ssl_channel_credentials(trusted), options)
        return self._channels[key]


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise StopTest(f"expected a certificate file at {path}: {error}") from error


def _size(message: object) -> int:
    """Return the length of a message in bytes; 0 if it cannot be known."""
    if isinstance(message, bytes):
        return len(message)
    measure = getattr(message, "ByteSize", None)  # of generated messages
    return int(measure()) if callable(measure) else 0
