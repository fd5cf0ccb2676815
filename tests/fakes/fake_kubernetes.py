"""A fake Kubernetes API server on loopback, with sidecars behind its port-forward.

It answers as a real one was measured to: users and RBAC, versions and conflicts, schema, webhook and its
warnings, dry runs, watches. ``disturb`` makes it fail in every way that a network and a server can.
"""

from __future__ import annotations

import asyncio
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from pathlib import Path
from typing import Any

import yaml
from aiohttp import WSMsgType, web
from fake_store import PLURALS, Place, Refused, Store, status_of
from multidict import CIMultiDict

from harness.routing.istio import policies

ADMIN, ADMIN_TOKEN = "admin", "admin-token"
WRITES = ("POST", "PUT", "PATCH", "DELETE")
Rule = tuple[str, str, str, str]


@dataclass
class Call:
    """A request as it was authorised: verb, API group, resource (with subresource), namespace, name, user."""

    verb: str
    group: str
    resource: str
    namespace: str | None
    name: str | None
    user: str
    method: str
    dry_run: bool = False


@dataclass
class FakeKubernetes:
    """The server's state; change it freely while it runs. Use ``fake_kubernetes``."""

    store: Store = field(default_factory=Store)
    tokens: dict[str, str] = field(default_factory=lambda: {ADMIN_TOKEN: ADMIN})
    admins: set[str] = field(default_factory=lambda: {ADMIN})
    rules: dict[str, set[Rule]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    lag_s: float = 0.0
    deaf_pods: set[str] = field(default_factory=set)
    stale_policies: bool = False
    resizes: bool = True
    rejected_resizes: dict[str, str] = field(default_factory=dict)
    stuck_resize: dict[str, str] | None = None
    stopped_pods: dict[str, str] = field(default_factory=dict)
    request_totals: dict[str, str] = field(default_factory=dict)
    limited_totals: dict[str, str] = field(default_factory=dict)
    before: Callable[[Call], str | None] = lambda call: None
    after: Callable[[Call], str | None] = lambda call: None
    url: str = ""
    stuck_marks: dict[str, str] = field(default_factory=dict)
    ahead_s: int = 0
    probed_with: list[str] = field(default_factory=list)
    pod_answers: Callable[[str, str], tuple[int, bytes] | None] = lambda pod, request: None
    admin: Callable[[str, str], bytes | None] = lambda pod, path: None
    upstreams: dict[str, Any] = field(default_factory=dict)
    logs: dict[tuple[str, str, bool], str] = field(default_factory=dict)
    logged_at_s: float | None = None
    _seen: list[tuple[float, tuple[Any, ...]]] = field(default_factory=list)

    def kubeconfig(self, path: Path, *, token: str = ADMIN_TOKEN, context: str = "test") -> Path:
        """A kubeconfig file for one user."""
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": context,
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": context, "context": {"cluster": "fake", "user": "user", "namespace": "shop"}}],
        }
        path.write_text(yaml.safe_dump(document))
        return path

    def let_pass(self, seconds: int) -> None:
        """Move the server's clock forward; clients hear of it with their next answer."""
        self.ahead_s += seconds

    def put(self, *resources: Any) -> None:
        """Create or overwrite objects behind everybody's back."""
        for resource in resources:
            metadata = resource["metadata"]
            namespace = None if resource["kind"] == "Namespace" else metadata.get("namespace", "shop")
            place = Place(*_where(resource["kind"]), namespace, metadata["name"])
            if (there := self.object(resource["kind"], metadata["name"], namespace)) is not None:
                held = deepcopy(resource)
                held["metadata"]["resourceVersion"] = there["metadata"]["resourceVersion"]
                self.store.replace(place, held, strict=False, dry_run=False)
            else:
                self.store.create(place, deepcopy(resource), strict=False, dry_run=False)

    def object(self, kind: str, name: str, namespace: str | None = "shop") -> Any | None:
        """An object as stored, or None."""
        try:
            return self.store.get(Place(*_where(kind), namespace, name))
        except Refused:
            return None

    def objects(self, kind: str) -> list[Any]:
        """All objects of a kind."""
        return self.store.list(Place(*_where(kind), None, None), {})

    def specs(self) -> dict[str, Any]:
        """The specs of all Istio objects by kind and name: what must be as before in the end."""
        return {
            f"{kind}/{stored['metadata']['name']}": deepcopy(stored.get("spec"))
            for (group, _), kind in PLURALS.items()
            if group.endswith("istio.io")
            for stored in self.objects(kind)
        }

    def grant(self, user: str, token: str, rules: set[Rule]) -> None:
        """Let a user do what the rules (verb, group, resource, namespace) say, and nothing else."""
        self.tokens[token] = user
        self.rules[user] = rules

    def may(self, user: str, verb: str, group: str, resource: str, namespace: str | None) -> bool:
        """Whether RBAC allows it."""
        return user in self.admins or any(
            (rule[0], rule[1], rule[2]) == (verb, group, resource) and rule[3] in ("*", namespace or "")
            for rule in self.rules.get(user, ())
        )

    def config_dump(self, namespace: str, pod: str) -> Any:
        """Envoy's routes in a pod: those its labels select, of the resources as they were ``lag_s`` ago."""
        stored = self.object("Pod", pod, namespace)
        labels = (stored or {"metadata": {}})["metadata"].get("labels") or {}
        hosts = []
        for resource in self._as_of(time.monotonic() - self.lag_s) if pod not in self.deaf_pods else ():
            routes = [
                {"name": route.get("name", "default")}
                for route in resource.get("spec", {}).get("http", ())
                if any(_selects(block, labels, namespace) for block in route.get("match") or [{}])
            ]
            hosts.append({"name": f"{resource['spec']['hosts'][0]}:9080", "routes": routes})
        for route in self._http_routes() if pod not in self.deaf_pods else ():
            own = f"{namespace}.{route['metadata']['name']}"  # how istiod names a rule without a name
            rules = [{"name": rule.get("name", f"{own}.{at}")} for at, rule in enumerate(route["spec"]["rules"])]
            hosts.append({"name": route["metadata"]["name"], "routes": rules})
        dumped = [{"route_config": {"name": "9080", "virtual_hosts": hosts}}]
        return {
            "configs": [
                {"@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump", "dynamic_route_configs": dumped}
            ]
        }

    def _http_routes(self) -> list[Any]:
        """The HTTPRoutes, on a server that has the Gateway API."""
        return self.objects("HTTPRoute") if "HTTPRoute" in PLURALS.values() else []

    def clusters_dump(self) -> Any:
        """Envoy's clusters: one a service, and one a subset of every DestinationRule."""
        rules = {rule["spec"]["host"]: rule["spec"] for rule in self.objects("DestinationRule")}
        clusters = []
        for host in dict.fromkeys([*(item["metadata"]["name"] for item in self.objects("Service")), *rules]):
            spec = {} if self.stale_policies else rules.get(host, {})
            policy = policies.for_port(spec.get("trafficPolicy"), 9080)
            subsets = [("", None), *((item["name"], item) for item in rules.get(host, {}).get("subsets", ()))]
            for name, subset in subsets:
                own = None if subset is None or self.stale_policies else subset.get("trafficPolicy")
                fields = policies.cluster_fields(policies.for_subset(policy, own, 9080))
                clusters.append({"name": f"outbound|9080|{name}|{host}.shop.svc.cluster.local", **fields})
        kind = "type.googleapis.com/envoy.admin.v3.ClustersConfigDump.DynamicCluster"
        return {"configs": [{"@type": kind, "cluster": cluster} for cluster in clusters]}

    def listeners_dump(self, namespace: str, pod: str) -> Any:
        """Envoy's inbound listener in a pod: what EnvoyFilters and AuthorizationPolicies put into it."""
        stored = self.object("Pod", pod, namespace)
        labels = (stored or {"metadata": {}})["metadata"].get("labels") or {}
        filters = [
            {"name": item["patch"]["value"]["name"]}
            for made in self.objects("EnvoyFilter")
            if made["spec"].get("workloadSelector", {}).get("labels", {}).items() <= labels.items()
            for item in made["spec"]["configPatches"]
            if item["applyTo"] == "HTTP_FILTER"
        ]
        for made in self.objects("AuthorizationPolicy"):
            if made["spec"]["selector"]["matchLabels"].items() <= labels.items():
                name = f"ns[{made['metadata']['namespace']}]-policy[{made['metadata']['name']}]"
                rules = {f"{name}-rule[{number}]": {} for number, _ in enumerate(made["spec"]["rules"])}
                filters.append({"name": "envoy.filters.http.rbac", "typed_config": {"rules": {"policies": rules}}})
        if self.stale_policies:
            filters = []
        chain = {"filters": [{"name": "http_connection_manager", "typed_config": {"http_filters": filters}}]}
        listener = {"name": "virtualInbound", "filter_chains": [chain]}
        return {"configs": [{"name": "virtualInbound", "active_state": {"listener": listener}}]}

    def sync_statuses(self) -> Any:
        """What istiod sent to each proxy, and what that acknowledged: for a stopped one, the nonce named for it."""
        kinds = ("VirtualService", "DestinationRule", "EnvoyFilter")
        sent = ".".join(item["metadata"]["resourceVersion"] for kind in kinds for item in self.objects(kind)) or "none"
        return [
            {
                "proxy": f"{pod['metadata']['name']}.shop",
                **{f"{part}_sent": sent for part in ("cluster", "listener", "route")},
                **{
                    f"{part}_acked": self.stopped_pods.get(pod["metadata"]["name"], sent)
                    for part in ("cluster", "listener", "route")
                },
            }
            for pod in self.objects("Pod")
        ]

    def _as_of(self, moment: float) -> list[Any]:
        objects = tuple(deepcopy(item) for item in self.objects("VirtualService"))
        if self.lag_s == 0:
            return list(objects)
        versions = [item["metadata"]["resourceVersion"] for item in objects]
        if not self._seen or [item["metadata"]["resourceVersion"] for item in self._seen[-1][1]] != versions:
            self._seen.append((time.monotonic(), objects))
        older = [state for at, state in self._seen if at <= moment]
        return list(older[-1] if older else self._seen[0][1] if len(self._seen) > 1 else ())


