"""Every error that this package raises on purpose, and the exit code that it leads to.

    HarnessError                    the harness or its environment is in trouble            exit 12
    ├── UsageError                  the caller asked for something impossible or unknown    exit 2
    │   ├── ConfigError             harness.yaml has a mistake: file, line, key
    │   ├── ResourceError           an Istio resource has a mistake: file, line, path
    │   ├── ObjectiveError          the text of an objective has a mistake, shown by a caret
    │   ├── LoadProfileError        a load profile is unknown or broken
    │   └── JudgeInputError         a judge cannot use its configuration or the recorded numbers
    ├── MissingExtra                an optional package is not installed
    ├── ShapeError                  a document of another program is not built as expected: path
    ├── EnvoyError                  the proxy is missing, died or does not apply a configuration
    │   └── EnvoyRejection          Envoy rejected a configuration: reason
    ├── ServiceError                a service process could not be started or never became healthy
    │   └── WorkloadDeath           a workload died or stopped answering: labels, how, log
    │       └── ArmDeath            it was one of the two arms of a run: arm
    ├── BuildError                  a build to release does not start or died: a finding about the build, exit 1
    ├── PortError                   a port that should be free is in use
    ├── LoadError                   the load generator failed: summary, log
    ├── RecordError                 a bundle cannot be written or read
    ├── CannotReplay                a recorded run cannot be repeated here; says what is missing  exit 11
    ├── NoticeError                 a message to an owner could not be delivered
    ├── MetricsError                a metrics server does not answer as it should
    │   └── MetricsRefusal          it refused a request or did not answer: query, status
    ├── MeshError                   the mesh did not accept a change, or lost it
    │   ├── MeshBusy                a change is live, so the resources cannot be replaced now
    │   ├── MeshDrift               someone else changed what a run had set, so its measurements are void
    │   ├── MeshGuard               a limit of the mesh was reached during a run, which ends it
    │   ├── MeshStale               the resources have changed since they were read: live
    │   ├── NotInForce              a change was accepted but is not seen to be in force
    │   └── RollbackError           a change could not be reverted
    └── ClusterError                the Kubernetes API refused a request or cannot be reached
        ├── ClusterConflict         the object is not the one that was read
        ├── ClusterForbidden        a right is missing; the message has the rule that grants it
        ├── ClusterShapeError       an object of the API server is not built as expected (also a ShapeError): subject
        ├── ClusterUnknownKind      the API server does not know a kind: kind
        └── ClusterUnreachable      there was no answer, or a later request may get a different one

    CanaryFinding (AssertionError)  the run worked and says something about the service
    ├── CanaryRegression            verdict fail                                            exit 1
    ├── CanaryMarginal              verdict marginal                                        exit 10
    └── CanaryInconclusive          verdict inconclusive                                    exit 11

A message says what was expected, what was found and what to do. Code that needs a part of a message reads a field of
the error instead. Errors of vendors' libraries are translated in ``harness.clients`` only, always with ``from``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.printable import printable
from harness.userinfo import without_userinfo


class HarnessError(Exception):
    """The harness or its environment is in trouble, so there is no verdict."""

    exit_code = 12

    def __str__(self) -> str:
        """Return the message without escape codes, which it may quote, and with URLs without user and password."""
        return printable(without_userinfo(super().__str__()))


class UsageError(HarnessError):
    """The caller asked for something that is impossible or unknown."""

    exit_code = 2


def located(message: str, *, file: Path | str | None, line: int | None, path: str | None) -> str:
    """Return ``file:line: path: message`` without the parts that are unknown."""
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
        """file: the file with the mistake. line: counted from 1. path: the dotted key."""
        super().__init__(located(message, file=file, line=line, path=path))
        self.file, self.line, self.path = file, line, path


class ConfigError(_LocatedError):
    """A key of ``harness.yaml`` is unknown, missing or wrong."""


class ResourceError(_LocatedError):
    """An Istio resource is invalid, contradicts another one or is not supported."""


class ObjectiveError(UsageError):
    """The text of an objective has a mistake; the message points at the character."""


class LoadProfileError(UsageError):
    """A load profile is unknown, does not import or asks for an impossible load."""


class JudgeInputError(UsageError):
    """A judge cannot use the recorded numbers or its configuration."""


class MissingExtra(HarnessError):
    """An optional package is not installed; the message has the command that installs it."""

    def __init__(self, *, extra: str, package: str, purpose: str) -> None:
        """extra: the name in ``canary-harness[extra]``. purpose: the feature that needs the package."""
        command = f"pip install 'canary-harness[{extra}]'"
        super().__init__(f"expected the package {package} for {purpose}, found none; run: {command}")
        self.extra, self.package, self.command = extra, package, command


class ShapeError(HarnessError, ValueError):
    """A JSON document of another program, such as an object of Kubernetes, does not have the expected structure.

    It is a ValueError too, as for a text that is not JSON at all. problem: what is wrong with the value. path: the
    dotted keys of the value; empty for the whole document.
    """

    def __init__(self, message: str, *, path: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.problem, self.path = message, path


class EnvoyError(HarnessError):
    """Envoy is missing, died, or does not apply a configuration."""


class EnvoyRejection(EnvoyError):
    """Envoy rejected a configuration. reason: the message of Envoy."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Envoy rejected the configuration: {reason}")
        self.reason = reason


