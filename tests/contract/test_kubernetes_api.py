"""What the harness expects of a Kubernetes API server; the fake and a real one answer alike."""

from __future__ import annotations

import dataclasses
import json
import time
from copy import deepcopy
from typing import Any

import pytest
from api_subject import Subject

from harness.clients.kubernetes.kinds import KINDS
from harness.errors import ClusterConflict, ClusterError

KNOWN_PATCHES = ("application/merge-patch+json", "application/json-patch+json")


def service(subject: Subject, **spec: Any) -> Any:
    """A VirtualService of the subject's namespace."""
    routes = [{"name": "main", "route": [{"destination": {"host": "reviews"}}]}]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "reviews", "namespace": subject.namespace},
        "spec": {"hosts": ["reviews"], "http": routes, **spec},
    }


def config_map(subject: Subject, **more: Any) -> Any:
    """A ConfigMap of the subject's namespace."""
    metadata = {"name": "note", "namespace": subject.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "1"}, **more}


def raw(subject: Subject, method: str, path: str, body: Any = None, style: str = "application/json") -> tuple[int, Any]:
    """Send a request with the client's credentials, and return status and body."""
    headers = {**subject.kube._headers(), "Content-Type": style}
    pool = subject.kube._api.rest_client.pool_manager
    sent = None if body is None else json.dumps(body)
    answer = pool.request(method, f"{subject.kube._host}{path}", body=sent, headers=headers, retries=False)
    return answer.status, json.loads(answer.data)


def needs(subject: Subject, version: tuple[int, int], what: str) -> None:
    """Skip the test on a real server that is too old for it."""
    if subject.fake is None:
        _, told = raw(subject, "GET", "/version")
        found = int(told["major"]), int("".join(filter(str.isdigit, told["minor"])))
        if found < version:
            pytest.skip(f"this API server is {told['gitVersion']}, which has no {what}")


