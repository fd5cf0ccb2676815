"""Ask the sidecars whether a change has reached all of them, and what they have counted.

Istio does not report when a configuration has arrived. Envoy itself is asked, in each pod, at its admin port through
the API server's port-forward.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields

from harness.clients.envoy.endpoints import PATH as CLUSTERS
from harness.clients.envoy.endpoints import Upstream, endpoint_requests
from harness.clients.http import http_get
from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.types import Pod, as_pod, labels_of
from harness.clients.prometheus_text import Sample, parse_samples
from harness.errors import ClusterForbidden, ClusterUnreachable, MeshError, NotInForce
from harness.mesh.attribution import attributed
from harness.mesh.cluster.proof.acknowledged import PATH as SYNC
from harness.mesh.cluster.proof.acknowledged import unacknowledged
from harness.mesh.cluster.proof.arm_endpoints import Arrived, address_rows, pod_rows
from harness.mesh.cluster.proof.envoy_counters import PATH as OWN_COUNTS
from harness.mesh.cluster.proof.envoy_counters import Caller, EnvoyCounters, versions_of
from harness.mesh.cluster.proof.envoy_dump import PATHS, Part, cluster_hosts, is_shown
from harness.mesh.cluster.proof.limited import PATH as LIMITED
from harness.mesh.cluster.proof.limited import counts_limits, limited_rows
from harness.model.cluster import ClusterSettings
from harness.model.counts import RequestCount
from harness.model.json import parse_json
from harness.model.step import Step
from harness.routing import APIS
from harness.routing.port import Destination, Footprint, RoutingApi, Trace

ADMIN_PORT = 15000
LOAD_WORKLOAD = "loadgenerator"
PROXY = "istio-proxy"
_METRICS = "/stats/prometheus"
_COUNTS = f"{_METRICS}?filter=istio.*requests_total"
_LABELS = tuple(field.name for field in fields(RequestCount) if field.name not in ("total", "address", "attempts"))
_ASK_WITHIN_S, _PAUSE_S = 10.0, 0.1
_SENT_WITHIN_S = 0.3


class Proxies:
    """The sidecars of a namespace."""

    def __init__(
        self, kube: Kubernetes, namespace: str, settings: ClusterSettings, routing: RoutingApi = APIS[0]
    ) -> None:
        """settings: which proxies to ask, and how to reach them. routing: tells where requests for a host are sent."""
        self._kube, self._namespace, self.commands, self._routing = kube, namespace, kube.commands, routing
        self._listed = {proxy.name: proxy for proxy in settings.proxies}
        self._load_workload, self._istiod = settings.load_workload, settings.istiod
        self._own = EnvoyCounters()
        self._arms: Sequence[Mapping[str, str]] = ()

    def watch_arms(self, arms: Sequence[Mapping[str, str]]) -> None:
        """Count the requests that reach each pod of the arms too. arms: their pod labels."""
        self._arms = tuple(arms)

    def pods(self) -> tuple[Pod, ...]:
        """Return the running pods with a sidecar, or the proxies that the settings list instead."""
        if self._listed:
            return tuple(
                Pod(metadata={"name": item.name, "labels": dict(item.labels)}) for item in self._listed.values()
            )
        return tuple(
            pod
            for pod in map(as_pod, self._kube.list("Pod", self._namespace))
            if (pod.get("status") or {}).get("phase") == "Running"
            and not pod["metadata"].get("deletionTimestamp")
            and PROXY in _containers(pod)
        )

    def require(
        self, label: str, shown: Footprint, *, there: bool, within_s: float, still: Callable[[], None] | None = None
    ) -> int:
        """Wait until the traces of an edit are in every proxy that they concern, or in none of them.

        label: of the edit. still: raises when the change is no longer wanted. Returns how many proxies were asked.
        Raises MeshError that names the pods that lag.
        """
        give_up = time.monotonic() + within_s
        while lagging := self._lagging_twice(shown, there=there):
            if time.monotonic() > give_up:
                state = "live" if there else "gone"
                raise NotInForce(
                    f"{label}: expected the edit to be {state} in every proxy within {within_s:g} s, "
                    f"not yet so: {'; '.join(lagging)}; is istiod up, and do these pods see the resource? Where "
                    f"pods cannot be "
                    "asked, name their admin ports (cluster.proxies) or istiod's debug port (cluster.istiod)"
                )
            if still is not None:
                still()
            time.sleep(_PAUSE_S)
        return len(self.concerned(shown))

    def concerned(self, shown: Footprint) -> list[Pod]:
        """Return the pods whose proxies show an edit."""
        return [pod for pod in self.pods() if self._traces(shown, pod)]

    def hosts(self, pod: Pod) -> set[str]:
        """Return the full names of the hosts that a proxy has clusters for.

        The result is empty if the proxy names its clusters in another way.
        """
        return cluster_hosts(parse_json(self._ask(pod, PATHS["clusters"])))

    def request_counts(self, live: Sequence[Step] = ()) -> tuple[RequestCount, ...]:
        """Return what all sidecars have counted, summed over pods, as callers and as the called side.

        live: the steps that are live now; if a proxy has only Envoy's own counters, they tell which host a fault was
        meant for. Load from a gateway, whose proxy is not in the namespace, is counted where it arrives.
        """
        asked = {self._address(pod): pod for pod in self.pods()}
        self._own.look(live, self._namespace)
        destinations = self._destinations()
        versions = versions_of(destinations)
        rows: list[Sample] = []
        totals: Counter[tuple[str, ...]] = Counter()
        arrived: Arrived = Counter()
        arriving = ("destination", self._load_workload)
        limited: list[RequestCount] = []
        limits = counts_limits(live)
        for pod in asked.values():
            said = parse_samples(self._ask(pod, _COUNTS).decode("utf-8", "replace"))
            counted = [sample for sample in said if sample.name.endswith("istio_requests_total")]
            rows += counted
            if limits:
                limited += limited_rows(
                    self._ask(pod, LIMITED).decode("utf-8", "replace"), [row.labels for row in counted]
                )
            for row in counted:
                if (row.labels.get("reporter"), row.labels.get("source_workload")) == arriving:
                    arrived[pod["metadata"]["name"], row.labels.get("destination_service", "")] += _count(row)
            for own in () if counted else self._own_rows(pod, versions):
                totals[tuple(getattr(own, name) for name in _LABELS)] += own.total
        self._add(rows, totals)
        known = (dict(zip(_LABELS, key, strict=True)) for key in sorted(totals))
        found = (RequestCount(**labels, total=totals[tuple(labels.values())], attempts=0) for labels in known)
        return attributed((*found, *limited, *self._endpoint_rows(asked.values(), arrived, versions)), destinations)

    def _destinations(self) -> tuple[Destination, ...]:
        resources = [item for kind in self._routing.kinds for item in self._kube.list(kind, self._namespace)]
        return self._routing.destinations(resources, namespace=self._namespace)

    def pages(self, path: str) -> dict[str, tuple[Sample, ...]]:
        """Return, by pod, the metrics that every sidecar shows at a path of its admin port."""
        asked = {self._address(pod): pod for pod in self.pods()}
        return {
            pod["metadata"]["name"]: tuple(parse_samples(self._ask(pod, path).decode("utf-8", "replace")))
            for pod in asked.values()
        }

    def _add(self, rows: Sequence[Sample], totals: Counter[tuple[str, ...]]) -> None:
        """Add Istio's counters to the totals, by the labels of ``RequestCount``."""
        sent = {row.labels.get("source_workload") for row in rows if row.labels.get("reporter") == "source"}
        for row in rows:
            source, reporter = row.labels.get("source_workload"), row.labels.get("reporter")
            arriving = reporter == "destination" and source == self._load_workload and source not in sent
            if reporter == "source" or arriving:
                named = {"source_workload": LOAD_WORKLOAD} if source == self._load_workload else {}
                labels = {**row.labels, **named, "reporter": "source"}
                totals[tuple(labels.get(name, "") for name in _LABELS)] += _count(row)
            if reporter == "destination":
                totals[tuple(row.labels.get(name, "") for name in _LABELS)] += _count(row)

    def _endpoint_rows(
        self, asked: Iterable[Pod], arrived: Arrived, versions: Mapping[tuple[str, str], str]
    ) -> tuple[RequestCount, ...]:
        """Return the requests that reached each endpoint of the arms: pods, or addresses where proxies are listed."""
        if not self._arms:
            return ()
        sent: Counter[Upstream] = Counter()
        for pod in asked:
            if self._is_load(pod):
                sent.update(endpoint_requests(self._ask(pod, CLUSTERS)))
        if self._listed:
            return tuple(address_rows(sent, versions))
        return tuple(pod_rows(self._kube.list("Pod", self._namespace), self._arms, sent, arrived))

    def _is_load(self, pod: Pod) -> bool:
        name = pod["metadata"]["name"]
        return self._load_workload in (name, (pod["metadata"].get("labels") or {}).get("app", name))

    def calls(self, pod: Pod) -> Counter[str]:
        """Return how many calls a proxy has counted for its workload, by the full name of the called host."""
        said = parse_samples(self._ask(pod, _COUNTS).decode("utf-8", "replace"))
        counted = [sample for sample in said if sample.name.endswith("istio_requests_total")]
        found: Counter[str] = Counter()
        for row in counted:
            if row.labels.get("reporter") == "source":
                found[row.labels.get("destination_service", "")] += _count(row)
        destinations = self._destinations()
        for own in () if counted else self._own_rows(pod, versions_of(destinations)):
            found[own.destination_service] += own.total
        hosts = {one.name: one.host for one in destinations}
        return sum((Counter({hosts.get(name, name): count}) for name, count in found.items()), Counter())

    def _own_rows(self, pod: Pod, versions: Mapping[tuple[str, str], str]) -> Iterator[RequestCount]:
        name, labels = pod["metadata"]["name"], labels_of(pod["metadata"])
        workload = labels.get("app", name)
        caller = Caller(
            proxy=self._address(pod),
            workload=LOAD_WORKLOAD if self._is_load(pod) else workload,
            version=labels.get("version", ""),
        )
        return self._own.rows(self._ask(pod, OWN_COUNTS).decode("utf-8", "replace"), caller, versions)

    def _traces(self, shown: Footprint, pod: Pod) -> tuple[Trace, ...]:
        labels = labels_of(pod["metadata"])
        return tuple(trace for trace in shown.traces if trace.concerns(labels, self._namespace))

    def _lagging_twice(self, shown: Footprint, *, there: bool) -> list[str]:
        """Return which proxies lag. What istiod says is asked for twice: it may be about to send."""
        lagging = list(self._lagging(shown, there=there))
        if lagging or self._istiod is None or self._listed:
            return lagging
        time.sleep(_SENT_WITHIN_S)
        return list(self._lagging(shown, there=there))

    def _lagging(self, shown: Footprint, *, there: bool) -> Iterator[str]:
        concerned = [(pod, traces) for pod in self.pods() if (traces := self._traces(shown, pod))]
        if not concerned and there:
            yield f"no running pod with a sidecar in {self._namespace} is concerned: the change would hit nothing"
        for pod, traces in concerned:
            name = pod["metadata"]["name"]
            try:
                dumps = {part: parse_json(self._ask(pod, PATHS[part])) for part in {trace.part for trace in traces}}
                odd = [trace for trace in traces if is_shown(trace, dumps[trace.part]) is not there]
            except (ClusterUnreachable, MeshError, ValueError) as error:
                yield f"pod {name} does not answer ({error})"
                continue
            if not odd and (why := self._unacknowledged(pod, {trace.part for trace in traces})):
                yield f"pod {name} {why}"
            if odd:
                yield f"pod {name} {'lacks' if there else 'still has'} {', '.join(sorted(map(_described, odd)))}"

    def _unacknowledged(self, pod: Pod, parts: Iterable[Part]) -> str:
        """Return why a proxy may not have what istiod shows for it; proxies that are asked themselves have it."""
        if self._istiod is None or self._listed:
            return ""
        try:
            statuses = parse_json(
                http_get(f"{self._istiod}{SYNC}?namespace={self._namespace}", timeout_s=_ASK_WITHIN_S)
            )
        except (MeshError, ValueError) as error:
            return f"cannot be looked up in istiod ({error})"
        return unacknowledged(statuses, f"{pod['metadata']['name']}.{self._namespace}", parts)

    def _address(self, pod: Pod) -> str:
        """Return what identifies a proxy; several names may be listed for one."""
        name = pod["metadata"]["name"]
        return self._listed[name].url if name in self._listed else name

    def _ask(self, pod: Pod, path: str) -> bytes:
        name = pod["metadata"]["name"]
        if name in self._listed:
            return http_get(f"{self._listed[name].url}{path}", timeout_s=_ASK_WITHIN_S)
        if self._istiod is not None and path not in (OWN_COUNTS, CLUSTERS, LIMITED) and not path.startswith(_METRICS):
            return http_get(
                f"{self._istiod}/debug/config_dump?proxyID={name}.{self._namespace}", timeout_s=_ASK_WITHIN_S
            )
        try:
            return self._kube.ask_pod(self._namespace, name, ADMIN_PORT, path, timeout_s=_ASK_WITHIN_S)
        except ClusterForbidden as error:
            raise ClusterForbidden(f"{error}\nor switch the proof off with cluster.prove: false") from error


def _count(row: Sample) -> int:
    """Return a counter's value. Raises MeshError for one that is no number."""
    if not math.isfinite(row.value):
        raise MeshError(f"{row.name}: expected a count in the metrics of a proxy, found {row.value}")
    return int(row.value)


def _described(trace: Trace) -> str:
    return f"{trace.name} with {json.dumps(trace.fields)}" if trace.fields else trace.name


def _containers(pod: Pod) -> set[str]:
    spec = pod.get("spec") or {}
    return {one["name"] for one in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))}
