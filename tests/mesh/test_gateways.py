"""Requests enter the local mesh through Gateways, as those of users do."""

from __future__ import annotations

import http.client
import shutil
import ssl
from pathlib import Path

import pytest
from mesh_world import SUBSETS, Answer, World, request, topology

from harness.errors import MeshError, ResourceError
from harness.mesh.local.checks import check_for_local_mesh
from harness.mesh.local.gateways import LocalEntry
from harness.routing.istio.reading import read_resources
from harness.routing.istio.routing import split_edits
from harness.routing.port import Split

DOOR = """
    apiVersion: networking.istio.io/v1
    kind: Gateway
    metadata: {name: door}
    spec:
      selector: {istio: ingress}
      servers:
      - port: {number: 80, name: web, protocol: HTTP}
        hosts: ["*.example.com"]
    """
BEHIND = """
    apiVersion: networking.istio.io/v1
    kind: VirtualService
    metadata: {name: shop}
    spec:
      hosts: [shop.example.com, elsewhere.example.org]
      gateways: [door]
      http:
      - match: [{uri: {prefix: /reviews}}]
        route: [{destination: {host: reviews, subset: v2}}]
      - route: [{destination: {host: productpage}}]
    """


def _through(world: World, path: str = "/", host: str = "shop.example.com") -> Answer:
    (url,) = world.mesh.gateways().values()
    return request(url, path, headers={"host": host})


def test_users_enter_by_host_and_path_and_the_mesh_does_not(world: World) -> None:
    """The routes of the gateway hold for its hosts only; a host that no server takes is a warning."""
    world.serve(DOOR, BEHIND, SUBSETS)
    assert _through(world, "/reviews/1").workload == "reviews-v2"
    assert _through(world).workload == "productpage-v1"
    assert _through(world, host="other.example.com").status == 404
    assert {answer.workload for answer in world.times(12, "reviews")} > {"reviews-v2"}
    (warning,) = world.mesh.warnings()
    assert "elsewhere.example.org is left out: no HTTP server of default/door takes it" in warning
    world.serve(SUBSETS)
    assert world.mesh.gateways() == {}


@pytest.mark.parametrize("served_before", [True, False])
def test_what_envoy_refuses_at_a_new_gateway_is_told_with_its_reason(world: World, *, served_before: bool) -> None:
    """The routes of a gateway that was there before, which Envoy keeps for a while, are not taken for the new ones."""
    name = f"door.{served_before}".lower()
    behind = BEHIND.replace("[door]", f"[{name}]")
    if served_before:
        world.serve(behind, SUBSETS)
        world.serve(SUBSETS)
    with pytest.raises(ResourceError, match="Envoy rejected the configuration: invalid character class range"):
        world.serve(behind.replace("prefix: /reviews", r"regex: '/\p{Nope}'"), SUBSETS)
    assert world.mesh.gateways() == {}
    world.serve(behind, SUBSETS)
    assert _through(world, "/reviews/1").workload == "reviews-v2"


def test_routes_of_several_virtual_services_for_a_host_add_up(world: World) -> None:
    """Those that take every request come last, whatever the order of the files."""
    second = BEHIND.replace("{name: shop}", "{name: details}").replace("/reviews", "/details")
    second = second.replace("{host: reviews, subset: v2}", "{host: details}").replace(
        "      - route: [{destination: {host: productpage}}]\n", ""
    )
    world.serve(DOOR, BEHIND, second, SUBSETS)
    found = {path: _through(world, path).workload for path in ("/reviews", "/details", "/")}
    assert found == {"/reviews": "reviews-v2", "/details": "details-v1", "/": "productpage-v1"}


def test_a_split_behind_the_gateway_holds_for_users(world: World) -> None:
    """The VirtualService that is bound to the gateway and leads to the service is split."""
    world.serve(DOOR, BEHIND.replace(", subset: v2", ""), SUBSETS)
    split = Split(
        host="reviews", namespace="default", baseline={"version": "v1"}, canary={"version": "v3"},
        canary_share=0.5, owner="r1", gateway="door",
    )  # fmt: skip
    with world.mesh.changed(split_edits(world.mesh.resources(), split), name="split"):
        answers = [_through(world, "/reviews") for _ in range(40)]
        assert {answer.workload for answer in answers} == {"reviews-v1", "reviews-v3"}
        assert {answer.headers["x-harness-arm"] for answer in answers} == {"baseline", "canary"}
    assert "x-harness-arm" not in _through(world, "/reviews").headers


