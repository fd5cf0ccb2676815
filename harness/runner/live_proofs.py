"""Proofs about live traffic: real users were there, at both arms, and most of the time."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.record import DOUBT, Record
from harness.model.samples import ARMS
from harness.model.verdict import Proof

FEWEST = 50
"""The fewest answers of each arm that say anything about a build."""
MOST_PARTS, ENOUGH = 10, 0.8
"""Each arm must have answered users in this share of ten equal parts of the time, or fewer if it was short."""
_REMEDY = "split the traffic before, and check that Prometheus scrapes the proxies of both arms (see the timeline)"


def complete_answers(record: Record) -> Iterator[Proof]:
    """Fail only if the server side warned: what it left out, such as the pods of a store that is away, may be worse."""
    doubts = [event for event in record.events if event.kind == DOUBT]
    if doubts:
        more = f" (and {len(doubts) - 1} more)" if len(doubts) > 1 else ""
        yield Proof(
            name="complete answers",
            held=False,
            expected="answers of the server side without a warning",
            observed=f"{doubts[0].text}{more}",
            remedy="repair what the server warns of, such as a store that does not answer, and run again",
        )


def live_proofs(record: Record) -> Iterator[Proof]:
    """Yield whether both arms had users: without their requests no objective says anything about a build."""
    yield from complete_answers(record)
    counted = {arm: record.answers_to_users(arm) for arm in ARMS}
    totals = {arm: sum(count for _, count in found) for arm, found in counted.items()}
    yield Proof(
        name="users' requests",
        held=min(totals.values()) >= FEWEST,
        expected=f"at least {FEWEST} answers of each arm",
        observed=", ".join(f"{total:.0f} of the {arm}" for arm, total in totals.items()),
        remedy=_REMEDY,
    )
    length_s = record.phases[-1].end_s if record.phases else 0.0
    parts = max(min(MOST_PARTS, max(map(len, counted.values())) // 2), 1)
    answered = {
        arm: len({min(int(parts * at_s / length_s), parts - 1) for at_s, count in found if count > 0})
        for arm, found in counted.items()
    }
    needed = max(int(ENOUGH * parts), 1)
    yield Proof(
        name="users all the time",
        held=min(answered.values()) >= needed,
        expected=f"answers of each arm in {needed} of {parts} equal parts of the time",
        observed=", ".join(f"the {arm}: {found}" for arm, found in answered.items()),
        remedy=_REMEDY,
    )
