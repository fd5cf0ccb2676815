"""What Envoy counts of the load: the same number, over the protocol that was asked for."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from load_runs import carry_out, plan

from harness.clients.processes import free_ports, start, wait_until

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


@pytest.fixture(scope="module")
def envoy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """URLs of an Envoy that answers by itself, and of its admin interface."""
    folder, (port, admin) = tmp_path_factory.mktemp("envoy"), free_ports(2)
    types = "type.googleapis.com/envoy.extensions.filters"
    answer = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "fine"}}}
    router = {"name": "router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}}
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [answer]}]},
        "http_filters": [router],
    }
    listener = {
        "name": "in",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
    config = {
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": admin}}},
        "static_resources": {"listeners": [listener]},
    }
    (folder / "envoy.json").write_text(json.dumps(config))
    program = str(Path(sys.executable).with_name("envoy"))
    command = [program, "-c", str(folder / "envoy.json"), "--disable-hot-restart", "--concurrency", "1"]
    with start(command, name="envoy", log=folder / "envoy.log") as process:

        def answers() -> bool:
            process.check()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
            except OSError:
                return False
            return True

        assert wait_until(answers, timeout_s=20)
        yield f"http://127.0.0.1:{port}", f"http://127.0.0.1:{admin}"


def counted(admin: str, name: str) -> int:
    """One of Envoy's counters."""
    with urllib.request.urlopen(f"{admin}/stats?filter=^http.in.downstream_{name}$&format=json", timeout=5) as answer:
        return int(json.load(answer)["stats"][0]["value"])


@pytest.mark.parametrize("client", USERS, ids=lambda client: f"{client[1]} {client[3]}")
def test_envoy_locust_and_the_samples_agree(tmp_path, envoy, profile, client):
    """Each User class: recorded, Locust's count and Envoy's count are one number, over few connections of its protocol."""
    (url, admin), (module, user, more, connections) = envoy, client
    path = profile(PROFILE.format(module=module, user=user, more=more), whole=True)
    requests, made = counted(admin, "rq_completed"), counted(admin, connections)
    outcome = carry_out(plan(path, url, rate=400, seconds=1), tmp_path)
    seen = counted(admin, "rq_completed") - requests
    assert [400] * 3 == [outcome.report.recorded, outcome.report.counted, seen]
    assert set(outcome.samples.status) == {200}
    assert 1 <= counted(admin, connections) - made <= outcome.report.users
