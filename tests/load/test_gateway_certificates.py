"""Load through an HTTPS gateway verifies the gateway's certificate, and trusts it nowhere else."""

from __future__ import annotations

import shutil
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from load_runs import execute, plan

from harness.clients.certificates import self_made_certificate

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
USERS = {
    "HttpUser": "from locust import HttpUser as Base",
    "FastHttpUser": "from locust import FastHttpUser as Base",
    "CurlUser": "from harness.load.users.curl import CurlUser as Base",
}
TEXT = """
from locust import task
{imports}


class Visitor(Base):
    @task
    def visit(self):
        self.client.get("/", name="own")
        self.client.get("{other}/", name="other")
"""


@dataclass(frozen=True)
class Place:
    """A server with TLS, and its self-made certificate."""

    url: str
    certificate: Path


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet when a caller does not trust the certificate."""


@pytest.fixture
def places(tmp_path: Path) -> Iterator[tuple[Place, Place]]:
    """The gateway, and another server with a certificate that nobody trusts."""
    found, running = [], []
    for name in ("gateway", "other"):
        certificate, key = self_made_certificate(tmp_path / "certificates", name, ["shop.example.com"])
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        server = _Server(("127.0.0.1", 0), _Answer)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        running.append((server, thread))
        found.append(Place(f"https://127.0.0.1:{server.server_address[1]}", certificate))
    try:
        yield found[0], found[1]
    finally:
        for server, thread in running:
            server.shutdown()
            server.server_close()
            thread.join()


def _outcomes(tmp_path: Path, path: Path, url: str, trusted: Path) -> dict[str, set[bool]]:
    """Whether requests failed, by their name."""
    outcome = execute(plan(path, url, rate=5, seconds=1, ca_file=trusted), tmp_path)
    samples, found = outcome.samples, dict[str, set[bool]]()
    for operation, error in zip(samples.operation, samples.error, strict=True):
        found.setdefault(samples.operations[operation], set()).add(bool(error))
    assert outcome.report.notes == ()
    return found


@pytest.mark.parametrize("user", USERS)
def test_a_user_trusts_the_gateway_and_no_other_server(tmp_path, places, profile, user) -> None:
    """Only FastHttpUser reaches the other server, because it verifies no certificate unless it is told to."""
    own, other = places
    path = profile(TEXT.format(imports=USERS[user], other=other.url), whole=True)
    expected = {"own": {False}, "other": {user != "FastHttpUser"}}
    assert _outcomes(tmp_path, path, own.url, own.certificate) == expected


def test_fast_http_user_verifies_the_gateway(tmp_path, places, profile) -> None:
    """With the certificate of another server as authority, its requests fail."""
    own, other = places
    path = profile(TEXT.format(imports=USERS["FastHttpUser"], other=other.url), whole=True)
    assert _outcomes(tmp_path, path, own.url, other.certificate) == {"own": {True}, "other": {False}}
