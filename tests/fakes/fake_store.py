"""The objects of a fake API server: versions, conflicts, patches, dry runs and watches as the real one has them."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fake_schema import schema_errors, webhook_errors, webhook_warnings

ISTIO = "networking.istio.io"
PLURALS = {
    ("", "configmaps"): "ConfigMap",
    ("", "events"): "Event",
    ("", "namespaces"): "Namespace",
    ("", "pods"): "Pod",
    ("", "services"): "Service",
    ("apps", "deployments"): "Deployment",
    ("apps", "replicasets"): "ReplicaSet",
    ("coordination.k8s.io", "leases"): "Lease",
    (ISTIO, "virtualservices"): "VirtualService",
    (ISTIO, "destinationrules"): "DestinationRule",
    (ISTIO, "gateways"): "Gateway",
    (ISTIO, "serviceentries"): "ServiceEntry",
    (ISTIO, "sidecars"): "Sidecar",
    (ISTIO, "envoyfilters"): "EnvoyFilter",
    ("security.istio.io", "authorizationpolicies"): "AuthorizationPolicy",
    ("networking.k8s.io", "networkpolicies"): "NetworkPolicy",
    ("policy", "poddisruptionbudgets"): "PodDisruptionBudget",
    ("autoscaling", "horizontalpodautoscalers"): "HorizontalPodAutoscaler",
    ("flagger.app", "canaries"): "Canary",
}


class Refused(Exception):  # noqa: N818 - an answer, no error of the fake
    """An answer of 400 or more."""

    def __init__(self, code: int, reason: str, message: str, details: Any = None, headers: Any = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message = code, reason, message
        self.details, self.headers = details or {}, headers or {}


@dataclass
class Place:
    """Which object or objects a request is about."""

    group: str
    version: str
    plural: str
    namespace: str | None
    name: str | None

    @property
    def resource(self) -> str:
        """The resource as messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """The apiVersion that was asked for."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def kind(self) -> str:
        """The kind."""
        return PLURALS[self.group, self.plural]


@dataclass
class Store:
    """All objects, and every change of them in order."""

    objects: dict[tuple[str, str, str | None, str], Any] = field(default_factory=dict)
    changes: list[tuple[int, tuple[str, str, str | None, str], str, Any]] = field(default_factory=list)
    version: int = 100
    oldest: int = 0
    webhook_down: bool = False
    pods_come_up: bool = True
    trouble: dict[str, Any] = field(default_factory=dict)

    def key(self, place: Place, name: str | None = None) -> tuple[str, str, str | None, str]:
        """Where the object is kept."""
        return place.group, place.plural, place.namespace, name or place.name or ""

    def view(self, stored: Any, place: Place) -> Any:
        """The object in the version that was asked for."""
        return {**deepcopy(stored), "apiVersion": place.api_version, "kind": place.kind}

    def get(self, place: Place) -> Any:
        """The object; 404 without it."""
        stored = self.objects.get(self.key(place))
        if stored is None:
            raise Refused(404, "NotFound", f'{place.resource} "{place.name}" not found', {"name": place.name})
        return stored

    def list(self, place: Place, labels: dict[str, str]) -> list[Any]:
        """All objects of the place that carry the labels."""
        return [
            stored
            for (group, plural, namespace, _), stored in sorted(self.objects.items(), key=lambda item: str(item[0]))
            if (group, plural) == (place.group, place.plural)
            and place.namespace in (None, namespace)
            and labels.items() <= (stored["metadata"].get("labels") or {}).items()
        ]

    def create(self, place: Place, body: Any, *, strict: bool, dry_run: bool) -> tuple[Any, list[str]]:
        """A new object and the warnings of admission."""
        if place.namespace is not None and ("", "namespaces", None, place.namespace) not in self.objects:
            raise Refused(404, "NotFound", f'namespaces "{place.namespace}" not found', {"name": place.namespace})
        name = body.get("metadata", {}).get("name") or body["metadata"].get("generateName", "") + str(self.version)
        if self.key(place, name) in self.objects:
            raise Refused(409, "AlreadyExists", f'{place.resource} "{name}" already exists', {"name": name})
        warnings = self._admit(place, body, strict=strict)
        stored = deepcopy(body)
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        stored["metadata"] |= {
            "name": name,
            "uid": f"uid-{self.version + 1}",
            "creationTimestamp": now,
            "generation": 1,
        }
        if place.namespace:
            stored["metadata"]["namespace"] = place.namespace
        if place.kind == "Deployment" and "status" not in stored:
            count = stored["spec"].get("replicas", 1)
            ready = {"replicas": count, "updatedReplicas": count, "availableReplicas": count}
            stored["status"] = {"observedGeneration": 1, **(ready if self.pods_come_up else self.trouble)}
        return self._keep(place, name, stored, "ADDED", dry_run=dry_run), warnings

    def replace(self, place: Place, body: Any, *, strict: bool, dry_run: bool) -> tuple[Any, list[str]]:
        """The object in place of the version that it was read as."""
        old = self.get(place)
        metadata = body.get("metadata", {})
        if metadata.get("name") != place.name:
            raise Refused(400, "BadRequest", "the name of the object does not match the name on the URL")
        asked = metadata.get("resourceVersion")
        if not asked:
            raise Refused(
                422, "Invalid", "metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
            )
        if (
            asked != old["metadata"]["resourceVersion"]
            or metadata.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]
        ):
            raise Refused(
                409,
                "Conflict",
                f'Operation cannot be fulfilled on {place.resource} "{place.name}": the object has been modified; '
                "please apply your changes to the latest version and try again",
            )
        warnings = self._admit(place, body, strict=strict)
        stored = deepcopy(body)
        for name in ("uid", "creationTimestamp", "generation"):
            stored["metadata"][name] = old["metadata"][name]
        if stored.get("spec") != old.get("spec"):
            stored["metadata"]["generation"] += 1
        if {**stored, "apiVersion": ""} == {**old, "apiVersion": ""}:
            return old, warnings
        return self._keep(place, place.name, stored, "MODIFIED", dry_run=dry_run), warnings

    def patch(self, place: Place, patch: Any, style: str, *, strict: bool, dry_run: bool) -> tuple[Any, list[str]]:
        """The object with a merge patch or a JSON patch."""
        old = self.get(place)
        if style == "application/merge-patch+json":
            if not isinstance(patch, dict):
                raise Refused(
                    400, "BadRequest", "json: cannot unmarshal array into Go value of type map[string]interface {}"
                )
            body = _merged(old, patch)
        elif style == "application/json-patch+json":
            body = _patched(old, patch)
        else:
            raise Refused(415, "UnsupportedMediaType", f"the body of the request was in an unknown format {style}")
        body["metadata"].setdefault("resourceVersion", old["metadata"]["resourceVersion"])
        return self.replace(place, body, strict=strict, dry_run=dry_run)

    def delete(self, place: Place, options: Any, *, dry_run: bool) -> Any:
        """The object that is gone now."""
        old = self.get(place)
        for name, wanted in (options.get("preconditions") or {}).items():
            if old["metadata"].get(name) != wanted:
                raise Refused(
                    409,
                    "Conflict",
                    f"Precondition failed: {name} in precondition: {wanted}, in object meta: {old['metadata'].get(name)}",
                )
        if not dry_run:
            self.version += 1
            del self.objects[self.key(place)]
            gone = deepcopy(old)
            gone["metadata"]["resourceVersion"] = str(self.version)
            self.changes.append((self.version, self.key(place), "DELETED", gone))
        return old

    def _keep(self, place: Place, name: str | None, stored: Any, change: str, *, dry_run: bool) -> Any:
        version = self.version + 1
        stored["metadata"]["resourceVersion"] = str(version if not dry_run else self.version)
        if not dry_run:
            self.version = version
            self.objects[self.key(place, name)] = stored
            self.changes.append((version, self.key(place, name), change, deepcopy(stored)))
        return stored

    def _admit(self, place: Place, body: Any, *, strict: bool) -> list[str]:
        if place.group != ISTIO:
            return []
        spec = body.setdefault("spec", {})
        errors, unknown = schema_errors(place.kind, spec)
        if unknown and strict:
            raise Refused(
                400, "BadRequest", "strict decoding error: " + ", ".join(f'unknown field "{item}"' for item in unknown)
            )
        if errors:
            name = body["metadata"].get("name")
            raise Refused(422, "Invalid", f'{place.kind}.{place.group} "{name}" is invalid: {"; ".join(errors)}')
        if self.webhook_down:
            raise Refused(
                500,
                "InternalError",
                'Internal error occurred: failed calling webhook "rev.validation.istio.io": connection refused',
            )
        refused = webhook_errors(place.kind, spec)
        if refused:
            raise Refused(
                400,
                "BadRequest",
                f'admission webhook "rev.validation.istio.io" denied the request: {"; ".join(refused)}',
            )
        return webhook_warnings(place.kind, spec)


def _merged(old: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return deepcopy(patch)
    result = deepcopy(old) if isinstance(old, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merged(result.get(name), value)
    return result


def _patched(old: Any, operations: Any) -> Any:
    result = deepcopy(old)
    for operation in operations:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
        node = result
        for part in parts[:-1]:
            node = node[int(part)] if isinstance(node, list) else node[part]
        last = parts[-1]
        if isinstance(node, list):
            place = len(node) if last == "-" else int(last)
            there = node[place] if place < len(node) else None
        else:
            place, there = last, node.get(last)
        if operation["op"] == "test" and there != operation["value"]:
            raise Refused(
                422,
                "Invalid",
                f"the server rejected our request due to an error in our request: testing path {operation['path']} failed",
            )
        if operation["op"] == "remove":
            del node[place]
        elif operation["op"] == "add" and isinstance(node, list):
            node.insert(place, deepcopy(operation["value"]))
        elif operation["op"] in ("add", "replace"):
            node[place] = deepcopy(operation["value"])
    return result


def status_of(refused: Refused) -> bytes:
    """The Status object of a refusal."""
    return json.dumps(
        {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": refused.message,
            "reason": refused.reason,
            "details": refused.details,
            "code": refused.code,
        }
    ).encode()
