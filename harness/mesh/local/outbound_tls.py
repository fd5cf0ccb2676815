"""TLS that callers' proxies start to a host outside the mesh (DestinationRule ``tls``: ``SIMPLE`` or ``MUTUAL``)."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path
from typing import Literal

from harness.errors import MeshError
from harness.model.json import JsonObject, JsonValue
from harness.routing.istio.policy_types import ClientTLS

_CONTEXT = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
_SYSTEM = "system"
STARTED = ("SIMPLE", "MUTUAL")
"""The modes in which a proxy speaks TLS to a host outside the mesh."""
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


def tls_socket(tls: ClientTLS, host: str) -> JsonObject:
    """Return Envoy's transport socket for connections to a host, whose certificate must be of its name.

    As in Istio, the system's certificates are trusted if the rule names none. With MUTUAL the server also gets the
    client's certificate. Raises MeshError for a file that is not there.
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
            "trusted_ca": {
                "filename": _system_bundle() if trusted == _SYSTEM else _existing(tls, "caCertificates", host)
            },
            "match_typed_subject_alt_names": names,
        }
    if tls["mode"] == "MUTUAL" and tls.get("clientCertificate"):
        certificate: JsonObject = {
            "certificate_chain": {"filename": _existing(tls, "clientCertificate", host)},
            "private_key": {"filename": _existing(tls, "privateKey", host)},
        }
        common["tls_certificates"] = [certificate]
    context: JsonObject = {"@type": _CONTEXT, "sni": sni, "common_tls_context": common}
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _existing(tls: ClientTLS, field: Literal["caCertificates", "clientCertificate", "privateKey"], host: str) -> str:
    file = tls.get(field, "")
    if not Path(file).is_file():
        otherwise = ", or leave it out to trust the system's certificates" if field == "caCertificates" else ""
        raise MeshError(
            f"DestinationRule for {host}: expected the file {file} of tls.{field} on this machine, found none: put it "
            f"there{otherwise}"
        )
    return file


@cache
def _system_bundle() -> str:
    found = ssl.get_default_verify_paths().cafile
    for file in (*([found] if found else []), *_BUNDLES):
        if Path(file).is_file():
            return file
    raise MeshError(f"expected the system's certificates in one of {', '.join(_BUNDLES)}, found none: name a file")
