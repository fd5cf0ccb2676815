"""Twelve minutes of a namespace, in a real Prometheus, under the exact names and labels that clusters have.

Names and labels are those of Istio's standard metrics, of Envoy's own, of cAdvisor and of kube-state-metrics. The samples are
imported, not scraped, so that every reading is known to the last digit.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from needed import needed_program

from harness.clients.http import http_get
from harness.clients.processes.child import start, wait_until
from harness.clients.processes.ports import free_ports
from harness.errors import MeshError

STEP_S, LENGTH_S = 5, 720
ARMS = {"v2": 0, "v3": 1}
PODS = {"v2": ("reviews-v2-6f5c4d7b9-bcd4f", "reviews-v2-6f5c4d7b9-x2z5g"), "v3": ("reviews-v3-7b9d8c5f4-klmn7",)}
Labels = Mapping[str, str]


def istio(version: str, reporter: str, *, calls: bool = False, **more: str) -> dict[str, str]:
    """Return the labels of Istio's standard metrics, of the answers or of the calls to ratings of one version."""
    own = {"workload": f"reviews-{version}", "app": "reviews", "version": version}
    other = {
        "workload": "ratings-v1" if calls else "productpage-v1",
        "app": "ratings" if calls else "productpage",
        "version": "v1",
    }
    source, destination = (own, other) if calls else (other, own)
    service = destination["app"]
    pod = PODS[version][0] if calls or reporter == "destination" else "productpage-v1-5d4c-pqrst"
    return {
        "reporter": reporter,
        **{f"source_{name}": value for name, value in source.items()},
        **{f"destination_{name}": value for name, value in destination.items()},
        "source_workload_namespace": "default", "destination_workload_namespace": "default",
        "source_canonical_service": source["app"], "source_canonical_revision": source["version"],
        "destination_canonical_service": destination["app"], "destination_canonical_revision": destination["version"],
        "source_principal": f"spiffe://cluster.local/ns/default/sa/{source['app']}",
        "destination_principal": f"spiffe://cluster.local/ns/default/sa/{destination['app']}",
        "destination_service": f"{service}.default.svc.cluster.local", "destination_service_name": service,
        "destination_service_namespace": "default", "source_cluster": "Kubernetes", "destination_cluster": "Kubernetes",
        "connection_security_policy": "mutual_tls" if reporter == "destination" else "unknown",
        "request_protocol": "http", "response_code": "200", "grpc_response_status": "", "response_flags": "-",
        "namespace": "default", "pod": pod, "instance": "10.0.0.7:15020", "job": "kubernetes-pods", **more,
    }  # fmt: skip


def pod(name: str, *, container: str = "reviews", **more: str) -> dict[str, str]:
    """Return the labels of the kubelet's cAdvisor for a container of a pod."""
    return {
        "namespace": "default", "pod": name, "container": container, "instance": "10.0.0.1:10250", "job": "kubelet",
        "metrics_path": "/metrics/cadvisor", "node": "node-1", "id": f"/kubepods/pod-{name}/{container}", **more,
    }  # fmt: skip


def counters() -> Iterator[tuple[str, Labels, float]]:
    """Yield the name of each counter without ``_total``, its labels, and how much it grows in a second."""
    for version, arm in ARMS.items():
        for more, rates in (
            ({}, (80, 78)), ({"response_code": "503", "response_flags": "UF"}, (1, 2)),
            ({"request_protocol": "grpc", "grpc_response_status": "0"}, (18, 18)),
            ({"request_protocol": "grpc", "grpc_response_status": "14"}, (1, 2)),
        ):  # fmt: skip
            yield "istio_requests", istio(version, "destination", **more), rates[arm]
        yield "istio_requests", istio(version, "source"), 100
        yield "istio_requests", istio(version, "waypoint"), 95
        yield "istio_requests", istio(version, "waypoint", response_code="500"), 5
        for more, rates in (
            ({}, (90, 120)), ({"response_code": "503", "response_flags": "URX"}, (5, 10)),
            ({"response_code": "503", "response_flags": "FI", "destination_version": "unknown"}, (3, 6)),
            ({"response_flags": "DI"}, (2, 4)),
        ):  # fmt: skip
            yield "istio_requests", istio(version, "source", calls=True, **more), rates[arm]
        yield "envoy_istio_attempts", istio(version, "source", calls=True), (110, 168)[arm]
        tcp = istio(version, "destination", request_protocol="tcp", response_code="")
        yield "istio_tcp_received_bytes", tcp, (1000, 2000)[arm]
        yield "istio_tcp_sent_bytes", tcp, (500, 700)[arm]
        yield "istio_tcp_connections_opened", tcp, (3, 4)[arm]
        ambient = {
            "destination_service_name": "cart",
            "destination_app": "cart",
            "destination_workload": f"cart-{version}",
        }
        yield "istio_requests", istio(version, "waypoint", **ambient), 40
        yield "istio_tcp_sent_bytes", istio(version, "destination", **ambient, request_protocol="tcp"), 300
        desk = {
            "destination_service_name": "desk",
            "destination_app": "desk",
            "destination_workload": f"desk-{version}",
        }
        yield "istio_requests", istio(version, ("destination", "source")[arm], **desk), 40
        for name in PODS[version]:
            yield from _of_pod(name, arm)


