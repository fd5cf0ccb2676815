"""Where requests go and what is changed on the way."""

from __future__ import annotations

from collections import Counter

import pytest
from mesh_world import SUBSETS, World, routes

from harness.clients.processes.child import wait_until


def test_weights_share_out_the_requests(world: World) -> None:
    """80 to 20 of 400 requests, within what chance allows (six standard deviations)."""
    world.serve(
        SUBSETS,
        routes("""
        - route:
          - {destination: {host: reviews, subset: v1}, weight: 80}
          - {destination: {host: reviews, subset: v2}, weight: 20}
        """),
    )
    counts = Counter(answer.workload for answer in world.times(400, "reviews"))
    assert set(counts) == {"reviews-v1", "reviews-v2"}
    assert 32 <= counts["reviews-v2"] <= 128


def test_weights_are_relative(world: World) -> None:
    """They need not add up to 100; a weight of 0 gets nothing."""
    world.serve(
        SUBSETS,
        routes("""
        - route:
          - {destination: {host: reviews, subset: v1}, weight: 1}
          - {destination: {host: reviews, subset: v2}, weight: 1}
          - {destination: {host: reviews, subset: v3}}
        """),
    )
    counts = Counter(answer.workload for answer in world.times(100, "reviews"))
    assert set(counts) == {"reviews-v1", "reviews-v2"}
    assert 20 <= counts["reviews-v1"] <= 80


def test_a_destination_may_be_another_service(world: World) -> None:
    """A host may be answered by a service of another name."""
    world.serve(routes("- route: [{destination: {host: details.default.svc.cluster.local, port: {number: 9080}}}]"))
    assert world.get("reviews").workload == "details-v1"


def test_a_subset_without_endpoints_answers_503(world: World) -> None:
    """No endpoint has the subset's labels: no healthy upstream, as in Istio."""
    world.serve(SUBSETS, routes("- route: [{destination: {host: reviews, subset: gone}}]"))
    answer = world.get("reviews")
    assert (answer.status, answer.body) == (503, "no healthy upstream")


@pytest.mark.parametrize(
    ("rewrite", "match", "path", "arrived"),
    [
        ("{uri: /v2}", "/api", "/api/x?q=1", "/v2/x?q=1"),
        ("{uri: /}", "/api", "/api/x", "//x"),
        ("{uri: /}", "/api/", "/api/x", "/x"),
        ("{uriRegexRewrite: {match: '^/api/([^/]+)/(.*)$', rewrite: '/\\2/\\1'}}", "/api", "/api/a/b", "/b/a"),
    ],
)
def test_a_rewrite_changes_the_path(world: World, rewrite: str, match: str, path: str, arrived: str) -> None:
    """A prefix is replaced literally, so that ``/api`` to ``/`` gives ``//x``; an expression may swap parts."""
    world.serve(
        routes(f"""
        - match: [{{uri: {{prefix: {match}}}}}]
          rewrite: {rewrite}
          route: [{{destination: {{host: reviews}}}}]
        """)
    )
    assert world.get("reviews", path).seen["path"] == arrived


def test_a_rewrite_changes_the_host(world: World) -> None:
    """The service sees the authority of the rewrite."""
    world.serve(routes("- rewrite: {authority: example.org}\n  route: [{destination: {host: reviews}}]"))
    assert world.get("reviews").seen["headers"]["host"] == "example.org"


@pytest.mark.parametrize(
    ("redirect", "status", "location"),
    [
        ("{uri: /new}", 301, "http://{host}/new"),
        ("{uri: /new, redirectCode: 308}", 308, "http://{host}/new"),
        ("{authority: example.org, redirectCode: 302}", 302, "http://example.org/old/x"),
        ("{authority: example.org, scheme: https, port: 8443}", 301, "https://example.org:8443/old/x"),
        ("{authority: example.org, derivePort: FROM_REQUEST_PORT}", 301, "http://example.org:9080/old/x"),
        ("{prefixRewrite: /new}", 301, "http://{host}/new/x"),
    ],
)
def test_a_redirect_says_where_to_go(world: World, redirect: str, status: int, location: str) -> None:
    """Status and Location are as the redirect says; the service is not called."""
    world.serve(routes(f"- match: [{{uri: {{prefix: /old}}}}]\n  redirect: {redirect}"))
    answer = world.get("reviews", "/old/x")
    host = world.mesh.url("loadgenerator", "reviews").removeprefix("http://")
    assert (answer.status, answer.headers["location"]) == (status, location.format(host=host))
    assert not world.received


