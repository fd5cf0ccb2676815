"""Who is in the mesh: services with the endpoints of their versions, and the workloads that call them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.routing.istio.governing import fqdn

LOAD_GENERATOR = "loadgenerator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where one workload of a service answers; ``host`` is an address or a name."""

    workload: str
    version: str
    labels: Mapping[str, str]
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A service that can be called; ``port`` is its port in the mesh. Without endpoints it answers 503."""

    name: str
    namespace: str
    port: int
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def host(self) -> str:
        """The full name."""
        return fqdn(self.name, self.namespace)

    @property
    def authority(self) -> str:
        """The Host that callers send when they call it by its name."""
        return f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A workload with a sidecar. ``calls``: services that it reaches at a URL of their own, whatever the Host."""

    workload: str
    app: str
    version: str
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """Everybody in the mesh. ``namespace``: of the callers, and of resources that name none."""

    namespace: str
    callers: tuple[Caller, ...]
    services: tuple[Destination, ...]


def table_name(workload: str, service: str = "") -> str:
    """The name of a caller's route table, and of the listener that uses it; ``service`` for the URL of one service."""
    return f"{workload}~{service}" if service else workload
