"""What servers, proxies and load workers answer over the network: Prometheus, Envoy, Kubernetes, batches of samples."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
import yaml
from fuzzing import FOLDER, as_json, fuzzed, json_texts, mutated, survives
from hypothesis import example, given
from hypothesis import strategies as st
from requests.adapters import BaseAdapter
from shop import arm_pod
from urllib3 import HTTPHeaderDict, HTTPResponse

from harness.clients.envoy.admin import Admin
from harness.clients.envoy.endpoints import endpoint_requests
from harness.clients.kubernetes.api import Kubernetes, connect
from harness.clients.prometheus.client import Prometheus
from harness.load.child.sample_upload import pack, store_batch
from harness.load.protocol import sample_files
from harness.load.protocol.messages import read_locust_report, read_worker_report
from harness.load.protocol.sample_reader import RECORD_TYPE, SampleReader, read_headers
from harness.mesh.cluster.proof.arm_endpoints import pod_rows
from harness.mesh.cluster.proof.envoy_counters import Caller, EnvoyCounters
from harness.mesh.cluster.proof.envoy_dump import cluster_hosts, is_shown
from harness.mesh.cluster.safety.arm_health import ArmHealth
from harness.model.json import parse_json
from harness.routing.port import Trace
from harness.runner.arm_pods import arm_pods

PROMETHEUS: list[Any] = [
    {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {"a": "b"}, "value": [1.5, "2"]}]}},
    {"status": "success", "data": {"resultType": "matrix", "result": [
        {"metric": {}, "values": [[1, "2"], [2, "NaN"]]},
        {"metric": {"a": "h"}, "histograms": [[1, {"count": "3", "sum": "2", "buckets": [[0, "0.1", "1", "3"]]}]]},
    ]}},
    {"status": "success", "warnings": ["partial"], "data": {"resultType": "scalar", "result": [1, "2"]}},
    {"status": "error", "errorType": "bad_data", "error": "parse error"},
]  # fmt: skip
CLUSTERS: Any = {
    "cluster_statuses": [
        {"name": "outbound|9080|v3|reviews.shop.svc.cluster.local", "host_statuses": [
            {"address": {"socket_address": {"address": "10.0.0.3", "port_value": 9080}},
             "stats": [{"name": "rq_total", "value": "7"}, {"name": "cx_total"}]},
        ]},
    ]
}  # fmt: skip
ROUTES: Any = {"configs": [{"route_config": {"name": "9080", "virtual_hosts": [
    {"name": "reviews:9080", "routes": [{"name": "harness-a-split-0.x", "route": {"timeout": "1s"}}]},
]}}]}  # fmt: skip
DUMP: Any = {"configs": [
    {"cluster": {"name": "outbound|9080|v3|reviews.shop.svc.cluster.local", "connect_timeout": "1s", "lb_policy": 1}},
    {"name": "virtualInbound", "active_state": {"listener": {"filter_chains": [{"filters": [{"name": "x"}]}]}}},
]}  # fmt: skip
STATS: Any = {"stats": [
    {"name": "http.a.rds.9080.update_success", "value": 3}, {"name": "http.a.rds.9080.update_rejected", "value": 0},
    {"name": "cluster_manager.cds.update_success", "value": 1}, {"name": "cluster_manager.cds.update_rejected", "value": 0},
    {"histograms": {}},
]}  # fmt: skip
LISTENERS: Any = {"listener_statuses": [{"name": "a", "local_address": {"socket_address": {"port_value": 1}}}]}
TRACES = (
    Trace(part="routes", name="harness-a-split-0"),
    Trace(part="clusters", name="v3|reviews.shop.svc.cluster.local", fields={"connect_timeout": "1s", "x": [{"y": 1}]}),
    Trace(part="listeners", name="x"),
)
BODIES = {"clusters": CLUSTERS, "route": ROUTES, "dump": DUMP, "stats": STATS, "listeners": LISTENERS}


class Answers(BaseAdapter):
    """Answers every request with one body."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        super().__init__()
        self._status, self._body, self._headers = status, body, headers

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        """Return the answer."""
        answer = requests.Response()
        raw = HTTPResponse(body=io.BytesIO(self._body), preload_content=False)
        answer.status_code, answer.raw, answer.request = self._status, raw, request
        answer.url = str(request.url)
        answer.headers.update(self._headers)
        return answer

    def close(self) -> None:
        """Nothing is open."""


