"""HTTPRoutes of the Gateway API in the local mesh: what istiod makes of them, and what Envoy then does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

import pytest
from mesh_world import VERSIONS, World, routes, topology

from harness.errors import MeshError, ResourceError, UsageError
from harness.mesh.local.checks import check_for_local_mesh
from harness.mesh.local.taking import Taken
from harness.mesh.local.topology import LOAD_GENERATOR, Topology, table_of
from harness.mesh.local.translation import translated
from harness.model.declared import Declared, Scope
from harness.model.json import JsonObject, object_at, objects_at, text_at
from harness.release.routed import require_routed_by
from harness.routing import APIS
from harness.routing.governed import GovernedRouting
from harness.routing.istio.api import IstioRouting
from harness.routing.istio.reading import Resources, read_resources
from harness.routing.istio.warnings import warnings
from harness.routing.port import Aim, NotExpressible, RouteChange, Split

PORTS = {f"{name}-{version}": 9000 for name, versions in VERSIONS.items() for version in versions}
V1, V2 = ({"app": "reviews", "version": version} for version in ("v1", "v2"))
HOST = "reviews.default.svc.cluster.local"


def service(version: str) -> str:
    """A Service for one version of reviews."""
    return (
        f"apiVersion: v1\nkind: Service\nmetadata: {{name: reviews-{version}}}\n"
        f"spec: {{selector: {{app: reviews, version: {version}}}, ports: [{{name: http, port: 9080}}]}}\n"
    )


def http_route(
    rules: str, *, name: str = "reviews", metadata: str = "", parent: str = "{kind: Service, group: '', name: reviews}"
) -> str:
    """An HTTPRoute of reviews with these rules (YAML of the list)."""
    lines = "\n".join(f"  {line}" for line in dedent(rules).strip().splitlines())
    return (
        f"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {name}{metadata}}}\n"
        f"spec:\n  parentRefs: [{parent}]\n  rules:\n{lines}\n"
    )


TO_V1, TO_V2 = (f"backendRefs: [{{name: reviews-{version}, port: 9080}}]" for version in ("v1", "v2"))


def read(folder: Path, *texts: str) -> Resources:
    """Resources of some YAML texts, with the Services of two versions."""
    file = folder / "routes.yaml"
    file.write_text("\n---\n".join((*texts, service("v1"), service("v2"))))
    return read_resources([file])


def taken(folder: Path, *texts: str) -> tuple[Taken, list[str], Topology]:
    """What is served of some resources, the warnings, and the topology."""
    resources, members = read(folder, *texts), topology(PORTS)
    found = check_for_local_mesh(resources, members)
    return found, list(warnings(resources, namespace="default", notes=found.notes)), members


def envoy_routes(folder: Path, *texts: str, host: str = "reviews") -> list[JsonObject]:
    """Envoy's routes of the load generator's calls to a service."""
    found, _, members = taken(folder, *texts)
    table = translated(found.resources, members, Path("unused")).tables[table_of(LOAD_GENERATOR, host)]
    hosts = {str(one["name"]): one for one in objects_at(table, "virtual_hosts")}
    return objects_at(hosts[f"{LOAD_GENERATOR}~{host}"], "routes")


def cluster(version: str) -> str:
    """The name of Envoy's cluster of the Service of a version."""
    return f"outbound|9080||reviews-{version}.default.svc.cluster.local"


def test_rules_apply_in_the_order_of_the_gateway_api(tmp_path: Path) -> None:
    """Exact before prefix before regex, then the longer path, a method, more headers, more parameters, the first rule."""
    conditions = [
        "{path: {type: RegularExpression, value: /long/regex/.*}}",
        "{}",
        "{path: {value: /a}}",
        "{path: {value: /a}, headers: [{name: x, value: '1'}]}",
        "{path: {value: /a}, queryParams: [{name: q, value: '1'}]}",
        "{path: {value: /a}, method: GET}",
        "{path: {value: /a/longer/}}",
        "{path: {type: Exact, value: /a}}",
        "{path: {value: /a}, queryParams: [{name: q, value: '2'}]}",
    ]
    rules = "\n".join(f"- {{name: r{index}, matches: [{one}], {TO_V1}}}" for index, one in enumerate(conditions))
    found = [text_at(one, "name") for one in envoy_routes(tmp_path, http_route(rules))]
    # Envoy needs no route after one that takes every request.
    assert ["r7", "r6", "r5", "r3", "r4", "r8", "r2", "r1"] == found


