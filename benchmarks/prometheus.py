"""Measure the client of Prometheus: ``python benchmarks/prometheus.py``. It needs prometheus and promtool.

Makes a database with a day of Istio's metrics of 100 services, starts a Prometheus on it, and collects 20 indicators of
both arms over 30 minutes at steps of 5 s, then a look of 10 indicators over 5 minutes. The exit code is 1 if a bar is
missed: 3 s and 200 MB for the whole, 300 ms for a look. --hours and --services make it smaller.

A whole day is 55 million samples, one every 15 s in 9,600 series. Making it takes 5 to 30 minutes and 1 GB of disk for
text, which is removed; --folder keeps the database (140 MB) for the next time.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from harness.clients.http import http_get
from harness.clients.processes.child import start, wait_until
from harness.clients.processes.ports import free_ports
from harness.clients.prometheus import Prometheus
from harness.errors import MeshError
from harness.judge.objectives import parse_objective
from harness.metrics.server_side import from_prometheus, wanted_of
from harness.model.phase import Phase, PhaseKind

SCRAPE_S, STEP_S = 15, 5
PIECE_S = 7200
"""The text of a whole day has four gigabytes, so it is made and imported in pieces."""
EDGES = (0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)
OBJECTIVES = (
    "server:error_rate < +1pp", "server:success_rate > -1pp", "server:latency_p50 < +10%", "server:request_rate > -5%",
    "calls:error_rate < +1pp", "calls:dose < 50%", "calls:latency_p90 < +10%", "calls:per_request < +10%",
    "cpu_per_request < +10%", "memory < +10%", "cpu < +10%", "threads < +10%", "descriptors < +10%", "restarts < 1",
    "oom_kills < 1", "cpu_throttled < +1pp", "server:grpc_error_rate < +1pp", "server:tcp_sent < +10%",
    "calls:attempts < +10%", "server:latency_p99 < +25%",
)  # fmt: skip
ARMS = {
    arm: {"namespace": "shop", "service": "s0", "workload": f"s0-{version}", "version": version, "arm": arm}
    for arm, version in (("baseline", "v1"), ("canary", "v2"))
}


COUNTERS = {
    "istio_attempts": 101.0, "istio_tcp_sent_bytes": 5000.0, "container_cpu_usage_seconds": 0.3,
    "container_cpu_cfs_periods": 10.0, "container_cpu_cfs_throttled_periods": 0.1,
    "kube_pod_container_status_restarts": 0.0, "container_oom_events": 0.0,
}  # fmt: skip
GAUGES = {"container_memory_working_set_bytes": 10**8, "container_threads": 40, "container_file_descriptors": 90}
ANSWERS = (("200", "http", "", 80), ("503", "http", "", 1), ("200", "grpc", "0", 18), ("200", "grpc", "14", 1))


def lines(services: int, times: range, zero_s: int) -> Iterator[str]:
    """Yield the metrics at some times in OpenMetrics format: counters that have grown at constant rates since zero."""
    owners = [
        (f"s{number}", f"s{(number + 1) % services}", version) for number in range(services) for version in ("v1", "v2")
    ]
    yield "# TYPE istio_requests counter"
    for own in _istio(owners):
        for code, protocol, grpc, rate in ANSWERS:
            labels = (
                f'{own},response_code="{code}",request_protocol="{protocol}",grpc_response_status="{grpc}",'
                'response_flags="-"'
            )
            yield from (f"istio_requests_total{{{labels}}} {rate * (at - zero_s)} {at}" for at in times)
    yield "# TYPE istio_request_duration_milliseconds histogram"
    for own in _istio(owners):
        for at in times:
            for place, edge in enumerate(EDGES):
                yield f'istio_request_duration_milliseconds_bucket{{{own},le="{edge}"}} {(at - zero_s) * (place + 1)} {at}'
            yield f'istio_request_duration_milliseconds_bucket{{{own},le="+Inf"}} {(at - zero_s) * len(EDGES)} {at}'
    for metric, rate in COUNTERS.items():
        yield f"# TYPE {metric} counter"
        for own in _istio(owners) if metric.startswith("istio") else _pods(owners):
            yield from (f"{metric}_total{{{own}}} {rate * (at - zero_s):g} {at}" for at in times)
    for metric, size in GAUGES.items():
        yield f"# TYPE {metric} gauge"
        for own in _pods(owners):
            yield from (f"{metric}{{{own}}} {size + at % 7} {at}" for at in times)
    yield "# EOF"


def _istio(owners: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    """Yield the labels of the requests of each workload, as it and as its caller counts them."""
    for service, caller, version in owners:
        for reporter, pod in (("destination", service), ("source", caller)):
            yield (
                f'destination_service_name="{service}",destination_version="{version}",reporter="{reporter}",'
                f'source_workload="{caller}-{version}",pod="{pod}-{version}-0",namespace="shop"'
            )


def _pods(owners: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    for service, _, version in owners:
        yield f'pod="{service}-{version}-0",namespace="shop",container="{service}"'


def made(folder: Path, services: int, hours: float) -> int:
    """Make the database, unless the folder has one; when its samples end, in epoch seconds."""
    ends = folder / "ends"
    if ends.is_file():
        return int(ends.read_text())
    file, end_s = folder / "metrics.txt", int(time.time()) // SCRAPE_S * SCRAPE_S
    zero_s, written = end_s - int(hours * 3600), 0
    for start_s in range(zero_s, end_s, PIECE_S):
        times = range(start_s, min(start_s + PIECE_S, end_s), SCRAPE_S)
        with file.open("w") as out:
            out.writelines(f"{line}\n" for line in lines(services, times, zero_s))
        written += file.stat().st_size
        subprocess.run(
            ["promtool", "tsdb", "create-blocks-from", "openmetrics", file, folder / "data"],
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    file.unlink()
    print(f"{written / 1e6:.0f} MB of text for {services} services and {hours:g} hours")
    ends.write_text(str(end_s))
    return end_s


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """Start a Prometheus that holds the metrics; its URL."""
    (folder / "prometheus.yml").write_text("{}")
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    command = [
        "prometheus", f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=10y", f"--web.listen-address={url.removeprefix('http://')}", "--log.level=error",
    ]  # fmt: skip

    def ready() -> bool:
        try:
            return bool(json.loads(http_get(f"{url}/api/v1/status/runtimeinfo", timeout_s=1.0)))
        except MeshError:
            return False

    with start(command, name="prometheus", log=folder / "log"):
        if not wait_until(ready, timeout_s=120, interval_s=0.2):
            raise SystemExit("Prometheus did not start")
        yield url


def measured_s(url: str, objectives: tuple[str, ...], seconds: float, end_s: int) -> tuple[float, int]:
    """Return how long the collection takes, and the number of series."""
    config = SimpleNamespace(gauges=(), indicators=())
    wanted = wanted_of([parse_objective(text) for text in objectives], config, shown=())  # type: ignore[arg-type]
    phases = [Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=seconds)]
    with Prometheus(url) as asked:
        skew_s = asked.now_s() - time.time()
        began = time.monotonic()
        found = from_prometheus(
            asked, wanted, arms=ARMS, zero_s=end_s - seconds - skew_s, phases=phases, interval_s=STEP_S / 2
        )
        if found.notes:
            raise SystemExit(f"an indicator has no readings: {found.notes}")
        return time.monotonic() - began, len(found.series)


def main() -> int:
    """Print the measurements next to the bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--services", type=int, default=100)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--folder", type=Path, help="keep the database here, and use it again")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) if args.folder is None else args.folder
        folder.mkdir(exist_ok=True)
        end_s = made(folder, args.services, args.hours)
        with server(folder) as url:
            measured_s(url, OBJECTIVES[:1], 60, end_s)
            whole_s, series = min(measured_s(url, OBJECTIVES, 1800, end_s) for _ in range(3))
            look_s, _ = min(measured_s(url, OBJECTIVES[:10], 300, end_s) for _ in range(5))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows = ((f"20 indicators, 30 min, {series} series", whole_s, 3.0), ("a look of 10 indicators", look_s, 0.3))
    for what, found, bar in rows:
        print(f"{what}: {found:.2f} s (bar {bar:g} s)")
    print(f"memory: {peak_mb:.0f} MB (bar 200 MB)")
    return int(any(found > bar for _, found, bar in rows) or peak_mb > 200)


if __name__ == "__main__":
    sys.exit(main())
