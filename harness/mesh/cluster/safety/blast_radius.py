"""Whom the faults of a plan would hit: which callers, and what part of all calls to the host they make."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness.errors import ClusterError, MeshError
from harness.mesh.cluster.proof.proxies import Proxies, names_for
from harness.model.json import Json
from harness.model.units import format_percent
from harness.routing.istio.edits import Edit, routes_in
from harness.routing.istio.governing import fqdn


def reach(proxies: Proxies, edits: Sequence[Edit], namespace: str) -> tuple[str, ...]:
    """A line for each host that gets a fault: its callers that are hit, and their part of the calls counted so far."""
    pods = proxies.pods()
    hit: dict[str, dict[str, Json]] = {}
    for host, name, edit in _faulted(edits, namespace):
        concerned = {pod["metadata"]["name"]: pod for pod in pods if name in names_for(edit, pod, namespace)}
        hit.setdefault(host, {}).update(concerned)
    return tuple(
        f"calls to {host} from {', '.join(_callers(concerned)) or 'nobody'}; {_share(proxies, pods, concerned, host)}"
        for host, concerned in hit.items()
    )


def _faulted(edits: Sequence[Edit], namespace: str) -> Iterator[tuple[str, str, Edit]]:
    for edit in edits:
        for route in routes_in(edit):
            for item in (route.get("route") or ()) if route.get("fault") else ():
                yield fqdn(item["destination"]["host"], namespace), route["name"], edit


def _callers(concerned: dict[str, Json]) -> list[str]:
    counted: Counter[str] = Counter()
    for name, pod in concerned.items():
        labels = pod["metadata"].get("labels") or {}
        counted[" ".join([labels.get("app", name), *filter(None, [labels.get("version")])])] += 1
    return [f"{caller} ({count} {'pod' if count == 1 else 'pods'})" for caller, count in sorted(counted.items())]


def _share(proxies: Proxies, pods: Sequence[Json], concerned: dict[str, Json], host: str) -> str:
    try:
        calls = {pod["metadata"]["name"]: proxies.calls(pod)[host] for pod in pods}
    except (ClusterError, MeshError) as error:
        return f"what part of all calls these are is not known: {error}"
    total, theirs = sum(calls.values()), sum(calls[name] for name in concerned)
    if not total:
        return "no call to it has been counted so far"
    return f"{format_percent(theirs / total)} of the {total} calls to it that were counted so far"
