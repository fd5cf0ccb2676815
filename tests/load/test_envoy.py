"""Envoy counts as many requests as we record, over the requested protocol, in plain text and over TLS."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from load_runs import execute, plan
from needed import needed_program

from harness.clients.processes.child import start, wait_until
from harness.clients.processes.ports import free_ports

PROFILE = """
from locust import task
from {module} import {user}


class Visitor({user}):
    {more}

    @task
    def visit(self):
        self.client.get("/", name="/")
"""
USERS = [
    ("locust", "FastHttpUser", "pass", "cx_http1_total"),
    ("harness.load.users.curl", "CurlUser", "pass", "cx_http1_total"),
    ("harness.load.users.curl", "CurlUser", 'http_version = "2-prior-knowledge"', "cx_http2_total"),
    ("harness.load.users.lean", "LeanUser", "pass", "cx_http1_total"),
]


OVER_TLS = [("1.1", "cx_http1_total"), ("2", "cx_http2_total")]
CURL = "harness.load.users.curl"


@dataclass(frozen=True)
class Envoy:
    """Three listeners with common counters: plain text, TLS, and TLS that requires a client certificate."""

    plain: str
    tls: str
    mutual_tls: str
    admin: str
    authority: Path

    def counted(self, name: str) -> int:
        """Return the value of a counter."""
        url = f"{self.admin}/stats?filter=^http.in.downstream_{name}$&format=json"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(json.load(answer)["stats"][0]["value"])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and 127.0.0.1, and its key."""
    openssl = needed_program("openssl", package="openssl", purpose="to make certificates")
    folder = tmp_path_factory.mktemp("certificates")
    words = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    words += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", "key.pem", "-out", "certificate.pem"]
    subprocess.run(words, check=True, cwd=folder, capture_output=True)
    return folder / "certificate.pem", folder / "key.pem"


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]) -> Iterator[Envoy]:
    """A real Envoy."""
    folder, (plain, tls, mutual, admin) = tmp_path_factory.mktemp("envoy"), free_ports(4)
    context = {
        "tls_certificates": [
            {"certificate_chain": {"filename": str(certificate[0])}, "private_key": {"filename": str(certificate[1])}}
        ],
        "alpn_protocols": ["h2", "http/1.1"],
    }
    trusted = {"validation_context": {"trusted_ca": {"filename": str(certificate[0])}}}
    listeners = [
        listener(plain),
        listener(tls, {"common_tls_context": context}),
        listener(mutual, {"common_tls_context": {**context, **trusted}, "require_client_certificate": True}),
    ]
    config = {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "static_resources": {"listeners": listeners},
    }
    (folder / "envoy.json").write_text(json.dumps(config))
    program = str(Path(sys.executable).with_name("envoy"))
    command = [program, "-c", str(folder / "envoy.json"), "--disable-hot-restart", "--concurrency", "1"]
    with start(command, name="envoy", log=folder / "envoy.log") as process:

        def answers() -> bool:
            process.check()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{plain}/", timeout=1).close()
            except OSError:
                return False
            return True

        assert wait_until(answers, timeout_s=60)
        yield Envoy(
            plain=f"http://127.0.0.1:{plain}",
            tls=f"https://127.0.0.1:{tls}",
            mutual_tls=f"https://localhost:{mutual}",
            admin=f"http://127.0.0.1:{admin}",
            authority=certificate[0],
        )


