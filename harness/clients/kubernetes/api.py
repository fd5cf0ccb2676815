"""Client of the Kubernetes API that exchanges plain JSON objects and audits every change.

The official client reads the kubeconfig, renews credentials and speaks TLS. Requests are sent directly over its
connection pool, because its typed layer hides the ``Warning`` headers of admission and guesses patch types. No request
is repeated unless the caller asks for it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient

from harness.clients.kubernetes.audit import Audit
from harness.clients.kubernetes.bodies import answer_object, change_request
from harness.clients.kubernetes.commands import Commands
from harness.clients.kubernetes.errors import about_object, no_answer, refusal
from harness.clients.kubernetes.kinds import Kind, kind_of
from harness.clients.kubernetes.port_forward import pod_get
from harness.clients.kubernetes.retry import retry
from harness.clients.kubernetes.settings import IN_CLUSTER, api_client, context_name, token_ends_at
from harness.clients.kubernetes.streams import document, lines, released
from harness.clients.kubernetes.types import about, metadata_of, named
from harness.clients.kubernetes.warnings import warnings_in
from harness.errors import ClusterError, ClusterUnreachable
from harness.model.json import JsonObject, object_at, objects_at, text_at, value_at

_VERBS = {"POST": "create", "PUT": "update", "DELETE": "delete", "GET": "get"}
_OK, _UNKNOWN_USER, _MISSING = 200, 401, 404


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The object after a change (a deleted one: as it was before), and the warnings of admission."""

    resource: JsonObject
    warnings: tuple[str, ...] = ()


Record = Callable[[Audit], None]


def ignore(event: object) -> None:
    """Ignore an event that the caller does not want to know about."""


def connect(
    *,
    kubeconfig: Path | None = None,
    context: str | None = None,
    record: Record = ignore,
    timeout_s: float = 10.0,
) -> Kubernetes:
    """Return the cluster of a kubeconfig's context (default: the current one), or the one that this process runs in.

    record: called with every request that changes something. timeout_s: how long to wait for an answer.
    Raises ClusterError when there is no usable configuration. Sends nothing.
    """
    name = context_name(kubeconfig, context)
    return Kubernetes(
        partial(api_client, kubeconfig, None if name == IN_CLUSTER else name),
        context=name,
        commands=Commands(context=None if name == IN_CLUSTER else name, kubeconfig=kubeconfig),
        record=record,
        timeout_s=timeout_s,
    )