def test_create_read_replace_delete(subject: Subject) -> None:
    """An object is made, read, replaced and deleted; each change moves its resourceVersion."""
    made = subject.kube.create(config_map(subject)).resource
    read = subject.kube.get("ConfigMap", subject.namespace, "note")
    assert read["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    read["data"] = {"a": "2"}
    written = subject.kube.replace(read).resource
    assert written["data"] == {"a": "2"}
    assert written["metadata"]["resourceVersion"] != made["metadata"]["resourceVersion"]
    assert written["metadata"]["uid"] == made["metadata"]["uid"]
    subject.kube.delete(written)
    assert subject.kube.get("ConfigMap", subject.namespace, "note") is None


def test_creating_what_exists_is_a_conflict(subject: Subject) -> None:
    """A second object with the same name is refused."""
    subject.kube.create(config_map(subject))
    with pytest.raises(ClusterConflict, match="already exists"):
        subject.kube.create(config_map(subject))


def test_a_missing_namespace_is_named(subject: Subject) -> None:
    """Creating in a namespace that does not exist is an error, and reading there finds nothing."""
    lost = config_map(subject)
    lost["metadata"]["namespace"] = "no-such-namespace"
    with pytest.raises(ClusterError, match="no-such-namespace"):
        subject.kube.create(lost)
    assert subject.kube.get("ConfigMap", "no-such-namespace", "note") is None


def test_a_missing_kind_differs_from_a_missing_object(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a CRD is not installed, the error names it, for every kind of request."""
    unknown = dataclasses.replace(KINDS["VirtualService"], group="routes.istio.io")
    monkeypatch.setitem(KINDS, "VirtualService", unknown)
    lost = {**service(subject), "apiVersion": unknown.api_version}
    for ask in (
        lambda: subject.kube.list("VirtualService", subject.namespace),
        lambda: subject.kube.get("VirtualService", subject.namespace, "reviews"),
        lambda: subject.kube.create(lost),
    ):
        with pytest.raises(ClusterError, match=r"virtualservices of routes.istio.io/v1 .*CRD is missing"):
            ask()


def test_writing_an_old_version_is_a_conflict(subject: Subject) -> None:
    """A change that somebody else has made since the object was read is not overwritten."""
    first = subject.kube.create(config_map(subject)).resource
    subject.kube.replace({**first, "data": {"a": "2"}})
    with pytest.raises(ClusterConflict):
        subject.kube.replace({**first, "data": {"a": "3"}})
    assert subject.kube.get("ConfigMap", subject.namespace, "note")["data"] == {"a": "2"}


def test_deleting_an_old_version_is_a_conflict(subject: Subject) -> None:
    """An object that somebody else has changed is not deleted; one that is already gone causes no error."""
    first = subject.kube.create(config_map(subject)).resource
    second = subject.kube.replace({**first, "data": {"a": "2"}}).resource
    with pytest.raises(ClusterConflict):
        subject.kube.delete(first)
    subject.kube.delete(second)
    subject.kube.delete(second)


def test_a_dry_run_checks_and_stores_nothing(subject: Subject) -> None:
    """Dry runs of create, replace and delete are answered like real ones, but store nothing."""
    subject.kube.create(config_map(subject), dry_run=True)
    assert subject.kube.get("ConfigMap", subject.namespace, "note") is None
    made = subject.kube.create(config_map(subject)).resource
    changed = subject.kube.replace({**made, "data": {"a": "2"}}, dry_run=True)
    assert changed.resource["data"] == {"a": "2"}
    subject.kube.delete(made, dry_run=True)
    assert subject.kube.get("ConfigMap", subject.namespace, "note")["data"] == {"a": "1"}
    with pytest.raises(ClusterConflict):
        subject.kube.create(config_map(subject), dry_run=True)


def test_lists_are_selected_by_labels(subject: Subject) -> None:
    """Only objects with the labels are listed, each with its kind."""
    labelled = config_map(subject)
    labelled["metadata"]["labels"] = {"a": "b"}
    subject.kube.create(labelled)
    other = config_map(subject)
    other["metadata"]["name"] = "other"
    subject.kube.create(other)
    found = subject.kube.list("ConfigMap", subject.namespace, labels={"a": "b"})
    assert [(item["kind"], item["metadata"]["name"]) for item in found] == [("ConfigMap", "note")]


def test_a_watch_tells_changes_and_ends(subject: Subject) -> None:
    """A watch reports all changes since a version in order, including earlier ones, and ends after its time."""
    made = subject.kube.create(config_map(subject)).resource
    changed = subject.kube.replace({**made, "data": {"a": "2"}}).resource
    since = made["metadata"]["resourceVersion"]
    seen = []
    for kind, item in subject.kube.watch("ConfigMap", subject.namespace, since=since, timeout_s=1):
        if item["metadata"]["name"] != "note":  # the cluster puts its own into a new namespace
            continue
        seen.append(kind)
        if kind == "MODIFIED":
            subject.kube.delete(changed)
    assert seen == ["MODIFIED", "DELETED"]


@pytest.mark.parametrize(
    "http",
    [
        [{"fault": {"abort": {"httpStatus": "503"}}}],
        [{"fault": {"abort": {"httpStatus": 503, "grpcStatus": "UNAVAILABLE"}}}],
        [{"fault": {"delay": {"fixedDelay": "0.1ms"}}}],
        [{"fault": {"delay": {"fixedDelay": "5 seconds"}}}],
        [{"timeout": "0s"}],
        [{"route": [{"destination": {}}]}],
    ],
    ids=str,
)
def test_the_schema_refuses(subject: Subject, http: list[Any]) -> None:
    """The server refuses as invalid what the CRD's schema or its rules exclude."""
    if {"delay", "timeout"} & ({*http[0]} | {*http[0].get("fault", ())}):
        needs(subject, (1, 25), "rules on durations (CEL)")
    with pytest.raises(ClusterError, match=r"invalid|Invalid"):
        subject.kube.create(service(subject, http=http))
    assert subject.kube.get("VirtualService", subject.namespace, "reviews") is None


def test_unknown_fields_are_refused(subject: Subject) -> None:
    """The client asks for strict field validation, so that no field is dropped silently."""
    needs(subject, (1, 25), "strict field validation")
    with pytest.raises(ClusterError, match="unknown field"):
        subject.kube.create(service(subject, htttp=[]))


def test_without_strictness_unknown_fields_are_pruned(subject: Subject) -> None:
    """Without it, the server drops an unknown field and answers with 201."""
    path = f"/apis/networking.istio.io/v1/namespaces/{subject.namespace}/virtualservices"
    status, answer = raw(subject, "POST", path, service(subject, htttp=[]))
    assert (status, "htttp" in answer["spec"]) == (201, False)


def test_versions_are_views_of_one_object(subject: Subject) -> None:
    """A VirtualService that was written as v1 can be read as v1beta1."""
    subject.kube.create(service(subject))
    path = f"/apis/networking.istio.io/v1beta1/namespaces/{subject.namespace}/virtualservices/reviews"
    status, answer = raw(subject, "GET", path)
    assert (status, answer["apiVersion"]) == (200, "networking.istio.io/v1beta1")
    assert answer["spec"] == service(subject)["spec"]


def test_patches_answer_as_measured(subject: Subject) -> None:
    """A stale merge patch gives 409, a failed JSON test 422, and a list 400; null deletes, and lists are replaced."""
    made = subject.kube.create(service(subject)).resource
    path = f"/apis/networking.istio.io/v1/namespaces/{subject.namespace}/virtualservices/reviews"
    merge, operations = KNOWN_PATCHES
    status, answer = raw(
        subject, "PATCH", path, {"spec": {"http": [{"route": made["spec"]["http"][0]["route"]}]}}, merge
    )
    assert (status, answer["spec"]["http"][0].get("name")) == (200, None)
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "spec": {"hosts": ["a"]}}
    assert raw(subject, "PATCH", path, stale, merge)[0] == 409
    assert raw(subject, "PATCH", path, [{"op": "test", "path": "/spec/hosts/0", "value": "x"}], operations)[0] == 422
    assert raw(subject, "PATCH", path, [], merge)[0] in (400, 422)  # 422 before 1.25
    status, answer = raw(subject, "PATCH", path, {"metadata": {"annotations": {"a": "b"}}}, merge)
    status, answer = raw(subject, "PATCH", path, {"metadata": {"annotations": {"a": None}}}, merge)
    assert "a" not in (answer["metadata"].get("annotations") or {})


def test_rights_are_asked_for(subject: Subject) -> None:
    """The server says that an administrator may do what the harness does."""
    assert subject.kube.allowed("update", "VirtualService", subject.namespace)
    assert subject.kube.allowed("create", "Pod", subject.namespace, subresource="portforward")


def test_every_change_is_audited(subject: Subject) -> None:
    """The client reports changes, dry runs and refusals with versions and status, but no reads."""
    made = subject.kube.create(config_map(subject)).resource
    written = subject.kube.replace({**made, "data": {}}).resource
    with pytest.raises(ClusterConflict):
        subject.kube.replace({**made, "data": {"a": "3"}})
    subject.kube.get("ConfigMap", subject.namespace, "note")
    subject.kube.delete(written, dry_run=True)
    first, second = made["metadata"]["resourceVersion"], written["metadata"]["resourceVersion"]
    assert [(a.verb, a.name, a.before, a.after, a.status, a.dry_run) for a in subject.audits[:3]] == [
        ("create", "note", "", first, 201, False),
        ("update", "note", first, second, 200, False),
        ("update", "note", first, "", 409, False),
    ]
    assert (subject.audits[3].verb, subject.audits[3].dry_run) == ("delete", True)


def test_change_retries_on_conflict(subject: Subject) -> None:
    """A change that conflicts with somebody else's is repeated on top of it."""
    subject.kube.create(config_map(subject))
    interfered: list[str] = []

    def add(found: Any) -> Any:
        if not interfered:
            interfered.append("once")
            theirs = deepcopy(found)
            theirs["data"]["theirs"] = "1"
            subject.kube.replace(theirs)
        changed = deepcopy(found)
        changed["data"]["ours"] = "1"
        return changed

    written, before = subject.kube.change("ConfigMap", subject.namespace, "note", add, patience_s=10)
    assert written is not None
    assert written.resource["data"] == {"a": "1", "theirs": "1", "ours": "1"}
    assert before["data"] == {"a": "1", "theirs": "1"}


def test_change_writes_nothing_when_nothing_changes(subject: Subject) -> None:
    """The undo of a change that was never made sends no request that could be refused."""
    subject.kube.create(config_map(subject))
    subject.audits.clear()
    written, _ = subject.kube.change("ConfigMap", subject.namespace, "note", lambda found: found, patience_s=10)
    gone, _ = subject.kube.change("ConfigMap", subject.namespace, "none", lambda found: found, patience_s=10)
    assert (written, gone, subject.audits) == (None, None, [])


def test_the_servers_clock_is_read(subject: Subject) -> None:
    """Times are compared by the API server's clock, which every client reads from its answers."""
    subject.kube.get("ConfigMap", subject.namespace, "note")
    assert abs(subject.kube.now() - time.time()) < 3600
