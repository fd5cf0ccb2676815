"""Invalid resources are errors with file, line and path, before anything changes."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from mesh_world import SUBSETS, routes

from harness.errors import ResourceError
from harness.routing.istio.checks import check_resources
from harness.routing.istio.reading import read_resources

TO_REVIEWS = "route: [{destination: {host: reviews}}]"
SERVICES = {f"{name}.default.svc.cluster.local": (9080,) for name in ("productpage", "details", "ratings", "reviews")}


def _check(folder: Path, *texts: str) -> None:
    file = folder / "bad.yaml"
    file.write_text("\n---\n".join(dedent(text) for text in texts))
    check_resources(read_resources([file]), services=SERVICES)


@pytest.mark.parametrize(
    ("http", "line", "message"),
    [
        ("- fault: {abort: {httpStatus: 500, percentage: {value: 150}}}\n  ROUTE", 7, "fault.abort.percentage.value: expected a percentage: 0, or from 0.0001 to 100, found 150"),
        ("- fault: {abort: {httpStatus: 500, percentage: {value: 0.00001}}}\n  ROUTE", 7, "expected a percentage: 0, or from 0.0001 to 100, found 1e-05"),
        ("- fault: {abort: {httpStatus: 500, percentage: {value: '50'}}}\n  ROUTE", 7, "found '50'"),
        ("- fault: {abort: {httpStatus: 500, percentage: {value: -1}}}\n  ROUTE", 7, "found -1"),
        ("- fault: {abort: {httpStatus: 500, percentage: {}}}\n  ROUTE", 7, "expected the field 'value', it is missing"),
        ("- fault:\n    delay:\n      fixedDelay: 5 seconds\n      percentage: {value: 10}\n  ROUTE", 9, "fault.delay.fixedDelay: expected a duration of whole milliseconds, at least 1ms, such as 250ms, 7s or 1m30s, found '5 seconds'"),
        ("- fault: {delay: {fixedDelay: 0.1ms, percentage: {value: 10}}}\n  ROUTE", 7, "found '0.1ms'"),
        ("- fault: {delay: {fixedDelay: 5, percentage: {value: 10}}}\n  ROUTE", 7, "found 5"),
        ("- fault: {delay: {percentage: {value: 10}}}\n  ROUTE", 7, "fault.delay: expected fixedDelay, it is missing: Istio would inject nothing"),
        ("- fault: {delay: {fixedDelay: 5s}}\n  ROUTE", 7, "fault.delay: expected percentage.value, it is missing: Istio would inject nothing"),
        ("- fault: {delay: {exponentialDelay: 5s, percentage: {value: 10}}}\n  ROUTE", 7, "exponentialDelay: is not supported by Istio"),
        ("- fault: {abort: {percentage: {value: 10}}}\n  ROUTE", 7, "fault.abort: expected httpStatus or grpcStatus, both are missing: Istio would inject nothing"),
        ("- fault: {abort: {httpStatus: 500}}\n  ROUTE", 7, "fault.abort: expected percentage.value, it is missing: Istio would inject nothing"),
        ("- fault: {abort: {httpStatus: 600, percentage: {value: 10}}}\n  ROUTE", 7, "expected an HTTP status from 200 to 599, found 600"),
        ("- fault: {abort: {httpStatus: '500', percentage: {value: 10}}}\n  ROUTE", 7, "expected an HTTP status from 200 to 599, found '500'"),
        ("- fault: {abort: {httpStatus: 500, grpcStatus: INTERNAL, percentage: {value: 10}}}\n  ROUTE", 7, "expected either httpStatus or grpcStatus, found both"),
        ("- fault: {abort: {grpcStatus: '14', percentage: {value: 10}}}\n  ROUTE", 7, "fault.abort.grpcStatus: expected one of OK, CANCELLED"),
        ("- fault: {}\n  ROUTE", 7, "expected a delay or an abort, found neither"),
        ("- fault: {abort: {httpStatus: 500, percentage: {value: 10}}}\n  redirect: {uri: /x}", 7, "expected no fault next to a redirect"),
        ("- fault: {abort: {httpStatus: 500, percentage: {value: 10}}}\n  directResponse: {status: 200}", 7, "expected no fault next to a directResponse"),
        ("- rewrite: {uri: /}\n  redirect: {uri: /x}", 7, "expected no rewrite next to a redirect"),
        ("- redirect: {uri: /x}\n  ROUTE", 7, "expected only one of route, redirect"),
        ("- name: nothing", 7, "expected a route, redirect or directResponse, found none"),
        ("- route: []", 7, "expected a route, redirect or directResponse, found none"),
        ("- route:\n  - {destination: {host: reviews}, weight: 0}\n  - {destination: {host: ratings}, weight: 0}", 7, "expected weights with a total above 0"),
        ("- route:\n  - {destination: {host: reviews}, weight: 80}\n  - {destination: {host: ratings}, weight: -20}", 9, "route[1].weight: expected a whole number"),
        ("- route: [{destination: {host: reviews, subset: v9}}]", 7, "unknown subset 'v9' of reviews.default.svc.cluster.local: its DestinationRule has v1, v2, v3, gone"),
        ("- route: [{destination: {host: ratings, subset: v1}}]", 7, "unknown subset 'v1' of ratings.default.svc.cluster.local: no DestinationRule gives it subsets"),
        ("- route: [{destination: {host: reveiws}}]", 7, "unknown host 'reveiws', did you mean reviews.default"),
        ("- route: [{destination: {host: reviews.default}}]", 7, "Istio completes only names without a dot; write reviews.default.svc.cluster.local or reviews"),
        ("- route: [{destination: {host: reviews, port: {number: 80}}}]", 7, "expected a port of reviews.default.svc.cluster.local: 9080, found 80"),
        ("- mirror: {host: ratinsg}\n  ROUTE", 7, "mirror.host: unknown host 'ratinsg'"),
        ("- mirrorPercentage: {value: 10}\n  ROUTE", 7, "expected a mirror with the percentage"),
        ("- fualt: {}\n  ROUTE", 7, "unknown field 'fualt'; did you mean 'fault'?"),
        ("- match: [{header: {a: {exact: b}}}]\n  ROUTE", 7, "unknown field 'header'; did you mean 'headers'?"),
        ("- match: [{uri: {exact: /a, prefix: /b}}]\n  ROUTE", 7, "expected one of exact, prefix and regex, found several"),
        ("- match: [{uri: {suffix: /a}}]\n  ROUTE", 7, "unknown field 'suffix'"),
        ("- match: [{uri: /a}]\n  ROUTE", 7, "expected a mapping with the fields exact, prefix, regex, found str '/a'"),
        ("- match: [{headers: {a: {exact: 1}}}]\n  ROUTE", 7, "match[0].headers.a.exact: expected a text, found 1"),
        ("- match: [{headers: {a: {prefix: ''}}}]\n  ROUTE", 7, "expected a prefix, found an empty text"),
        ("- match: [{uri: {regex: '/a('}}]\n  ROUTE", 7, "expected a regular expression, found '/a('"),
        ("- match: [{uri: {regex: '/(?!a)'}}]\n  ROUTE", 7, "RE2, which has no '(?!'"),
        ("- match: [{sourceLabels: {app: a}, gateways: [mesh]}]\n  ROUTE", 7, "expected no sourceLabels next to gateways: Istio ignores it there"),
        ("- timeout: 0s\n  ROUTE", 7, "timeout: expected a duration"),
        ("- timeout: 2562048h\n  ROUTE", 7, "timeout: expected a duration"),
        ('- redirect: {uri: "/a\\nb"}', 7, "redirect.uri: expected a value without control characters"),
        ('- rewrite: {uri: "/a\\nb"}\n  ROUTE', 7, "rewrite.uri: expected a value without control characters"),
        ("- retries: {attempts: 0, retryOn: 5xx}\n  ROUTE", 7, "expected attempts above 0"),
        ("- retries: {attempts: 2, retryOn: 5xxx}\n  ROUTE", 7, "found '5xxx'; known: 5xx,"),
        ("- rewrite: {}\n  ROUTE", 7, "expected uri, uriRegexRewrite or authority, found none"),
        ("- redirect: {uri: /x, redirectCode: 399}", 7, "expected one of 301, 302, 303, 307, 308, found 399"),
        ("- redirect: {}", 7, "expected a route, redirect or directResponse"),
        ("- directResponse: {status: 600}", 7, "expected an HTTP status from 200 to 599, found 600"),
        ("- headers: {response: {set: {x: 50%}}}\n  ROUTE", 7, "expected %% for a percent sign"),
        ("- headers: {response: {set: {host: a}}}\n  ROUTE", 7, "expected the name of a header that may be changed, found 'host'"),
        ("- headers: {response: {set: {x: 5}}}\n  ROUTE", 7, "headers.response.set.x: expected a text, found 5"),
        ("- match:\n  ROUTE", 7, "match: expected a list, found nothing"),
    ],
)  # fmt: skip
def test_a_wrong_route_is_refused_with_its_place(tmp_path: Path, http: str, line: int, message: str) -> None:
    """The error names the file, the line, the path and what would be right."""
    with pytest.raises(ResourceError) as caught:
        _check(tmp_path, routes(http.replace("ROUTE", TO_REVIEWS)), SUBSETS)
    assert str(caught.value).startswith(f"{tmp_path / 'bad.yaml'}:{line}: VirtualService reviews: spec.http[0]")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("host: reviews\n  subsets: [{name: v1}, {name: v1}]", "expected each subset once"),
        ("host: reviews\n  subsets: [{labels: {a: b}}]", "expected the field 'name', it is missing"),
        ("host: reviews\n  subsets: [{name: V_1}]", "expected small letters, digits and inner dashes"),
        ("host: reviews\n  trafficPolicy: {}", "expected at least one of connectionPool"),
        ("host: reviews\n  trafficPolicy: {connectionPool: {}}", "expected tcp or http, found neither"),
        ("host: reviews\n  trafficPolicy: {connectionPool: {tcp: {maxConnections: -1}}}", "expected a whole number"),
        ("host: reviews\n  trafficPolicy: {outlierDetection: {maxEjectionPercent: 101}}", "from 0 to 100, found 101"),
        ("host: reviews\n  trafficPolicy: {loadBalancer: {simple: FAIREST}}", "expected one of UNSPECIFIED"),
        ("host: reveiws", "unknown host 'reveiws'"),
        ("subsets: []", "expected the field 'host', it is missing"),
        ("host: reviews\n  subset: []", "unknown field 'subset'; did you mean 'subsets'?"),
    ],
)
def test_a_wrong_rule_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    """DestinationRules are looked at as closely as routes."""
    rule = f"apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: r}}\nspec:\n  {text}\n"
    with pytest.raises(ResourceError) as caught:
        _check(tmp_path, rule)
    assert f"{tmp_path / 'bad.yaml'}:" in str(caught.value)
    assert message in str(caught.value)


def test_two_virtual_services_for_one_host_are_refused(tmp_path: Path) -> None:
    """Istio would take the older one and ignore the other."""
    first = routes(f"- {TO_REVIEWS}")
    second = first.replace("{name: reviews}", "{name: other}").replace(
        "[reviews]", "[reviews.default.svc.cluster.local]"
    )
    with pytest.raises(ResourceError, match=r"bad\.yaml:14: .*VirtualService default/reviews has the host .* too"):
        _check(tmp_path, first, second)


def test_two_rules_for_one_host_and_different_namespaces_are_refused(tmp_path: Path) -> None:
    """Istio joins rules of one host, but not these: which one a caller gets depends on where it is."""
    other = dedent(SUBSETS).replace("{name: reviews}", "{name: other}") + "  exportTo: ['.']\n"
    with pytest.raises(ResourceError, match=r"DestinationRule default/reviews has the host .* for other namespaces"):
        _check(tmp_path, SUBSETS, other)


def test_unknown_services_are_not_checked_where_they_are_not_known(tmp_path: Path) -> None:
    """A cluster may have hosts that the harness does not know of."""
    file = tmp_path / "any.yaml"
    file.write_text(routes("- route: [{destination: {host: elsewhere.example.org}}]", host="anything"))
    check_resources(read_resources([file]))


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    """A person corrects them in one go."""
    with pytest.raises(ResourceError) as caught:
        _check(tmp_path, routes("- timeout: soon\n  retries: {attempts: many}\n  route: []\n  nmae: x"))
    assert len(str(caught.value).splitlines()) == 3