class Kubernetes:
    """One API server. Use ``connect``."""

    def __init__(
        self, load: Callable[[], ApiClient], *, context: str, commands: Commands, record: Record, timeout_s: float
    ) -> None:
        """load: creates the official client's ApiClient with the current credentials. commands: for messages."""
        self._load, self._record, self._timeout_s = load, record, timeout_s
        self._api = load()
        self.context, self.commands = context, commands
        self._ahead_s = 0.0

    def now(self) -> float:
        """Return epoch seconds on the API server's clock as of its last answer, which all clients share."""
        return time.time() + self._ahead_s

    @property
    def token_ends_at(self) -> float | None:
        """When the token in use expires, in epoch seconds; None if it does not say."""
        return token_ends_at(self._api)

    def get(self, kind: str, namespace: str | None, name: str) -> JsonObject | None:
        """Return one object, or None if there is no object of that name."""
        found = kind_of(kind)
        status, body, _ = self._send("GET", found, namespace, name)
        if status == _MISSING and about_object(body):
            return None
        return answer_object(status, body, verb="get", kind=found, namespace=namespace, name=name)

    def list(
        self, kind: str, namespace: str | None, *, labels: Mapping[str, str] | None = None
    ) -> tuple[JsonObject, ...]:
        """Return all objects of a kind that have these labels, in a namespace (None: in all namespaces)."""
        found = kind_of(kind)
        query = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())} if labels else {}
        status, body, _ = self._send("GET", found, namespace, None, query=query)
        answer = answer_object(status, body, verb="list", kind=found, namespace=namespace, name=None)
        with about(f"list {kind} {namespace or ''}".rstrip()):
            items = objects_at(answer, "items")
        return tuple({"apiVersion": found.api_version, "kind": kind, **item} for item in items)

    def create(self, resource: JsonObject, *, dry_run: bool = False) -> Written:
        """Create an object. Raises ClusterConflict if an object of that name exists."""
        return self._write("POST", resource, dry_run=dry_run)

    def replace(self, resource: JsonObject, *, dry_run: bool = False, subresource: str = "") -> Written:
        """Write an object that was read and changed, or only what belongs to a subresource of it, such as ``resize``.

        Raises ClusterConflict if someone else changed it since.
        """
        if not metadata_of(resource).get("resourceVersion"):
            raise ClusterError(f"replace {resource['kind']}: expected the resourceVersion that was read, found none")
        return self._write("PUT", resource, dry_run=dry_run, subresource=subresource)

    def delete(self, resource: JsonObject, *, dry_run: bool = False, grace_s: int | None = None) -> None:
        """Delete an object that was read. Do nothing if it does not exist any more.

        grace_s: how long a pod has to end; None for as long as it wants. Raises ClusterConflict if the object has been
        changed since it was read.
        """
        self._write("DELETE", resource, dry_run=dry_run, grace_s=grace_s)

    def evict(self, pod: JsonObject, *, dry_run: bool = False) -> None:
        """Ask for the eviction of the pod as it was read, which a PodDisruptionBudget may refuse.

        Raises ClusterConflict when it is another pod by now, ClusterUnreachable when a budget refuses for now.
        """
        with about(named(pod)):
            name, namespace, uid = (text_at(pod, "metadata", key) for key in ("name", "namespace", "uid"))
        options: JsonObject = {"preconditions": {"uid": uid}, **({"dryRun": ["All"]} if dry_run else {})}
        eviction: JsonObject = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": options,
        }
        kind = kind_of("Pod")
        status, body, _ = self._send("POST", kind, namespace, f"{name}/eviction", body=eviction)
        if status != _MISSING:
            answer_object(status, body, verb="evict", kind=kind, namespace=namespace, name=name)

    def change(
        self,
        kind: str,
        namespace: str,
        name: str,
        change: Callable[[JsonObject | None], JsonObject | None],
        *,
        patience_s: float,
        tell: Callable[[str], None] = ignore,
        dry_run: bool = False,
        subresource: str = "",
    ) -> tuple[Written | None, JsonObject | None]:
        """Read an object, apply ``change`` to it and write the result. After a conflict or trouble, start again.

        change: gets None if the object does not exist, and returns None to delete it. It must be idempotent, because it
        sees its own change after an answer was lost. tell: gets a line about each failure before the next try.
        subresource: which an existing object is written by.
        Returns what was written (None if there was nothing to do) and what was read before. Raises the last error
        after ``patience_s`` seconds.
        """

        def once() -> tuple[Written | None, JsonObject | None]:
            before = self.get(kind, namespace, name)
            return self._bring(before, change(before), dry_run=dry_run, subresource=subresource), before

        return retry(once, patience_s=patience_s, tell=tell)

    def watch(self, kind: str, namespace: str, *, since: str, timeout_s: int) -> Iterator[tuple[str, JsonObject]]:
        """Yield the changes after the resourceVersion ``since`` for ``timeout_s`` seconds.

        A change is ADDED, MODIFIED or DELETED, and the object. Raises ClusterConflict when ``since`` is too old; read
        the objects again then.
        """
        found = kind_of(kind)
        query = {"watch": "true", "resourceVersion": since, "timeoutSeconds": str(timeout_s)}
        answer = self._request("GET", found.path(namespace), query=query, preload=False, timeout_s=timeout_s + 10.0)
        with released(answer):
            if answer.status >= 400:
                raise refusal(answer.status, answer.read(), verb="watch", kind=found, namespace=namespace, name=None)
            for line in lines(answer):
                with about(f"watch {kind} {namespace}"):
                    event = document(line)
                    change, changed = text_at(event, "type"), object_at(event, "object")
                if change == "ERROR":
                    code, said = changed.get("code"), json.dumps(changed).encode()
                    status = code if isinstance(code, int) else 500
                    raise refusal(status, said, verb="watch", kind=found, namespace=namespace, name=None)
                if change != "BOOKMARK":
                    yield change, changed

    def serves(self, kind: str, subresource: str = "") -> bool:
        """Return whether the API server has objects of a kind, or a subresource of them. Every user may ask that."""
        found = kind_of(kind)
        status, body, _ = self._answer("GET", found.group_path)
        if status == _MISSING:
            return False
        named = answer_object(status, body, verb="discover", kind=found, namespace=None, name=None)
        with about(f"discovery of {found.api_version}"):
            wanted = f"{found.plural}/{subresource}" if subresource else found.plural
            return any(text_at(each, "name") == wanted for each in objects_at(named, "resources"))

    def allowed(self, verb: str, kind: str, namespace: str, *, subresource: str = "") -> bool:
        """Return whether this client may ``verb`` objects of ``kind``, or a subresource of them, in the namespace."""
        found = kind_of(kind)
        attributes: JsonObject = {"namespace": namespace, "verb": verb, "group": found.group, "resource": found.plural}
        review: JsonObject = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "metadata": {},
            "spec": {"resourceAttributes": {**attributes, **({"subresource": subresource} if subresource else {})}},
        }
        asked = kind_of("SelfSubjectAccessReview")
        status, body, _ = self._send("POST", asked, None, None, body=review)
        answer = answer_object(status, body, verb="create", kind=asked, namespace=None, name=None)
        return value_at(answer, "status", "allowed") is True

    def get_raw(self, path: str, query: Mapping[str, str]) -> tuple[int, bytes]:
        """Return status and body of ``GET path``, for answers that are no objects."""
        answer = self._request("GET", path, query=query)
        return answer.status, answer.data

    def ask_pod(self, namespace: str, pod: str, port: int, path: str, *, timeout_s: float) -> bytes:
        """Return the body of ``GET path`` from a port on a pod's loopback. Needs ``create`` on ``pods/portforward``.

        Raises ClusterUnreachable for any other status than 200.
        """
        status, body = self.ask_pod_for(namespace, pod, port, path, timeout_s=timeout_s)
        if status != _OK:
            raise ClusterUnreachable(
                f"port-forward to pod {namespace}/{pod}:{port}: GET {path}: expected status 200, found {status}"
            )
        return body

    def ask_pod_for(
        self, namespace: str, pod: str, port: int, path: str, *, timeout_s: float, headers: str = ""
    ) -> tuple[int, bytes]:
        """Return status and body of ``GET path``, as ``ask_pod``. headers: further header lines with their ends."""
        return pod_get(
            self._api.configuration,
            namespace=namespace,
            pod=pod,
            port=port,
            path=path,
            authorization=self._headers().get("authorization"),
            timeout_s=timeout_s,
            headers=headers,
        )

    def close(self) -> None:
        """Close all connections."""
        self._api.rest_client.pool_manager.clear()

    def _bring(
        self, before: JsonObject | None, after: JsonObject | None, *, dry_run: bool, subresource: str
    ) -> Written | None:
        if after is None:
            if before is None:
                return None
            self.delete(before, dry_run=dry_run)
            return Written(resource=before)
        if before is None:
            return self.create(after, dry_run=dry_run)
        return None if after == before else self.replace(after, dry_run=dry_run, subresource=subresource)

    def _write(
        self,
        method: str,
        resource: JsonObject,
        *,
        dry_run: bool,
        grace_s: int | None = None,
        subresource: str = "",
    ) -> Written:
        """Send a change and audit it, whether it succeeds or not."""
        kind, metadata = kind_of(str(resource.get("kind"))), metadata_of(resource)
        namespace, name = metadata.get("namespace"), metadata["name"]
        query, body = change_request(method, resource, dry_run=dry_run, grace_s=grace_s)
        verb, started, status, after = _VERBS[method], time.time(), 0, ""
        warnings: tuple[str, ...] = ()
        try:
            target = None if method == "POST" else f"{name}/{subresource}" if subresource else name
            status, answer, warnings = self._send(method, kind, namespace, target, query=query, body=body)
            if method == "DELETE" and status == _MISSING:
                return Written(resource=resource)
            written = answer_object(status, answer, verb=verb, kind=kind, namespace=namespace, name=name)
            after = text_at(written, "metadata", "resourceVersion", default="")
            return Written(resource=written, warnings=warnings)
        finally:
            self._record(
                Audit(
                    at=started,
                    verb=verb,
                    kind=kind.name,
                    namespace=namespace or "",
                    name=name,
                    dry_run=dry_run,
                    before=metadata.get("resourceVersion", ""),
                    after=after,
                    status=status,
                    warnings=warnings,
                    latency_s=time.time() - started,
                )
            )

    def _send(
        self,
        method: str,
        kind: Kind,
        namespace: str | None,
        name: str | None,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
    ) -> tuple[int, bytes, tuple[str, ...]]:
        return self._answer(method, kind.path(namespace, name), query=query, body=body)

    def _answer(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: JsonObject | None = None
    ) -> tuple[int, bytes, tuple[str, ...]]:
        answer = self._request(method, path, query=query, body=body)
        return answer.status, answer.data, warnings_in(answer.headers.getlist("Warning"))

    def _request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: JsonObject | None = None,
        preload: bool = True,
        timeout_s: float | None = None,
    ) -> urllib3.BaseHTTPResponse:
        url = f"{self._host}{path}" + (f"?{urlencode(query)}" if query else "")
        try:
            answer: urllib3.BaseHTTPResponse = self._api.rest_client.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body),
                headers=self._headers(),
                timeout=urllib3.Timeout(total=timeout_s or self._timeout_s),
                retries=False,
                redirect=False,
                preload_content=preload,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterUnreachable(
                f"{method} {path}: no answer from {self._host} (context {self.context}): {no_answer(error)}"
            ) from error
        self._hear_the_time(answer.headers.get("Date"))
        if answer.status == _UNKNOWN_USER:
            self._renew_credentials()
        return answer

    def _renew_credentials(self) -> None:
        """Read the credentials again for the next request, because a token may have been replaced."""
        with suppress(ClusterError):
            renewed = self._load()
            self._api.rest_client.pool_manager.clear()
            self._api = renewed

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "Content-Type": "application/json", "User-Agent": "canary-harness"}
        for setting in self._api.configuration.auth_settings().values():
            if setting.get("value"):
                headers[setting["key"]] = setting["value"]
        return headers

    def _hear_the_time(self, date: str | None) -> None:
        if date:
            said = parsedate_to_datetime(date).timestamp()
            ahead = said - time.time()
            # The header has whole seconds, so a smaller difference cannot be told from none.
            self._ahead_s = 0.0 if -1.5 < ahead < 0.5 else ahead

    @property
    def _host(self) -> str:
        return str(self._api.configuration.host).rstrip("/")
