"""Bookinfo's services as tiny real HTTP servers, and requests through the mesh in front of them."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from textwrap import dedent

from harness.mesh.local import LocalMesh, open_local_mesh
from harness.mesh.local.topology import LOAD_GENERATOR, Caller, Endpoint, Service, Topology
from harness.routing.istio.reading import Resources, read_resources

PORT = 9080
VERSIONS = {
    "productpage": ("v1",),
    "details": ("v1",),
    "ratings": ("v1",),
    "reviews": ("v1", "v2", "v3"),
}
CALLS = {"productpage": ("details", "reviews"), "reviews": ("ratings",)}
SAMPLES = Path(__file__).parents[1] / "samples" / "istio"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back, and how long it took."""

    status: int
    headers: Mapping[str, str]
    body: str
    seconds: float

    @property
    def seen(self) -> dict:
        """The request as the workload that answered saw it."""
        return json.loads(self.body)

    @property
    def workload(self) -> str:
        """Who answered."""
        return self.seen["workload"]


@dataclass(kw_only=True)
class World:
    """A running mesh, and what its workloads have received."""

    mesh: LocalMesh
    folder: Path
    received: Counter = field(default_factory=Counter)

    def clear(self) -> World:
        """This world without resources and without counts."""
        self.mesh.replace(())
        self.received.clear()
        return self

    def read(self, *texts: str) -> Resources:
        """Resources of some YAML texts."""
        file = self.folder / "resources.yaml"
        file.write_text("\n---\n".join(dedent(text) for text in texts))
        return read_resources([file])

    def serve(self, *texts: str) -> None:
        """Make the mesh serve exactly these resources."""
        self.mesh.replace(self.read(*texts))

    def get(self, service: str, path: str = "/", *, caller: str = LOAD_GENERATOR, **options: object) -> Answer:
        """A request of ``caller`` to ``service`` at its own URL."""
        return request(self.mesh.url(caller, service), path, **options)

    def times(self, count: int, service: str, path: str = "/", **options: object) -> list[Answer]:
        """The answers to ``count`` requests."""
        return [self.get(service, path, **options) for _ in range(count)]


def request(
    url: str, path: str = "/", *, method: str = "GET", headers: Mapping[str, str] | None = None, body: str | None = None
) -> Answer:
    """One request over a connection of its own."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=30)
    start = time.monotonic()
    try:
        connection.request(method, path, body=body, headers=dict(headers or {}))
        answer = connection.getresponse()
        text = answer.read().decode()
        # Header names keep Envoy's spelling, which is lower case.
        return Answer(
            status=answer.status, headers=dict(answer.getheaders()), body=text, seconds=time.monotonic() - start
        )
    finally:
        connection.close()


@contextmanager
def workloads(received: Counter) -> Iterator[dict[str, int]]:
    """A server for each workload; its port by the workload's name."""
    with ExitStack() as stack:
        ports = {}
        for service, versions in VERSIONS.items():
            for version in versions:
                name = f"{service}-{version}"
                ports[name] = stack.enter_context(_server(name, received))
        yield ports


def topology(ports: Mapping[str, int], *, namespace: str = "default") -> Topology:
    """Bookinfo's shape: who is there and who calls whom."""
    callers = [
        Caller(
            workload=LOAD_GENERATOR,
            app=LOAD_GENERATOR,
            version="unknown",
            namespace=namespace,
            calls=tuple(VERSIONS),
            any_service=True,
        )
    ]
    services = []
    for service, versions in VERSIONS.items():
        endpoints = []
        for version in versions:
            name, labels = f"{service}-{version}", {"app": service, "version": version}
            if name in ports:
                endpoints.append(
                    Endpoint(workload=name, version=version, labels=labels, host="127.0.0.1", port=ports[name])
                )
            callers.append(
                Caller(
                    workload=name, app=service, version=version, namespace=namespace, labels=labels,
                    calls=CALLS.get(service, ()), any_service=service == "productpage",
                )
            )  # fmt: skip
        services.append(Service(name=service, namespace=namespace, port=PORT, endpoints=tuple(endpoints)))
    return Topology(namespace=namespace, callers=tuple(callers), services=tuple(services))


@contextmanager
def running_world(folder: Path) -> Iterator[World]:
    """A mesh in front of a server for each workload, without resources."""
    received: Counter = Counter()
    with (
        workloads(received) as ports,
        open_local_mesh(topology(ports), (), folder, entry="productpage", check=lambda: None) as mesh,
    ):
        yield World(mesh=mesh, folder=folder, received=received)


@contextmanager
def _server(name: str, received: Counter) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # one write an answer: two would wait 40 ms for each other

        def _answer(self) -> None:
            length = int(self.headers.get("content-length", 0))
            sent = self.rfile.read(length).decode()
            received[name] += 1
            time.sleep(float(self.headers.get("x-want-delay", 0)))
            wanted = self.headers.get("x-want-status", "200")
            if self.headers.get("x-only-on") not in (None, name):
                wanted = "200"
            seen = {
                "workload": name,
                "method": self.command,
                "path": self.requestline.split()[1],  # self.path has lost a second leading slash
                "headers": {key.lower(): value for key, value in self.headers.items()},
                "body": sent,
            }
            body = json.dumps(seen).encode()
            self.send_response(int(wanted))
            self.send_header("content-length", str(len(body)))
            self.send_header("x-own", "from-service")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            self.wfile.flush()

        do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_HEAD = _answer  # noqa: N815 - the base class's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Keep quiet."""

    class Server(ThreadingHTTPServer):
        request_queue_size = 128
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


SUBSETS = """
    apiVersion: networking.istio.io/v1
    kind: DestinationRule
    metadata: {name: reviews}
    spec:
      host: reviews
      subsets:
      - {name: v1, labels: {version: v1}}
      - {name: v2, labels: {version: v2}}
      - {name: v3, labels: {version: v3}}
      - {name: gone, labels: {version: v99}}
    """


def routes(http: str, *, host: str = "reviews") -> str:
    """A VirtualService with these HTTP routes (YAML of the list)."""
    lines = "\n".join(f"  {line}" for line in dedent(http).strip().splitlines())
    head = f"apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {host}}}\n"
    return f"{head}spec:\n  hosts: [{host}]\n  http:\n{lines}\n"