def test_a_direct_response_is_the_proxys_own(world: World) -> None:
    """Status, body and headers come from the route; bytes are decoded."""
    world.serve(
        routes("""
        - match: [{uri: {exact: /bytes}}]
          directResponse: {status: 200, body: {bytes: aGVsbG8=}}
        - directResponse: {status: 418, body: {string: tea}}
          headers: {response: {set: {content-type: text/tea}}}
        """)
    )
    answer = world.get("reviews")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (418, "tea", "text/tea")
    assert world.get("reviews", "/bytes").body == "hello"


@pytest.mark.parametrize(("percentage", "copies"), [("", 20), ("mirrorPercentage: {value: 0}", 0)])
def test_a_mirror_gets_copies_and_its_answers_are_dropped(world: World, percentage: str, copies: int) -> None:
    """Without a percentage every request is copied, with 0 none; the caller sees the first destination only."""
    world.serve(
        SUBSETS,
        routes(f"""
        - route: [{{destination: {{host: reviews, subset: v1}}}}]
          mirror: {{host: reviews, subset: v2}}
          {percentage}
        """),
    )
    assert {answer.workload for answer in world.times(20, "reviews")} == {"reviews-v1"}
    assert wait_until(lambda: world.received["reviews-v2"] >= copies, timeout_s=60)
    assert world.received["reviews-v2"] == copies


def test_several_mirrors_each_get_their_share(world: World) -> None:
    """``mirrors`` has a percentage of its own for each destination."""
    world.serve(
        SUBSETS,
        routes("""
        - route: [{destination: {host: reviews, subset: v1}}]
          mirrors:
          - {destination: {host: reviews, subset: v2}, percentage: {value: 100}}
          - {destination: {host: reviews, subset: v3}, percentage: {value: 50}}
        """),
    )
    world.times(60, "reviews")
    assert wait_until(lambda: world.received["reviews-v2"] >= 60, timeout_s=60)
    assert 8 <= world.received["reviews-v3"] <= 52


def test_header_operations_of_route_and_destination(world: World) -> None:
    """Set replaces, add appends, remove takes away, in both directions, on the route and on the destination."""
    world.serve(
        routes("""
        - headers:
            request: {set: {x-set: route}, add: {x-add: more}, remove: [x-gone]}
            response: {set: {x-own: replaced}, add: {x-added: one}}
          route:
          - destination: {host: reviews}
            headers:
              request: {set: {x-destination: "yes"}}
              response: {add: {x-added: two}, remove: [server]}
        """)
    )
    answer = world.get("reviews", headers={"x-set": "caller", "x-add": "first", "x-gone": "x"})
    seen = answer.seen["headers"]
    assert (seen["x-set"], seen["x-destination"], "x-gone" in seen) == ("route", "yes", False)
    assert (answer.headers["x-own"], answer.headers["x-added"]) == ("replaced", "two")
    assert world.get("reviews", headers={"x-add": "first"}).seen["headers"]["x-add"] in ("more", "first,more")


@pytest.mark.parametrize(
    ("second", "winner"), [("", "destination"), ("- {destination: {host: ratings}, weight: 1}", "route")]
)
def test_a_header_set_twice_is_the_destinations_unless_there_are_several(
    world: World, second: str, winner: str
) -> None:
    """With one destination its value wins, with several the route's, as in Istio."""
    world.serve(
        routes(f"""
        - headers: {{response: {{set: {{x-who: route}}}}}}
          route:
          - destination: {{host: reviews}}
            weight: 100
            headers: {{response: {{set: {{x-who: destination}}}}}}
          {second}
        """)
    )
    assert next(item for item in world.times(5, "reviews") if "reviews" in item.workload).headers["x-who"] == winner


def test_each_destination_has_header_operations_of_its_own(world: World) -> None:
    """Requests and answers carry those of the destination that was chosen."""
    world.serve(
        SUBSETS,
        routes("""
        - route:
          - destination: {host: reviews, subset: v1}
            weight: 50
            headers: {request: {set: {x-to: one, host: one.example}}, response: {add: {x-from: one}}}
          - destination: {host: reviews, subset: v2}
            weight: 50
            headers: {request: {set: {x-to: two}}, response: {add: {x-from: two}, remove: [x-own]}}
        """),
    )
    seen = {
        (item.workload, item.seen["headers"]["x-to"], item.headers["x-from"], item.seen["headers"]["host"], "x-own" in item.headers)
        for item in world.times(60, "reviews")
    }  # fmt: skip
    assert seen == {
        ("reviews-v1", "one", "one", "one.example", True),
        ("reviews-v2", "two", "two", "reviews:9080", False),
    }


def test_a_timeout_answers_504(world: World) -> None:
    """The route's timeout ends a slow call."""
    world.serve(routes("- timeout: 200ms\n  route: [{destination: {host: reviews}}]"))
    assert world.get("reviews", headers={"x-want-delay": "1.5"}).status == 504