def _where(kind: str) -> tuple[str, str, str]:
    """Group, version and plural of a kind."""
    group, plural = next(place for place, known in PLURALS.items() if known == kind)
    return group, "v1", plural


def _selects(block: Any, labels: Any, namespace: str) -> bool:
    if block.get("gateways"):
        return "mesh" in block["gateways"]
    wanted = block.get("sourceLabels") or {}
    return wanted.items() <= labels.items() and block.get("sourceNamespace", namespace) == namespace


@contextmanager
def fake_kubernetes(store: Store | None = None) -> Iterator[FakeKubernetes]:
    """A running server with the namespaces kube-system and shop; or with those of ``store``."""
    fake = FakeKubernetes(store=store or Store())
    if store is None:
        fake.put(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-system"}},
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": "shop", "labels": {"canary-harness": "enabled"}},
            },
        )
    loop, ready, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await _answer(fake, request)

    async def serve() -> None:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{tail:.*}", answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        ready.set()
        await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    if not ready.wait(10):
        raise RuntimeError("the fake API server did not start")
    try:
        yield fake
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


async def _answer(fake: FakeKubernetes, request: web.Request) -> web.StreamResponse:
    if (outside := _outside_the_api(fake, request)) is not None:
        return outside
    try:
        answer = await _route(fake, request)
    except Refused as refused:
        headers = {"Content-Type": "application/json", **refused.headers}
        answer = web.Response(status=refused.code, body=status_of(refused), headers=headers)
    if not answer.prepared:
        answer.headers["Date"] = formatdate(time.time() + fake.ahead_s, usegmt=True)
    return answer


