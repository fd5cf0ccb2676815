"""Find the waypoints of a namespace in ambient mode, their class and what they serve.

A waypoint is a Gateway of the Gateway API. A label of a Service, of a pod or of the namespace names it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.types import labels_of, metadata_of
from harness.errors import ClusterError, HarnessError
from harness.model.json import JsonObject, object_at, parse_json, text_at

WAYPOINT = "istio.io/use-waypoint"
_ELSEWHERE, _SERVES, _NONE = "istio.io/use-waypoint-namespace", "istio.io/waypoint-for", "none"
_ISTIOS, _FOR_SERVICES = "istio-waypoint", ("", "service", "all")
_PATH = "/apis/gateway.networking.k8s.io/v1/namespaces/{}/gateways/{}"
_OK, _FORBIDDEN, _MISSING = 200, 403, 404
_NOTHING = "no proxy reads routes there, so a split or a fault would do nothing"


def waypoints_in_words(kube: Kubernetes, namespace: str, labelled: Iterable[Mapping[str, str]]) -> str:
    """Return which waypoints serve a namespace, and why routes are not changed there.

    labelled: the labels of the namespace and of its pods in ambient mode.
    """
    named = dict.fromkeys(_named([*labelled, *_labels_of_services(kube, namespace)], namespace))
    if not named:
        return f"without a waypoint: {_NOTHING}"
    return "; ".join(_in_words(kube, *place) for place in named)


def _named(labelled: Iterable[Mapping[str, str]], namespace: str) -> Iterator[tuple[str, str]]:
    for labels in labelled:
        name = labels.get(WAYPOINT, "")
        if name and name != _NONE:
            yield labels.get(_ELSEWHERE) or namespace, name


def _labels_of_services(kube: Kubernetes, namespace: str) -> list[Mapping[str, str]]:
    try:
        return [labels_of(metadata_of(one)) for one in kube.list("Service", namespace)]
    except ClusterError:  # the run is refused in any case; only the reason is less exact
        return []


def _in_words(kube: Kubernetes, namespace: str, name: str) -> str:
    status, body = kube.get_raw(_PATH.format(namespace, name), {})
    if status == _MISSING:
        return f"with a label for the waypoint {name}, but namespace {namespace} has no such Gateway: {_NOTHING}"
    if status != _OK:
        why = "no right to get gateways of gateway.networking.k8s.io" if status == _FORBIDDEN else f"status {status}"
        return f"with the waypoint {name}, whose class could not be read ({why}): a split or a fault could do nothing"
    try:
        return _described(name, object_at(parse_json(body)))
    except (ValueError, HarnessError) as error:
        return f"with the waypoint {name}, whose class could not be read ({error}): a split or a fault could do nothing"


def _described(name: str, gateway: JsonObject) -> str:
    kind = text_at(gateway, "spec", "gatewayClassName")
    what = f"with the waypoint {name} of class {kind}"
    if kind != _ISTIOS:
        return f"{what}, which is not {_ISTIOS}: whether it reads VirtualServices is not known, so nothing is changed"
    serves = labels_of(metadata_of(gateway)).get(_SERVES, "")
    if serves not in _FOR_SERVICES:
        return f"{what} for {serves} ({_SERVES}), which does not serve calls to Services: {_NOTHING}"
    return (
        f"{what}: it serves all callers and drops routes that are narrowed by labels of a caller, so a fault could do "
        "nothing, and waypoints are not supported yet"
    )
