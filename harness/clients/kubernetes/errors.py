"""Explain why the Kubernetes API refused a request, and what to do about it."""

from __future__ import annotations

import re

import urllib3

from harness.clients.kubernetes.kinds import Kind
from harness.errors import (
    ClusterConflict,
    ClusterError,
    ClusterForbidden,
    ClusterRejected,
    ClusterUnknownKind,
    ClusterUnreachable,
)
from harness.model.json import parse_json, text_at

_NO_RIGHT = re.compile(r'User "[^"]*" cannot ')
_BUSY, _UNKNOWN_USER, _MISSING = 429, 401, 404
_REJECTIONS = (400, 403, 422)
"""Policies and webhooks answer with any of these."""
_LONGEST_MESSAGE = 600
_CONFLICTS = {
    409: "it was changed in the meantime, or exists already",
    410: "the requested version is too old; read again",
}
_MEANINGS = {
    403: "a quota or an admission rule forbids it",
    404: "the namespace, the object or its CRD is missing",
}


def refusal(
    status: int, body: bytes, *, verb: str, kind: Kind, namespace: str | None, name: str | None
) -> ClusterError:
    """Return the error for an HTTP status of 400 or more. It names verb and object, but never a request or a token."""
    place = "/".join(part for part in (namespace, name) if part)
    what, said = f"{verb} {kind.name} {place}".rstrip(), _message(body)
    if status == 403 and _NO_RIGHT.search(said):
        scope = name if kind.name == "Namespace" else namespace
        return ClusterForbidden(
            f"{what}: not allowed (403): {said}\n"
            f"grant this in a Role of namespace {scope or '(cluster)'}, if that namespace exists:\n{rule(verb, kind)}"
        )
    if status == _UNKNOWN_USER:
        return ClusterUnreachable(
            f"{what}: the API server does not know the user (401): "
            "the credentials are missing or have expired; log in again"
        )
    if status == _BUSY or status >= 500:
        return ClusterUnreachable(f"{what}: the API server is in trouble ({status}): {said}")
    if status in _CONFLICTS:
        return ClusterConflict(f"{what}: {_CONFLICTS[status]} ({status}): {said}")
    if status == _MISSING and not about_object(body):
        remedy = "; install Istio with istioctl install, or only its CRDs" if "istio" in kind.group else ""
        return ClusterUnknownKind(
            f"{what}: this API server does not know {kind.plural} of {kind.api_version} (404): its CRD is missing, "
            f"or has another version{remedy}; see kubectl api-resources --api-group={kind.group}",
            kind=kind.name,
        )
    rejected = ClusterRejected if status in _REJECTIONS else ClusterError
    return rejected(f"{what}: {_MEANINGS.get(status, 'refused as invalid')} ({status}): {said}")


def rule(verb: str, kind: Kind, *, subresource: str = "") -> str:
    """Return the rule of a Role that grants ``verb`` on a kind, or on a subresource of it."""
    resource = f"{kind.plural}/{subresource}" if subresource else kind.plural
    return f'- apiGroups: ["{kind.group}"]\n  resources: ["{resource}"]\n  verbs: ["{verb}"]'


def about_object(body: bytes) -> bool:
    """Return whether a 404 means that an object is missing, and not its kind."""
    try:
        return bool(text_at(parse_json(body), "details", "name", default=""))
    except ValueError:
        return False


def _message(body: bytes) -> str:
    try:
        said = text_at(parse_json(body), "message", default="")
    except ValueError:
        said = body.decode("utf-8", "replace").strip()
    return said[:_LONGEST_MESSAGE]


def no_answer(error: Exception) -> str:
    """Return why a request got no answer, and what to look at."""
    if isinstance(error, urllib3.exceptions.SSLError):
        return f"{error}; does the kubeconfig have this server's certificate authority, and is this the right context?"
    return f"{type(error).__name__}; is the API server up, and is this the right context?"