def _outside_the_api(fake: FakeKubernetes, request: web.Request) -> web.Response | None:
    """What is no API server's: admin ports of proxies, istiod's debug port, and a gateway."""
    if request.path == "/version":
        return web.json_response({"major": "1", "minor": "36", "gitVersion": "v1.36.0"})
    if request.path.startswith("/admin/"):
        _, _, namespace, pod, rest = request.path_qs.split("/", 4)
        return web.Response(body=_admin(fake, namespace, pod, f"/{rest}"))
    if request.path == "/istiod/debug/syncz":
        return web.json_response(fake.sync_statuses())
    if request.path.startswith("/istiod/"):
        pod, namespace = request.query["proxyID"].split(".")
        dumps = (fake.config_dump(namespace, pod), fake.clusters_dump())
        return web.json_response(_camel({"configs": [config for dump in dumps for config in dump["configs"]]}))
    if request.path.startswith("/gateway/"):
        routes = [route for item in fake.objects("VirtualService") for route in item["spec"]["http"]]
        marks = fake.stuck_marks or routes[0]["route"][0].get("headers", {}).get("response", {}).get("set", {})
        fake.probed_with.append(request.headers.get("baggage", ""))
        return web.Response(text="hello", headers=marks)
    return None


def _camel(message: Any) -> Any:
    """A message as istiod writes it: names of fields in camel case."""
    if isinstance(message, list):
        return [_camel(item) for item in message]
    if not isinstance(message, dict):
        return message
    return {re.sub("_(.)", lambda found: found[1].upper(), name): _camel(value) for name, value in message.items()}