def test_load_gets_the_host_that_leads_to_the_entry(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a way in, the error says what to add."""
    world.serve(DOOR, BEHIND, SUBSETS)
    monkeypatch.setattr(world.mesh, "_entry", LocalEntry(service="productpage", gateway="door"))
    entry = world.mesh.entry()
    assert entry.headers == {"Host": "shop.example.com"}
    assert request(entry.url, headers=entry.headers).workload == "productpage-v1"
    monkeypatch.setattr(world.mesh, "_entry", LocalEntry(service="ratings", gateway="door"))
    with pytest.raises(MeshError, match=r"leads to ratings\.default\.svc\.cluster\.local, found none"):
        world.mesh.entry()
    monkeypatch.setattr(world.mesh, "_entry", LocalEntry(service="ratings", gateway="window"))
    with pytest.raises(MeshError, match="add an HTTP or HTTPS server to the Gateway, or a VirtualService with"):
        world.mesh.entry()


def test_a_gateway_of_elsewhere_is_taken_to_serve_http(world: World) -> None:
    """Most repositories keep the Gateway and the routes apart; one warning says what is assumed."""
    world.serve(BEHIND.replace("[door]", "[istio-system/door]"), SUBSETS)
    assert _through(world, host="elsewhere.example.org").workload == "productpage-v1"
    (warning,) = world.mesh.warnings()
    assert "istio-system/door is not among the files" in warning


HTTPS = DOOR.rstrip(" ").replace("number: 80, name: web, protocol: HTTP", "number: 443, name: web, protocol: HTTPS") + (
    "        tls: {mode: SIMPLE, credentialName: shop}\n"
)
PLAIN = "      - {{port: {{number: 80, name: plain, protocol: HTTP}}, hosts: ['*.example.com']{}}}\n"
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


@needs_openssl
def test_load_enters_by_https_where_a_gateway_takes_nothing_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate, which the harness makes, is valid for the address of the load and for the hosts of the server."""
    world.serve(HTTPS + PLAIN.format(", tls: {httpsRedirect: true}"), BEHIND, SUBSETS)
    monkeypatch.setattr(world.mesh, "_entry", LocalEntry(service="productpage", gateway="door"))
    entry = world.mesh.entry()
    assert (entry.url, entry.headers) == (world.mesh.gateways()["default/door:443"], {"Host": "shop.example.com"})
    context = ssl.create_default_context(cafile=entry.ca_file)
    connection = http.client.HTTPSConnection(entry.url.removeprefix("https://"), context=context, timeout=20)
    connection.request("GET", "/", headers=dict(entry.headers))
    assert connection.getresponse().status == 200
    connection.close()
    assert any("a certificate that the harness makes" in line for line in world.mesh.warnings())


@needs_openssl
def test_load_enters_by_http_where_a_gateway_takes_both(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS costs time that services do not take. A port that only redirects to HTTPS takes no load."""
    world.serve(HTTPS + PLAIN.format(""), BEHIND, SUBSETS)
    monkeypatch.setattr(world.mesh, "_entry", LocalEntry(service="productpage", gateway="door"))
    entry = world.mesh.entry()
    assert (entry.url, entry.ca_file) == (world.mesh.gateways()["default/door:80"], None)
    only = DOOR.split("      - port:", maxsplit=1)[0] + PLAIN.format(", tls: {httpsRedirect: true}")
    world.serve(only, BEHIND, SUBSETS)
    with pytest.raises(MeshError, match="found only a redirect to HTTPS: add an HTTP or HTTPS server"):
        world.mesh.entry()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("protocol: HTTP}", "protocol: HTTPS}", "expected tls for a server with the protocol HTTPS"),
        (
            'hosts: ["*.example.com"]',
            'hosts: ["*.example.com"]\n        tls: {mode: SIMPLE}',
            "SIMPLE needs a certificate",
        ),
        ("protocol: HTTP}", "protocol: HTPP}", "expected one of HTTP, HTTP2"),
        ("servers:", "sevrers:", "unknown field 'sevrers'"),
        (
            "servers:",
            "servers:\n      - {port: {number: 80, name: other, protocol: TCP}, hosts: ['*']}",
            "expected one protocol at port 80, found TCP and HTTP: use another port for one",
        ),
    ],
)
def test_a_wrong_gateway_is_refused_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    """A Gateway without a certificate is a mistake."""
    text = DOOR.replace(old, new)
    file = tmp_path / "door.yaml"
    file.write_text(text.replace("protocol: HTTP}", "protocol: HTTPS}") if "SIMPLE" in new else text)
    with pytest.raises(ResourceError, match=r"door\.yaml:\d+: Gateway door: spec") as caught:
        check_for_local_mesh(read_resources([file]), topology({}))
    assert message in str(caught.value)