def test_the_rules_of_several_http_routes_are_one_list_with_the_oldest_first(tmp_path: Path) -> None:
    """Of equally specific matches, that of the older HTTPRoute applies."""
    newer = http_route(f"- {{name: new, {TO_V2}}}", name="a", metadata=", creationTimestamp: '2026-01-02T00:00:00Z'")
    older = http_route(f"- {{name: old, {TO_V1}}}", name="b", metadata=", creationTimestamp: '2026-01-01T00:00:00Z'")
    assert ["old"] == [text_at(one, "name") for one in envoy_routes(tmp_path, newer, older)]


def test_everything_in_a_rule_is_translated(tmp_path: Path) -> None:
    """Matches, weights, time-outs, retries, copies and changes of headers, as istiod translates them."""
    rule = """
        - name: all
          matches:
          - path: {value: /api/}
            method: GET
            headers: [{name: x-a, value: "1"}, {name: x-b, type: RegularExpression, value: "2.*"}]
            queryParams: [{name: q, value: "3"}]
          timeouts: {request: 5s, backendRequest: 2s}
          retry: {attempts: 4, codes: [500], backoff: 50ms}
          filters:
          - {type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: A, value: "1"}], remove: [b]}}
          - {type: ResponseHeaderModifier, responseHeaderModifier: {add: [{name: c, value: "2"}]}}
          - {type: URLRewrite, urlRewrite: {hostname: other, path: {type: ReplacePrefixMatch, replacePrefixMatch: /}}}
          - {type: RequestMirror, requestMirror: {backendRef: {name: reviews-v2, port: 9080}, percent: 10}}
          - {type: RequestMirror, requestMirror: {backendRef: {name: reviews-v1, port: 9080}, fraction: {numerator: 1, denominator: 8}}}
          backendRefs:
          - {name: reviews-v1, port: 9080, weight: 3, filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: arm, value: one}]}}]}
          - {name: reviews-v2, port: 9080}
          - {name: ratings, port: 9080, weight: 0}
        """
    route = envoy_routes(tmp_path, http_route(rule))[0]
    assert "/api" == object_at(route, "match")["path_separated_prefix"]
    assert ["x-a", "x-b", ":method"] == [one["name"] for one in objects_at(route, "match", "headers")]
    assert ["q"] == [one["name"] for one in objects_at(route, "match", "query_parameters")]
    assert ["a"] == [object_at(one, "header")["key"] for one in objects_at(route, "request_headers_to_add")]
    assert ["b"] == route["request_headers_to_remove"]
    action = object_at(route, "route")
    assert ("5s", "2s", 4, "0.05s") == (
        action["timeout"],
        *(object_at(action, "retry_policy")[name] for name in ("per_try_timeout", "num_retries")),
        object_at(action, "retry_policy", "retry_back_off")["base_interval"],
    )
    assert [500] == object_at(action, "retry_policy")["retriable_status_codes"]
    assert {"pattern": {"regex": "^/api(/?)(.*)"}, "substitution": r"/\2"} == action["regex_rewrite"]
    assert "other" == action["host_rewrite_literal"]
    copies = [
        (one["cluster"], object_at(one, "runtime_fraction", "default_value")["numerator"])
        for one in objects_at(action, "request_mirror_policies")
    ]
    assert [(cluster("v2"), 100_000), (cluster("v1"), 125_000)] == copies
    weighted = objects_at(action, "weighted_clusters", "clusters")
    assert [(cluster("v1"), 3), (cluster("v2"), 1)] == [(one["name"], one["weight"]) for one in weighted]
    assert "INTERNAL_SERVER_ERROR" == action["cluster_not_found_response_code"]


@pytest.mark.parametrize(
    ("redirect", "wanted"),
    [
        ("{}", {"response_code": "FOUND", "port_redirect": 9080}),
        ("{scheme: https, statusCode: 301}", {"response_code": "MOVED_PERMANENTLY", "scheme_redirect": "https"}),
        ("{hostname: other, port: 8080}", {"response_code": "FOUND", "host_redirect": "other", "port_redirect": 8080}),
        (
            "{scheme: http, path: {type: ReplacePrefixMatch, replacePrefixMatch: /new/}}",
            {"response_code": "FOUND", "scheme_redirect": "http", "prefix_rewrite": "/new"},
        ),
        (
            "{scheme: http, path: {type: ReplaceFullPath, replaceFullPath: /new}}",
            {"response_code": "FOUND", "scheme_redirect": "http", "path_redirect": "/new"},
        ),
    ],
)
def test_redirects(tmp_path: Path, redirect: str, wanted: JsonObject) -> None:
    """The default status is 302, and the port is that of the request unless the scheme changes."""
    rule = (
        f"- {{matches: [{{path: {{value: /old}}}}], filters: [{{type: RequestRedirect, requestRedirect: {redirect}}}]}}"
    )
    assert wanted == envoy_routes(tmp_path, http_route(rule))[0]["redirect"]