async def _route(fake: FakeKubernetes, request: web.Request) -> web.StreamResponse:
    user = fake.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer ").removeprefix("bearer "))
    if user is None:
        raise Refused(401, "Unauthorized", "Unauthorized")
    parts = request.path.strip("/").split("/")
    group, version, rest = ("", parts[1], parts[2:]) if parts[0] == "api" else (parts[1], parts[2], parts[3:])
    if not rest or group == "authorization.k8s.io":
        return _review(fake, user, await request.json()) if rest else _discovered(fake, group, version)
    namespace = None
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = rest[0], *[*rest[1:], None, None][:2]
    if (group, plural) not in PLURALS:
        raise Refused(404, "NotFound", "the server could not find the requested resource")
    place = Place(group, version, plural, namespace, name)
    query = request.query
    verb = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}[request.method]
    if request.method == "GET" and name is None:
        verb = "watch" if query.get("watch") == "true" else "list"
    resource = plural
    if subresource:
        resource, verb = f"{plural}/{subresource}", "create" if subresource == "portforward" else verb
    call = Call(verb, group, resource, namespace, name, user, request.method, query.get("dryRun") == "All")
    fake.calls.append(call)
    scope = name if plural == "namespaces" else namespace
    if not fake.may(user, verb, group, resource, scope):
        scope = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        about = f' "{name}"' if name else ""
        raise Refused(
            403,
            "Forbidden",
            f'{place.resource}{about} is forbidden: User "{user}" cannot {verb} resource "{resource}" '
            f'in API group "{group}" {scope}',
        )
    if subresource == "portforward":
        await _disturbed(fake.before(call), request)
        return await _forward(fake, request, namespace or "", name or "")
    if verb == "watch":
        return await _watch(fake, request, place)
    body = await request.json() if request.can_read_body else {}
    await _disturbed(fake.before(call), request)
    subresources = {
        "eviction": lambda: _evict(fake, place, body),
        "log": lambda: _log(fake, request, name or ""),
        "resize": lambda: _resize(fake, request, place, body),
    }
    answer = subresources.get(subresource or "", lambda: _carry_out(fake, request, place, body))()
    await _disturbed(fake.after(call), request)
    return answer


async def _disturbed(how: str | None, request: web.Request) -> None:
    """Fail as asked: a status, ``drop`` (close the connection), or ``hang``."""
    if how is None:
        return
    if how == "drop":
        if request.transport is not None:
            request.transport.abort()
        await asyncio.sleep(0.01)
        raise Refused(500, "InternalError", "dropped")
    if how == "hang":
        await asyncio.sleep(30)
    raise Refused(int(how), "Disturbed", f"disturbed with {how}", headers={"Retry-After": "1"} if how == "429" else {})


