"""gRPC through the local mesh: HTTP/2 to the service, statuses of the proxy, deadlines, splits, faults."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace

import grpc
import pytest
from mesh_world import routes

from harness.clients.processes.child import start, wait_until
from harness.clients.processes.ports import free_ports
from harness.mesh.http2_check import speaks_http2
from harness.mesh.local import LocalMesh, open_local_mesh
from harness.mesh.local.topology import LOAD_GENERATOR, Caller, Endpoint, Service, Topology
from harness.model.protocol import Protocol
from harness.routing.istio.reading import read_resources

SERVICE = Path(__file__).parents[1] / "load" / "grpc_service.py"
SUBSETS = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews
  subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """Two versions of a gRPC service behind the mesh, and a channel of the load generator."""
    folder, ports = tmp_path_factory.mktemp("grpc"), free_ports(2)
    endpoints = tuple(
        Endpoint(
            workload=f"reviews-{version}", version=version, labels={"app": "reviews", "version": version},
            host="127.0.0.1", port=port,
        )
        for version, port in zip(("v1", "v2"), ports, strict=True)
    )  # fmt: skip
    service = Service(name="reviews", namespace="default", port=9080, endpoints=endpoints, protocol=Protocol.GRPC)
    caller = Caller(workload=LOAD_GENERATOR, app="l", version="v1", namespace="default", calls=("reviews",))
    topology = Topology(namespace="default", callers=(caller,), services=(service,))
    commands = [[sys.executable, str(SERVICE), str(port), version] for port, version in zip(ports, "12", strict=True)]
    with (
        start(commands[0], name="v1", log=folder / "v1.log"),
        start(commands[1], name="v2", log=folder / "v2.log"),
        open_local_mesh(topology, (), folder / "mesh", entry="reviews", check=lambda: None) as mesh,
    ):
        assert wait_until(lambda: all(speaks_http2("127.0.0.1", port) == "200" for port in ports), timeout_s=120)
        target = mesh.url(LOAD_GENERATOR, "reviews").removeprefix("http://")
        with grpc.insecure_channel(target, [("grpc.enable_http_proxy", 0)]) as channel:
            yield SimpleNamespace(mesh=mesh, folder=folder, get=channel.unary_unary("/shop.Reviews/Get"))


def serve(world: SimpleNamespace, http: str) -> LocalMesh:
    """Make the mesh serve these routes of reviews."""
    file = world.folder / "resources.yaml"
    file.write_text(SUBSETS + "---\n" + dedent(routes(http)))
    world.mesh.replace(read_resources([file]))
    return world.mesh


def status(world: SimpleNamespace, message: bytes = b"a", **options: object) -> str:
    """The gRPC status of one call."""
    try:
        world.get(message, **options)
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def test_calls_are_split_by_weight(world: SimpleNamespace) -> None:
    """Each call is balanced by itself, although all share one connection."""
    serve(world, "- route: [{destination: {host: reviews, subset: v1}, weight: 30},"
                 " {destination: {host: reviews, subset: v2}, weight: 70}]")  # fmt: skip
    seen = Counter(bytes(world.get(b"who")) for _ in range(200))
    assert set(seen) == {b"1", b"2"}
    assert 90 < seen[b"2"] < 180


def test_an_aborted_call_gets_a_grpc_status(world: SimpleNamespace) -> None:
    """A proxy answers a gRPC call with HTTP 200 and the status in its trailers; 503 becomes UNAVAILABLE."""
    serve(world, "- fault: {abort: {httpStatus: 503, percentage: {value: 100}}}\n"
                 "  route: [{destination: {host: reviews, subset: v1}}]")  # fmt: skip
    assert status(world) == "UNAVAILABLE"
    serve(world, "- fault: {abort: {grpcStatus: RESOURCE_EXHAUSTED, percentage: {value: 100}}}\n"
                 "  route: [{destination: {host: reviews, subset: v1}}]")  # fmt: skip
    assert status(world) == "RESOURCE_EXHAUSTED"


def test_a_status_of_the_service_passes_through(world: SimpleNamespace) -> None:
    """With its text. UNAVAILABLE is retried by default, and fails again."""
    serve(world, "- route: [{destination: {host: reviews, subset: v1}}]")
    assert [status(world, message) for message in (b"gone", b"fail", b"a")] == ["NOT_FOUND", "UNAVAILABLE", "OK"]


def test_a_deadline_of_the_caller_holds_in_the_proxy(world: SimpleNamespace) -> None:
    """``grpc-timeout`` ends the call in the proxy; a shorter time-out of the route ends it earlier."""
    serve(world, "- fault: {delay: {fixedDelay: 20s, percentage: {value: 100}}}\n"
                 "  route: [{destination: {host: reviews, subset: v1}}]")  # fmt: skip
    began = time.monotonic()
    assert status(world, timeout=1.0) == "DEADLINE_EXCEEDED"
    assert time.monotonic() - began < 15
    serve(world, "- timeout: 0.3s\n  route: [{destination: {host: reviews, subset: v1}}]")
    assert status(world, b"slow", timeout=20.0) in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    assert time.monotonic() - began < 18


def test_a_server_that_speaks_something_else_is_named() -> None:
    """A closed port and a server of HTTP/1.1 are not ready."""
    (port,) = free_ports(1)
    assert "refused" in speaks_http2("127.0.0.1", port)
