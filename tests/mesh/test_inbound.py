"""Faults for the called side's own proxies: Envoy takes what the EnvoyFilter puts into it, and does it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from faulting import fault_edits
from mesh_world import request

from harness.clients.envoy.binary import find_envoy
from harness.clients.processes.ports import free_ports
from harness.errors import ResourceError
from harness.faults import Fault, abort, delay, grpc_abort, rate_limit
from harness.runner.steps import traffic_match as of_run

TYPES = "type.googleapis.com/envoy.extensions.filters"


def patched(fault: Fault, *, test_only: bool = False) -> Any:
    """The filter that the EnvoyFilter of a fault inserts."""
    headers = of_run("r1") if test_only else None
    (edit,) = fault_edits(fault, [], namespace="shop", caller_labels=None, owner="r1", index=0, test_headers=headers)
    assert edit.create is not None
    return edit.create["spec"]["configPatches"][0]["patch"]["value"]


@contextmanager
def proxy(inserted: Any, folder: Path) -> Iterator[str]:
    """Return the URL of an Envoy that answers 200 after the inserted filter, like a sidecar before its service."""
    (port,) = free_ports(1)
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{TYPES}.http.router.v3.Router"}}
    route = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}
    manager = {
        "@type": f"{TYPES}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "inbound",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        "http_filters": [inserted, router],
    }
    listener = {
        "name": "virtualInbound",
        "address": {"socket_address": {"address": "127.0.0.1", "port_value": port}},
        "filter_chains": [{"filters": [{"name": "hcm", "typed_config": manager}]}],
    }
    file = folder / "envoy.json"
    file.write_text(json.dumps({"static_resources": {"listeners": [listener]}}))
    command = [
        str(find_envoy(os.environ)),
        "-c",
        str(file),
        "--concurrency",
        "1",
        "--disable-hot-restart",
        "--log-level",
        "error",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def asked(url: str, count: int, **options: Any) -> list[Any]:
    """Answers of the proxy, which may still be starting."""
    for _ in range(600):
        try:
            return [request(url, **options) for _ in range(count)]
        except ConnectionError:
            time.sleep(0.05)
    raise AssertionError("Envoy did not start")


def test_an_abort_hits_its_share(tmp_path: Path) -> None:
    """A quarter of 200, within six standard deviations."""
    with proxy(patched(abort("ratings", 503, percent=25, inbound=True)), tmp_path) as url:
        statuses = Counter(answer.status for answer in asked(url, 200))
    assert set(statuses) == {200, 503}
    assert 14 <= statuses[503] <= 87


def test_a_delay_for_test_traffic_spares_everybody_else(tmp_path: Path) -> None:
    """Only requests with the run's baggage wait."""
    with proxy(patched(delay("ratings", "1s", inbound=True), test_only=True), tmp_path) as url:
        (stranger,) = asked(url, 1, headers={"baggage": "harness.run=other"})
        hit = asked(url, 3, headers={"baggage": "a=b, harness.run=r1,harness.arm=canary"})
        spared = min(answer.seconds for answer in [stranger, *asked(url, 5)])
    # Envoy's timers go by the time of its last wake-up, so on a busy machine they are early by some milliseconds.
    assert all(answer.seconds > 0.5 for answer in hit)
    assert spared < 0.5


def test_a_rate_limit_lets_a_few_requests_pass(tmp_path: Path) -> None:
    """The bucket holds two tokens; the other requests of the same second get a 429."""
    with proxy(patched(rate_limit("ratings", 2)), tmp_path) as url:
        statuses = Counter(answer.status for answer in asked(url, 60))
    assert {200, 429} == set(statuses)
    assert statuses[200] >= 2


def test_a_grpc_abort_answers_with_its_status(tmp_path: Path) -> None:
    """By its number, as Envoy wants it."""
    with proxy(patched(grpc_abort("ratings", "UNAVAILABLE", inbound=True)), tmp_path) as url:
        (answer,) = asked(url, 1, headers={"content-type": "application/grpc"})
    assert "14" == answer.headers["grpc-status"]


def test_a_caller_cannot_be_chosen() -> None:
    """The called side does not know whose request it is; the message says what to do instead."""
    with pytest.raises(ResourceError, match="hits every caller"):
        patched(delay("ratings", "1s", inbound=True, caller="reviews"))
