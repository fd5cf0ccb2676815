"""Access to a Prometheus server: names of environment variables and files, never the secrets themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSource:
    """Where a secret is read from when a request is made: an environment variable, or a file of one line."""

    env: str | None = None
    file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusAccess:
    """What a server requires of requests.

    scheme, credentials: how a request is authorised, and the secret: a bearer token, or ``user:password`` for basic.
    ca_file: the certificate authority of the server. client_cert_file, client_key_file: a client certificate in PEM.
    headers: further headers, such as the tenant of Mimir, Cortex or Thanos. headers_from: headers with secret values.
    forward: ``namespace/service`` of a Prometheus in the cluster, reached through the Kubernetes API; port: its port.
    """

    scheme: Literal["bearer", "basic"] = "bearer"
    credentials: SecretSource | None = None
    ca_file: Path | None = None
    client_cert_file: Path | None = None
    client_key_file: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers_from: Mapping[str, SecretSource] = field(default_factory=dict)
    forward: str | None = None
    port: int = 9090
