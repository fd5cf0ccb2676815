"""CurlUser: a Locust User based on libcurl (HTTP/1.1, HTTP/2, TLS) that needs less than half of FastHttpUser's CPU."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar

import pycurl
from locust import User
from locust.env import Environment
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


_CERTIFICATE_ERRORS = {pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT_BADFILE}
_CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""The variables that requests reads, and therefore HttpUser, in the same order."""


class CurlError(ConnectionError):
    """libcurl got no answer. The message contains libcurl's error number and text."""


class _Transfer:
    """A curl easy handle with the lists into which libcurl writes header lines and body."""

    __slots__ = ("authorities", "handle", "headers", "lines", "on_new_socket", "parts", "url")

    def __init__(self, user: CurlUser, on_new_socket: Callable[[int, int], int], authorities: Path) -> None:
        self.handle = pycurl.Curl()
        self.on_new_socket = on_new_socket
        self.handle.setopt(pycurl.COOKIEFILE, "")
        self.lines: list[bytes] = []
        self.parts: list[bytes] = []
        self.authorities = authorities
        self.set_up(user)

    def set_up(self, user: CurlUser) -> None:
        """Set the options that apply to every request."""
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
        """Set the headers to send. Suppress ``Expect``, which would delay every larger body."""
        self.headers = dict(headers)
        self.handle.setopt(pycurl.HTTPHEADER, [*(f"{name}: {value}" for name, value in headers.items()), "Expect:"])


class CurlClient(HttpClient):
    """A CurlUser's ``self.client``. It keeps cookies."""

    def __init__(self, loop: CurlLoop, base_url: str, user: CurlUser) -> None:
        super().__init__(user, base_url)
        self._loop, self._settings = loop, user
        usual = Path(user.ca_file or trusted_authorities())
        own = usual if user.ca_file or not user.entry_ca_file else Path(user.entry_ca_file)
        self._usual, self._own = usual, own
        self._free: dict[Path, list[_Transfer]] = {usual: [], own: []}

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, *, follow: bool
    ) -> tuple[Answer, float]:
        """Implement ``HttpClient.exchange``."""
        authorities = self._own if url.startswith(self._base_url) else self._usual
        free = self._free[authorities]
        transfer = free.pop() if free else _Transfer(self._settings, self._loop.on_new_socket, authorities)
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
        free.append(transfer)
        return answer, ended_at


class CurlUser(User):
    """A user whose ``self.client`` is based on libcurl. Use it like FastHttpUser; it sends more requests per core.

    libcurl itself retries a request once when a kept-alive connection proves to be closed before any part of the answer
    has arrived. All users of a process share one connection pool. With ``http_version = "2"`` (over TLS) or
    ``"2-prior-knowledge"`` (in plain text), they also share the streams of a connection.
    """

    abstract = True
    http_version = "1.1"
    """One of ``1.1``, ``2`` and ``2-prior-knowledge``."""
    connection_timeout = 60.0
    """Time limit for connecting, in seconds."""
    network_timeout = 60.0
    """Time limit for receiving the whole answer, in seconds."""
    max_redirects = 30
    insecure = False
    """Do not verify the server's certificate. HttpUser verifies it by default, FastHttpUser does not."""
    ca_file: str | None = None
    """PEM file of the certificate authorities to trust. None: those that HttpUser trusts (REQUESTS_CA_BUNDLE or
    certifi)."""
    entry_ca_file: str | None = None
    """PEM file of the authorities to trust at the user's host only, unless ca_file is set. The harness sets it where
    load enters through a gateway of the local mesh."""
    client_certificate: tuple[str, str] | None = None
    """PEM files of the client's certificate and key, for servers that request one."""

    _loops: ClassVar[dict[int, CurlLoop]] = {}

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        if self.host is None:
            raise StopTest("expected a host on the command line or as an attribute of the User class, found none")
        if self.http_version not in _VERSIONS:
            raise StopTest(f"expected http_version to be one of {', '.join(_VERSIONS)}, found {self.http_version!r}")
        for path in (self.ca_file, *(self.client_certificate or ())):
            if path is not None and not Path(path).exists():
                raise StopTest(
                    f"{type(self).__name__}: expected a certificate or key file at {path}, found no such file"
                )
        if os.getpid() not in self._loops:
            self._loops[os.getpid()] = CurlLoop()
        self.client = CurlClient(self._loops[os.getpid()], self.host.rstrip("/"), self)


def trusted_authorities() -> str:
    """Return the file or folder with the certificate authorities that HttpUser trusts."""
    return next((found for name in _CA_VARIABLES if (found := os.environ.get(name))), DEFAULT_CA_BUNDLE_PATH)


def _prepare(handle: pycurl.Curl, method: str, body: bytes | None, *, follow: bool) -> None:
    """Set the options of a request that is not a plain GET."""
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
    if number in _CERTIFICATE_ERRORS:
        return "; set the User's ca_file to its certificate authority, or set insecure = True"
    return ""
