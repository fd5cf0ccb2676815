"""Hosts that are no service of harness.yaml: those that ServiceEntries add, and those that nobody knows."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from mesh_world import World, request, routes, topology

from harness.clients.certificates import self_made_certificate
from harness.config import read_config
from harness.errors import ConfigError, MeshError, ResourceError
from harness.mesh.local import open_local_mesh
from harness.mesh.local.checks import check_for_local_mesh
from harness.model.followed_istio import FollowedIstio
from harness.routing.istio.reading import read_resources

ENTRY = """
    apiVersion: networking.istio.io/v1
    kind: ServiceEntry
    metadata: {{name: payments}}
    spec:
      hosts: [payments.example.com]
      location: MESH_EXTERNAL
      resolution: {resolution}
      ports:
      - {{number: 80, name: http, protocol: HTTP}}
      - {{number: 8080, name: other, protocol: HTTP}}
      - {{number: 443, name: tls, protocol: TLS}}
      endpoints:
      - {{address: {address}, ports: {{http: {port}, other: 1}}}}
    """


def _port(world: World, workload: str) -> int:
    return next(
        endpoint.port
        for service in world.mesh._topology.services
        for endpoint in service.endpoints
        if endpoint.workload == workload
    )


def _outside(world: World, host: str = "payments.example.com") -> int:
    return request(world.mesh.outbound("loadgenerator"), headers={"host": host}).status


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost"])
def test_a_service_entry_adds_a_host_with_its_ports(world: World, address: str) -> None:
    """Its endpoints are addresses or names; each HTTP port can be a destination, and faults of its routes hold."""
    resolution = "STATIC" if address == "127.0.0.1" else "DNS"
    entry = ENTRY.format(resolution=resolution, address=address, port=_port(world, "details-v1"))
    world.serve(entry)
    answer = request(world.mesh.outbound("loadgenerator"), headers={"host": "payments.example.com"})
    assert (answer.workload, answer.seen["headers"]["host"]) == ("details-v1", "payments.example.com")
    assert ["TLS is left out" in line for line in world.mesh.warnings()] == [True]
    route = "- route: [{{destination: {{host: payments.example.com, port: {{number: {}}}}}}}]"
    world.serve(entry, routes(route.format(80)))
    assert world.get("reviews").workload == "details-v1"
    world.serve(entry, routes(route.format(8080)))
    assert world.get("reviews").status == 503
    abort = "- fault: {abort: {httpStatus: 418, percentage: {value: 100}}}\n  route: [{destination: {host: payments.example.com}}]"
    world.serve(entry, routes(abort, host="payments.example.com").replace("{name: payments.example.com}", "{name: p}"))
    assert _outside(world) == 418
    world.serve()
    assert _outside(world) == 502


@contextmanager
def _https(folder: Path, *, client: Path | None = None) -> Iterator[tuple[int, Path]]:
    """Yield the port of a server with TLS on loopback, and its self-made certificate.

    client: the certificate that clients must show; None if they need none.
    """
    certificate, key = self_made_certificate(folder, "payments", ["payments.example.com"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    if client is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(client)

    class Paid(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "4")
            self.end_headers()
            self.wfile.write(b"paid")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Keep quiet when a caller does not trust the certificate."""

    with Server(("127.0.0.1", 0), Paid) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1], certificate
        finally:
            server.shutdown()
            thread.join()


def test_proxies_start_tls_to_a_host_outside_and_check_its_certificate(world: World, tmp_path: Path) -> None:
    """A certificate that the rule does not trust, or of another name, is a 503; without the rule TLS is not spoken."""
    rule = """
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {{name: payments}}
        spec:
          host: payments.example.com
          trafficPolicy:
            portLevelSettings:
            - {{port: {{number: 80}}, tls: {{mode: SIMPLE, {more}}}}}
        """
    with _https(tmp_path) as (port, certificate):
        entry = ENTRY.format(resolution="STATIC", address="127.0.0.1", port=port)
        trusting = f"caCertificates: {certificate}"
        world.serve(entry, rule.format(more=trusting))
        assert not any("SIMPLE is left out" in line for line in world.mesh.warnings())
        assert _outside(world) == 200
        for more in ("subjectAltNames: []", f"{trusting}, sni: other.example.com"):
            world.serve(entry, rule.format(more=more))
            assert _outside(world) == 503
        world.serve(entry, rule.format(more="insecureSkipVerify: true"))
        assert _outside(world) == 200
        with pytest.raises(MeshError, match=r"expected the file /nowhere\.pem of tls\.caCertificates"):
            world.serve(entry, rule.format(more="caCertificates: /nowhere.pem"))


