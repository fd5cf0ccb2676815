"""Require that most requests succeed somewhere: arms with only client errors or redirects prove nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.model.record import Plan
from harness.model.samples import ARMS
from harness.model.units import format_percent
from harness.stats.responses import status_counts

Ints = NDArray[np.int64]

MOST = 0.5
"""Above this share of client errors in both arms a run exercises the error path, not the service."""
ONLY = 0.99
"""Above this share of redirects an arm is taken to answer nothing else."""
LEAST_SERVED = 0.1
"""An arm must answer at least this share of the requests that it does not fail with what they ask for."""


def objections(evidence: Evidence, plan: Plan) -> Iterator[Objection]:
    """Yield at most one objection about both arms, and one for each arm."""
    spans_s = [(phase.start_s, phase.end_s) for phase in evidence.phases if phase.kind.judged]
    counts = status_counts(evidence.samples, spans_s)
    yield from tuple(_one_kind(counts, plan)) or _hardly_served(counts, plan)


def _hardly_served(counts: Ints, plan: Plan) -> Iterator[Objection]:
    """Object to an arm that mixes client errors and redirects and does hardly anything else."""
    for each, arm in zip(counts, ARMS, strict=True):
        answered = int(each[1:500].sum())
        others = {status for status in plan.expected_statuses if 0 < status < 500 and status // 100 != 2}
        served = int(each[200:300].sum()) + sum(int(each[status]) for status in others)
        if answered and served / answered < LEAST_SERVED:
            yield Objection(
                text=f"only {format_percent(served / answered)} of the {arm}'s answers serve what was asked for; "
                "the others are redirects, informational or client errors (3xx, 1xx, 4xx): correct the profile, or "
                "declare them there with expected_statuses"
            )


def _one_kind(counts: Ints, plan: Plan) -> Iterator[Objection]:
    client = [_share(each, range(400, 500), plan) for each in counts]
    if min(client) > MOST:
        most = " and ".join(f"{format_percent(share)} of the {arm}'s" for share, arm in zip(client, ARMS, strict=True))
        yield Objection(
            text=f"{most} answers are client errors (4xx): the load does not reach what the service is for; correct "
            "the load profile, or declare them there with expected_statuses"
        )
    for each, arm in zip(counts, ARMS, strict=True):
        other = max(_share(each, range(300, 400), plan), _share(each, range(100, 200), plan))
        if other > ONLY:
            yield Objection(
                text=f"{format_percent(other)} of the {arm}'s answers are redirects or informational (3xx, 1xx): "
                "nothing that the service is for was measured; follow them in the load profile, or declare them "
                "there with expected_statuses"
            )


def _share(counts: Ints, statuses: range, plan: Plan) -> float:
    """Return the share of an arm's requests with one of these statuses, unless the load profile expects it."""
    total = int(counts.sum())
    found = sum(int(counts[status]) for status in statuses if status not in plan.expected_statuses)
    return found / total if total else 0.0