def _log(fake: FakeKubernetes, request: web.Request, pod: str) -> web.Response:
    """The last lines of a container's log, as the kubelet cuts them: the bytes are limited after the lines."""
    container, previous = request.query.get("container", ""), request.query.get("previous") == "true"
    log = fake.logs.get((pod, container, previous))
    if log is None:
        which = "previous terminated container" if previous else "container"
        raise Refused(400, "BadRequest", f'{which} "{container}" in pod "{pod}" not found')
    lines = log.splitlines(keepends=True)[-int(request.query.get("tailLines", "1000000")) :]
    if request.query.get("timestamps") == "true":
        stamp = datetime.fromtimestamp(fake.logged_at_s or time.time(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
        lines = [f"{stamp} {line}" for line in lines]
    return web.Response(body="".join(lines).encode()[: int(request.query["limitBytes"])])


def _evict(fake: FakeKubernetes, place: Place, body: Any) -> web.Response:
    options = body.get("deleteOptions") or {}
    fake.store.delete(place, options, dry_run=options.get("dryRun") == ["All"])
    return web.json_response({"kind": "Status", "apiVersion": "v1", "status": "Success"}, status=201)


def _resize(fake: FakeKubernetes, request: web.Request, place: Place, body: Any) -> web.Response:
    """Change the resources of containers and nothing else. The kubelet applies them, or says why it does not."""
    pod = deepcopy(fake.store.get(place))
    if why := fake.rejected_resizes.get(pod["metadata"]["name"]):
        raise Refused(422, "Invalid", f'Pod "{place.name}" is invalid: spec: Invalid value: {why}')
    pod["metadata"]["resourceVersion"] = body["metadata"]["resourceVersion"]
    asked = {one["name"]: one.get("resources") for one in body["spec"]["containers"]}
    for container in pod["spec"]["containers"]:
        if asked[container["name"]] is not None:
            container["resources"] = asked[container["name"]]
    if fake.stuck_resize is None:
        for status in pod["status"].get("containerStatuses") or ():
            status["resources"] = asked[status["name"]]
    elif fake.stuck_resize:
        pod["status"]["conditions"] = [fake.stuck_resize]
    return _carry_out(fake, request, place, pod)


def _carry_out(fake: FakeKubernetes, request: web.Request, place: Place, body: Any) -> web.Response:
    query, store, warnings = request.query, fake.store, []
    checks = {"strict": query.get("fieldValidation") == "Strict", "dry_run": query.get("dryRun") == "All"}
    match request.method:
        case "GET" if place.name is None:
            labels = dict(pair.split("=", 1) for pair in query.get("labelSelector", "").split(",") if pair)
            items = [store.view(item, place) for item in store.list(place, labels)]
            answer = {"kind": f"{place.kind}List", "metadata": {"resourceVersion": str(store.version)}, "items": items}
            return web.json_response(answer)
        case "GET":
            result = store.get(place)
        case "POST":
            result, warnings = store.create(place, body, **checks)
        case "PUT":
            result, warnings = store.replace(place, body, **checks)
        case "PATCH":
            result, warnings = store.patch(place, body, request.headers.get("Content-Type", ""), **checks)
        case _:
            # Options that come as a body are not read from the URL.
            dry_run = body.get("dryRun") == ["All"] if body else checks["dry_run"]
            gone = store.delete(place, body, dry_run=dry_run)
            about = {"name": place.name, "group": place.group, "kind": place.plural, "uid": gone["metadata"].get("uid")}
            return web.json_response({"kind": "Status", "apiVersion": "v1", "status": "Success", "details": about})
    quoted = [text.replace("\\", "\\\\").replace('"', '\\"') for text in warnings]
    headers = [("Warning", f'299 - "{text}"') for text in quoted]
    status = 201 if request.method == "POST" else 200
    return web.Response(
        status=status,
        body=json.dumps(store.view(result, place)).encode(),
        headers=CIMultiDict([("Content-Type", "application/json"), *headers]),
    )


def _discovered(fake: FakeKubernetes, group: str, version: str) -> web.Response:
    """The kinds of a group, which every user may read."""
    found = [{"name": plural, "kind": kind} for (known, plural), kind in PLURALS.items() if known == group]
    found += [{"name": "pods/resize", "kind": "Pod"}] if fake.resizes and not group else []
    if not found:
        raise Refused(404, "NotFound", "the server could not find the requested resource")
    named = f"{group}/{version}" if group else version
    return web.json_response({"kind": "APIResourceList", "groupVersion": named, "resources": found})


def _review(fake: FakeKubernetes, user: str, body: Any) -> web.Response:
    asked = body["spec"]["resourceAttributes"]
    resource = asked["resource"] + (f"/{asked['subresource']}" if asked.get("subresource") else "")
    allowed = fake.may(user, asked["verb"], asked["group"], resource, asked.get("namespace"))
    return web.json_response({**body, "status": {"allowed": allowed}}, status=201)


async def _watch(fake: FakeKubernetes, request: web.Request, place: Place) -> web.StreamResponse:
    since, end = (
        int(request.query.get("resourceVersion") or fake.store.version),
        time.monotonic() + float(request.query.get("timeoutSeconds", 60)),
    )
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    if since < fake.store.oldest:
        gone = json.loads(status_of(Refused(410, "Expired", f"too old resource version: {since}")))
        await response.write(json.dumps({"type": "ERROR", "object": gone}).encode() + b"\n")
        return response
    while time.monotonic() < end:
        for version, (group, plural, namespace, _), change, stored in list(fake.store.changes):
            if (
                version > since
                and (group, plural) == (place.group, place.plural)
                and place.namespace in (None, namespace)
            ):
                since = version
                await response.write(
                    json.dumps({"type": change, "object": fake.store.view(stored, place)}).encode() + b"\n"
                )
        await asyncio.sleep(0.01)
    return response


async def _forward(fake: FakeKubernetes, request: web.Request, namespace: str, pod: str) -> web.StreamResponse:
    """Port-forward to the pod's Envoy, as kubelet speaks it: channel 0 is data, 1 is errors, each begun by the port."""
    if fake.object("Pod", pod, namespace) is None:
        raise Refused(404, "NotFound", f'pods "{pod}" not found', {"name": pod})
    socket = web.WebSocketResponse(protocols=("v4.channel.k8s.io", "v5.channel.k8s.io"))
    await socket.prepare(request)
    port = int(request.query["ports"])
    if socket.closed or request.transport is None or request.transport.is_closing():
        return socket
    for channel in (0, 1):
        await socket.send_bytes(bytes([channel]) + port.to_bytes(2, "little"))
    received = b""
    async for message in socket:
        if message.type is not WSMsgType.BINARY:
            break
        received += message.data[1:]
        if b"\r\n\r\n" in received:
            path = received.split(b" ")[1].decode()
            own = fake.pod_answers(pod, received.decode())
            status, body = own or (200, _admin(fake, namespace, pod, path))
            head = f"HTTP/1.1 {status} OK\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
            await socket.send_bytes(b"\x00" + head.encode() + body)
            break
    await socket.close()
    return socket


def _admin(fake: FakeKubernetes, namespace: str, pod: str, path: str) -> bytes:
    if (real := fake.admin(pod, path)) is not None:
        return real
    if path.startswith("/clusters"):
        return json.dumps(fake.upstreams.get(pod, {})).encode()
    if path.startswith("/stats") and "server" in path:
        return fake.limited_totals.get(pod, "").encode()
    if path.startswith("/stats"):
        return fake.request_totals.get(pod, "").encode()
    if "dynamic_listeners" in path:
        return json.dumps(fake.listeners_dump(namespace, pod)).encode()
    clusters = "dynamic_active_clusters" in path
    return json.dumps(fake.clusters_dump() if clusters else fake.config_dump(namespace, pod)).encode()
