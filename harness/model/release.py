"""A release: what it plans, how far it is, and what was recorded of it.

A release has a folder, which other programs may read at any time:

    <out>/releases/<release id>/
        release.json       the ``ReleaseRecord`` as JSON, with ``format_version`` 1. It is replaced atomically before
                           and after each operation, so a reader always finds a whole file. Enumerations are their
                           values, times are epoch seconds, shares are in [0, 1], paths are relative to the folder.
        journal.jsonl      one line for each operation that is about to be done, and one for its end:
                           {"at_s", "operation", "phase", "step", "done": false | true, "text"}
        decision-<n>.json  the decision of a person about the n-th hold (from 0): a ``Decision``. It is created once
                           and never replaced.
        end.json           a ``Decision``: somebody asked for the end of the release
        page.html          the release page
        gates/<step>-<attempt>-<service>/<run>/...   the run folder of a gate, as of every other session of pytest

``state.phase`` says what is being done or comes next; a release is over when ``state.over`` is true. A running release
replaces release.json at least every 5 seconds (``seen_s``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

FORMAT_VERSION = 1
ARM_VERSIONS: Mapping[str, str] = {"baseline": "harness-baseline", "canary": "harness-canary"}
"""The ``version`` label of the arms of a release; the pods of the running build have another one."""
ALIVE_WITHIN_S = 20.0
"""A release that is not over and whose ``seen_s`` is older has no process."""


FIRST = "no build was running, so the new one is judged by limits and by its own steady phase, without a comparison"
"""What people are told about the first release of a service."""


class Strategy(StrEnum):
    """How a release brings users to the new build."""

    CANARY = "canary"
    BLUE_GREEN = "blue-green"


class OnDoubt(StrEnum):
    """What happens when a step is neither passed nor failed."""

    HOLD = "hold"
    REJECT = "reject"


class BuildKind(StrEnum):
    """How a new build is named."""

    IMAGE = "image"
    VERSION = "version"
    REVISION = "revision"


class Phase(StrEnum):
    """What a release does now, or does next after an interruption."""

    EXAMINE = "examine"
    PIN = "pin"
    DEPLOY = "deploy"
    SHIFT = "shift"
    GATE = "gate"
    OBSERVE = "observe"
    HOLD = "hold"
    HELD = "held"
    SWITCH = "switch"
    PROMOTE = "promote"
    RETURN = "return"
    REMOVE = "remove"
    UNROUTE = "unroute"
    UNDO_ROUTE = "undo-route"
    UNDO_PROMOTE = "undo-promote"
    UNDO_REMOVE = "undo-remove"
    UNDO_UNROUTE = "undo-unroute"
    OVER = "over"


class Outcome(StrEnum):
    """How a release ended, or will have ended once it is undone."""

    PROMOTED = "promoted"
    REJECTED = "rejected"
    ABORTED = "aborted"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """The build to release of one service. name: an image, a version of harness.yaml, or a Git revision."""

    service: str
    kind: BuildKind
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseStep:
    """One step. weight: the share of the users that the new build gets, in [0, 1].

    scenarios: node ids or folders of pytest, all of which must pass. observe_s: how long the new build must then stay
    healthy while users send requests to it. max_errors: the share of failed answers of users that fails it. header:
    names and exact values; users with these headers get the new build in this step whatever the weight is.
    """

    weight: float
    scenarios: tuple[str, ...] = ()
    observe_s: float = 0.0
    max_errors: float | None = None
    header: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSettings:
    """The ``release`` section of harness.yaml.

    promote_command: what brings the build to the stable Deployment instead of the harness; empty: the harness does.
    build_command: what makes a checked-out Git revision ready to run. first: services that may have no running build
    yet, with the file of the Deployment to make; empty on this machine.
    """

    strategy: Strategy = Strategy.CANARY
    steps: tuple[ReleaseStep, ...] = ()
    on_marginal: OnDoubt = OnDoubt.HOLD
    on_inconclusive: OnDoubt = OnDoubt.HOLD
    hold_s: float = 3600.0
    promote_command: tuple[str, ...] = ()
    promote_within_s: float = 600.0
    build_command: tuple[str, ...] = ()
    first: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePlan:
    """The plan of a release. target: ``cluster``, or ``stage`` for processes on this machine."""

    builds: tuple[Build, ...]
    target: str
    namespace: str
    settings: ReleaseSettings

    @property
    def services(self) -> tuple[str, ...]:
        """The services that are released together."""
        return tuple(build.service for build in self.builds)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseState:
    """How far a release is.

    step: the index of the current step. outcome: None until it is known how the release ends. exit_code: of the
    outcome, or of the hold. attempt: how many gates have begun. hold: how many holds have begun. expires_s: when the
    hold is over, in epoch seconds. promoting: whether a stable Deployment may have been changed.
    """

    phase: Phase = Phase.EXAMINE
    step: int = 0
    outcome: Outcome | None = None
    reason: str = ""
    exit_code: int = 0
    attempt: int = 0
    hold: int = 0
    expires_s: float = 0.0
    promoting: bool = False

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return self.phase is Phase.OVER

    @property
    def undoing(self) -> bool:
        """Whether the release is being undone."""
        return self.phase.value.startswith("undo-")


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What one check of a step found. verdict: of the gate, or ``trouble`` if there is none.

    check: ``gate`` or ``observe``. bundles: folders of the recorded scenarios, relative to the release's folder.
    """

    step: int
    attempt: int
    service: str
    check: str
    weight: float
    verdict: str
    exit_code: int
    reason: str
    began_s: float
    ended_s: float
    score: float | None = None
    bundles: tuple[str, ...] = ()


class DecisionKind(StrEnum):
    """What a person can decide: about a hold to approve or reject it, about any release to end it."""

    APPROVE = "approve"
    REJECT = "reject"
    ABORT = "abort"
    ROLL_BACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a person decided, and why."""

    kind: DecisionKind
    by: str
    reason: str
    at_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A hold and how it ended. decision: None while it lasts, and if it expired."""

    step: int
    began_s: float
    expires_s: float
    verdict: str
    reason: str
    decision: Decision | None = None
    expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """Something that a release did, for people. share: of the users that the new build gets from then on."""

    at_s: float
    phase: Phase
    step: int
    text: str
    share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRecord:
    """Everything that is known about a release.

    identities: for each service, what exactly is released: a digest, a commit or the hash of a command; it never
    changes once it is known. stable: for each service, what ran before, in the form that puts it back. first: services
    that had no running build: both arms run the new one, and gates judge it alone.
    """

    id: str
    plan: ReleasePlan
    state: ReleaseState
    started_s: float
    seen_s: float
    started_by: str = ""
    format_version: int = FORMAT_VERSION
    identities: Mapping[str, str] = field(default_factory=dict)
    stable: Mapping[str, str] = field(default_factory=dict)
    first: tuple[str, ...] = ()
    results: tuple[StepResult, ...] = ()
    holds: tuple[Hold, ...] = ()
    happenings: tuple[Happening, ...] = ()

    @property
    def users(self) -> str:
        """Which users get the new build, in words, as of the last change of the routes; empty before the first one."""
        return next((one.text for one in reversed(self.happenings) if one.share is not None), "")

    @property
    def share(self) -> float:
        """The share of the users that the new build gets as of the last change of the routes."""
        return next((one.share for one in reversed(self.happenings) if one.share is not None), 0.0)


def arm_labels(stable: Mapping[str, str], arm: str) -> dict[str, str]:
    """Return the pod labels of an arm of a service whose running build has the labels ``stable``."""
    return {**stable, "version": ARM_VERSIONS[arm]}