def test_without_a_timeout_a_slow_call_is_waited_for(world: World) -> None:
    """Istio has no default timeout."""
    world.serve(routes("- route: [{destination: {host: reviews}}]"))
    assert world.get("reviews", headers={"x-want-delay": "0.5"}).status == 200


@pytest.mark.parametrize(
    ("retries", "status", "tries"),
    [
        ("{attempts: 3, retryOn: 5xx}", "503", 4),
        ("{attempts: 2, retryOn: 'gateway-error,500'}", "500", 3),
        ("{attempts: 2, retryOn: '404'}", "404", 3),
        ("{attempts: 0}", "503", 1),
        ("{attempts: 3}", "503", 1),
    ],
)
def test_retries_try_again_on_what_they_name(world: World, retries: str, status: str, tries: int) -> None:
    """Conditions and status codes may be mixed; the default conditions do not include a plain 503."""
    world.serve(SUBSETS, routes(f"- retries: {retries}\n  route: [{{destination: {{host: reviews, subset: v1}}}}]"))
    assert world.get("reviews", headers={"x-want-status": status}).status == int(status)
    assert sum(world.received.values()) == tries


def test_a_503_is_not_retried_by_default(world: World) -> None:
    """Istio's default retries are for broken connections."""
    assert world.get("ratings", headers={"x-want-status": "503"}).status == 503
    assert sum(world.received.values()) == 1


def test_a_retry_goes_to_another_endpoint(world: World) -> None:
    """Endpoints that were tried are left out, so one bad version of three is not seen."""
    world.serve(routes("- retries: {attempts: 3, retryOn: 5xx}\n  route: [{destination: {host: reviews}}]"))
    headers = {"x-want-status": "500", "x-only-on": "reviews-v1"}
    assert {answer.status for answer in world.times(30, "reviews", headers=headers)} == {200}


def test_a_timeout_per_try_starts_a_new_try(world: World) -> None:
    """Every try gets the time; the whole ends with a 504."""
    world.serve(
        SUBSETS,
        routes("""
        - retries: {attempts: 1, perTryTimeout: 150ms, retryOn: "5xx"}
          route: [{destination: {host: reviews, subset: v1}}]
        """),
    )
    assert world.get("reviews", headers={"x-want-delay": "0.8"}).status == 504
    assert sum(world.received.values()) == 2


def test_cors_answers_preflights(world: World) -> None:
    """A preflight from an allowed origin is answered by the proxy."""
    world.serve(
        routes("""
        - corsPolicy: {allowOrigins: [{exact: "http://shop.example"}], allowMethods: [GET, PUT], maxAge: 1h}
          route: [{destination: {host: reviews}}]
        """)
    )
    headers = {"origin": "http://shop.example", "access-control-request-method": "PUT"}
    answer = world.get("reviews", method="OPTIONS", headers=headers)
    assert (answer.status, answer.headers["access-control-allow-methods"]) == (200, "GET,PUT")
    assert answer.headers["access-control-max-age"] == "3600"
    assert not world.received


def test_unreachable_routes_are_warned_about(world: World) -> None:
    """A route after one that takes every request is valid in Istio, but hardly intended."""
    world.serve(
        routes("""
        - fault: {abort: {httpStatus: 555, percentage: {value: 100}}}
          route: [{destination: {host: reviews}}]
        - route: [{destination: {host: reviews}}]
        """)
    )
    assert world.get("reviews").status == 555
    (warning,) = world.mesh.warnings()
    assert warning.endswith(
        "resources.yaml:9: VirtualService default/reviews: spec.http[1]: is never reached: spec.http[0] takes every request"
    )


@pytest.mark.parametrize(
    ("http", "warning"),
    [
        ("- redirect: {uri: /x}\n  timeout: 1s", "http[0].timeout: has no effect next to a redirect: no request is forwarded"),
        ("- directResponse: {status: 200}\n  retries: {attempts: 1}", "http[0].retries: has no effect next to a directResponse"),
        ("- match: [{uri: {exact: '/a?b=1'}}]\n  redirect: {uri: /x}", "match[0].uri.exact: '/a?b=1' is never met"),
        ("- match: [{uri: {prefix: api}}]\n  redirect: {uri: /x}", "match[0].uri.prefix: 'api' is never met"),
        ("- match: [{uri: {prefix: ''}}]\n  redirect: {uri: /x}", ""),
    ],
)  # fmt: skip
def test_fields_without_effect_are_warned_about(world: World, http: str, warning: str) -> None:
    """Istio accepts them without a warning."""
    world.serve(routes(http))
    found = world.mesh.warnings()
    assert len(found) == bool(warning)
    assert warning in "".join(found)
