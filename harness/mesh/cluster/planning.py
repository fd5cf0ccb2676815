"""Find out with dry runs what a run would change: differences, whom faults hit, missing rights, warnings."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import yaml

from harness.clients.kubernetes.api import Kubernetes
from harness.errors import HarnessError
from harness.mesh.cluster.acting import rights_for_action
from harness.mesh.cluster.proof.proxies import Proxies
from harness.mesh.cluster.recovery.locks import Locks
from harness.mesh.cluster.resources import plain_resources
from harness.mesh.cluster.safety import limits
from harness.mesh.cluster.safety.blast_radius import reach
from harness.mesh.cluster.safety.data_plane import data_plane
from harness.mesh.cluster.safety.disruptions import require_allowed
from harness.mesh.cluster.safety.ownership import require_unowned
from harness.mesh.cluster.safety.resizes import require_resizable
from harness.mesh.cluster.safety.rights import Right, missing_rights, rights_for
from harness.mesh.cluster.safety.rollouts import require_settled
from harness.mesh.cluster.safety.targets import require_targets
from harness.model.cluster import ClusterSettings
from harness.model.json import JsonObject, value_at
from harness.model.step import Action, Edit, Step
from harness.routing import footprint, routing_where
from harness.routing.edits import applied
from harness.routing.port import Footprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What some changes would do.

    diffs: unified diffs. pods: whose proxies change. hit: whom the faults hit, one line for each host. rights: each
    with whether we have it. trouble: what prevents the run.
    """

    diffs: tuple[str, ...]
    pods: tuple[str, ...]
    hit: tuple[str, ...]
    rights: tuple[tuple[Right, bool], ...]
    trouble: tuple[str, ...]


def plan_changes(
    kube: Kubernetes,
    namespace: str,
    settings: ClusterSettings,
    changes: Sequence[Sequence[Step]],
    known: Sequence[str] = (),
) -> Plan:
    """Find out what the changes would do one after the other; each was made on top of the ones before.

    Sends reads, access reviews and dry runs. A dry run does not create a resource, so a later edit of it cannot be
    tried alone; all edits of a resource are tried together. known: what else prevents the run.
    """
    steps = [step for change in changes for step in change]
    edits = [step for step in steps if isinstance(step, Edit)]
    actions = [step for step in steps if isinstance(step, Action)]
    needed = (*rights_for(edits, settings), *(right for action in actions for right in rights_for_action(action)))
    missing = set(missing_rights(kube, namespace, needed))
    trouble = [*known, *(f"right missing: {right}" for right in needed if right in missing)]
    trouble += _in_the_way(kube, namespace, settings, changes)
    diffs: list[str] = []
    for place in dict.fromkeys(edit.place for edit in edits):
        diff, found = _tried(kube, [edit for edit in edits if edit.place == place], settings)
        diffs += diff
        trouble += found
    proxies = Proxies(kube, namespace, settings, routing_where(kube.serves))
    shown = {edit.label: footprint(edit, kube.get(*edit.place), namespace=namespace) for edit in edits}
    pods = _concerned(proxies, [each for each in shown.values() if each.has_routes])
    if settings.prove:
        trouble += _trouble(lambda: require_targets(proxies, shown, namespace))
    return Plan(
        diffs=(*diffs, *(action.label for action in actions)),
        pods=tuple(pods),
        hit=reach(proxies, steps, namespace),
        rights=tuple((right, right not in missing) for right in needed),
        trouble=tuple(trouble),
    )


def _in_the_way(
    kube: Kubernetes, namespace: str, settings: ClusterSettings, changes: Sequence[Sequence[Step]]
) -> list[str]:
    """Return what the checks of a run find before anything is changed."""
    steps = [step for change in changes for step in change]
    actions = [step for step in steps if isinstance(step, Action)]
    checks = (
        lambda: limits.require_cluster(kube, namespace, settings),
        lambda: limits.require_no_kill_switch(kube, namespace),
        lambda: data_plane(kube, namespace, settings),
        lambda: require_settled(kube, namespace),
        lambda: require_allowed(kube, namespace, actions),
        lambda: require_resizable(kube, actions, patience_s=settings.live_within_s),
        lambda: _require_free(kube, namespace, steps),
        *(lambda change=change: _within(change, namespace, settings) for change in changes),
    )
    return [found for check in checks for found in _trouble(check)]


def _require_free(kube: Kubernetes, namespace: str, steps: Sequence[Step]) -> None:
    if steps:
        resources = plain_resources(kube, namespace, routing_where(kube.serves).kinds)
        Locks(kube, namespace).require_free(steps[0].owner, steps, resources)


def _tried(kube: Kubernetes, edits: Sequence[Edit], settings: ClusterSettings) -> tuple[list[str], list[str]]:
    """Return the diff of one resource with its edits, and what prevents them."""
    label, before = edits[0].label, kube.get(*edits[0].place)
    diffs, trouble = [], []
    if before is not None:
        trouble += _trouble(lambda: require_unowned(before, allowed=settings.owners))
    try:
        after = applied(edits[0], before)
        for edit in edits[1:]:
            after = applied(edit, after)
        diffs.append(_diff(label, before, after))
        written = kube.create(after, dry_run=True) if before is None else kube.replace(after, dry_run=True)
        old = () if before is None else kube.replace(before, dry_run=True).warnings
        trouble += [f"{label}: warning: {text}" for text in limits.new_warnings(old, written.warnings)]
    except HarnessError as error:
        trouble.append(str(error))
    return diffs, trouble


def _concerned(proxies: Proxies, shown: Sequence[Footprint]) -> list[str]:
    """Return the names of the pods whose proxies get other routes."""
    names = [pod["metadata"]["name"] for each in shown for pod in proxies.concerned(each)]
    return list(dict.fromkeys(names))


def _within(change: Sequence[Step], namespace: str, settings: ClusterSettings) -> None:
    limits.require_within(change, live=(), namespace=namespace, limits=settings.limits)


def _trouble(step: Callable[[], object]) -> list[str]:
    try:
        step()
    except HarnessError as error:
        return [str(error)]
    return []


def _diff(label: str, before: JsonObject | None, after: JsonObject | None) -> str:
    lines = difflib.unified_diff(
        _text(before), _text(after), f"{label} (now)", f"{label} (during the run)", lineterm=""
    )
    return "\n".join(lines)


def _text(resource: JsonObject | None) -> list[str]:
    return (
        [] if resource is None else yaml.safe_dump({"spec": value_at(resource, "spec")}, sort_keys=False).splitlines()
    )