def test_a_rule_without_a_backend_that_can_answer_gives_500(tmp_path: Path) -> None:
    """Weights of zero are a 500 at once; a Service that does not run here is one by its missing cluster, with a note."""
    nobody = http_route("- backendRefs: [{name: reviews-v1, port: 9080, weight: 0}]")
    assert {"status": 500} == envoy_routes(tmp_path, nobody)[0]["direct_response"]
    _, lines, _ = taken(tmp_path, http_route("- backendRefs: [{name: gone, port: 80}]"))
    assert ["leads to gone.default.svc.cluster.local, which does not run here: those requests get 500"] == [
        line.partition("spec.rules[0]: ")[2] for line in lines
    ]


def test_a_route_for_one_port_leaves_other_ports_alone(tmp_path: Path) -> None:
    """Calls to a port that no parent names get the default route."""
    other = http_route(f"- {TO_V1}", parent="{kind: Service, group: '', name: reviews, port: 1234}")
    assert ["default"] == [text_at(one, "name") for one in envoy_routes(tmp_path, other)]


def test_a_service_of_kubernetes_adds_ports_to_one_of_harness_yaml(tmp_path: Path) -> None:
    """Routes can lead to each of them; all lead to the running workloads."""
    ports = service("v1").replace("reviews-v1", "reviews").replace(", version: v1", "")
    ports = ports.replace("ports: [{name: http, port: 9080}]", "ports: [{port: 9080}, {port: 9090}]")
    vs = routes("- route: [{destination: {host: reviews, port: {number: 9090}}}]")
    found, lines, members = taken(tmp_path, ports, vs)
    assert [] == lines
    served = translated(found.resources, members, Path("unused"))
    name = "outbound|9090||reviews.default.svc.cluster.local"
    (endpoints,) = [objects_at(one, "load_assignment", "endpoints") for one in served.clusters if one["name"] == name]
    assert 3 == len(objects_at(endpoints[0], "lb_endpoints"))


def test_a_service_that_an_http_route_routes_is_not_released(tmp_path: Path) -> None:
    """Proxies would ignore the VirtualService of the release."""
    resources = read(tmp_path, http_route(f"- {TO_V1}"))
    given = {"namespace": "default", "service": "reviews"}
    with pytest.raises(UsageError, match="reviews: HTTPRoute reviews routes it, so proxies would ignore"):
        require_routed_by(IstioRouting(), GovernedRouting(APIS), resources, **given)
    require_routed_by(IstioRouting(), GovernedRouting(APIS), resources, **{**given, "service": "ratings"})


def test_a_virtual_service_is_ignored_where_an_http_route_governs(tmp_path: Path) -> None:
    """With a warning that says what to do; other hosts of the VirtualService keep their routes."""
    both = routes("- {name: vs, route: [{destination: {host: ratings}}]}").replace("[reviews]", "[reviews, details]")
    files = (http_route(f"- {{name: gateway-api, {TO_V1}}}"), both)
    assert ["gateway-api"] == [text_at(one, "name") for one in envoy_routes(tmp_path, *files)]
    assert ["vs"] == [text_at(one, "name") for one in envoy_routes(tmp_path, *files, host="details")]
    _, (line,), _ = taken(tmp_path, *files)
    assert "proxies ignore the VirtualService reviews for calls in the mesh then: keep one of the two" in line


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (f"- {{fault: {{abort: {{}}}}, {TO_V1}}}", "an HTTPRoute has no faults"),
        (f"- {{retries: 1, {TO_V1}}}", "unknown field 'retries' Known: backendRefs"),
        ("- backendRefs: [{name: reviews-v1}]", "expected the port of the Service"),
        (f"- {{filters: [{{type: RequestRedirect, requestRedirect: {{}}}}], {TO_V1}}}", "a rule with a redirect"),
        (f"- {{filters: [{{type: ExtensionRef, extensionRef: {{}}}}], {TO_V1}}}", "ExtensionRef is not supported"),
        (f"- {{filters: [{{type: URLRewrite}}], {TO_V1}}}", "expected the field urlRewrite next to the type URLRewrite"),
        (f"- {{timeouts: {{request: 1s, backendRequest: 2s}}, {TO_V1}}}", "expected at most the time-out of the request"),
        (f"- {{matches: [{{path: {{value: api}}}}], {TO_V1}}}", "expected a path from /, found 'api'"),
        (
            "- {matches: [{path: {type: Exact, value: /a}}], filters: [{type: URLRewrite, urlRewrite: "
            f"{{path: {{type: ReplacePrefixMatch, replacePrefixMatch: /}}}}}}], {TO_V1}}}",
            "needs exactly one match, of type PathPrefix",
        ),
    ],
)  # fmt: skip
def test_mistakes_are_errors_with_their_place(tmp_path: Path, rule: str, message: str) -> None:
    """As the API server refuses them, and a fault with the way out."""
    with pytest.raises(ResourceError, match=r"routes\.yaml:\d+: HTTPRoute reviews: spec\.rules\[0\]") as found:
        taken(tmp_path, http_route(rule))
    assert message in str(found.value)