class ServiceError(HarnessError):
    """A service process could not be started, died, or never became healthy."""


class WorkloadDeath(ServiceError):
    """A workload died, was killed or stopped answering.

    name: of the workload. labels: of its pods. how: what ended it, such as ``exit code 3``. log: its last lines.
    silent_s: for how many seconds it had not answered when that was noticed; 0 if it was noticed at once.
    """

    def __init__(self, *, name: str, labels: Mapping[str, str], how: str, log: str, silent_s: float = 0.0) -> None:
        super().__init__(f"{name}: expected a workload that keeps running; {how}" + (f"\n{log}" if log else ""))
        self.name, self.labels, self.how, self.log, self.silent_s = name, dict(labels), how, log, silent_s


class ArmDeath(WorkloadDeath):
    """One of the two arms of a run died. arm: ``baseline`` or ``canary``."""

    def __init__(self, arm: str, death: WorkloadDeath) -> None:
        super().__init__(name=death.name, labels=death.labels, how=death.how, log=death.log, silent_s=death.silent_s)
        self.arm = arm


class BuildError(HarnessError):
    """A build to release does not start, died, or has changed: a finding about the build, not about the harness."""

    exit_code = 1


class PortError(HarnessError):
    """A port that should be free is in use."""


class LoadError(HarnessError):
    """The load generator failed or sent nothing."""

    def __init__(self, summary: str, *, log: str = "") -> None:
        """summary: what happened, in one line. log: the last lines of the load generator's log, if they explain it."""
        super().__init__(f"{summary}; {log}" if log else summary)
        self.summary, self.log = summary, log


class RecordError(HarnessError):
    """A bundle cannot be written, is incomplete, or has an unknown format version."""


class CannotReplay(HarnessError):
    """A recorded run cannot be repeated on this machine; the message says what is missing."""

    exit_code = 11


class NoticeError(HarnessError):
    """A message to an owner could not be delivered by webhook or e-mail."""


class MetricsError(HarnessError):
    """A metrics server did not answer, or its answer has no numbers."""


class MetricsRefusal(MetricsError):
    """A metrics server refused a request, or did not answer it.

    query: what was asked. status: the HTTP status, 0 without an answer, -1 for an answer that cannot be used.
    wait_s: how long the server asked to wait before the next request.
    """

    def __init__(self, message: str, *, query: str, status: int, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.query, self.status, self.wait_s = query, status, wait_s


class MeshError(HarnessError):
    """The mesh did not accept a change, or someone else changed it in the meantime."""


class MeshBusy(MeshError):
    """A change is live, so the resources cannot be replaced: the undo of the change would be lost."""


class MeshStale(MeshError):
    """The resources have changed since they were read, so they must be read again.

    live: whether a change is live, which explains the difference and will be undone.
    """

    def __init__(self, message: str, *, live: bool = False) -> None:
        super().__init__(message)
        self.live = live


class MeshDrift(MeshError):
    """Someone else changed what a run had set, so it is unknown which route later measurements belong to."""


class MeshGuard(MeshError):
    """A limit of the mesh was reached during a run, or someone used its kill switch. The run ends."""


class NotInForce(MeshError):
    """A change was accepted, but what it was to change is as before: a run with such a fault proves nothing."""


class RollbackError(MeshError):
    """A change could not be reverted; the message says how to do it by hand."""


class ClusterError(HarnessError):
    """The Kubernetes API refused a request or cannot be reached."""


class ClusterConflict(ClusterError):
    """The object has changed since it was read, or an object of that name exists already."""


class ClusterForbidden(ClusterError):
    """A right is missing; the message has the rule that grants it."""


class ClusterRejected(ClusterError):
    """The API server knows the user and rejects the object: an admission policy, a quota, or the schema."""


class ClusterUnreachable(ClusterError):
    """The server did not answer in time, is overloaded or in trouble, or the credentials have expired. Try again."""


class ClusterShapeError(ClusterError, ShapeError):
    """An object of the API server does not have the expected structure. subject: such as ``Pod shop/reviews-v1``."""

    def __init__(self, message: str, *, subject: str, path: str) -> None:
        HarnessError.__init__(self, ": ".join(part for part in (subject, path, message) if part))
        self.problem, self.path, self.subject = message, path, subject


class ClusterUnknownKind(ClusterError):
    """The API server does not know a kind of objects: its CustomResourceDefinition is missing. kind: its name."""

    def __init__(self, message: str, *, kind: str) -> None:
        super().__init__(message)
        self.kind = kind


class CanaryFinding(AssertionError):
    """A run's finding about the service under test, never about the harness."""

    exit_code = 1

    def __str__(self) -> str:
        """Return the message without escape codes, which it may quote, and with URLs without user and password."""
        return printable(without_userinfo(super().__str__()))


class CanaryRegression(CanaryFinding):
    """The canary was shown to be worse than the tolerance."""


class CanaryMarginal(CanaryFinding):
    """The canary is worse, but not shown to exceed the tolerance. A person decides."""

    exit_code = 10


class CanaryInconclusive(CanaryFinding):
    """There was too little evidence, or a proof failed. A person decides."""

    exit_code = 11
