"""The objects of a real API server behind the fake's door, so that every request can be watched, failed and killed at.

The namespace that tests call ``shop`` is one of a name of its own, deleted in the end. Its pods are never
scheduled; their status is written as kubelet would.
"""

from __future__ import annotations

import dataclasses
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from fake_store import Place, Refused, Store

from harness.clients.kubernetes.api import Kubernetes, connect
from harness.clients.kubernetes.warnings import warnings_in

SHOP = "shop"
_OF_THE_CLUSTER = "kube-root-ca.crt"
_READY_WITHIN_S = 30.0


class RealStore(Store):
    """Answers as ``Store`` does, by asking the real server."""

    def __init__(self, kube: Kubernetes, namespace: str) -> None:
        super().__init__()
        self._kube, self._namespace = kube, namespace
        self._renamed = {SHOP: namespace, namespace: SHOP}

    def get(self, place: Place) -> Any:
        """The object; 404 without it."""
        return self._ask("GET", place)[0]

    def list(self, place: Place, labels: dict[str, str]) -> list[Any]:
        """All objects of the place that carry the labels."""
        selector = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())} if labels else {}
        inside = dataclasses.replace(place, namespace=place.namespace or SHOP)
        items = self._ask("GET", inside, query=selector)[0]["items"]
        marks = {"apiVersion": place.api_version, "kind": place.kind}
        return [{**marks, **item} for item in items if item["metadata"]["name"] != _OF_THE_CLUSTER]

    def create(self, place: Place, body: Any, *, strict: bool, dry_run: bool) -> tuple[Any, list[str]]:
        """A new object and the warnings of admission."""
        if place.kind != "Pod":
            return self._ask("POST", place, body, _query(strict=strict, dry_run=dry_run))
        pod, warnings = self._ask("POST", place, _unscheduled(body), _query(strict=strict, dry_run=dry_run))
        there = Place(place.group, place.version, place.plural, place.namespace, pod["metadata"]["name"])
        return self._ask("PUT", there, {**pod, "status": body["status"]}, subresource="/status")[0], warnings

    def replace(self, place: Place, body: Any, *, strict: bool, dry_run: bool) -> tuple[Any, list[str]]:
        """The object in place of the version that it was read as."""
        return self._ask("PUT", place, body, _query(strict=strict, dry_run=dry_run))

    def delete(self, place: Place, options: Any, *, dry_run: bool) -> Any:
        """What the server says of the object that is gone now."""
        return self._ask("DELETE", place, options)[0]

    def view(self, stored: Any, place: Place) -> Any:
        """The object as the server told it."""
        return deepcopy(stored)

    def _ask(
        self, method: str, place: Place, body: Any = None, query: dict[str, str] | None = None, subresource: str = ""
    ) -> tuple[Any, list[str]]:
        root = f"/apis/{place.group}/{place.version}" if place.group else f"/api/{place.version}"
        space = f"/namespaces/{self._renamed.get(place.namespace, place.namespace)}" if place.namespace else ""
        name = self._renamed.get(place.name or "", place.name) if place.plural == "namespaces" else place.name
        path = f"{root}{space}/{place.plural}" + (f"/{name}" if name and method != "POST" else "") + subresource
        answer = self._kube._api.rest_client.pool_manager.request(
            method,
            f"{self._kube._host}{path}?{urlencode(query or {})}",
            body=None if body is None else json.dumps(self._other_way(body)),
            headers=self._kube._headers(),
            retries=False,
        )
        said = self._other_way(json.loads(answer.data))
        if answer.status >= 400:
            raise Refused(answer.status, said.get("reason", ""), said.get("message", ""), said.get("details"))
        return said, list(warnings_in(answer.headers.getlist("Warning")))

    def _other_way(self, value: Any, key: str = "") -> Any:
        """The value with our namespace's name for tests in place of its real one, and the other way round."""
        if isinstance(value, dict):
            return {name: self._other_way(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self._other_way(item) for item in value]
        return self._renamed.get(value, value) if key == "namespace" else value


@contextmanager
def real_store(kubeconfig: Path) -> Iterator[RealStore]:
    """The store of a new namespace of the kubeconfig's cluster."""
    kube = connect(kubeconfig=kubeconfig)
    name = f"harness-test-{uuid.uuid4().hex[:8]}"
    labels = {"canary-harness": "enabled"}
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    try:
        _wait_for_service_account(kube, name)
        yield RealStore(kube, name)
    finally:
        namespace = kube.get("Namespace", None, name)
        if namespace is not None:
            kube.delete(namespace)
        kube.close()


def _wait_for_service_account(kube: Kubernetes, namespace: str) -> None:
    """Pods are refused until the cluster has made the namespace's own account."""
    give_up = time.monotonic() + _READY_WITHIN_S
    url = f"{kube._host}/api/v1/namespaces/{namespace}/serviceaccounts/default"
    while kube._api.rest_client.pool_manager.request("GET", url, headers=kube._headers()).status != 200:
        if time.monotonic() > give_up:
            raise RuntimeError(f"namespace {namespace}: no service account within {_READY_WITHIN_S:g} s")
        time.sleep(0.1)


def _unscheduled(pod: Any) -> Any:
    """A pod that the server accepts and no scheduler takes."""
    containers = [{"image": "none", **container} for container in pod["spec"]["containers"]]
    spec = {"schedulerName": "none", "automountServiceAccountToken": False, "containers": containers}
    return {**pod, "spec": {**pod["spec"], **spec}}


def _query(*, strict: bool, dry_run: bool) -> dict[str, str]:
    return {**({"fieldValidation": "Strict"} if strict else {}), **({"dryRun": "All"} if dry_run else {})}
