"""Most requests must succeed somewhere: arms that only answer client errors or redirects prove nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.model.record import Plan
from harness.model.samples import ARMS
from harness.model.units import format_percent

MOST = 0.5
"""Above this share of client errors in both arms a run exercises the error path, not the service."""
ONLY = 0.99
"""Above this share of redirects an arm is taken to answer nothing else."""
LEAST_SERVED = 0.1
"""An arm must answer at least this share of the requests that it does not fail with what they ask for."""


def objections(evidence: Evidence, plan: Plan) -> Iterator[Objection]:
    """Yield at most one objection about both arms, and one for each arm."""
    found = tuple(_one_kind(evidence, plan))
    yield from found or _hardly_served(evidence, plan)


def _statuses(evidence: Evidence) -> list[NDArray[np.int16]]:
    """Return the statuses of each arm in the judged phases."""
    samples = evidence.samples
    judged = np.zeros(len(samples), bool)
    for phase in evidence.phases:
        if phase.kind.judged:
            judged |= (samples.due_s >= phase.start_s) & (samples.due_s < phase.end_s)
    return [samples.status[judged & (samples.arm == arm)] for arm in range(len(ARMS))]


def _hardly_served(evidence: Evidence, plan: Plan) -> Iterator[Objection]:
    """Object to an arm that mixes client errors and redirects and does hardly anything else."""
    for each, arm in zip(_statuses(evidence), ARMS, strict=True):
        answered = each[(each > 0) & (each < 500)]
        served = ((answered >= 200) & (answered < 300)) | np.isin(answered, plan.expected_statuses)
        if len(answered) and float(served.mean()) < LEAST_SERVED:
            yield Objection(
                text=f"only {format_percent(float(served.mean()))} of the {arm}'s answers serve what was asked for; "
                "the others are redirects, informational or client errors (3xx, 1xx, 4xx): correct the profile, or "
                "declare them there with expected_statuses"
            )


def _one_kind(evidence: Evidence, plan: Plan) -> Iterator[Objection]:
    status = _statuses(evidence)
    expected = np.array(plan.expected_statuses, dtype=np.int16)
    client = [_share(each, 400, 499, expected) for each in status]
    if min(client) > MOST:
        most = " and ".join(f"{format_percent(share)} of the {arm}'s" for share, arm in zip(client, ARMS, strict=True))
        yield Objection(
            text=f"{most} answers are client errors (4xx): the load does not reach what the service is for; correct "
            "the load profile, or declare them there with expected_statuses"
        )
    for each, arm in zip(status, ARMS, strict=True):
        other = max(_share(each, 300, 399, expected), _share(each, 100, 199, expected))
        if other > ONLY:
            yield Objection(
                text=f"{format_percent(other)} of the {arm}'s answers are redirects or informational (3xx, 1xx): "
                "nothing that the service is for was measured; follow them in the load profile, or declare them "
                "there with expected_statuses"
            )


def _share(status: NDArray[np.int16], low: int, high: int, expected: NDArray[np.int16]) -> float:
    if not len(status):
        return 0.0
    return float(((status >= low) & (status <= high) & ~np.isin(status, expected)).mean())