def split() -> Split:
    """Half of the requests to each version."""
    return Split(host="reviews", namespace="default", baseline=V1, canary=V2, canary_share=0.5, owner="r1")


def said(text: str, **scope: object) -> Aim:
    """An injection for all callers of reviews."""
    declared = Declared(id="f", kind="f", host="reviews", text=text, scope=Scope(every_caller=True, **scope))
    return Aim(declared=declared, namespace="default", owner="r1", index=0)


def test_a_service_of_an_http_route_is_split_counted_and_reverted(world: World) -> None:
    """The arms get Services of their own, answers carry their marks, and everything counts for the Service that is called."""
    world.serve(http_route("- {matches: [{path: {value: /api}}], backendRefs: [{name: reviews, port: 9080}]}"))
    before, counted = world.mesh.resources(), totals(world)
    edits = world.mesh.routing.split(before, split())
    assert ["Service", "Service", "HTTPRoute"] == [edit.kind for edit in edits]
    with world.mesh.changed(edits, name="split") as change:
        answers = world.times(60, "reviews", "/api/x")
        arms = Counter((one.headers["x-harness-arm"], one.workload) for one in answers)
        assert {("baseline", "reviews-v1"), ("canary", "reviews-v2")} == arms.keys()
        assert 60 == sum((totals(world) - counted).values())
        assert {"v1", "v2"} == (totals(world) - counted).keys()
        # A prefix ends where a segment ends: other paths have no rule, so the proxy answers.
        assert 404 == world.get("reviews", "/apix").status
    assert change.rollback is not None
    assert change.rollback.verified
    assert before == world.mesh.resources()
    assert not any("x-harness-arm" in one.headers for one in world.times(3, "reviews", "/api/x"))


def totals(world: World) -> Counter[str]:
    """Requests of the load generator to reviews, by the version that answered."""
    found: Counter[str] = Counter()
    for row in world.mesh.request_counts():
        if row.reporter == "source" and row.destination_service == HOST and row.source_workload == LOAD_GENERATOR:
            found[row.destination_version] += row.total
    return found


def test_a_delay_is_refused_by_name_and_a_time_out_works(world: World) -> None:
    """HTTPRoutes have no faults; a time-out is a field of its rules."""
    world.serve(http_route("- backendRefs: [{name: reviews, port: 9080}]"))
    routing, resources = world.mesh.routing, world.mesh.resources()
    refused = routing.change(resources, RouteChange(delay_s=1.0), said("delay(reviews, 1s)"))
    assert isinstance(refused, NotExpressible)
    assert "HTTPRoute default/reviews routes reviews, and HTTPRoutes have time-outs only" in refused.why
    edit = routing.change(resources, RouteChange(timeout_s=0.2), said("timeout(reviews, 200ms)"))
    assert not isinstance(edit, NotExpressible)
    slow = {"x-want-delay": "2"}
    with world.mesh.changed([edit], name="timeout"):
        assert 504 == world.get("reviews", headers=slow).status
    assert 200 == world.get("reviews", headers={"x-want-delay": "0.3"}).status


def test_what_nobody_serves_is_not_changed(world: World) -> None:
    """An edit of an HTTPRoute that routes nothing here is refused, because it would do nothing."""
    world.serve(http_route("- backendRefs: [{name: reviews, port: 9080}]"))
    edits: Sequence[object] = world.mesh.routing.split(world.mesh.resources(), split())
    world.serve(http_route("- backendRefs: [{name: reviews, port: 9080}, {name: ratings, port: 9080}]"))
    with pytest.raises(MeshError, match="somebody else edited it meanwhile"), world.mesh.changed(edits, name="s"):
        pass
