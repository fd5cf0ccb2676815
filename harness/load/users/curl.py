"""CurlUser: a Locust User on libcurl, with HTTP/1.1, HTTP/2 and TLS, at less than half of FastHttpUser's CPU."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pycurl
from locust import User
from locust.exception import StopTest
from requests.utils import DEFAULT_CA_BUNDLE_PATH

from harness.load.users.answers import Answer, BadStatusError, Headers
from harness.load.users.client import HttpClient
from harness.load.users.loop import CurlLoop

_VERSIONS = {
    "1.1": pycurl.CURL_HTTP_VERSION_1_1,
    "2": pycurl.CURL_HTTP_VERSION_2TLS,
    "2-prior-knowledge": pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE,
}


_REFUSED_CERTIFICATE = {pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT_BADFILE}
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Those of requests, and so of HttpUser, in its order."""


class CurlError(ConnectionError):
    """libcurl got no answer; its number and text say why."""


class _Transfer:
    """An easy handle with the places where libcurl leaves header lines and body."""

    __slots__ = ("authorities", "handle", "headers", "lines", "on_new_socket", "parts", "url")

    def __init__(self, user: CurlUser, on_new_socket: Callable[[int, int], int]) -> None:
        self.handle = pycurl.Curl()
        self.on_new_socket = on_new_socket
        self.handle.setopt(pycurl.COOKIEFILE, "")
        self.lines: list[bytes] = []
        self.parts: list[bytes] = []
        self.authorities = Path(user.ca_file or trusted_authorities())
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
            (pycurl.SOCKOPTFUNCTION, self.on_new_socket),
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
            (pycurl.CAPATH if self.authorities.is_dir() else pycurl.CAINFO, str(self.authorities)),
        ):
            self.handle.setopt(option, value)
        if user.client_certificate is not None:
            certificate, key = user.client_certificate
            self.handle.setopt(pycurl.SSLCERT, certificate)
            self.handle.setopt(pycurl.SSLKEY, key)

    def set_headers(self, headers: Mapping[str, str]) -> None:
        """Header lines to send; ``Expect`` is left out, it would delay every larger body."""
        self.headers = dict(headers)
        self.handle.setopt(pycurl.HTTPHEADER, [*(f"{name}: {value}" for name, value in headers.items()), "Expect:"])


class CurlClient(HttpClient):
    """``self.client`` of a CurlUser; keeps cookies."""

    def __init__(self, loop: CurlLoop, base_url: str, user: CurlUser) -> None:
        super().__init__(user, base_url)
        self._loop, self._settings = loop, user
        self._free: list[_Transfer] = []

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, follow: bool
    ) -> tuple[Answer, float]:
        """See HttpClient."""
        transfer = self._free.pop() if self._free else _Transfer(self._settings, self._loop.on_new_socket)
        handle = transfer.handle
        if url != transfer.url:
            handle.setopt(pycurl.URL, url)
            transfer.url = url
        if headers != transfer.headers:
            transfer.set_headers(headers)
        special = method != "GET" or body is not None or not follow
        if special:
            _prepare(handle, method, body, follow=follow)
        number, text, ended_at = self._loop.perform(handle)
        answer = _answer(url, transfer, number, text)
        if special:
            handle.reset()  # keeps cookies and connections
            transfer.set_up(self._settings)
        self._free.append(transfer)
        return answer, ended_at


class CurlUser(User):
    """A user whose ``self.client`` is libcurl: same use as FastHttpUser, more requests per core.

    libcurl itself sends a request again, once, when a kept connection turns out to be dead before any answer.
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
    insecure = False
    """Do not verify the server's certificate. HttpUser verifies it, FastHttpUser does not unless it is told to."""
    ca_file: str | None = None
    """Authorities to trust, as PEM; otherwise those that HttpUser trusts: of REQUESTS_CA_BUNDLE, or certifi's."""
    client_certificate: tuple[str, str] | None = None
    """Files of this user's own certificate and of its key, both as PEM, for a server that asks for one."""

    _loops: ClassVar[dict[int, CurlLoop]] = {}

    def __init__(self, environment: Any) -> None:
        super().__init__(environment)
        if self.host is None:
            raise StopTest("expected a host, on the command line or as attribute of the User class, found none")
        if self.http_version not in _VERSIONS:
            raise StopTest(f"expected http_version to be one of {', '.join(_VERSIONS)}, found {self.http_version!r}")
        for path in (self.ca_file, *(self.client_certificate or ())):
            if path is not None and not Path(path).exists():
                raise StopTest(f"{type(self).__name__}: expected certificates or a key in {path}, found no such file")
        if os.getpid() not in self._loops:
            self._loops[os.getpid()] = CurlLoop()
        self.client = CurlClient(self._loops[os.getpid()], self.host.rstrip("/"), self)


def trusted_authorities() -> str:
    """File or folder of the authorities that HttpUser trusts."""
    return next((found for name in _CA_VARIABLES if (found := os.environ.get(name))), DEFAULT_CA_BUNDLE_PATH)


def _prepare(handle: Any, method: str, body: bytes | None, *, follow: bool) -> None:
    """Set what differs from a plain GET."""
    if body is not None or method in {"POST", "PUT", "PATCH"}:
        handle.setopt(pycurl.COPYPOSTFIELDS, body or b"")
    if method == "HEAD":
        handle.setopt(pycurl.NOBODY, 1)
    elif method != "POST":
        handle.setopt(pycurl.CUSTOMREQUEST, method)
    handle.setopt(pycurl.FOLLOWLOCATION, 1 if follow else 0)


def _answer(url: str, transfer: _Transfer, number: int, text: str) -> Answer:
    headers, content = Headers(transfer.lines[:]), b"".join(transfer.parts)
    transfer.lines.clear()
    transfer.parts.clear()
    if number:
        return Answer(url, 0, headers, content, CurlError(f"[{number}] {text}{_advice(number)}"))
    status = transfer.handle.getinfo(pycurl.RESPONSE_CODE)
    error = BadStatusError(f"status {status}") if status >= 400 else None
    return Answer(url, status, headers, content, error)


def _advice(number: int) -> str:
    if number in _REFUSED_CERTIFICATE:
        return "; name its authority in the User's ca_file, or set insecure = True"
    return ""
