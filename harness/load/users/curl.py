"""CurlUser: a Locust User on libcurl, with HTTP/1.1, HTTP/2 and TLS, at less than half of FastHttpUser's CPU."""

from __future__ import annotations

import json as jsonlib
import os
import time
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

import pycurl
from locust import User
from locust.exception import StopTest

from harness.load.users.answers import Answer, BadStatusError, CheckedAnswer, Headers
from harness.load.users.loop import CurlLoop

_VERSIONS = {
    "1.1": pycurl.CURL_HTTP_VERSION_1_1,
    "2": pycurl.CURL_HTTP_VERSION_2TLS,
    "2-prior-knowledge": pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE,
}


class CurlError(ConnectionError):
    """libcurl got no answer; its number and text say why."""


class _Transfer:
    """An easy handle with the places where libcurl leaves header lines and body."""

    __slots__ = ("handle", "headers", "lines", "parts", "url")

    def __init__(self, user: CurlUser) -> None:
        self.handle = pycurl.Curl()
        self.handle.setopt(pycurl.COOKIEFILE, "")
        self.lines: list[bytes] = []
        self.parts: list[bytes] = []
        self.set_up(user)

    def set_up(self, user: CurlUser) -> None:
        """Options that hold for every request."""
        self.headers: Mapping[str, str] = {}
        self.url = ""
        for option, value in (
            (pycurl.HEADERFUNCTION, self.lines.append),
            (pycurl.WRITEFUNCTION, self.parts.append),
            (pycurl.HTTP_VERSION, _VERSIONS[user.http_version]),
            (pycurl.ACCEPT_ENCODING, ""),
            (pycurl.NOSIGNAL, 1),
            (pycurl.FOLLOWLOCATION, 1),
            (pycurl.MAXREDIRS, user.max_redirects),
            (pycurl.CONNECTTIMEOUT_MS, int(user.connection_timeout * 1000)),
            (pycurl.TIMEOUT_MS, int(user.network_timeout * 1000)),
            (pycurl.PIPEWAIT, 1),
            (pycurl.TCP_NODELAY, 1),
            (pycurl.PROXY, ""),
            (pycurl.SSL_VERIFYPEER, 0 if user.insecure else 1),
            (pycurl.SSL_VERIFYHOST, 0 if user.insecure else 2),
        ):
            self.handle.setopt(option, value)

    def set_headers(self, headers: Mapping[str, str]) -> None:
        """Header lines to send; ``Expect`` is left out, it would delay every larger body."""
        self.headers = dict(headers)
        self.handle.setopt(pycurl.HTTPHEADER, [*(f"{name}: {value}" for name, value in headers.items()), "Expect:"])


class CurlClient:
    """What ``self.client`` of a CurlUser is: methods as FastHttpSession has them; keeps cookies."""

    def __init__(self, loop: CurlLoop, base_url: str, user: CurlUser) -> None:
        self.headers: dict[str, str] = {}
        """Sent with every request."""
        self._loop, self._base_url, self._user = loop, base_url, user
        self._fire = user.environment.events.request.fire
        self._free: list[_Transfer] = []
        self._has_context = type(user).context is not User.context

    def request(
        self,
        method: str,
        url: str,
        name: str | None = None,
        *,
        data: Any = None,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        catch_response: bool = False,
        context: Mapping[str, Any] | None = None,
        allow_redirects: bool = True,
    ) -> Any:
        """Send a request and wait for its answer.

        url: a path below the host, or a whole URL. name: what it is counted under. data: bytes, text
        or a mapping (sent as a form); json: sent as JSON. Returns an Answer, or with catch_response
        one that is used in a with-block.
        """
        whole = url if url.startswith(("http://", "https://")) else self._base_url + url
        if params:
            whole += ("&" if "?" in whole else "?") + urlencode(params)
        transfer = self._free.pop() if self._free else _Transfer(self._user)
        handle = transfer.handle
        if whole != transfer.url:
            handle.setopt(pycurl.URL, whole)
            transfer.url = whole
        sent: Mapping[str, str] = {**self.headers, **headers} if headers else self.headers
        special = method != "GET" or data is not None or json is not None or not allow_redirects
        if special:
            sent = _prepare(handle, method, data, json, sent, follow=allow_redirects)
        if sent != transfer.headers:
            transfer.set_headers(sent)
        start_time, began = time.time(), time.perf_counter()
        number, text = self._loop.perform(handle)
        took_ms = (time.perf_counter() - began) * 1e3
        answer = _answer(whole, transfer, number, text)
        if special:
            handle.reset()
            transfer.set_up(self._user)
        self._free.append(transfer)
        meta = {
            "request_type": method,
            "name": name or url,
            "response_time": took_ms,
            "response_length": len(answer.content),
            "response": answer,
            "context": {**self._user.context(), **(context or {})} if self._has_context or context else {},
            "exception": answer.error,
            "start_time": start_time,
            "url": whole,
        }
        if catch_response:
            return CheckedAnswer(answer, self._fire, meta)
        self._fire(**meta)
        return answer

    def get(self, url: str, **more: Any) -> Any:
        """Send a GET request."""
        return self.request("GET", url, **more)

    def head(self, url: str, **more: Any) -> Any:
        """Send a HEAD request."""
        return self.request("HEAD", url, **more)

    def delete(self, url: str, **more: Any) -> Any:
        """Send a DELETE request."""
        return self.request("DELETE", url, **more)

    def options(self, url: str, **more: Any) -> Any:
        """Send an OPTIONS request."""
        return self.request("OPTIONS", url, **more)

    def post(self, url: str, data: Any = None, **more: Any) -> Any:
        """Send a POST request."""
        return self.request("POST", url, data=data, **more)

    def put(self, url: str, data: Any = None, **more: Any) -> Any:
        """Send a PUT request."""
        return self.request("PUT", url, data=data, **more)

    def patch(self, url: str, data: Any = None, **more: Any) -> Any:
        """Send a PATCH request."""
        return self.request("PATCH", url, data=data, **more)


