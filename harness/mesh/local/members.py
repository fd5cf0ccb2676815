"""The services of ``harness.yaml`` as members of the mesh, with the processes that run as their endpoints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.mesh.local.topology import Endpoint, Service
from harness.mesh.services import ServiceSet
from harness.model.config import Config, Workload


def mesh_services(config: Config, running: ServiceSet, workloads: Sequence[Workload]) -> tuple[Service, ...]:
    """Return a service for each port of each service of the configuration, its first port before the further ones.

    workloads: which of those that run are endpoints.
    """
    return tuple(_services(config, running, workloads))


def _services(config: Config, running: ServiceSet, workloads: Sequence[Workload]) -> Iterator[Service]:
    for service in config.services.values():
        own = [one for one in workloads if one.service == service.name]
        yield Service(
            name=service.name,
            namespace=config.namespace,
            port=service.port,
            protocol=service.protocol,
            endpoints=tuple(_endpoint(one, running.endpoints[one.name]) for one in own),
        )
        for name, port in service.ports.items():
            yield Service(
                name=service.name,
                namespace=config.namespace,
                port=port.number,
                protocol=port.protocol,
                endpoints=tuple(_endpoint(one, running.further[one.name][name]) for one in own),
            )


def _endpoint(workload: Workload, address: tuple[str, int]) -> Endpoint:
    host, port = address
    version = workload.labels.get("version", workload.version)
    return Endpoint(workload=workload.name, version=version, labels=workload.labels, host=host, port=port)
