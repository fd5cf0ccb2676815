"""The settings of ``harness.yaml`` as values; ``harness.config`` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import ConfigError
from harness.model.cluster import ClusterSettings
from harness.model.load import Arrivals
from harness.model.objective import Objective
from harness.model.split import SplitBy


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One version of a service, and where it runs locally: a command to start, or an address that answers already.

    labels: of its pods; what subsets and ``sourceLabels`` match on.
    command and env may hold ``{port}``, the port it shall listen on; the rest is filled in.
    address: ``host:port``; with a command, where that listens. With neither it can only be used on a cluster.
    """

    service: str
    version: str
    labels: Mapping[str, str]
    command: tuple[str, ...] | None = None
    address: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The workload's name, as Bookinfo's deployments are called: ``reviews-v2``."""
        return f"{self.service}-{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service of the mesh.

    port: of the service in the mesh, not of a process. health: path that answers 2xx or 3xx when it is
    ready, which must be within ``ready_within_s`` seconds of its start.
    calls: name of the environment variable that takes the URL, and the service it leads to.
    """

    name: str
    port: int
    health: str
    calls: Mapping[str, str]
    versions: Mapping[str, Workload]
    ready_within_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSettings:
    """What is sent unless a scenario says otherwise. folders: where profiles are looked up by name."""

    profile: str
    rate_rps: float
    arrivals: Arrivals
    folders: tuple[Path, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseSettings:
    """Lengths of the phases unless a scenario says otherwise."""

    warm_up_s: float
    steady_s: float
    fault_s: float
    recovery_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardSettings:
    """What ends a run at once. error_ceiling: share of failed canary requests over five seconds, in (0, 1].

    misses: so many times in a row, once a second, may a guard find no answer (of Prometheus, of the API server).
    """

    error_ceiling: float = 0.9
    misses: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """What Prometheus says of an arm, for objectives such as ``gauge:memory < +10%``.

    query: PromQL that gives one series; ``{version}``, ``{arm}``, ``{service}`` and ``{namespace}`` in it are those
    of the arm that is asked for. unit: of its values, for people.
    """

    name: str
    query: str
    unit: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A whole ``harness.yaml``; every path in it is absolute.

    service: the one under test; baseline and canary are versions of it. canary_share: share of
    requests to the canary, in (0, 1), or of copies for it, in (0, 1]. split_by: how requests are shared out. entry: the service that load is sent to. services: in the
    order of the file. calibration: noise of equal builds, by ``harness calibrate``. cluster: used on a cluster only. lines: line of each key by its path, for errors found later.
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
    split_by: SplitBy = SplitBy.WEIGHT
    gauges: tuple[Gauge, ...] = ()
    guards: GuardSettings = field(default_factory=GuardSettings)
    calibration: Path | None = None
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    lines: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)

    @property
    def root(self) -> Path:
        """The folder of the file: commands run in it."""
        return self.file.parent

    def workload(self, service: str, version: str) -> Workload:
        """A version of a service. Raises ConfigError naming the known ones."""
        known = self.services.get(service)
        if known is None or version not in known.versions:
            names = ", ".join(work.name for one in self.services.values() for work in one.versions.values())
            raise self.error("services", f"expected one of {names}, found {service}-{version}")
        return known.versions[version]

    def error(self, key: str, message: str) -> ConfigError:
        """An error about a key (``services.reviews.port``), with the line of the nearest key that is in the file."""
        parts = key.split(".")
        known = (".".join(parts[:size]) for size in range(len(parts), 0, -1))
        line = next((self.lines[part] for part in known if part in self.lines), None)
        return ConfigError(message, file=self.file, line=line, path=key)
