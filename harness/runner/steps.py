"""Make the steps of a run, in one place for the run itself, ``harness plan`` and ``harness inject``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.errors import UsageError
from harness.faults.port import Fault, World
from harness.model.declared import ARRANGEMENTS, Declared, Scope, StringMatch
from harness.model.json import JsonObject
from harness.model.split import SplitBy
from harness.model.step import Edit, Step
from harness.routing.edits import applied_all
from harness.routing.port import MESH, Aim, RoutingApi, Split
from harness.runner.counts import service_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrangement:
    """The identity of a run, and the requests that it may change.

    owner: the run's mark. baseline, canary: pod labels of the arms. gateway: that load comes through, or ``mesh``.
    workload_labels: by service, the pod labels that all of its versions share. only_test_traffic: change only requests
    with the run's W3C baggage. arm_in_baggage: add the arm to the baggage of requests. by_hand: a person injects one
    fault, which hits every caller unless they name one; a run's faults hit the calls of the service under test.
    """

    owner: str
    service: str
    namespace: str
    baseline: Mapping[str, str]
    canary: Mapping[str, str]
    canary_share: float
    split_by: SplitBy
    gateway: str = MESH
    workload_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    only_test_traffic: bool = False
    arm_in_baggage: bool = False
    by_hand: bool = False

    @property
    def test_headers(self) -> Mapping[str, StringMatch] | None:
        """What identifies the run's requests, if only those may be changed."""
        return traffic_match(self.owner) if self.only_test_traffic else None

    @property
    def common_labels(self) -> dict[str, str]:
        """The labels that both arms carry: they select the calls of the service under test."""
        return {key: value for key, value in self.baseline.items() if self.canary.get(key) == value}


def traffic_match(owner: str) -> dict[str, StringMatch]:
    """Return the header match for the run's own requests: their W3C baggage names the run."""
    return {"baggage": {"regex": f"(.*,\\s*)?harness\\.run={owner}(\\s*[,;].*)?"}}


class StepMaker:
    """Makes the steps of one run for the resources as they are when it is called."""

    def __init__(self, arrangement: Arrangement, world: World) -> None:
        """``world``: what the faults see of the mesh."""
        self._arrangement, self._world = arrangement, world

    def split(self, resources: Sequence[JsonObject]) -> tuple[Edit, ...]:
        """Return the edits that distribute the requests for the service under test, and mark the answers."""
        run = self._arrangement
        split = Split(
            host=run.service,
            namespace=run.namespace,
            baseline=run.baseline,
            canary=run.canary,
            canary_share=run.canary_share,
            owner=run.owner,
            by=run.split_by,
            test_headers=run.test_headers,
            arm_in_baggage=run.arm_in_baggage,
            gateway=run.gateway,
        )
        return self._world.routing.split(resources, split)

    def fault(self, fault: Fault, resources: Sequence[JsonObject], index: int) -> tuple[Step, ...]:
        """Return the steps that inject ``fault`` on top of ``resources``. index: identifies the injection in the run.

        Raises UsageError for a fault that cannot be injected as asked, ResourceError if it would hit nothing.
        """
        run, said = self._arrangement, self.declared(fault, index)
        all_versions = run.workload_labels.get(service_name(said.host), {})
        aim = Aim(
            declared=said,
            namespace=run.namespace,
            owner=run.owner,
            index=index,
            workload_labels=run.canary if said.on_canary_pods else all_versions,
        )
        steps = fault.steps(_Seen(self._world, resources), aim)
        if not steps or any(step.declared != aim.declared or step.owner != run.owner for step in steps):
            raise UsageError(
                f"{aim.declared.text}: expected steps that carry aim.declared and aim.owner unchanged, found "
                f"{'none' if not steps else 'others'}: this is a mistake of the fault {fault.kind!r}"
            )
        return steps

    def declared(self, fault: Fault, index: int) -> Declared:
        """Return what the fault does, with the callers and headers that the run has chosen."""
        said = fault.declared(f"{fault.kind}-{index}")
        if not said.is_fault or said.kind != fault.kind:
            taken = ", ".join(sorted(ARRANGEMENTS))
            raise UsageError(
                f"{said.text}: expected a declaration of the kind {fault.kind!r} (not {taken}), found {said.kind!r}"
            )
        on_itself = service_name(said.host) == service_name(self._arrangement.service)
        if (
            on_itself
            and said.scope.side == "caller"
            and self._arrangement.gateway != MESH
            and not self._arrangement.by_hand
        ):
            raise UsageError(
                f"{said.text}: load reaches {self._arrangement.service} through the gateway "
                f"{self._arrangement.gateway}, whose "
                "own proxy would carry the fault out and cannot be asked what it hit: put it into the service's "
                "proxies "
                "(inbound=True), or on a dependency"
            )
        if said.on_canary_pods and not on_itself:
            raise UsageError(
                f"{said.text}: a positive control of this kind acts on the pods of the canary: expected the service "
                f"{self._arrangement.service} itself, found {said.host}, whose pods both arms call"
            )
        if said.arms == "canary" and on_itself and not said.on_canary_pods:
            raise UsageError(
                f"{said.text}: a positive control hits the calls of the canary: expected a dependency of "
                f"{self._arrangement.service}, found the service itself"
            )
        return replace(said, scope=self._aimed(said, on_itself=on_itself))

    def _aimed(self, said: Declared, *, on_itself: bool) -> Scope:
        """Return the scope with the callers: the named one, else the service under test, or only its canary.

        A fault on the service under test itself hits every caller.
        """
        scope, headers = said.scope, self._arrangement.test_headers
        if scope.side == "host" or scope.every_caller:
            return replace(scope, headers=headers)
        if scope.caller:
            return replace(scope, labels={"app": scope.caller}, headers=headers)
        if on_itself or self._arrangement.by_hand:
            return replace(scope, headers=headers)
        run = self._arrangement
        labels = run.common_labels if said.arms == "both" else dict(run.canary)
        return replace(scope, labels=labels, headers=headers)

    def everything(self, faults: Sequence[Fault], resources: Sequence[JsonObject]) -> tuple[tuple[Step, ...], ...]:
        """Return the split and then each fault, every one on top of the ones before it."""
        namespace = self._arrangement.namespace
        changes: list[tuple[Step, ...]] = [self.split(resources)]
        for index, fault in enumerate(faults):
            resources = applied_all(_edits(changes[-1]), resources, namespace=namespace)
            changes.append(self.fault(fault, resources, index))
        if faults:
            applied_all(_edits(changes[-1]), resources, namespace=namespace)
        return tuple(changes)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A world with the routes that have been planned so far."""

    world: World
    planned: Sequence[JsonObject]

    @property
    def routing(self) -> RoutingApi:
        return self.world.routing

    def resources(self, kind: str = "") -> tuple[JsonObject, ...]:
        return self.world.resources(kind) if kind else tuple(self.planned)


def _edits(steps: Sequence[Step]) -> tuple[Edit, ...]:
    return tuple(step for step in steps if isinstance(step, Edit))