def _of_pod(name: str, arm: int) -> Iterator[tuple[str, Labels, float]]:
    for container, cores in (("reviews", (0.3, 0.5)), ("istio-proxy", (0.1, 0.1)), ("", (0.4, 0.6)), ("POD", (9, 9))):
        yield "container_cpu_usage_seconds", pod(name, container=container, cpu="total"), cores[arm]
    yield "container_cpu_cfs_periods", pod(name), 10
    yield "container_cpu_cfs_throttled_periods", pod(name), (0.5, 1)[arm]
    yield "container_oom_events", pod(name), (0, 0.01)[arm]
    yield "kube_pod_container_status_restarts", {**pod(name), "job": "kube-state-metrics", "uid": name}, (0.01, 0)[arm]


def untyped() -> Iterator[tuple[str, Labels, float, float]]:
    """Yield series whose names do not end with ``_total``: their value at first, and growth in a second."""
    for version, arm in ARMS.items():
        for name in PODS[version]:
            for cluster in (
                "outbound|9080|v1|ratings.default.svc.cluster.local",
                "outbound|9080||details.default.svc.cluster.local",
            ):
                proxy = {**pod(name, container="istio-proxy"), "cluster_name": cluster}
                yield "envoy_cluster_upstream_rq_retry", proxy, 7, (2, 3)[arm]
                yield "envoy_cluster_upstream_rq_pending_overflow", proxy, 0, (1, 2)[arm]
                yield "envoy_cluster_outlier_detection_ejections_active", proxy, (0, 1)[arm], 0
            yield "container_memory_working_set_bytes", pod(name), (1e8, 1.2e8)[arm], 0
            yield "container_memory_working_set_bytes", pod(name, container=""), 9e8, 0
            for other in ("reviews-v2-cache-6f5c4d7b9-bcd4f", "reviews-v2-db-0", "reviews-v2b-6f5c4d7b9-bcd4f"):
                yield "container_memory_working_set_bytes", pod(other, node=f"node-of-{name}"), 5e9, 0
            yield "container_file_descriptors", pod(name), (30, 40)[arm], 0
            yield "container_threads", pod(name), (8, 9)[arm], 0


def buckets() -> Iterator[tuple[Labels, float, float]]:
    """Yield the labels of the buckets of latencies, their upper edges, and how much they grow in a second.

    Answers take from 25 to 50 ms (canary: 50 to 100 ms), and calls from 5 to 10 ms (canary: 10 to 25 ms).
    """
    for version, arm in ARMS.items():
        for labels, edge in (
            (istio(version, "destination"), (50, 100)[arm]), (istio(version, "source", calls=True), (10, 25)[arm]),
        ):  # fmt: skip
            for le in (0.5, 1, 5, 10, 25, 50, 100, 250, float("inf")):
                yield labels, le, 100.0 if le >= edge else 0.0


def lines(zero_s: int) -> Iterator[str]:
    """Yield the samples in the format of OpenMetrics."""
    times = range(zero_s, zero_s + LENGTH_S + 1, STEP_S)
    for family in sorted({name for name, _, _ in counters()}):
        yield f"# TYPE {family} counter"
        for labels, rate in ((one, rate) for name, one, rate in counters() if name == family):
            yield from (f"{family}_total{_text(labels)} {rate * (at - zero_s):.6g} {at}" for at in times)
    for family in sorted({name for name, *_ in untyped()}):
        yield f"# TYPE {family} gauge"
        for labels, first, rate in ((one[1], one[2], one[3]) for one in untyped() if one[0] == family):
            yield from (f"{family}{_text(labels)} {first + rate * (at - zero_s):.10g} {at}" for at in times)
    yield "# TYPE istio_request_duration_milliseconds histogram"
    for labels, le, rate in buckets():
        edge = "+Inf" if le == float("inf") else f"{le:g}"
        text = _text({**labels, "le": edge})
        yield from (f"istio_request_duration_milliseconds_bucket{text} {rate * (at - zero_s):g} {at}" for at in times)
    yield "# EOF"


def _text(labels: Labels) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}"


@contextmanager
def recorded_prometheus(folder: Path) -> Iterator[tuple[str, int]]:
    """Start a Prometheus that holds all this; its URL, and when the samples begin."""
    program = needed_program("prometheus", package="prometheus", purpose="to evaluate indicators")
    promtool = needed_program("promtool", package="prometheus", purpose="to import samples")
    zero_s = int(time.time()) // 7200 * 7200 - 7200
    (folder / "metrics.txt").write_text("".join(f"{line}\n" for line in lines(zero_s)))
    subprocess.run(
        [promtool, "tsdb", "create-blocks-from", "openmetrics", folder / "metrics.txt", folder / "data"],
        check=True, capture_output=True,
    )  # fmt: skip
    (folder / "prometheus.yml").write_text("{}")
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    command = [
        program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=10y", f"--web.listen-address={url.removeprefix('http://')}", "--log.level=error",
    ]  # fmt: skip

    def ready() -> bool:
        try:
            return http_get(f"{url}/-/ready", timeout_s=2) != b""
        except MeshError:
            return False

    with start(command, name="prometheus", log=folder / "log"):
        assert wait_until(ready, timeout_s=60, interval_s=0.1)
        yield url, zero_s