def _asked(status: int, body: str, headers: dict[str, str]) -> None:
    raw = body.encode("utf-8", "surrogatepass")
    with Prometheus("http://127.0.0.1:9", transport=Answers(status, raw, headers), tries=1) as server:
        server.query("up")
        server.query_range("up", start_s=0, end_s=60, step_s=1)
        server.label_values("job", start_s=0, end_s=60)


_STATUSES = st.sampled_from([200, 200, 200, 204, 301, 400, 401, 422, 429, 500, 503, 999])
_HEADERS = st.sampled_from([{}, {"Retry-After": "9" * 400}, {"Retry-After": "²"}, {"Content-Type": "\x1b[2J"}])


@fuzzed
@example(200, '{"status": "success", "data": 5}', {})
@example(200, '{"status": "success", "data": {"result": [' + "9" * 400 + ', "1"]}}', {})
@example(
    200, '{"status": "success", "data": {"result": [{"metric": {"a": []}, "values": [[' + "9" * 400 + ', "1"]]}]}}', {}
)
@given(_STATUSES, mutated(*PROMETHEUS).map(as_json) | json_texts, _HEADERS)
def test_answers_of_prometheus(status: int, body: str, headers: dict[str, str]) -> None:
    """Results, errors and pages of a server that may be no Prometheus."""
    survives("answers of Prometheus", lambda: _asked(status, body, headers))


class Written(Admin):
    """An admin port that answers everything with one text."""

    __slots__ = ("text",)
    text: str

    def get(self, path: str) -> str:
        """Return the text."""
        return self.text


def _admin(text: str) -> Written:
    made = Written(port=1)
    object.__setattr__(made, "text", text)
    return made


@fuzzed
@given(st.sampled_from(sorted(BODIES)).flatmap(lambda name: mutated(BODIES[name])).map(as_json) | json_texts)
@example(as_json({"cluster_statuses": [{"host_statuses": [{"address": {"socket_address": {"address": 1}}}]}]}))
def test_envoys_admin_port(text: str) -> None:
    """Clusters, dumps of the configuration, statistics and listeners of an Envoy."""
    admin = _admin(text)
    survives("Envoy's clusters", lambda: endpoint_requests(text))
    survives("Envoy's dumps", lambda: [*admin.route_tables(), *admin.clusters()])
    survives("Envoy's statistics", admin.updates)
    survives("Envoy's listeners", admin.listener_ports)
    survives("traces in Envoy's dumps", lambda: _traces(text))


def _traces(text: str) -> None:
    try:
        dump = parse_json(text)
    except ValueError:
        return  # as the callers do: the pod lags
    try:
        cluster_hosts(dump)
        for trace in TRACES:
            is_shown(trace, dump)
    except RecursionError:
        raise
    except ValueError:
        return


