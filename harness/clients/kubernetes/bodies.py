"""Write the bodies of requests to the Kubernetes API, and read those of its answers."""

from __future__ import annotations

from harness.clients.kubernetes.errors import refusal
from harness.clients.kubernetes.kinds import Kind
from harness.errors import ClusterUnreachable
from harness.model.json import JsonObject, object_at, parse_json, text_at


def change_request(
    method: str, resource: JsonObject, *, dry_run: bool, grace_s: int | None = None
) -> tuple[dict[str, str], JsonObject]:
    """Return the query and the body of a request that creates, replaces or deletes ``resource``.

    grace_s: how long a pod that is deleted has to end; None for as long as it wants.
    """
    query = {"dryRun": "All"} if dry_run else {}
    if method != "DELETE":
        return {**query, "fieldValidation": "Strict"}, resource
    known = {key: text_at(resource, "metadata", key, default="") for key in ("uid", "resourceVersion")}
    options: JsonObject = {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {key: value for key, value in known.items() if value},
        "propagationPolicy": "Background",
    }
    if grace_s is not None:
        options["gracePeriodSeconds"] = grace_s
    # The server does not read options from the URL when they are in the body too.
    return query, {**options, "dryRun": ["All"]} if dry_run else options


def answer_object(
    status: int, body: bytes, *, verb: str, kind: Kind, namespace: str | None, name: str | None
) -> JsonObject:
    """Return the object in an answer. Raises the ClusterError that explains a status of 400 or more."""
    if status >= 400:
        raise refusal(status, body, verb=verb, kind=kind, namespace=namespace, name=name)
    try:
        return object_at(parse_json(body))
    except ValueError as error:
        raise ClusterUnreachable(f"{verb} {kind.name}: expected JSON as an answer, found something else") from error