class CurlUser(User):
    """A user whose ``self.client`` is libcurl: same use as FastHttpUser, more requests per core.

    All users of a process share one pool of connections; with ``http_version = "2"`` (by TLS) or
    ``"2-prior-knowledge"`` (plain text) they also share the streams of a connection.
    """

    abstract = True
    http_version = "1.1"
    """``1.1``, ``2`` or ``2-prior-knowledge``."""
    connection_timeout = 60.0
    """Seconds until a connection stands."""
    network_timeout = 60.0
    """Seconds until the whole answer is there."""
    max_redirects = 30
    insecure = True
    """Do not verify certificates, as FastHttpUser does by default."""

    _loops: ClassVar[dict[int, CurlLoop]] = {}

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        if self.host is None:
            raise StopTest("expected a host, on the command line or as attribute of the User class, found none")
        if self.http_version not in _VERSIONS:
            raise StopTest(f"expected http_version to be one of {', '.join(_VERSIONS)}, found {self.http_version!r}")
        if os.getpid() not in self._loops:
            self._loops[os.getpid()] = CurlLoop()
        self.client = CurlClient(self._loops[os.getpid()], self.host.rstrip("/"), self)


def _prepare(
    handle: Any, method: str, data: Any, json: Any, headers: Mapping[str, str], *, follow: bool
) -> Mapping[str, str]:
    """Set what differs from a plain GET; the headers to send."""
    body, kind = data, None
    if json is not None and data is None:
        body, kind = jsonlib.dumps(json), "application/json"
    elif isinstance(data, Mapping):
        body, kind = urlencode(data), "application/x-www-form-urlencoded"
    if body is not None:
        handle.setopt(pycurl.COPYPOSTFIELDS, body)
    elif method in {"POST", "PUT", "PATCH"}:
        handle.setopt(pycurl.COPYPOSTFIELDS, b"")
    if method == "HEAD":
        handle.setopt(pycurl.NOBODY, 1)
    elif method != "POST" or body is None:
        handle.setopt(pycurl.CUSTOMREQUEST, method)
    handle.setopt(pycurl.FOLLOWLOCATION, 1 if follow else 0)
    if body is None or "content-type" in {name.lower() for name in headers}:
        return headers
    return {**headers, "Content-Type": kind or "application/octet-stream"}


def _answer(url: str, transfer: _Transfer, number: int, text: str) -> Answer:
    headers, content = Headers(transfer.lines[:]), b"".join(transfer.parts)
    transfer.lines.clear()
    transfer.parts.clear()
    if number:
        return Answer(url, 0, headers, content, CurlError(f"[{number}] {text}"))
    status = transfer.handle.getinfo(pycurl.RESPONSE_CODE)
    error = BadStatusError(f"status {status}") if status >= 400 else None
    return Answer(url, status, headers, content, error)