_OWN = st.lists(
    st.sampled_from(
        ["cluster.outbound|9080|v1|reviews.shop.svc.cluster.local;.upstream_rq_completed: ", "http.outbound_0.0.0.0_9080.",
         "fault.aborts_injected: ", "fault.delays_injected: ", "fault.active_faults: ", "1", "9" * 30, "9" * 5000, "-", "\n",
         "|", ";", "\0", "²", " ", ".zone.", "cluster.outbound|"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


@fuzzed
@given(_OWN)
def test_envoys_own_counters(text: str) -> None:
    """The statistics in Envoy's text format."""
    caller = Caller(proxy="p", workload="reviews", version="v1")
    survives("Envoy's own counters", lambda: list(EnvoyCounters().rows(text, caller, {})))


POD = {**arm_pod("reviews-3", ip="10.0.0.3", template="5f9", image="x@sha256:1", app="reviews", version="v3")}
POD["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
POD["status"]["containerStatuses"] = [
    {
        "name": "app",
        "restartCount": 0,
        "imageID": "x",
        "state": {"running": {}},
        "lastState": {"terminated": {"exitCode": 1}},
    }
]
POD["metadata"]["ownerReferences"] = [{"kind": "ReplicaSet", "name": "reviews-3-5f9"}]
EVENTS: list[Any] = [
    {"type": "ADDED", "object": POD},
    {"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old"}},
    {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "5"}}},
]


class Streamed:
    """An answer whose body arrives in one piece."""

    status = 200

    def __init__(self, body: bytes) -> None:
        self.data, self.headers = body, HTTPHeaderDict()

    def stream(self, *_: object) -> Iterator[bytes]:
        """Yield the body."""
        yield self.data

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture(scope="module")
def kube() -> Iterator[Any]:
    """A client whose server answers with the bytes of ``body``."""
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "x", "user": {}}], "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }  # fmt: skip
    path = FOLDER / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    with closing(connect(kubeconfig=path)) as client:
        client.body = b""
        client._request = lambda *_, **__: Streamed(client.body)
        yield client


@fuzzed
@given(st.lists(mutated(*EVENTS).map(as_json) | json_texts, max_size=3).map("\n".join))
def test_watch_events(kube: Any, text: str) -> None:
    """Events of a watch of the API server."""
    kube.body = text.encode("utf-8", "surrogatepass") + b"\n"
    survives("watch events", lambda: list(Kubernetes.watch(kube, "Pod", "shop", since="1", timeout_s=1)))


@fuzzed
@given(st.lists(mutated(POD), max_size=3).map(lambda pods: {"items": pods}).map(as_json) | json_texts)
def test_pods_of_a_cluster(kube: Any, text: str) -> None:
    """Lists of pods, through what looks at the arms' identity, endpoints and health."""
    kube.body = text.encode("utf-8", "surrogatepass")
    arms = {"baseline": {"version": "v1"}, "canary": {"version": "v3"}}

    def read() -> None:
        pods = kube.list("Pod", "shop")
        arm_pods(pods, arms)
        list(pod_rows(pods, tuple(arms.values()), endpoint_requests(as_json(CLUSTERS)), {}))
        health = ArmHealth(kube, "shop", tuple(arms.values()))
        health.check([POD])
        health.check(pods)

    survives("pods", read)


