"""Read the last lines of a container's log."""

from __future__ import annotations

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.errors import refusal
from harness.clients.kubernetes.kinds import kind_of
from harness.errors import ClusterForbidden
from harness.printable import printable

_MOST_BYTES = 65536
_MOST_CHARACTERS = 4000
_FORBIDDEN = 403


def pod_log(kube: Kubernetes, namespace: str, pod: str, *, container: str, previous: bool, lines: int = 20) -> str:
    """Return the last lines of a container's log as text without escape codes, at most 4,000 characters.

    previous: of the container that ended before the one that runs now. Raises ClusterForbidden without the right to
    get ``pods/log``, and another ClusterError if there is no such log.
    """
    kind = kind_of("Pod")
    query = {
        **({"container": container} if container else {}),
        "previous": "true" if previous else "false",
        "tailLines": str(lines),
        "limitBytes": str(_MOST_BYTES),
    }
    status, body = kube.get_raw(kind.path(namespace, f"{pod}/log"), query)
    if status == _FORBIDDEN:
        raise ClusterForbidden(
            f"log of pod {namespace}/{pod}: not allowed (403)\ngrant this in a Role of namespace {namespace}:\n"
            '- apiGroups: [""]\n  resources: ["pods/log"]\n  verbs: ["get"]'
        )
    if status >= 400:
        raise refusal(status, body, verb="get the log of", kind=kind, namespace=namespace, name=pod)
    said = printable(body[-_MOST_BYTES:].decode("utf-8", "replace"))
    return "\n".join(said.splitlines()[-lines:])[-_MOST_CHARACTERS:]
