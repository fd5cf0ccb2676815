"""Services start after the services they call, are monitored, explain failures and end together."""

from __future__ import annotations

import http.client
import http.server
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.clients.processes.child import wait_until
from harness.clients.processes.ports import free_ports, is_free
from harness.config import Config, Workload, read_config
from harness.errors import ConfigError, PortError, ServiceError
from harness.mesh.services import ServiceSet, all_workloads, needed_workloads

SERVICE = """\
import http.server, json, os, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"env": dict(os.environ), "cwd": os.getcwd(), "started": STARTED}).encode()
        self.send_response(int(os.environ.get("STATUS", "200")))
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

print("listening", flush=True)
STARTED = time.monotonic()
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""

CONFIG = """\
service: reviews
arms: {baseline: v2, canary: v3}
entry: productpage
services:
  productpage:
    calls: {REVIEWS_URL: reviews, DETAILS_URL: details}
    command: ["{python}", service.py, "{port}"]
    versions: {v1: }
  details: {command: ["{python}", service.py, "{port}"], versions: {v1: }}
  reviews:
    calls: {RATINGS_URL: ratings}
    command: ["{python}", service.py, "{port}"]
    versions: {v1: , v2: , v3: {env: {PORT_IS: "{port}"}}}
  unused: {command: ["{python}", service.py, "{port}"], versions: {v1: }}
  ratings: {command: ["{python}", service.py, "{port}"], versions: {v1: , v2: {command: ["{python}", service.py, "{port}"]}}}
"""

LONE = """\
service: lone
arms: {baseline: v1, canary: v2}
services: {lone: {SETTINGS, versions: {v1: , v2: }}}
"""


def config_in(folder: Path, text: str = CONFIG) -> Config:
    """Write the configuration and the service's program into a folder."""
    (folder / "service.py").write_text(SERVICE)
    (folder / "harness.yaml").write_text(text)
    return read_config(folder / "harness.yaml")


def lone(folder: Path, settings: str) -> ServiceSet:
    """Return a set with a single service."""
    config = config_in(folder, LONE.replace("SETTINGS", settings))
    return ServiceSet(config, [config.workload("lone", "v1")], folder / "logs")


def outbound(caller: Workload, callee: str) -> str:
    """Return a URL that shows the caller and the callee."""
    return f"http://127.0.0.1:1/{caller.name}/{callee}"


