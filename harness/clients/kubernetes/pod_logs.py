"""Read the log of a container: its last lines, or what it has written since a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.errors import refusal
from harness.clients.kubernetes.kinds import kind_of
from harness.errors import ClusterForbidden
from harness.printable import printable

_MOST_BYTES = 65536
_MOST_CHARACTERS = 4000
_MOST_OF_A_RUN = 8 * 1024 * 1024
_FORBIDDEN = 403


def pod_log(kube: Kubernetes, namespace: str, pod: str, *, container: str, previous: bool, lines: int = 20) -> str:
    """Return the last lines of a container's log as text without escape codes, at most 4,000 characters.

    previous: of the container that ended before the one that runs now. Raises ClusterForbidden without the right to
    get ``pods/log``, and another ClusterError if there is no such log.
    """
    query = {
        **({"container": container} if container else {}),
        "previous": "true" if previous else "false",
        "tailLines": str(lines),
        "limitBytes": str(_MOST_BYTES),
    }
    body = _read(kube, namespace, pod, query)
    said = printable(body[-_MOST_BYTES:].decode("utf-8", "replace"))
    return "\n".join(said.splitlines()[-lines:])[-_MOST_CHARACTERS:]


def log_since(kube: Kubernetes, namespace: str, pod: str, *, container: str, since_s: float) -> list[str]:
    """Return the lines that a container has written since a time in epoch seconds, each after its own time.

    At most 8 MiB, without escape codes. Raises as ``pod_log`` does.
    """
    query = {
        "container": container,
        "timestamps": "true",
        "sinceTime": datetime.fromtimestamp(since_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "limitBytes": str(_MOST_OF_A_RUN),
    }
    body = _read(kube, namespace, pod, query)[:_MOST_OF_A_RUN]
    return [printable(line) for line in body.decode("utf-8", "replace").splitlines()]


def _read(kube: Kubernetes, namespace: str, pod: str, query: Mapping[str, str]) -> bytes:
    kind = kind_of("Pod")
    status, body = kube.get_raw(kind.path(namespace, f"{pod}/log"), query)
    if status == _FORBIDDEN:
        raise ClusterForbidden(
            f"log of pod {namespace}/{pod}: not allowed (403)\ngrant this in a Role of namespace {namespace}:\n"
            '- apiGroups: [""]\n  resources: ["pods/log"]\n  verbs: ["get"]'
        )
    if status >= 400:
        raise refusal(status, body, verb="get the log of", kind=kind, namespace=namespace, name=pod)
    return body
