"""The members of the mesh: services with the endpoints of their versions, and the workloads that call them."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.model.followed_istio import FollowedIstio
from harness.model.protocol import Protocol
from harness.routing.istio.names import MESH, fqdn

LOAD_GENERATOR = "loadgenerator"
CALL_HEADER = "x-harness-call"
"""Names the listener that took a request, inside Envoy only."""
_TABLES, _HTTP_PORT = 16, 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The address of one workload of a service; ``host`` is an IP address or a host name."""

    workload: str
    version: str
    labels: Mapping[str, str]
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service that workloads can call, at one of its ports; each further port is one more value with the same name.

    port: its port in the mesh, which speaks ``protocol``. endpoints: when there are none, calls get a 503.
    """

    name: str
    namespace: str
    port: int
    endpoints: tuple[Endpoint, ...] = ()
    protocol: Protocol = Protocol.HTTP

    @property
    def host(self) -> str:
        """The full name of the service."""
        return fqdn(self.name, self.namespace)

    @property
    def authority(self) -> str:
        """The Host header that callers send when they call the service by its name."""
        return self.name if self.port == _HTTP_PORT and "." in self.name else self.at_port

    @property
    def at_port(self) -> str:
        """Its name with its port, by which callers call a further port at a URL of its own."""
        return f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A workload with a sidecar.

    calls: the services, or further ports of services (``name:port``), that it reaches at a separate URL each, whatever
    Host header it sends. any_service: whether it
    also has a URL for all services, where the Host header chooses. gateway: ``mesh``, or the ``namespace/name`` of the
    gateway that it is.
    """

    workload: str
    app: str
    version: str
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    calls: tuple[str, ...] = ()
    any_service: bool = False
    gateway: str = MESH


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """All members of the mesh.

    namespace: the namespace of the callers, and of resources that do not name one. istio: which one it behaves like.
    recorded_bytes: up to how many bytes bodies of a service's answers are recorded, for those where they are.
    """

    namespace: str
    callers: tuple[Caller, ...]
    services: tuple[Service, ...]
    istio: FollowedIstio = field(default_factory=FollowedIstio)
    recorded_bytes: Mapping[str, int] = field(default_factory=dict)


def by_call(services: Sequence[Service]) -> dict[str, Service]:
    """Return the services by what callers call: the name for the first port, and the name with its port for each."""
    return {**{one.at_port: one for one in services}, **{one.name: one for one in services[::-1]}}


def listener_name(workload: str, service: str = "") -> str:
    """Return the name of a caller's listener.

    service: the one service that the listener's URL leads to; empty for the listener that serves all of them.
    """
    return f"{workload}~{service}" if service else workload


def table_of(workload: str, service: str = "") -> str:
    """Return the name of the route table that a caller's listener uses.

    Envoy needs one of the machine's few watches of files for each table, so the calls to services share a fixed number
    of tables. An edit for one service still changes one small table only.
    """
    return f"calls-{zlib.crc32(service.encode()) % _TABLES}" if service else workload
