"""Find mistakes in a Gateway: what Istio rejects."""

from __future__ import annotations

from collections.abc import Iterator

from harness.routing.istio.gateway_types import GatewaySpec, Server
from harness.routing.istio.shapes import At, Problem

HTTP_PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "HTTP_PROXY", "GRPC-WEB")
PROTOCOLS = (*HTTP_PROTOCOLS, "HTTPS", "TLS", "TCP", "MONGO")
_TLS = ("HTTPS", "TLS")
_TERMINATING = ("SIMPLE", "MUTUAL", "OPTIONAL_MUTUAL")
_CERTIFICATES = ("credentialName", "credentialNames", "serverCertificate", "tlsCertificates")


def gateway_problems(spec: GatewaySpec) -> Iterator[Problem]:
    """Yield what is wrong with the ``spec`` of a Gateway whose fields have the right shapes."""
    if not spec["servers"]:
        yield Problem(at=("spec", "servers"), message="expected at least one server, found none")
    first: dict[int, str] = {}
    for index, server in enumerate(spec["servers"]):
        at: At = ("spec", "servers", index)
        yield from _server_problems(server, at)
        number, protocol = server["port"]["number"], server["port"]["protocol"].upper()
        other = first.setdefault(number, protocol)
        if _family(protocol) != _family(other):
            message = f"expected one protocol at port {number}, found {other} and {protocol}: use another port for one"
            yield Problem(at=(*at, "port"), message=message)


def _family(protocol: str) -> str:
    """Return what the protocols have in common that can share a port."""
    return "HTTP" if protocol in HTTP_PROTOCOLS else "TLS" if protocol in _TLS else protocol


def _server_problems(server: Server, at: At) -> Iterator[Problem]:
    protocol, tls = server["port"]["protocol"].upper(), server.get("tls") or {}
    if protocol not in PROTOCOLS:
        message = f"expected one of {', '.join(PROTOCOLS)}, found {server['port']['protocol']!r}"
        yield Problem(at=(*at, "port", "protocol"), message=message)
    if not server["hosts"]:
        yield Problem(at=(*at, "hosts"), message="expected at least one host, or '*', found none")
    if protocol in _TLS and not tls:
        yield Problem(at=at, message=f"expected tls for a server with the protocol {protocol}, found none")
    if protocol == "HTTPS" and tls.get("httpsRedirect"):
        yield Problem(at=(*at, "tls", "httpsRedirect"), message="expected it on a server with the protocol HTTP only")
    if protocol in _TLS and tls.get("mode", "PASSTHROUGH") in _TERMINATING and not _has_certificate(server):
        message = (
            f"{tls['mode']} needs a certificate, found none: write credentialName (on this machine the harness makes a "
            "certificate itself)"
        )
        yield Problem(at=(*at, "tls"), message=message)


def _has_certificate(server: Server) -> bool:
    return any((server.get("tls") or {}).get(name) for name in _CERTIFICATES)
