"""Start the local mesh: first Envoy, at ports that it chooses, then the services behind it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from harness.clients.envoy.binary import find_envoy
from harness.clients.envoy.process import Envoy, start_envoy
from harness.clients.otlp import SpanReceiver
from harness.mesh.local.checks import check_for_local_mesh
from harness.mesh.local.gateways import LocalEntry
from harness.mesh.local.journal import Journal
from harness.mesh.local.listeners import listeners
from harness.mesh.local.local_metrics import LocalMetrics
from harness.mesh.local.members import mesh_services
from harness.mesh.local.mesh import LocalMesh
from harness.mesh.local.process_actions import Services
from harness.mesh.local.rejections import rejections_located
from harness.mesh.local.topology import LOAD_GENERATOR, Caller, Topology
from harness.mesh.local.tracing import RUNTIME, receiver_cluster
from harness.mesh.local.translation import translated
from harness.mesh.services import ServiceSet, all_workloads, needed_workloads
from harness.model.config import Config, Workload
from harness.model.json import JsonObject
from harness.model.release import ARM_VERSIONS
from harness.routing.istio.names import MESH
from harness.routing.istio.reading import read_resources
from harness.scratch import scratch


@contextmanager
def start_local_mesh(
    config: Config,
    folder: Path,
    *,
    workloads: Literal["needed", "all"] = "needed",
    canary_env: Mapping[str, str] | None = None,
) -> Iterator[LocalMesh]:
    """Start the mesh of ``harness.yaml``; on exit, stop everything that was started.

    folder: where configurations, logs and the journal are written. workloads: those that the entry needs, or all.
    canary_env: additional environment variables of the canary.
    Raises ResourceError, EnvoyError, PortError or ServiceError.
    """
    config = _with_canary_env(config, canary_env or {})
    resources = read_resources(config.istio, namespace=config.namespace)
    chosen = needed_workloads(config) if workloads == "needed" else all_workloads(config)
    folder = folder.resolve()
    with ServiceSet(config, chosen, folder / "services") as services:
        topology = topology_of(config, services)
        with open_local_mesh(
            topology, resources, folder, entry=_entry(config), check=services.check, services=services
        ) as mesh:
            services.start(lambda workload, callee: mesh.url(workload.name, callee))
            yield mesh


@contextmanager
def open_stage(
    config: Config, workloads: Sequence[Workload], folder: Path, *, absent: Sequence[Workload] = ()
) -> Iterator[tuple[LocalMesh, ServiceSet]]:
    """Start a mesh to which processes can be added; on exit, stop everything.

    A process that is added later calls other services through the proxy of the arm that its labels name, else through
    that of its service's first workload. absent: workloads that may be added later, which get a proxy too.
    Load enters in the mesh, where a release divides the users, and at no gateway.
    """
    resources = read_resources(config.istio, namespace=config.namespace)
    folder = folder.resolve()
    with ServiceSet(config, workloads, folder / "services") as services:
        topology = topology_of(config, services)
        running = {workload.name for workload in workloads}
        missing = [workload for workload in absent if workload.name not in running]
        first = {workload.service: workload for workload in (*reversed(workloads), *missing)}
        arms = [
            Workload(service=one.service, version=version, labels={**one.labels, "version": version})
            for one in first.values()
            for version in ARM_VERSIONS.values()
        ]
        topology = replace(topology, callers=(*topology.callers, *(_caller(config, one) for one in (*missing, *arms))))

        def outbound(workload: Workload, callee: str) -> str:
            arm = next((one for one in arms if one.service == workload.service and one.labels == workload.labels), None)
            known = workload.name in running
            return mesh.url((workload if known else arm or first[workload.service]).name, callee)

        with open_local_mesh(
            topology, resources, folder, entry=config.entry, check=services.check, services=services
        ) as mesh:
            services.start(outbound)
            yield mesh, services


@contextmanager
def open_local_mesh(
    topology: Topology,
    resources: Sequence[JsonObject],
    folder: Path,
    *,
    entry: str | LocalEntry,
    check: Callable[[], None],
    services: Services | None = None,
) -> Iterator[LocalMesh]:
    """Start the proxies of a mesh; its services run, or will run, at the endpoints of ``topology``.

    folder: where configurations, logs and the journal are written. entry: the service that receives the load, or how
    load enters. check: called to raise an error when a service has died. services: whose processes actions may act on.
    Raises ResourceError, EnvoyError or PortError.
    """
    with (
        SpanReceiver() as receiver,
        scratch("harness-bodies-") as bodies,
        _proxies(topology, resources, folder, receiver, bodies) as envoy,
    ):
        journal = Journal(file=folder / "changes.jsonl")
        metrics = _metrics(envoy, services, folder, topology)
        with closing(metrics):
            yield LocalMesh(
                envoy,
                topology,
                resources,
                journal,
                entry=LocalEntry(service=entry) if isinstance(entry, str) else entry,
                check_services=check,
                metrics=metrics,
                services=services,
                receiver=receiver,
                bodies=bodies,
            )


def _proxies(
    topology: Topology, resources: Sequence[JsonObject], folder: Path, receiver: SpanReceiver, bodies: Path
) -> Envoy:
    """Return a running Envoy that serves the resources."""
    found, proxy = check_for_local_mesh(resources, topology), folder / "envoy"
    with rejections_located(resources, topology.namespace):
        return start_envoy(
            find_envoy(os.environ),
            proxy,
            listeners=listeners(topology, proxy, bodies),
            snapshot=translated(found.resources, topology, proxy.resolve()),
            clusters=[receiver_cluster(receiver.port)],
            runtime=RUNTIME,
        )


def _metrics(envoy: Envoy, services: Services | None, folder: Path, topology: Topology) -> LocalMetrics:
    def pids() -> dict[str, int]:
        return {name: process.pid for name, process in dict(services.processes).items()} if services else {}

    program = shutil.which("prometheus")
    return LocalMetrics(envoy.admin, pids, folder, namespace=topology.namespace, program=program)


def topology_of(config: Config, services: ServiceSet) -> Topology:
    """Return the topology: every running workload is an endpoint and a caller; the load generator calls them all."""
    running = services.workloads
    return Topology(
        namespace=config.namespace,
        istio=config.followed,
        recorded_bytes=config.recorded_bytes,
        callers=(
            Caller(
                workload=LOAD_GENERATOR,
                app=LOAD_GENERATOR,
                version="unknown",
                namespace=config.namespace,
                labels={"app": LOAD_GENERATOR},
                calls=config.call_names,
                any_service=True,
            ),
            *(_caller(config, workload) for workload in running),
        ),
        services=mesh_services(config, services, running),
    )


def _entry(config: Config) -> LocalEntry:
    gateway = config.gateway or MESH
    return LocalEntry(service=config.entry, gateway=gateway, is_under_test=config.entry == config.service)


def _caller(config: Config, workload: Workload) -> Caller:
    return Caller(
        workload=workload.name,
        app=workload.labels.get("app", workload.service),
        version=workload.labels.get("version", workload.version),
        namespace=config.namespace,
        labels=workload.labels,
        calls=tuple(dict.fromkeys(config.services[workload.service].called.values())),
    )


def _with_canary_env(config: Config, env: Mapping[str, str]) -> Config:
    if not env:
        return config
    service = config.services[config.service]
    canary = service.versions[config.canary]
    versions = {**service.versions, config.canary: replace(canary, env={**canary.env, **env})}
    return replace(config, services={**config.services, config.service: replace(service, versions=versions)})
