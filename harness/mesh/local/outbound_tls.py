"""TLS that callers' proxies start to a host outside the mesh (DestinationRule ``tls: {mode: SIMPLE}``)."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

from harness.errors import MeshError
from harness.model.json import JsonObject, JsonValue
from harness.routing.istio.policy_types import ClientTLS

_CONTEXT = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
_SYSTEM = "system"
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def tls_socket(tls: ClientTLS, host: str) -> JsonObject:
    """Return Envoy's transport socket for connections to a host, whose certificate must be of its name.

    As in Istio, the system's certificates are trusted if the rule names none. Raises MeshError without any.
    """
    sni = tls.get("sni") or host
    common: JsonObject = {}
    if not tls.get("insecureSkipVerify"):
        trusted = tls.get("caCertificates") or _SYSTEM
        names: list[JsonValue] = [
            {"san_type": kind, "matcher": {"exact": name}}
            for name in tls.get("subjectAltNames") or [sni]
            for kind in ("DNS", "URI")
        ]
        common["validation_context"] = {
            "trusted_ca": {"filename": _system_bundle() if trusted == _SYSTEM else _existing(trusted, host)},
            "match_typed_subject_alt_names": names,
        }
    context: JsonObject = {"@type": _CONTEXT, "sni": sni, "common_tls_context": common}
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _existing(file: str, host: str) -> str:
    if not Path(file).is_file():
        raise MeshError(
            f"DestinationRule for {host}: expected the file {file} of tls.caCertificates on this machine, found none: "
            "put it there, or leave it out to trust the system's certificates"
        )
    return file


@cache
def _system_bundle() -> str:
    found = ssl.get_default_verify_paths().cafile
    for file in (*([found] if found else []), *_BUNDLES):
        if Path(file).is_file():
            return file
    raise MeshError(f"expected the system's certificates in one of {', '.join(_BUNDLES)}, found none: name a file")