def test_proxies_show_a_certificate_of_the_client_where_a_rule_says_so(world: World, tmp_path: Path) -> None:
    """MUTUAL names files of this machine; without Secrets the server gets no certificate, which is a warning."""
    rule = """
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        metadata: {{name: payments}}
        spec:
          host: payments.example.com
          trafficPolicy:
            portLevelSettings:
            - {{port: {{number: 80}}, tls: {{{tls}}}}}
        """
    client, key = self_made_certificate(tmp_path, "client", ["client.example.com"])
    with _https(tmp_path, client=client) as (port, certificate):
        entry = ENTRY.format(resolution="STATIC", address="127.0.0.1", port=port)
        files = f"caCertificates: {certificate}, clientCertificate: {client}, privateKey: {key}"
        world.serve(entry, rule.format(tls=f"mode: MUTUAL, {files}"))
        assert not any("MUTUAL" in line or "credentialName" in line for line in world.mesh.warnings())
        assert _outside(world) == 200
        world.serve(entry, rule.format(tls=f"mode: SIMPLE, caCertificates: {certificate}"))
        assert _outside(world) == 503
        with pytest.raises(MeshError, match=r"expected the file /nowhere\.key of tls\.privateKey"):
            world.serve(entry, rule.format(tls=f"mode: MUTUAL, {files.replace(str(key), '/nowhere.key')}"))
        with pytest.raises(ResourceError, match="MUTUAL needs privateKey, or credentialName; found neither"):
            world.serve(entry, rule.format(tls=f"mode: MUTUAL, clientCertificate: {client}"))
        world.serve(entry, rule.format(tls="mode: MUTUAL, credentialName: bank"))
        assert any("the server gets no certificate of the client" in line for line in world.mesh.warnings())
        assert _outside(world) == 503


def test_a_name_that_leads_nowhere_is_told(world: World) -> None:
    """The entry is served as a cluster would, with a warning that says what happens."""
    world.serve(ENTRY.format(resolution="DNS", address="nowhere.invalid", port=1))
    assert any("resolves to nothing: nowhere.invalid" in line for line in world.mesh.warnings())
    assert _outside(world) == 503


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("endpoints:", "subjectAltNames: []\n      endpoints: []\n      x-rest:", "unknown field 'x-rest'"),
        ("      endpoints:\n      - {{address: {address}, ports: {{http: {port}, other: 1}}}}\n", "", "resolves to nothing: STATIC"),
        ("hosts: [payments.example.com]", "hosts: []", "expected at least one host"),
        ("number: 8080", "number: 80", "expected each number once, found 80 for http and other"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_refused_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    """An entry that resolves to nothing is a mistake."""
    file = tmp_path / "entry.yaml"
    file.write_text(ENTRY.replace(old, new).format(resolution="STATIC", address="127.0.0.1", port=1))
    with pytest.raises(ResourceError, match=r"entry\.yaml:\d+: ServiceEntry payments") as caught:
        check_for_local_mesh(read_resources([file]), topology({}))
    assert message in str(caught.value)


def test_unknown_hosts_are_passed_on_where_that_is_allowed(world: World, tmp_path: Path) -> None:
    """ALLOW_ANY leads to the host that the request names, and to the host of an external URL."""
    port = _port(world, "details-v1")
    members = topology({}, namespace="default")
    first, *others = members.callers
    external = f"127.0.0.1.nip:{port}"
    first = replace(first, calls=(*first.calls, external))
    anything = replace(members, callers=(first, *others), istio=FollowedIstio(allow_any=True))
    with open_local_mesh(anything, (), tmp_path, entry="reviews", check=lambda: None) as mesh:
        answer = request(mesh.outbound("loadgenerator"), headers={"host": f"127.0.0.1:{port}"})
        assert answer.workload == "details-v1"
        assert request(mesh.url("loadgenerator", external)).status == 503


def test_a_connection_can_become_a_websocket(world: World) -> None:
    """The proxy hands the upgrade on, and then bytes in both directions."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)

        def answer() -> None:
            peer, _ = server.accept()
            with peer, peer.makefile("rb") as stream:
                asked = list(iter(stream.readline, b"\r\n"))
                upgrade = b"upgrade: websocket" if b"upgrade: websocket\r\n" in map(bytes.lower, asked) else b"x: y"
                peer.sendall(b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\n" + upgrade + b"\r\n\r\n")
                peer.sendall(stream.read(4)[::-1])

        thread = threading.Thread(target=answer)
        thread.start()
        world.serve(ENTRY.format(resolution="STATIC", address="127.0.0.1", port=server.getsockname()[1]))
        port = int(world.mesh.outbound("loadgenerator").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port), timeout=60) as caller, caller.makefile("rb") as stream:
            upgrade = b"connection: Upgrade\r\nupgrade: websocket\r\n\r\n"
            caller.sendall(b"GET /chat HTTP/1.1\r\nhost: payments.example.com\r\n" + upgrade)
            answered = list(iter(stream.readline, b"\r\n"))
            caller.sendall(b"ping")
            assert (answered[0][:12], stream.read(4)) == (b"HTTP/1.1 101", b"gnip")
        thread.join()


def test_a_service_may_call_hosts_elsewhere(tmp_path: Path) -> None:
    """A name with a dot is a host; one without must be a service of the file."""
    text = """
service: a
arms: {baseline: v1, canary: v2}
services:
  a: {calls: {PAYMENTS_URL: payments.example.com}, command: [x, "{port}"], versions: {v1: {}, v2: {}}}
istio: {outbound: ALLOW_ANY}
"""
    file = tmp_path / "harness.yaml"
    file.write_text(text)
    config = read_config(file)
    assert (config.services["a"].external, config.services["a"].calls) == ({"PAYMENTS_URL": "payments.example.com"}, {})
    assert config.followed.allow_any is True
    file.write_text(text.replace("payments.example.com", "payments"))
    with pytest.raises(ConfigError, match="found 'payments'"):
        read_config(file)
