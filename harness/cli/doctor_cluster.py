"""The checks of ``harness doctor --target cluster``: what a run on the cluster would need, with reads only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

from harness.cli.doctor_lines import Line, tried
from harness.clients.kubernetes.api import Kubernetes
from harness.clients.listening import require_listener
from harness.config import Config
from harness.errors import HarnessError, MeshError
from harness.mesh.cluster.connection import connected
from harness.mesh.cluster.proof.proxies import PROXY, Proxies
from harness.mesh.cluster.recovery.reaping import require_no_leftovers
from harness.mesh.cluster.safety import limits
from harness.mesh.cluster.safety.data_plane import data_plane
from harness.mesh.cluster.safety.rights import require_basics
from harness.model.json import objects_at, parse_json, text_at
from harness.routing import routing_where
from harness.userinfo import without_userinfo


def cluster_lines(config: Config) -> Iterator[Line]:
    """Yield a line for each check of the configured cluster and namespace; the messages say what to do."""
    try:
        kube = connected(config.cluster, None)
    except HarnessError as error:
        yield Line(what="cluster", found=str(error), good=False)
        return
    with closing(kube):
        reached = tried("cluster", lambda: _reached(kube), "")
        yield reached
        if reached.good:
            for what, look in _checks(kube, config):
                yield tried(what, look, "")
    if config.cluster.url is not None:
        yield tried("entry", lambda: _listens(config.cluster.url or "", "cluster.url"), "")
    if config.prometheus:
        yield tried("prometheus", lambda: _listens(config.prometheus or "", "prometheus"), "")


def _checks(kube: Kubernetes, config: Config) -> Iterator[tuple[str, Callable[[], str]]]:
    namespace, settings = config.namespace, config.cluster

    def opted_in() -> str:
        limits.require_meant(kube.context, namespace, settings)
        limits.require_cluster(kube, namespace, settings)
        limits.require_no_kill_switch(kube, namespace)
        return f"{namespace} is open for experiments"

    def rights() -> str:
        require_basics(kube, namespace, settings, routing_where(kube.serves).kinds)
        return "all that every change needs"

    def leftovers() -> str:
        require_no_leftovers(kube, namespace)
        return "none of a dead run"

    yield "namespace", opted_in
    yield "rights", rights
    yield "leftovers", leftovers
    yield "data plane", lambda: data_plane(kube, namespace, settings)
    yield "proxies", lambda: _proxies(kube, config)


def _reached(kube: Kubernetes) -> str:
    status, body = kube.get_raw("/version", {})
    if status != 200:
        raise MeshError(f"context {kube.context}: GET /version: expected status 200, found {status}")
    return f"context {kube.context}, Kubernetes {text_at(parse_json(body), 'gitVersion', default='of unknown version')}"


def _proxies(kube: Kubernetes, config: Config) -> str:
    """Return which proxies can be asked, and their Istio versions."""
    proxies = Proxies(kube, config.namespace, config.cluster)
    pods = proxies.pods()
    if not pods:
        raise MeshError(f"expected running pods with a sidecar ({PROXY}) in namespace {config.namespace}, found none")
    containers = (each for pod in pods for each in _containers(kube, config, pod["metadata"]["name"]))
    versions = sorted({image.rpartition(":")[2] for name, image in containers if name == PROXY and ":" in image})
    if config.cluster.prove:
        proxies.hosts(pods[0])
    asked = "one was asked" if config.cluster.prove else "none was asked (cluster.prove is false)"
    return f"{len(pods)}, {asked}; Istio {', '.join(versions) or 'of unknown version'}"


def _containers(kube: Kubernetes, config: Config, pod: str) -> Iterator[tuple[str, str]]:
    if config.cluster.proxies:
        return
    found = kube.get("Pod", config.namespace, pod)
    for part in ("containers", "initContainers"):
        for each in () if found is None else objects_at(found, "spec", part):
            yield text_at(each, "name", default=""), text_at(each, "image", default="")


def _listens(url: str, what: str) -> str:
    require_listener(url, what)
    return f"{without_userinfo(url)} accepts connections"