def asked(services: ServiceSet, name: str) -> dict[str, object]:
    """Return what a workload reports about itself."""
    connection = http.client.HTTPConnection(*services.endpoints[name], timeout=10)
    try:
        connection.request("GET", "/")
        answer: dict[str, object] = json.loads(connection.getresponse().read())
        return answer
    finally:
        connection.close()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which this process listens."""
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_needed_workloads_are_the_arms_and_all_services_from_the_entry_on(tmp_path: Path) -> None:
    """Other versions of the service under test and unused services are left out; callees come first."""
    names = [workload.name for workload in needed_workloads(config_in(tmp_path))]
    assert names == ["ratings-v1", "ratings-v2", "reviews-v2", "reviews-v3", "details-v1", "productpage-v1"]


def test_the_service_under_test_alone_needs_no_callers(tmp_path: Path) -> None:
    """Without an entry, the callers of the service under test are left out."""
    names = [work.name for work in needed_workloads(config_in(tmp_path, CONFIG.replace("entry: productpage", "")))]
    assert names == ["ratings-v1", "ratings-v2", "reviews-v2", "reviews-v3"]


def test_all_workloads_are_everything_that_can_run_locally(tmp_path: Path) -> None:
    """Callees come first."""
    names = [workload.name for workload in all_workloads(config_in(tmp_path))]
    assert names == [
        "ratings-v1", "ratings-v2", "reviews-v1", "reviews-v2", "reviews-v3", "details-v1", "productpage-v1", "unused-v1",
    ]  # fmt: skip


def test_services_run_with_their_urls_and_end_together(tmp_path: Path) -> None:
    """Each workload listens on its endpoint, in the folder of the file, with its own environment and URLs."""
    config = config_in(tmp_path)
    with ServiceSet(config, needed_workloads(config), tmp_path / "logs") as services:
        services.start(outbound)
        services.check()
        answers = {name: asked(services, name) for name in services.endpoints}
        pids = [process.pid for process in services.processes.values()]
    env = answers["reviews-v3"]["env"]
    assert isinstance(env, dict)
    assert env["RATINGS_URL"] == "http://127.0.0.1:1/reviews-v3/ratings"
    assert env["PORT_IS"] == str(services.endpoints["reviews-v3"][1])
    assert env["PATH"] == os.environ["PATH"]
    assert answers["reviews-v3"]["cwd"] == str(tmp_path)
    started = {name: float(str(answer["started"])) for name, answer in answers.items()}
    assert max(started["ratings-v1"], started["ratings-v2"]) < min(started["reviews-v2"], started["reviews-v3"])
    assert max(started["reviews-v2"], started["reviews-v3"], started["details-v1"]) < started["productpage-v1"]
    assert [pid for pid in pids if psutil.pid_exists(pid)] == []
    assert sorted(log.name for log in (tmp_path / "logs").iterdir()) == sorted(f"{name}.log" for name in answers)


def test_an_error_explains_a_service_that_dies_later(tmp_path: Path) -> None:
    """The error names the workload, how it ended and its last lines."""
    with lone(tmp_path, 'command: ["{python}", service.py, "{port}"]') as services:
        services.start(outbound)
        os.kill(services.processes["lone-v1"].pid, signal.SIGKILL)
        assert wait_until(lambda: not services.processes["lone-v1"].running(), timeout_s=30)
        with pytest.raises(ServiceError, match=r"(?s)lone-v1: .* ended by signal 9.*lone-v1\.log:\nlistening"):
            services.check()


def test_an_error_explains_a_service_that_dies_at_the_start(tmp_path: Path) -> None:
    """The error has the exit code and the output, and comes long before the time limit."""
    command = """command: ["sh", "-c", "echo no database on {port} >&2; exit 4"]"""
    with lone(tmp_path, command) as services, pytest.raises(ServiceError) as raised:
        services.start(outbound)
    assert "lone-v1: expected a workload that keeps running; it ended with exit code 4" in str(raised.value)
    assert str(raised.value).endswith(f"no database on {services.endpoints['lone-v1'][1]}")


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ('command: [sleep, "600"]', "Connection refused"),
        ('command: ["{python}", service.py, "{port}"]', "503"),
    ],
)
def test_an_error_explains_a_service_that_never_becomes_healthy(tmp_path: Path, settings: str, found: str) -> None:
    """The error has the URL, the time limit, the last answer and the end of the log; no process is left."""
    env = 'health: /ready, ready-within: 700ms, env: {STATUS: "503", P: "{port}"}'
    with lone(tmp_path, f"{settings}, {env}") as services, pytest.raises(ServiceError) as raised:
        services.start(outbound)
    port = services.endpoints["lone-v1"][1]
    expected = f"lone-v1: expected http://127.0.0.1:{port}/ready to answer 2xx or 3xx within 0.7 s, found: "
    assert str(raised.value).startswith(expected)
    assert found in str(raised.value)
    assert f"{tmp_path}/logs/lone-v1.log" in str(raised.value)
    assert is_free(port)


def test_the_holder_of_a_port_in_use_is_named(tmp_path: Path, taken: int) -> None:
    """A command whose port is in use is not started; the error names the process that holds the port."""
    settings = f'command: ["{{python}}", service.py, "{{port}}"], versions: {{v1: {{address: "127.0.0.1:{taken}", command: ["{{python}}"]}}, v2: }}'
    config = config_in(tmp_path, LONE.replace("SETTINGS, versions: {v1: , v2: }", settings))
    with ServiceSet(config, [config.workload("lone", "v1")], tmp_path) as services:
        with pytest.raises(PortError, match=rf"lone-v1: expected port {taken} to be free, .*\(pid {os.getpid()}\)"):
            services.start(outbound)
        assert services.processes == {}


def test_a_service_with_an_address_is_not_started(tmp_path: Path) -> None:
    """Only its health is checked; when it does not answer, the error has the URL."""
    port = free_ports(1)[0]
    settings = f'ready-within: 200ms, versions: {{v1: {{address: "localhost:{port}"}}, v2: }}'
    config = config_in(tmp_path, LONE.replace("SETTINGS, versions: {v1: , v2: }", settings))
    with ServiceSet(config, [config.workload("lone", "v1")], tmp_path) as services:
        assert services.endpoints == {"lone-v1": ("127.0.0.1", port)}
        with pytest.raises(
            ServiceError, match=rf"lone-v1: expected http://127\.0\.0\.1:{port}/health .* is it running"
        ):
            services.start(outbound)


def test_a_workload_has_its_pod_labels_and_a_stranger_has_none(tmp_path: Path) -> None:
    """A workload that is being added is a stranger until it is healthy."""
    config = config_in(
        tmp_path, LONE.replace("SETTINGS, versions: {v1: , v2: }", 'versions: {v1: {address: "localhost:1"}, v2: }')
    )
    with ServiceSet(config, [config.workload("lone", "v1")], tmp_path) as services:
        assert {"app": "lone", "version": "v1"} == services.labels_of("lone-v1")
        assert {} == services.labels_of("lone-v2")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("port: 80", "expected a command or an address to run it locally, found neither"),
        ("command: [run]", "expected {port} in the command or in env"),
    ],
)
def test_a_workload_that_cannot_run_locally_is_rejected_with_its_line(
    tmp_path: Path, settings: str, expected: str
) -> None:
    """Without a command, or without the port in it, nothing is started; the error names file, line and key."""
    with pytest.raises(ConfigError) as raised:
        lone(tmp_path, settings)
    assert str(raised.value).startswith(f"{tmp_path}/harness.yaml:3: services.lone.versions.v1.command: {expected}")


def test_a_missing_program_is_named(tmp_path: Path) -> None:
    """Before anything is started: the error has the key of the command and the program that does not exist."""
    with pytest.raises(ConfigError, match=r"services\.lone\.command: .* found 'no-such-program'"):
        lone(tmp_path, 'command: [no-such-program, "{port}"]')