def listener(port: int, tls: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a listener that answers every request with 200."""
    types = "type.googleapis.com/envoy.extensions"
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "fine"}}}
    router = {"name": "router", "typed_config": {"@type": f"{types}.filters.http.router.v3.Router"}}
    manager = {
        "@type": f"{types}.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [answer]}]},
        "http_filters": [router],
    }
    chain: dict[str, Any] = {"filters": [{"name": "http", "typed_config": manager}]}
    if tls is not None:
        context = {"@type": f"{types}.transport_sockets.tls.v3.DownstreamTlsContext", **tls}
        chain["transport_socket"] = {"name": "tls", "typed_config": context}
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {"name": f"in-{port}", "address": address, "filter_chains": [chain]}


@pytest.mark.parametrize("client", USERS, ids=lambda client: f"{client[1]} {client[3]}")
def test_envoy_locust_and_the_samples_agree(tmp_path, envoy, profile, client):
    """For each User class, the samples and the counts of Locust and Envoy are equal, with few connections."""
    module, user, more, connections = client
    path = profile(PROFILE.format(module=module, user=user, more=more), whole=True)
    requests, made = envoy.counted("rq_completed"), envoy.counted(connections)
    outcome = execute(plan(path, envoy.plain, rate=400, seconds=1), tmp_path)
    seen = envoy.counted("rq_completed") - requests
    assert [400] * 3 == [outcome.report.recorded, outcome.report.counted, seen]
    assert set(outcome.samples.status) == {200}
    assert 1 <= envoy.counted(connections) - made <= outcome.report.users


@pytest.mark.parametrize(("version", "connections"), OVER_TLS, ids=["HTTP/1.1", "HTTP/2"])
def test_libcurl_uses_tls_with_the_protocol_that_alpn_negotiates(tmp_path, envoy, profile, version, connections):
    """Every request is encrypted and reuses connections of that protocol; the certificate is verified."""
    more = f"http_version, ca_file = {version!r}, {str(envoy.authority)!r}"
    path = profile(PROFILE.format(module=CURL, user="CurlUser", more=more), whole=True)
    before = [envoy.counted(name) for name in ("rq_completed", connections, "cx_ssl_total")]
    outcome = execute(plan(path, envoy.tls, rate=200, seconds=1), tmp_path)
    after = [envoy.counted(name) for name in ("rq_completed", connections, "cx_ssl_total")]
    requests, made, encrypted = (new - old for new, old in zip(after, before, strict=True))
    assert outcome.samples.errors == ("",)
    assert [200] * 3 == [outcome.report.recorded, outcome.report.counted, requests]
    assert 1 <= made == encrypted <= outcome.report.users


def test_a_user_may_present_a_client_certificate(tmp_path, envoy, profile, certificate):
    """A server that requires a certificate answers it."""
    more = f"ca_file, client_certificate = {str(envoy.authority)!r}, {tuple(map(str, certificate))!r}"
    path = profile(PROFILE.format(module=CURL, user="CurlUser", more=more), whole=True)
    outcome = execute(plan(path, envoy.mutual_tls, rate=20, seconds=1), tmp_path)
    assert outcome.samples.errors == ("",)
    assert set(outcome.samples.status) == {200}


@pytest.mark.parametrize(
    ("more", "refused"), [("pass", True), ("insecure = True", False)], ids=["by default", "when told not to"]
)
def test_certificates_are_verified(tmp_path, envoy, profile, more, refused):
    """An untrusted certificate gives error samples that say what to do; no request is sent."""
    path = profile(PROFILE.format(module=CURL, user="CurlUser", more=more), whole=True)
    requests = envoy.counted("rq_completed")
    outcome = execute(plan(path, envoy.tls, rate=20, seconds=1), tmp_path)
    assert envoy.counted("rq_completed") - requests == (0 if refused else 20)
    assert outcome.samples.failed.all() == refused
    errors = "; ".join(outcome.samples.errors)
    assert refused == all(words in errors for words in ("self-signed certificate", "ca_file", "insecure = True"))


def test_authorities_of_the_environment_are_trusted(tmp_path, envoy, profile, monkeypatch):
    """REQUESTS_CA_BUNDLE means the same for CurlUser as for HttpUser."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(envoy.authority))
    path = profile(PROFILE.format(module=CURL, user="CurlUser", more="pass"), whole=True)
    assert execute(plan(path, envoy.tls, rate=20, seconds=1), tmp_path).samples.errors == ("",)


def test_a_file_of_authorities_that_is_missing_is_named(tmp_path, envoy, profile):
    """The error comes before anything is sent."""
    path = profile(PROFILE.format(module=CURL, user="CurlUser", more="ca_file = '/nowhere.pem'"), whole=True)
    report = execute(plan(path, envoy.tls, rate=20, seconds=1), tmp_path).report
    assert report.recorded == 0
    assert any("/nowhere.pem, found no such file" in note for note in report.notes)
