"""Prove that the arms are two different things: their endpoints differ, and each arm's own endpoints got its requests.

A mark on an answer says which arm a route meant. It does not say who answered: two names can lead to one process, the
labels of both arms can select the same pods, and a cluster of a proxy can lead to the endpoints of the other arm.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model.arm_pod import ArmPod
from harness.model.record import Record
from harness.model.samples import ARMS
from harness.model.split import SplitBy
from harness.model.verdict import Proof

_REACHED = 0.9
"""The share of an arm's answers that must have come from its own endpoints; retries and edges explain the rest."""
_NAME = "arms differ"
_REMEDY = "see the addresses in harness.yaml, and the subsets and endpoints of the service under test"
_POD_REMEDY = "see the labels of both versions in harness.yaml: each must select the pods of one build and no others"


def arms_differ(record: Record) -> Iterator[Proof]:
    """Yield at most one proof for each way in which the arms could be one; none where the mesh shows no endpoints."""
    pods = [record.arm_pods.get(arm, ()) for arm in ARMS]
    if record.arm_pods:
        yield from _pods_differ(*pods)
    endpoints = record.endpoint_requests
    shared = sorted(set(endpoints.get(ARMS[0], {})) & set(endpoints.get(ARMS[1], {})))
    if shared:
        yield _proof("different endpoints for baseline and canary", f"both arms are {', '.join(shared)}", held=False)
    elif endpoints and record.plan.split_by is not SplitBy.MIRROR:
        yield from _own_endpoints_reached(record)


def identity_warnings(record: Record) -> tuple[str, ...]:
    """Return a warning if the pods of both arms run the same images, so that only their configuration can differ."""
    images = [{image for pod in record.arm_pods.get(arm, ()) for image in pod.images} for arm in ARMS]
    if not images[0] or images[0] != images[1]:
        return ()
    found = ", ".join(sorted(images[0]))
    return (f"the pods of both arms run the same images ({found}): only their configuration can differ",)


def _pods_differ(baseline: tuple[ArmPod, ...], canary: tuple[ArmPod, ...]) -> Iterator[Proof]:
    missing = " and ".join(arm for arm, pods in zip(ARMS, (baseline, canary), strict=True) if not pods)
    same = {pod.uid or pod.name for pod in baseline} & {pod.uid or pod.name for pod in canary}
    templates = ({pod.template for pod in baseline} & {pod.template for pod in canary}) - {""}
    observed = f"baseline: {_names(baseline)}; canary: {_names(canary)}"
    if missing:
        observed = f"no pod of the {missing}"
    elif same:
        observed = f"both arms are {_names([pod for pod in canary if (pod.uid or pod.name) in same])}"
    elif templates:
        template = min(templates)
        one = [pod for pod in (*baseline, *canary) if pod.template == template]
        observed = f"both arms are pods of one ReplicaSet (pod-template-hash {template}): {_names(one)}"
    yield Proof(
        name=f"{_NAME}, pods",
        held=not (missing or same or templates),
        expected="different pods, of different templates, for baseline and canary",
        observed=observed,
        remedy=_POD_REMEDY,
    )


def _names(pods: Sequence[ArmPod]) -> str:
    return ", ".join(str(pod) for pod in pods)


def _own_endpoints_reached(record: Record) -> Iterator[Proof]:
    aborted = record.proxy_requests.get("", 0)
    arm_of, status = record.samples.arm, record.samples.status
    answered = {arm: int(((arm_of == number) & (status > 0)).sum()) for number, arm in enumerate(ARMS)}
    reached = {arm: sum(record.endpoint_requests.get(arm, {}).values()) for arm in ARMS}
    for arm, other in zip(ARMS, reversed(ARMS), strict=True):
        if not answered[arm]:
            continue
        own, wanted = record.endpoint_requests.get(arm, {}), _REACHED * (answered[arm] - aborted)
        # Counts of a pod that is gone are lost, but requests that went to the other arm would be counted there.
        gone = any(str(pod) not in own for pod in record.arm_pods.get(arm, ()))
        elsewhere = reached[other] > answered[other] + (1 - _REACHED) * answered[arm]
        yield _proof(
            f"the {answered[arm]} answers of the {arm} from its own endpoints ({', '.join(own) or 'none known'})",
            f"{reached[arm]} requests reached them" + (f", {reached[other]} the {other}'s" if gone else ""),
            held=reached[arm] >= wanted or (gone and not elsewhere),
            name=f"{_NAME}, {arm}",
        )


def _proof(expected: str, observed: str, *, held: bool, name: str = _NAME) -> Proof:
    return Proof(name=name, held=held, expected=expected, observed=observed, remedy=_REMEDY)
