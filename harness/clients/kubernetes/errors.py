"""What the Kubernetes API's refusals mean, and what to do about each."""

from __future__ import annotations

import json
import re

from harness.clients.kubernetes.kinds import Kind
from harness.errors import ClusterConflict, ClusterError, ClusterForbidden, ClusterUnreachable

_NO_RIGHT = re.compile(r'User "[^"]*" cannot ')
_BUSY, _UNKNOWN_USER, _MISSING = 429, 401, 404
_LONGEST_MESSAGE = 600
_CONFLICTS = {
    409: "changed meanwhile, or there already",
    410: "the version asked for is too old; read again",
}
_MEANINGS = {
    403: "a quota or an admission rule is in the way",
    404: "the namespace, the object or its CRD is missing",
}


def refusal(
    status: int, body: bytes, *, verb: str, kind: Kind, namespace: str | None, name: str | None
) -> ClusterError:
    """The error for an HTTP status of 400 or more. It names verb and object, and never holds a request or a token."""
    place = "/".join(part for part in (namespace, name) if part)
    what, said = f"{verb} {kind.name} {place}".rstrip(), _message(body)
    if status == 403 and _NO_RIGHT.search(said):
        scope = name if kind.name == "Namespace" else namespace
        return ClusterForbidden(
            f"{what}: not allowed (403): {said}\n"
            f"grant this in a Role of namespace {scope or '(cluster)'}, where there is such a namespace:\n{rule(verb, kind)}"
        )
    if status == _UNKNOWN_USER:
        return ClusterUnreachable(
            f"{what}: the API server does not know who asks (401): the credentials are missing or expired; log in again"
        )
    if status == _BUSY or status >= 500:
        return ClusterUnreachable(f"{what}: the API server is in trouble ({status}): {said}")
    if status in _CONFLICTS:
        return ClusterConflict(f"{what}: {_CONFLICTS[status]} ({status}): {said}")
    if status == _MISSING and not about_object(body):
        mend = (
            "; install Istio's with istioctl install, or only them from its manifests" if "istio" in kind.group else ""
        )
        return ClusterError(
            f"{what}: this API server does not know {kind.plural} of {kind.api_version} (404): its CRD is missing, "
            f"or has another version{mend}; see kubectl api-resources --api-group={kind.group}"
        )
    return ClusterError(f"{what}: {_MEANINGS.get(status, 'refused as invalid')} ({status}): {said}")


def rule(verb: str, kind: Kind) -> str:
    """The rule of a Role that grants ``verb``."""
    return f'- apiGroups: ["{kind.group}"]\n  resources: ["{kind.plural}"]\n  verbs: ["{verb}"]'


def about_object(body: bytes) -> bool:
    """Whether a 404 says that an object is missing, and not the kind itself."""
    try:
        details = json.loads(body).get("details") or {}
    except (ValueError, AttributeError):
        return False
    return bool(details.get("name"))


def _message(body: bytes) -> str:
    try:
        said = json.loads(body).get("message", "")
    except (ValueError, AttributeError):
        said = body.decode("utf-8", "replace").strip()
    return str(said)[:_LONGEST_MESSAGE]
