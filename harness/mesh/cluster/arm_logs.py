"""Copy what the pods of an arm have logged into the folder of a run, for its report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.clients.kubernetes.api import Kubernetes
from harness.clients.kubernetes.pod_logs import log_since
from harness.mesh.cluster.proof.proxies import PROXY
from harness.model.json import JsonObject, objects_at, text_at, texts_at
from harness.model.masking import redacted

_MOST_PODS = 10


def copy_arm_log(kube: Kubernetes, namespace: str, labels: Mapping[str, str], *, since_s: float, file: Path) -> None:
    """Write the lines of all containers of an arm's pods to a file, in order of time and without what looks secret.

    since_s: epoch seconds from which on lines are copied. Each line has its time and its pod. Of more than ten pods
    only the first ten are read. Raises ClusterForbidden without the right to get ``pods/log``, or another ClusterError.
    """
    pods = [pod for pod in kube.list("Pod", namespace) if labels.items() <= texts_at(pod, "metadata", "labels").items()]
    lines = sorted(line for pod in pods[:_MOST_PODS] for line in _lines(kube, namespace, pod, since_s))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _lines(kube: Kubernetes, namespace: str, pod: JsonObject, since_s: float) -> Iterator[str]:
    name = text_at(pod, "metadata", "name")
    for container in objects_at(pod, "spec", "containers"):
        own = text_at(container, "name")
        if own == PROXY:
            continue
        for line in log_since(kube, namespace, name, container=own, since_s=since_s):
            at, _, text = line.partition(" ")
            yield f"{at} {name}: {redacted(text)}"
