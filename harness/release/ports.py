"""The port through which a release acts on the world. ``local`` and ``cluster`` implement it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from harness.model.release import Build, ReleaseStep, StepResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One service of a release: the new build and the running one.

    release: the mark of the release, part of the names of all it makes. identity: what exactly the build is, once it is
    known. stable: what ran before, in the form that puts it back, once it is known. first: nothing ran before, so both
    arms run the new build, and there is none to compare it with.
    """

    release: str
    build: Build
    identity: str = ""
    stable: str = ""
    first: bool = False

    @property
    def service(self) -> str:
        """The service."""
        return self.build.service


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the proxies counted of the requests of users to a service, by build: totals since they started."""

    requests: Mapping[str, int] = field(default_factory=dict)
    failed: Mapping[str, int] = field(default_factory=dict)


class World(Protocol):
    """Builds and routes of services. Every method may be repeated: it does what is not done yet."""

    def examine(self, pair: Pair) -> Pair:
        """Return the pair with all that is known before anything is changed, and lock the service for the release.

        Raises UsageError for a service that must not be released, with the reason.
        """
        ...

    def deploy(self, pair: Pair) -> Pair:
        """Start the new build and a fresh copy of the running one; return when both are ready, with the identity.

        If nothing runs yet, the copy is one of the new build too.

        Raises BuildError with the reason if the new build does not become ready.
        """
        ...

    def route(self, pair: Pair, share: float | None, header: Mapping[str, str] | None = None) -> None:
        """Send ``share`` of the users to the new build; None removes all routes of the release, and its lock.

        header: users with these headers get the new build whatever the share is.
        """
        ...

    def settle(self, pair: Pair, *, new: bool) -> None:
        """Make the stable Deployment run the new build, or the one before, and return when it is rolled out.

        If nothing ran before, the stable Deployment is made, or removed again.
        """
        ...

    def remove(self, pair: Pair) -> None:
        """Remove both arms. No user is routed to them any more."""
        ...


class Watch(Protocol):
    """What can be seen of a build that users get."""

    def look(self, pair: Pair) -> Seen:
        """Return what was counted. Raises BuildError if the new build died or is not ready."""
        ...


class Gate(Protocol):
    """Runs the scenarios of a step."""

    def check(self, pair: Pair, step: ReleaseStep, *, folder: Path, still: Callable[[], None]) -> StepResult:
        """Run them against the arms and return the worst result; its step and attempt are set by the caller.

        folder: where runs are recorded. still: called again and again; it raises when the gate must end.
        """
        ...
