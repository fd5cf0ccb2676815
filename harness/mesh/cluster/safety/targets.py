"""Check that a change would hit something: callers with a sidecar, and hosts that their proxies know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.clients.kubernetes.types import Pod, labels_of
from harness.errors import ClusterUnreachable, MeshError
from harness.mesh.cluster.proof.proxies import Proxies
from harness.routing.port import Footprint


def require_targets(proxies: Proxies, shown: Mapping[str, Footprint], namespace: str) -> None:
    """Raise MeshError if routes concern no pod, or lead to a host that no proxy concerned knows.

    shown: the footprint of each edit, by its label. Hosts that one of the edits makes need not be known.
    """
    made = frozenset(host for each in shown.values() for host in each.makes)
    for label, each in shown.items():
        if each.has_routes and each.in_sidecars:
            concerned = proxies.concerned(each)
            if not concerned:
                apps = sorted({app for pod in proxies.pods() if (app := labels_of(pod["metadata"]).get("app"))})
                raise MeshError(
                    f"{label}: no running pod with a sidecar in {namespace} is concerned: the change would hit "
                    f"nothing; "
                    f"expected the labels of one that calls, found pods of {', '.join(apps) or 'no app'}"
                )
            _require_known(proxies, concerned, label, each.destinations - made, namespace)


def _require_known(
    proxies: Proxies, concerned: Sequence[Pod], label: str, hosts: frozenset[str], namespace: str
) -> None:
    unknown, silent = set(hosts), []
    for pod in concerned:
        try:
            known = proxies.hosts(pod)
        except (ClusterUnreachable, MeshError, ValueError) as error:
            silent.append(f"pod {pod['metadata']['name']} does not answer ({error})")
            continue
        unknown = unknown - known if known else set()
        if not unknown:
            return
    if len(silent) == len(concerned):
        raise MeshError(
            f"{label}: expected the proxies to say what they have, found {'; '.join(silent)}; where pods cannot be "
            "asked, name their admin ports (cluster.proxies) or istiod's debug port (cluster.istiod)"
        )
    raise MeshError(
        f"{label}: no proxy concerned knows {', '.join(sorted(unknown))}: the change would hit nothing; "
        f"is there such a service? See {proxies.commands.kubectl('get services', namespace)}"
    )
