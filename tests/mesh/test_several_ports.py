"""A service of harness.yaml with several ports: a port of the process each, a URL each, routes by port."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from mesh_world import request, topology

from harness.config import read_config
from harness.errors import ConfigError
from harness.mesh.local import LocalMesh, start_local_mesh
from harness.mesh.local.counting import WAITING, waiting_counts
from harness.mesh.local.taking import taken
from harness.routing.istio.reading import read_resources

SERVER = """
    import http.server, json, os, sys, threading
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        def do_GET(self):
            mine = self.server.server_address[1] == int(sys.argv[1])
            seen = {"port": "first" if mine else "admin", "host": self.headers["host"], "name": sys.argv[2],
                    "urls": {key: value for key, value in os.environ.items() if key.endswith("_URL")}}
            body = json.dumps(seen).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *args): pass
    admin = os.environ.get("ADMIN_PORT")
    if admin:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", int(admin)), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
CONFIG = """
    service: reviews
    arms: {baseline: v1, canary: v2}
    services:
      ratings:
        port: 9080
        ports: {admin: {port: 9091}}
        command: ["{python}", server.py, "{port}", "ratings-{version}"]
        env: {ADMIN_PORT: "{port.admin}"}
        versions: {v1: }
      reviews:
        port: 9080
        calls: {RATINGS_URL: ratings, ADMIN_URL: "ratings:9091"}
        command: ["{python}", server.py, "{port}", "reviews-{version}"]
        versions: {v1: , v2: }
    objectives: ["error_rate < +1pp"]
"""
ROUTES = """
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: ratings}
    spec:
      hosts: [ratings]
      http:
      - match: [{port: 9091, uri: {prefix: /broken}}]
        fault: {abort: {httpStatus: 418, percentage: {value: 100}}}
        route: [{destination: {host: ratings}}]
      - match: [{uri: {prefix: /other}}]
        route: [{destination: {host: ratings, port: {number: 9091}}}]
      - route: [{destination: {host: ratings}}]
"""


def _config(folder: Path, text: str = CONFIG) -> Path:
    (folder / "server.py").write_text(dedent(SERVER))
    file = folder / "harness.yaml"
    file.write_text(dedent(text))
    return file


def _routed(mesh: LocalMesh, folder: Path) -> None:
    file = folder / "routes.yaml"
    file.write_text(dedent(ROUTES))
    mesh.replace(read_resources([file]))


def test_each_port_is_one_of_the_process_and_routes_tell_them_apart(tmp_path: Path) -> None:
    """A caller gets the URL of the port that it names; a route without a port keeps the port that was called."""
    with start_local_mesh(read_config(_config(tmp_path)), tmp_path / "run") as mesh:
        urls = request(mesh.url("loadgenerator", "reviews")).seen["urls"]

        def seen(variable: str, path: str = "/") -> tuple[str, str]:
            answer = request(urls[variable], path)
            assert answer.status == 200
            return answer.seen["port"], answer.seen["host"]

        expected = {"RATINGS_URL": ("first", "ratings:9080"), "ADMIN_URL": ("admin", "ratings:9091")}
        assert {variable: seen(variable) for variable in expected} == expected
        _routed(mesh, tmp_path)
        assert {variable: seen(variable) for variable in expected} == expected
        assert seen("RATINGS_URL", "/other") == ("admin", "ratings:9080")
        broken = {variable: request(urls[variable], "/broken").status for variable in expected}
        assert broken == {"RATINGS_URL": 200, "ADMIN_URL": 418}
        assert request(mesh.url("loadgenerator", "ratings:9091")).seen["port"] == "admin"
        gauges = dict.fromkeys(mesh._envoy.admin.stats(WAITING), 1)
        assert {row.total for row in waiting_counts(gauges, mesh._topology)} == {1}  # each call has its gauge


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{port.admin}", "{port.adnin}", "env.ADMIN_PORT: expected one of {python}, {root}, {service}, {version}, {port}, {port.admin}, found {port.adnin}, did you mean {port.admin}?"),
        ("ratings:9091", "ratings:9092", "calls.ADMIN_URL: expected a port of ratings: 9080, 9091, found 9092"),
        ("{port: 9091}", "{port: 9080}", "ports.admin.port: expected another port than port has, found 9080"),
        ("{admin: {port: 9091}}", "{Admin: {port: 9091}}", "expected the name of a port as key, such as admin"),
        ("{admin: {port: 9091}}", "{admin: {protocol: grpc}}", "services.ratings.ports.admin.port"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_ports_names_its_key(tmp_path: Path, old: str, new: str, message: str) -> None:
    """The errors of reading the file."""
    with pytest.raises(ConfigError) as caught:
        read_config(_config(tmp_path, CONFIG.replace(old, new)))
    assert message in str(caught.value)


def test_a_destination_that_names_none_of_several_ports_is_noted(tmp_path: Path) -> None:
    """Istio keeps the port that was called, which the destination may not have."""
    members = topology({})
    ratings = next(one for one in members.services if one.name == "ratings")
    members = replace(members, services=(*members.services, replace(ratings, port=9091)))
    file = tmp_path / "routes.yaml"
    file.write_text(dedent(ROUTES).replace("hosts: [ratings]", "hosts: [reviews]"))
    messages = [problem.message for _, problem in taken(read_resources([file]), members).notes]
    assert messages == ["names no port of ratings, which has 9080, 9091: calls to other ports get 503"] * 2


def test_a_command_that_does_not_get_a_port_is_refused(tmp_path: Path) -> None:
    """Else calls to the port would reach nobody."""
    config = read_config(_config(tmp_path, CONFIG.replace('env: {ADMIN_PORT: "{port.admin}"}', "env: {}")))
    with (
        pytest.raises(
            ConfigError, match=r"expected \{port\.admin\} in the command or in env, as the port to listen on"
        ),
        start_local_mesh(config, tmp_path / "run"),
    ):
        pass