def _samples_of_a_worker(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    records = np.zeros(20, RECORD_TYPE)
    records["due_s"], records["status"] = np.arange(20) / 10, 200
    header = sample_files.HEADER.pack(sample_files.MAGIC, 0, 1, 20, 1.7e9, 5.0, 20, 0, 77)
    sample_files.samples_file(folder, 0).write_bytes(header + records.tobytes())
    sample_files.names_file(folder, 0).write_text('["operation", 0, "/"]\n["error", 0, ""]\n')
    sample_files.report_file(folder, 0).write_text(json.dumps({"worker": 0, "scheduled": 20, "notes": []}))
    sample_files.locust_file(folder).write_text(json.dumps({"counted": 20}))


_PATCHES = st.lists(st.tuples(st.integers(0, 2**20), st.binary(min_size=1, max_size=9)), max_size=3)


def _patched(raw: bytes, patches: list[tuple[int, bytes]], cut: int) -> bytes:
    changed = bytearray(raw)
    for position, patch in patches:
        start = position % max(1, len(changed))
        changed[start : start + len(patch)] = patch
    return bytes(changed[: max(0, len(changed) - cut)])


@fuzzed
@given(st.sampled_from(["samples", "names", "json", "locust"]), _PATCHES, st.integers(0, 40), json_texts)
def test_files_of_a_load_worker(which: str, patches: list[tuple[int, bytes]], cut: int, text: str) -> None:
    """Damaged sample files, names and reports; a load Job's are fetched from its pod."""
    folder = FOLDER / "worker"
    _samples_of_a_worker(folder)
    file = {
        "samples": sample_files.samples_file(folder, 0), "names": sample_files.names_file(folder, 0),
        "json": sample_files.report_file(folder, 0), "locust": sample_files.locust_file(folder),
    }[which]  # fmt: skip
    content = text.encode("utf-8", "surrogatepass") if cut == 7 else _patched(file.read_bytes(), patches, cut)
    file.write_bytes(content)

    def read() -> None:
        read_headers(folder)
        read_worker_report(folder, 0)
        read_locust_report(folder)
        SampleReader(folder).samples()

    survives("files of a load worker", read)


_WHOLE = np.zeros(200, RECORD_TYPE)
_WHOLE["due_s"] = np.arange(200) / 100
_BATCH: dict[str, Any] = {
    "worker": 0, "first": 0, "count": 200, "records": pack(_WHOLE), "names_from": 0, "names": b'["operation", 0, "/"]\n',
    "header": sample_files.HEADER.pack(sample_files.MAGIC, 0, 1, 200, 1.7e9, 5.0, 200, 0, 77),
}  # fmt: skip
_SMALL = st.sampled_from([0, 1, -1, 199, 201, 100_000, 2**31, 2**62])


@fuzzed
@given(_PATCHES, st.integers(0, 40), st.fixed_dictionaries({}, optional={"count": _SMALL, "worker": st.just(1)}))
@example([], 0, {"count": 2**62})
def test_uploaded_batches(patches: list[tuple[int, bytes]], cut: int, changed: dict[str, int]) -> None:
    """Batches of samples that workers send to the master, which writes them for the harness to read."""
    folder = FOLDER / "upload"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    batch: Any = {**_BATCH, "records": _patched(_BATCH["records"], patches, cut), **changed}

    def read() -> None:
        store_batch(folder, batch)
        SampleReader(folder).samples()

    survives("uploaded batches", read)


def test_the_unchanged_answers_are_accepted(kube: Any) -> None:
    """The answers that the targets change are valid, so that changes reach every part of the readers."""
    assert survives("answers of Prometheus", lambda: Prometheus(
        "http://127.0.0.1:9", transport=Answers(200, as_json(PROMETHEUS[0]).encode(), {}), tries=1
    ).query("up"))  # fmt: skip
    assert survives("Envoy's clusters", lambda: endpoint_requests(as_json(CLUSTERS)))
    assert survives("Envoy's statistics", lambda: _admin(as_json(STATS)).updates())
    assert survives("Envoy's listeners", lambda: _admin(as_json(LISTENERS)).listener_ports())
    assert survives("Envoy's dumps", lambda: _admin(as_json(ROUTES)).route_tables())
    assert survives("answers of Prometheus", lambda: Prometheus(
        "http://127.0.0.1:9", transport=Answers(200, as_json(PROMETHEUS[1]).encode(), {}), tries=1
    ).query_range("up", start_s=0, end_s=60, step_s=1))  # fmt: skip
    kube.body = as_json(EVENTS[0]).encode() + b"\n"
    assert survives("watch events", lambda: list(kube.watch("Pod", "shop", since="1", timeout_s=1)))
    _samples_of_a_worker(FOLDER / "worker")
    assert survives("files of a load worker", lambda: SampleReader(FOLDER / "worker").samples())
    (FOLDER / "upload").mkdir(exist_ok=True)
    assert survives("uploaded batches", lambda: store_batch(FOLDER / "upload", dict(_BATCH)))
