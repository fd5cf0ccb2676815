"""How long an edit of the local mesh takes until it is proven live, by the size of the topology, and whether it loses requests.

    python benchmarks/topologies.py [--services 10 100] [--edits 100] [--rate 500]

Each service has two versions and calls the next two services, so 100 services mean 200 workloads and about 500 proxies'
listeners. The edits change the weights, a delay of 0 % and a subset of one service after another while requests go to
other services and to that one at the given rate. Prints the median and the largest time from edit to proof, and the
requests that failed. Endpoints and load are processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.mesh.local.mesh import LocalMesh
from harness.mesh.local.starting import open_local_mesh
from harness.mesh.local.topology import LOAD_GENERATOR, Caller, Endpoint, Service, Topology
from harness.model.json import JsonObject

API = "networking.istio.io/v1"
VERSIONS = ("v1", "v2")


def main() -> None:
    """Measure each size, or run one of the two helper processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--edits", type=int, default=100)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--answer", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--load", nargs="+", metavar="URL", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.answer:
        asyncio.run(answer())
    elif args.load:
        asyncio.run(load(args.load, args.rate))
    else:
        for size in args.services:
            measure(size, args.edits, args.rate)


def measure(size: int, edits: int, rate: int) -> None:
    """Print how long edits take in a mesh of ``size`` services, and how many requests failed meanwhile."""
    with tempfile.TemporaryDirectory() as folder, helper("--answer") as server:
        port = int(str(server.stdout and server.stdout.readline()))
        members = topology(size, port)
        started = time.monotonic()
        with open_local_mesh(members, resources(size), Path(folder), entry="s0", check=lambda: None) as mesh:
            start = time.monotonic() - started
            urls = [mesh.url(LOAD_GENERATOR, f"s{index}") for index in range(min(size, 20))]
            times, report = edited(mesh, size, edits, rate, urls)
            listeners = len(mesh._ports)  # noqa: SLF001 - the benchmark says how many there are
    print(
        f"{size:4d} services, {len(members.callers)} workloads, {listeners} listeners: started in {start:.1f} s; edit to "
        f"live median {statistics.median(times) * 1e3:.1f} ms, p90 {sorted(times)[len(times) * 9 // 10] * 1e3:.1f} ms, at "
        f"most {max(times) * 1e3:.1f} ms; {report['sent']} requests at {rate}/s, {report['failed']} failed",
        flush=True,
    )


def edited(mesh: LocalMesh, size: int, edits: int, rate: int, urls: list[str]) -> tuple[list[float], dict[str, int]]:
    """Make the edits under load; return their times in seconds and what the load process counted."""
    times = []
    with helper("--rate", str(rate), "--load", *urls) as sender:
        time.sleep(2)
        for number in range(edits):
            wanted = resources(size, edit=number)
            begun = time.monotonic()
            mesh.replace(wanted)
            times.append(time.monotonic() - begun)
            time.sleep(0.02)
        out, _ = sender.communicate("stop\n", timeout=60)
    return times, json.loads(out)


@contextmanager
def helper(*words: str) -> Iterator[subprocess.Popen[str]]:
    """Run this file as another process."""
    command = [sys.executable, str(Path(__file__).resolve()), *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def topology(size: int, port: int) -> Topology:
    """Services in a ring, each with two versions at one address."""
    names = [f"s{index}" for index in range(size)]
    services, callers = [], [caller(LOAD_GENERATOR, LOAD_GENERATOR, "unknown", names)]
    for index, name in enumerate(names):
        endpoints = []
        for version in VERSIONS:
            labels = {"app": name, "version": version}
            endpoints.append(
                Endpoint(workload=f"{name}-{version}", version=version, labels=labels, host="127.0.0.1", port=port)
            )
            callers.append(
                caller(f"{name}-{version}", name, version, [names[(index + 1) % size], names[(index + 2) % size]])
            )
        services.append(Service(name=name, namespace="default", port=80, endpoints=tuple(endpoints)))
    return Topology(namespace="default", callers=tuple(callers), services=tuple(services))


def caller(workload: str, app: str, version: str, calls: list[str]) -> Caller:
    """One workload with a sidecar."""
    return Caller(
        workload=workload, app=app, version=version, namespace="default", labels={"app": app, "version": version},
        calls=tuple(calls), any_service=workload == LOAD_GENERATOR,
    )  # fmt: skip


def resources(size: int, *, edit: int | None = None) -> tuple[JsonObject, ...]:
    """A VirtualService and a DestinationRule for each service; of one of them, changed by the number of the edit."""
    return tuple(
        one for index in range(size) for one in pair(index, edit if edit is not None and edit % size == index else 0)
    )


def pair(index: int, edit: int) -> tuple[JsonObject, JsonObject]:
    """Return the resources of one service. Every fourth edit adds a subset, which makes a cluster."""
    name, weight = f"s{index}", edit % 99 + 1
    subsets: list[JsonObject] = [{"name": version, "labels": {"version": version}} for version in VERSIONS]
    if edit % 4 == 3:
        subsets.append({"name": f"edit-{edit}", "labels": {"version": "v2"}})
    target = {"host": name, "subset": "v1"}
    other = {"host": name, "subset": str(subsets[-1]["name"])}
    fault: JsonObject = {"delay": {"fixedDelay": "1s", "percentage": {"value": 0}}} if edit % 2 else {}
    http: JsonObject = {
        "route": [{"destination": {**target}, "weight": 100 - weight}, {"destination": {**other}, "weight": weight}],
        **({"fault": fault} if fault else {}),
    }
    route: JsonObject = {"hosts": [name], "http": [http]}
    rule: JsonObject = {"host": name, "subsets": [*subsets]}
    meta: JsonObject = {"name": name}
    return (
        {"apiVersion": API, "kind": "VirtualService", "metadata": meta, "spec": route},
        {"apiVersion": API, "kind": "DestinationRule", "metadata": meta, "spec": rule},
    )


async def answer() -> None:
    """Answer every request with 200, and say at which port."""

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (await reader.readuntil(b"\r\n\r\n")) and not reader.at_eof():
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async def until_closed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await one(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(until_closed, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def load(urls: list[str], rate: int) -> None:
    """Send requests over connections that stay open until a line arrives; print how many failed."""
    counts = {"sent": 0, "failed": 0}
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    loop.run_in_executor(None, lambda: (sys.stdin.readline(), loop.call_soon_threadsafe(stopped.set)))

    async def user(url: str) -> None:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        due = loop.time()
        while not stopped.is_set():
            due += len(urls) / rate
            await asyncio.sleep(max(0.0, due - loop.time()))
            counts["sent"] += 1
            writer.write(b"GET / HTTP/1.1\r\nhost: any\r\n\r\n")
            try:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
                await asyncio.wait_for(reader.readexactly(2), 10)
            except (OSError, asyncio.IncompleteReadError, TimeoutError):
                counts["failed"] += 1
                reader, writer = await asyncio.open_connection(host, int(port))
            else:
                counts["failed"] += not head.startswith(b"HTTP/1.1 200")

    await asyncio.gather(*map(user, urls))
    print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
