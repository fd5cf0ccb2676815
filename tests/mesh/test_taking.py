"""Files of a cluster are taken: what one machine lacks is left out with one warning each, and the rest is served."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest
from mesh_world import SUBSETS, VERSIONS, routes, topology

from harness.errors import ResourceError
from harness.mesh.local.checks import check_for_local_mesh
from harness.mesh.local.taking import Taken
from harness.mesh.local.topology import Topology, table_of
from harness.mesh.local.translation import translated
from harness.model.followed_istio import FollowedIstio
from harness.model.json import JsonObject, list_at, object_at, objects_at
from harness.routing.istio.reading import read_resources
from harness.routing.istio.warnings import warnings

TO_REVIEWS = "route: [{destination: {host: reviews}}]"
PORTS = {f"{name}-{version}": 9000 for name, versions in VERSIONS.items() for version in versions}
HEAD = "apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {metadata}\n"


def _rule(spec: str, metadata: str = "{name: rule}") -> str:
    lines = "\n".join(f"  {line}" for line in dedent(spec).strip().splitlines())
    return HEAD.format(kind="DestinationRule", metadata=metadata) + f"spec:\n{lines}\n"


def _taken(folder: Path, *texts: str, istio: FollowedIstio = FollowedIstio()) -> tuple[Taken, list[str], Topology]:  # noqa: B008 - frozen
    file = folder / "bad.yaml"
    file.write_text("\n---\n".join(dedent(text) for text in texts))
    resources, members = read_resources([file]), replace(topology(PORTS), istio=istio)
    found = check_for_local_mesh(resources, members)
    return found, list(warnings(resources, namespace="default", notes=found.notes)), members


def _routes(found: Taken, members: Topology, service: str = "reviews") -> list[JsonObject]:
    table = translated(found.resources, members, Path("unused")).tables[table_of("loadgenerator", service)]
    hosts = {host["name"]: host for host in objects_at(table, "virtual_hosts")}
    return objects_at(hosts[f"loadgenerator~{service}"], "routes")


def _cluster(found: Taken, members: Topology, name: str) -> JsonObject:
    return next(one for one in translated(found.resources, members, Path("unused")).clusters if one["name"] == name)


REVIEWS = "outbound|9080||reviews.default.svc.cluster.local"
ELSEWHERE = routes(f"- {TO_REVIEWS}").replace("{name: reviews}", "{name: reviews, namespace: shop}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("apiVersion: v1\nkind: Service\nmetadata: {name: s}", "spec: is left out: it selects no workload that runs here"),
        ("apiVersion: example.org/v1\nkind: VirtualService\nmetadata: {name: s}", "example.org/v1 VirtualService is left out"),
        (ELSEWHERE, "reviews is left out: no such service runs here"),
        (routes(f"- {TO_REVIEWS}", host="checkout"), "checkout is left out: no such service runs here"),
        (routes(f"- {TO_REVIEWS}").replace("  hosts: [reviews]", "  hosts: [reviews]\n  gateways: [ingress]"), "the Gateway ingress is not among the files"),
        (routes(f"- {TO_REVIEWS}").replace("  http:", "  tcp: [{route: [{destination: {host: reviews}}]}]\n  http:"), "spec.tcp: is left out"),
        (routes(f"- {TO_REVIEWS}").replace("  http:", "  exportTo: [shop]\n  http:"), "it is for shop, and callers are in default"),
        (routes(f"- match: [{{headers: {{'@request.auth.claims.sub': {{exact: x}}}}}}]\n  {TO_REVIEWS}\n- {TO_REVIEWS}"), "reads no JWT claims"),
        (routes(f"- mirror: {{host: reviews}}\n  mirrorPercent: 10\n  {TO_REVIEWS}"), "mirrorPercent is deprecated"),
        (routes(f"- corsPolicy: {{allowOrigin: ['*']}}\n  {TO_REVIEWS}"), "read as exact allowOrigins"),
        (routes(f"- retries: {{attempts: 1, retryRemoteLocalities: true}}\n  {TO_REVIEWS}"), "this machine is one locality"),
        (routes("- route: [{destination: {host: checkout}}]"), "leads to checkout, which does not run here: those requests get 503"),
        (routes("- delegate: {name: x}"), "there is no VirtualService of that name without hosts"),
        (HEAD.format(kind="VirtualService", metadata="{name: d}") + f"spec: {{http: [{{{TO_REVIEWS}}}]}}", "no route delegates to it"),
        (_rule("host: checkout"), "checkout does not run here"),
        (_rule("host: reviews.default.svc.cluster.local", "{name: rule, namespace: shop}"), "callers in default use rules of default and istio-system"),
        (_rule("host: reviews\ntrafficPolicy: {tls: {mode: ISTIO_MUTUAL}}"), "ISTIO_MUTUAL is left out"),
        (_rule("host: reviews\ntrafficPolicy: {outlierDetection: {consecutiveErrors: 5}}"), "ignored by Istio"),
        (_rule("host: reviews\ntrafficPolicy: {loadBalancer: {localityLbSetting: {enabled: true}}}"), "one locality"),
        (_rule("host: reviews\ntrafficPolicy: {loadBalancer: {simple: ROUND_ROBIN, warmupDurationSecs: 10s}}"), "full share at once"),
        (_rule("host: reviews\ntrafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}"), "PASSTHROUGH is left out"),
        (HEAD.format(kind="ServiceEntry", metadata="{name: e, namespace: shop}") + "spec: {hosts: [e.example.com], exportTo: [.], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}", "it is for ., and callers are in default"),
        (_rule("host: reviews\nworkloadSelector: {matchLabels: {app: x}}"), "rules for some callers only"),
    ],
)  # fmt: skip
def test_what_one_machine_lacks_gets_one_warning_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    """Nothing is silently left out, and nothing of it refuses the file."""
    found, lines, members = _taken(tmp_path, text)
    assert [line for line in lines if message in line and f"{tmp_path / 'bad.yaml'}:" in line] == lines
    assert len(lines) == 1
    translated(found.resources, members, Path("unused"))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([routes("- route: [{destination: {host: reveiws}}]")], "unknown host 'reveiws', did you mean reviews.default"),
        ([routes("- route: [{destination: {host: reviews.default}}]")], "Istio completes only names without a dot"),
        ([_rule("host: reveiws")], "unknown host 'reveiws'"),
        ([routes("- route: [{destination: {host: reviews, subset: v7}}]"), SUBSETS], "unknown subset 'v7'"),
        (
            [routes(f"- {TO_REVIEWS}"), routes(f"- {TO_REVIEWS}").replace("{name: reviews}", "{name: other}")],
            "merge them",
        ),
    ],
)
def test_a_real_mistake_is_still_one(tmp_path: Path, texts: Sequence[str], message: str) -> None:
    """A slip of the keyboard is no service of another place."""
    with pytest.raises(ResourceError, match=r"bad\.yaml:") as caught:
        _taken(tmp_path, *texts)
    assert message in str(caught.value)


def test_names_that_are_merely_similar_are_services_of_elsewhere(tmp_path: Path) -> None:
    """reviews2 and review are other services."""
    for host in ("reviews2", "review", "ratings-db"):
        _, lines, _ = _taken(tmp_path, routes(f"- {TO_REVIEWS}", host=host))
        assert "no such service runs here" in lines[0]


def test_as_istio_serves_an_unknown_subset_and_the_older_of_two_owners(tmp_path: Path) -> None:
    """The route leads to a cluster that does not exist, so Envoy answers 503; the second owner is ignored."""
    first = routes("- route: [{destination: {host: reviews, subset: v7}}]")
    second = routes("- directResponse: {status: 200}").replace("{name: reviews}", "{name: other}")
    found, lines, members = _taken(tmp_path, first, second, istio=FollowedIstio(as_istio=True))
    assert [object_at(route, "route")["cluster"] for route in _routes(found, members)] == [
        REVIEWS.replace("||", "|v7|")
    ]
    assert any("unknown subset 'v7'" in line for line in lines)
    assert any("Istio takes the first" in line for line in lines)


def test_two_rules_of_a_host_are_joined(tmp_path: Path) -> None:
    """Subsets add up, the first of two with one name counts, and the first policy that there is."""
    first = _rule("host: reviews\nsubsets: [{name: a, labels: {version: v1}}]", "{name: one}")
    second = _rule(
        "host: reviews\ntrafficPolicy: {loadBalancer: {simple: RANDOM}}\n"
        "subsets: [{name: a, labels: {version: v2}}, {name: b, labels: {version: v3}}]", "{name: two}",
    )  # fmt: skip
    third = _rule("host: reviews\ntrafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}", "{name: three}")
    found, lines, members = _taken(tmp_path, first, second, third)
    assert not lines
    for subset, version in (("a", "v1"), ("b", "v3")):
        cluster = _cluster(found, members, REVIEWS.replace("||", f"|{subset}|"))
        (endpoint,) = objects_at(objects_at(object_at(cluster, "load_assignment"), "endpoints")[0], "lb_endpoints")
        assert object_at(endpoint, "metadata", "filter_metadata", "harness")["version"] == version
        assert cluster["lb_policy"] == "RANDOM"


def test_a_specific_host_goes_before_a_wildcard_and_the_longer_wildcard_first(tmp_path: Path) -> None:
    """The order of the files does not matter."""
    answer = "- directResponse: {{status: {}}}"
    texts = [
        routes(answer.format(201), host="'*.local'").replace("{name: '*.local'}", "{name: any}"),
        routes(answer.format(202), host="'*.default.svc.cluster.local'").replace(
            "{name: '*.default", "{name: '0.default"
        ),
        routes(answer.format(203)),
    ]
    found, _, members = _taken(tmp_path, *texts)
    status = {
        name: [object_at(one, "direct_response")["status"] for one in _routes(found, members, name)]
        for name in VERSIONS
    }
    assert status == {"productpage": [202], "details": [202], "ratings": [202], "reviews": [203]}


def test_a_rule_of_the_callers_namespace_goes_before_the_root_namespaces(tmp_path: Path) -> None:
    """A mesh-wide rule holds for hosts without any other."""
    everywhere = _rule(
        "host: '*.local'\ntrafficPolicy: {connectionPool: {tcp: {connectTimeout: 3s}}}",
        "{name: all, namespace: istio-system}",
    )
    own = _rule("host: reviews\ntrafficPolicy: {connectionPool: {tcp: {connectTimeout: 4s}}}")
    found, _, members = _taken(tmp_path, everywhere, own)
    assert _cluster(found, members, REVIEWS)["connect_timeout"] == "4s"
    assert _cluster(found, members, REVIEWS.replace("reviews", "ratings"))["connect_timeout"] == "3s"


def test_routes_of_a_delegate_stand_for_the_route_that_names_it(tmp_path: Path) -> None:
    """Both matches must hold, names are joined, and what the delegate does not set comes from the root."""
    root = routes(
        """
        - name: root
          match: [{uri: {prefix: /a}, headers: {x-user: {exact: me}}}]
          timeout: 2s
          delegate: {name: inner, namespace: team}
        - route: [{destination: {host: reviews}}]
        """
    )
    inner = HEAD.format(kind="VirtualService", metadata="{name: inner, namespace: team}") + dedent(
        """
        spec:
          http:
          - name: deep
            match: [{uri: {prefix: /a/b}}]
            route: [{destination: {host: reviews.default.svc.cluster.local}}]
          - match: [{uri: {prefix: /other}}]
            route: [{destination: {host: reviews.default.svc.cluster.local}}]
          - route: [{destination: {host: ratings.default.svc.cluster.local}}]
            timeout: 9s
        """
    )
    found, lines, members = _taken(tmp_path, root, inner)
    assert not lines
    deep, rest, last = _routes(found, members)
    assert (deep["name"], rest["name"], last["name"]) == ("root-deep", "root", "")
    assert object_at(deep, "match")["prefix"] == "/a/b"
    assert [one["name"] for one in objects_at(object_at(deep, "match"), "headers")] == ["x-user"]
    assert [object_at(one, "route")["timeout"] for one in (deep, rest)] == ["2s", "9s"]
    assert object_at(rest, "match")["prefix"] == "/a"


HASHES = [
    ("{httpHeaderName: x-user}", {"header": {"header_name": "x-user"}}, "RING_HASH"),
    ("{useSourceIp: true, maglev: {tableSize: 101}}", {"connection_properties": {"source_ip": True}}, "MAGLEV"),
    ("{httpCookie: {name: c, ttl: 5s, path: /}}", {"cookie": {"name": "c", "ttl": "5s", "path": "/"}}, "RING_HASH"),
    ("{httpQueryParameterName: q, ringHash: {minimumRingSize: 7}}", {"query_parameter": {"name": "q"}}, "RING_HASH"),
]


@pytest.mark.parametrize(("hashing", "policy", "balancer"), HASHES, ids=[one[0] for one in HASHES])
def test_consistent_hashing_becomes_a_balancer_and_a_hash_policy(
    tmp_path: Path, hashing: str, policy: JsonObject, balancer: str
) -> None:
    """A retry then goes to the same endpoint, as with istiod."""
    rule = _rule(f"host: reviews\ntrafficPolicy: {{loadBalancer: {{consistentHash: {hashing}}}}}")
    found, _, members = _taken(tmp_path, rule)
    assert _cluster(found, members, REVIEWS)["lb_policy"] == balancer
    (route,) = _routes(found, members)
    assert list_at(object_at(route, "route"), "hash_policy") == [policy]
    assert "retry_host_predicate" not in object_at(route, "route", "retry_policy")


def test_the_followed_version_decides_about_retries_of_503_and_hosts_of_copies(tmp_path: Path) -> None:
    """Istio before 1.24 retried 503 by default, and before 1.28 it marked copies with -shadow."""
    text = routes("- mirror: {host: ratings}\n  route: [{destination: {host: reviews}}]")
    for version, codes, marked in (((1, 23), [503], True), ((1, 27), [], True), ((1, 30), [], False)):
        found, _, members = _taken(tmp_path, text, istio=FollowedIstio(version=version))
        (route,) = (object_at(one, "route") for one in _routes(found, members))
        assert list_at(object_at(route, "retry_policy"), "retriable_status_codes") == codes
        (copies,) = objects_at(route, "request_mirror_policies")
        assert copies["disable_shadow_host_suffix_append"] is not marked
