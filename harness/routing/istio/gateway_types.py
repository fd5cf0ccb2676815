"""Istio's Gateway as typed dictionaries: the servers through which requests enter the mesh."""

from __future__ import annotations

from typing import Required, TypedDict

from harness.routing.istio.types import Metadata


class ServerPort(TypedDict, total=False):
    """The port that a server listens on."""

    number: Required[int]
    protocol: Required[str]
    name: str
    targetPort: int


class ServerTLS(TypedDict, total=False):
    """How a server speaks TLS."""

    mode: str
    httpsRedirect: bool
    credentialName: str
    credentialNames: list[str]
    serverCertificate: str
    privateKey: str
    tlsCertificates: list[dict[str, str]]


class Server(TypedDict, total=False):
    """One server of a Gateway: a port, and the hosts that it takes requests for."""

    port: Required[ServerPort]
    hosts: Required[list[str]]
    name: str
    tls: ServerTLS


class GatewaySpec(TypedDict, total=False):
    """The servers of a Gateway, and the labels of the pods that run them."""

    servers: Required[list[Server]]
    selector: dict[str, str]


class Gateway(TypedDict, total=False):
    """A whole Gateway."""

    apiVersion: Required[str]
    kind: Required[str]
    metadata: Required[Metadata]
    spec: Required[GatewaySpec]
