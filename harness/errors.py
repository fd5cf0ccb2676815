"""Every error this package raises on purpose, and what a caller does about it.

    HarnessError                    trouble of ours or of the environment     exit 12
    ├── UsageError                  the caller asked for the wrong thing      exit 2
    │   ├── ConfigError             harness.yaml: file, line, key
    │   ├── ResourceError           an Istio resource: file, line, path
    │   ├── ObjectiveError          an objective's text, with a caret
    │   ├── LoadProfileError        a load profile that is unknown or broken
    │   └── JudgeInputError         recorded numbers no judge can take
    ├── MissingExtra                an optional package is not installed
    ├── EnvoyError                  the proxy is missing, died or does not apply a configuration
    │   └── EnvoyRejection          Envoy rejected a configuration; holds its reason
    ├── ServiceError                a service process died or never became healthy
    ├── PortError                   a port that should be free is taken
    ├── LoadError                   the load generator failed
    ├── RecordError                 a bundle that cannot be written or read
    ├── MetricsError                a metrics server that does not answer as it should
    ├── MeshError                   the mesh did not take a change, or lost it
    │   ├── MeshDrift               somebody else changed what a run had set: what was measured is void
    │   ├── MeshGuard               a limit of the mesh was reached during a run, which ends it
    │   └── RollbackError           the world could not be put back
    └── ClusterError                the Kubernetes API refused or cannot be reached
        ├── ClusterConflict         the object is another one than was read
        ├── ClusterForbidden        a right is missing; the message holds the rule that grants it
        └── ClusterUnreachable      no answer, or one that may be different in a moment

    CanaryFinding (AssertionError)  the run worked; this is what it says about the service
    ├── CanaryRegression            verdict fail                              exit 1
    ├── CanaryMarginal              verdict marginal                          exit 10
    └── CanaryInconclusive          verdict inconclusive                      exit 11

A message says what was expected, what was found and what to do.
Errors of vendors' libraries are translated in ``harness.clients`` only, always with ``from``.
"""

from __future__ import annotations

from pathlib import Path


class HarnessError(Exception):
    """Trouble of the harness or its environment: there is no verdict."""

    exit_code = 12


class UsageError(HarnessError):
    """The caller asked for something that cannot be done as asked."""

    exit_code = 2


def located(message: str, *, file: Path | str | None, line: int | None, path: str | None) -> str:
    """``file:line: path: message``, leaving out what is unknown."""
    place = "" if file is None else str(file) if line is None else f"{file}:{line}"
    return ": ".join(part for part in (place, path or "", message) if part)


class _LocatedError(UsageError):
    def __init__(
        self,
        message: str,
        *,
        file: Path | str | None = None,
        line: int | None = None,
        path: str | None = None,
    ) -> None:
        """Name the place: ``file``, one-based ``line`` and the dotted ``path`` of the key."""
        super().__init__(located(message, file=file, line=line, path=path))
        self.file, self.line, self.path = file, line, path


class ConfigError(_LocatedError):
    """A key of ``harness.yaml`` is unknown, missing or wrong."""


class ResourceError(_LocatedError):
    """An Istio resource is invalid, contradicts another one or is not supported."""


class ObjectiveError(UsageError):
    """The text of an objective cannot be read; the message points at the character."""


class LoadProfileError(UsageError):
    """A load profile is unknown, does not import or asks for an impossible load."""


class JudgeInputError(UsageError):
    """Recorded numbers or a judge's configuration that no judge can take."""


class MissingExtra(HarnessError):
    """An optional package is not installed; the message holds the command that installs it."""

    def __init__(self, *, extra: str, package: str, purpose: str) -> None:
        """extra: the name in ``canary-harness[extra]``; purpose: what needs the package."""
        command = f"pip install 'canary-harness[{extra}]'"
        super().__init__(f"expected the package {package} for {purpose}, it is not installed; run: {command}")
        self.extra, self.package, self.command = extra, package, command


class EnvoyError(HarnessError):
    """Envoy is missing, died, or does not apply a configuration."""


class EnvoyRejection(EnvoyError):
    """Envoy rejected a configuration. reason: Envoy's own words."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Envoy rejected the configuration: {reason}")
        self.reason = reason


class ServiceError(HarnessError):
    """A service process could not be started, died, or never became healthy."""


class PortError(HarnessError):
    """A port that should be free is taken."""


class LoadError(HarnessError):
    """The load generator failed or sent nothing."""

    def __init__(self, summary: str, *, log: str = "") -> None:
        """summary: what happened, in one line. log: the last lines of the load generator's log, if they explain it."""
        super().__init__(f"{summary}; {log}" if log else summary)
        self.summary, self.log = summary, log


class RecordError(HarnessError):
    """A bundle cannot be written, is incomplete, or has an unknown format version."""


class MetricsError(HarnessError):
    """A metrics server did not answer, or answered something else than numbers."""


class MeshError(HarnessError):
    """The mesh did not take a change, or somebody else changed it meanwhile."""


class MeshDrift(MeshError):
    """Somebody else changed or undid what a run had set: what was measured since is of no known route."""


class MeshGuard(MeshError):
    """A limit of the mesh was reached, or somebody pulled its kill switch, during a run: the run ends, with what it has seen."""


class RollbackError(MeshError):
    """The world could not be put back; the message says how to do it by hand."""


class ClusterError(HarnessError):
    """The Kubernetes API refused a request or cannot be reached."""


class ClusterConflict(ClusterError):
    """The object changed since it was read, or one of that name exists already."""


class ClusterForbidden(ClusterError):
    """A right is missing; the message holds the rule that grants it."""


class ClusterUnreachable(ClusterError):
    """No answer in time, too many requests, expired credentials, or a server in trouble: worth another try."""


class CanaryFinding(AssertionError):
    """What a run found out about the service under test; never trouble of ours."""

    exit_code = 1


class CanaryRegression(CanaryFinding):
    """The canary was shown to be worse than the tolerance."""


class CanaryMarginal(CanaryFinding):
    """The canary is worse, but not shown to be beyond the tolerance: a person decides."""

    exit_code = 10


class CanaryInconclusive(CanaryFinding):
    """There was too little evidence, or a proof failed: a person decides."""

    exit_code = 11
