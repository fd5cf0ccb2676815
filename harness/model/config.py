"""The settings of ``harness.yaml`` as values; ``harness.config`` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import ConfigError
from harness.model.cluster import ClusterSettings
from harness.model.followed_istio import FollowedIstio
from harness.model.judge import JudgeSettings
from harness.model.load import Arrivals
from harness.model.objective import Objective
from harness.model.prometheus import PrometheusAccess
from harness.model.protocol import Protocol
from harness.model.publish import PublishSettings
from harness.model.release import ReleaseSettings
from harness.model.serve import ServeSettings
from harness.model.server_indicator import ServerIndicator
from harness.model.split import SplitBy
from harness.model.stand_in import Body


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One version of a service, and how to run it on this machine: by a command, or at an address that answers already.

    labels: the labels of its pods, which subsets and ``sourceLabels`` match.
    command, env: may contain ``{port}``, the port to listen on, and ``{port.NAME}`` for further ports of the service.
    All other placeholders are filled in already.
    address: ``host:port``; with a command, the address that the command listens on. A version without command and
    address can only be used on a cluster. folder: that the command runs in; None is the folder of harness.yaml.
    """

    service: str
    version: str
    labels: Mapping[str, str]
    command: tuple[str, ...] | None = None
    address: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    folder: Path | None = None

    @property
    def name(self) -> str:
        """The name of the workload, such as ``reviews-v2``."""
        return f"{self.service}-{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePort:
    """A further port of a service in the mesh. number: not that of a process."""

    number: int
    protocol: Protocol = Protocol.HTTP


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service of the mesh.

    port: the port of the service in the mesh, not of a process. health: a path that answers 2xx or 3xx when the
    service is ready. ready_within_s: how long it may take to become ready, in seconds.
    calls: for each environment variable that gets a URL, the service that the URL leads to. call_ports: for those of
    these variables whose URL leads to a further port, its number. external: for each variable, a host elsewhere.
    protocol: of its port, one of ``harness.model.protocol.Protocol``. ports: further ones, by name.
    """

    name: str
    port: int
    health: str
    calls: Mapping[str, str]
    versions: Mapping[str, Workload]
    ready_within_s: float = 30.0
    external: Mapping[str, str] = field(default_factory=dict)
    protocol: Protocol = Protocol.HTTP
    ports: Mapping[str, ServicePort] = field(default_factory=dict)
    call_ports: Mapping[str, int] = field(default_factory=dict)

    @property
    def called(self) -> dict[str, str]:
        """What the URL in each variable leads to: a service, one of its further ports (``name:port``), or a host."""
        inside = {
            variable: f"{name}:{self.call_ports[variable]}" if variable in self.call_ports else name
            for variable, name in self.calls.items()
        }
        return {**inside, **self.external}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSettings:
    """The load that is sent unless a scenario says otherwise. folders: where profiles are found by their name."""

    profile: str
    rate_rps: float
    arrivals: Arrivals
    folders: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseSettings:
    """The lengths of the phases unless a scenario says otherwise."""

    warm_up_s: float
    steady_s: float
    fault_s: float
    recovery_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """What ends a run at once.

    error_ceiling: the share of failed canary requests over five seconds, in (0, 1].
    misses: the number of polls in a row, one each second, without an answer from Prometheus or the API server.
    """

    error_ceiling: float = 0.9
    misses: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A value that Prometheus has for each arm, for objectives such as ``gauge:memory < +10%``.

    query: PromQL that gives one series. ``{version}``, ``{arm}``, ``{service}`` and ``{namespace}`` are replaced by
    those of the arm. unit: the unit of the values, for people.
    """

    name: str
    query: str
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The settings of ``harness.yaml``. Every path is absolute.

    service: the service under test. baseline, canary: versions of it. canary_share: the share of requests for the
    canary, in (0, 1); of copies, in (0, 1]. split_by: how requests are divided. entry: the service that load is sent
    to. target: where scenarios run unless an option says otherwise. services: in the order of the file. calibration:
    the noise of equal builds, from ``harness calibrate``. update_calibration: whether runs add theirs to that file.
    baseline_error_ceiling: as in ``JudgeSettings``. cluster: used on a cluster only. lines: the line of each key by its
    path, for errors that are found later. release: how harness release works. serve: what harness serve may start.
    stand_ins: bodies of what a replay plays. recorded_bytes: as in ``Topology``, by service.
    stage: the socket of the stage that the target stage uses. approve: the command that approves the build of the
    release whose gate this is; empty outside one. followed: which Istio the local mesh behaves like.
    gateway: that load comes through on this machine; None if it starts in the mesh.
    """

    file: Path
    service: str
    namespace: str
    baseline: str
    canary: str
    canary_share: float
    entry: str
    services: Mapping[str, Service]
    istio: tuple[Path, ...]
    load: LoadSettings
    phases: PhaseSettings
    objectives: tuple[Objective, ...]
    judge: str
    alpha: float
    pass_score: float
    marginal_score: float
    prometheus: str | None
    out: Path
    target: str = "local"
    split_by: SplitBy = SplitBy.WEIGHT
    gauges: tuple[Gauge, ...] = ()
    indicators: tuple[ServerIndicator, ...] = ()
    publish: PublishSettings = field(default_factory=PublishSettings)
    guards: GuardSettings = field(default_factory=GuardSettings)
    baseline_error_ceiling: float = JudgeSettings().baseline_error_ceiling
    calibration: Path | None = None
    update_calibration: bool = False
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    recorded_env: tuple[str, ...] = ()
    release: ReleaseSettings | None = None
    serve: ServeSettings = field(default_factory=ServeSettings)
    stage: Path | None = None
    approve: str = ""
    gateway: str | None = None
    followed: FollowedIstio = field(default_factory=FollowedIstio)
    stand_ins: Mapping[str, tuple[Body, ...]] = field(default_factory=dict)
    recorded_bytes: Mapping[str, int] = field(default_factory=dict)
    prometheus_access: PrometheusAccess = field(default_factory=PrometheusAccess)
    lines: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)

    @property
    def root(self) -> Path:
        """The folder of the file. Commands run in it."""
        return self.file.parent

    @property
    def same_settings(self) -> bool:
        """Whether both arms run the same command in the same folder and environment, so that they are one build."""
        versions = self.services[self.service].versions
        one, other = versions[self.baseline], versions[self.canary]
        alike = (one.command, one.env, one.folder) == (other.command, other.env, other.folder)
        return one.command is not None and alike

    @property
    def call_names(self) -> tuple[str, ...]:
        """What can be called: each service by its name, and each of its further ports (``name:port``)."""
        further = (f"{one.name}:{port.number}" for one in self.services.values() for port in one.ports.values())
        return (*self.services, *further)

    def workload(self, service: str, version: str) -> Workload:
        """Return a version of a service. Raises ConfigError that lists the known ones."""
        known = self.services.get(service)
        if known is None or version not in known.versions:
            names = ", ".join(work.name for one in self.services.values() for work in one.versions.values())
            raise self.error("services", f"expected one of {names}, found {service}-{version}")
        return known.versions[version]

    def error(self, key: str, message: str) -> ConfigError:
        """Return an error about a key (``services.reviews.port``), with the line of the nearest key in the file."""
        parts = key.split(".")
        known = (".".join(parts[:size]) for size in range(len(parts), 0, -1))
        line = next((self.lines[part] for part in known if part in self.lines), None)
        return ConfigError(message, file=self.file, line=line, path=key)
