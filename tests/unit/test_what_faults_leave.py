"""Requests that a fallback saved under a fault, and ejections that did not come back after it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from recorded import fault_count, plan, record, samples

from harness import wiring
from harness.judge.objectives import parse_objective
from harness.model.record import Record, Series
from harness.model.verdict import Finding, Verdict
from harness.runner.deciding import decide
from harness.runner.plan_warnings import plan_warnings

EJECTED = "calls:ejections_left < 0.5"


def finding(made: Record) -> Finding:
    """What is said about the only objective of a run; more errors are always found, too."""
    (wanted,) = made.plan.objectives
    (found,) = (one for one in decide(made, wiring.judge("sequential")).findings if one.objective == wanted)
    return found


def failing(baseline: float, canary: float, *, hits: tuple[int, int] = (150, 150), text: str = "") -> Record:
    """A run in which these shares of the arms' requests fail in the fault phase, whose calls the fault hit so often."""
    made = samples()
    within = (made.due_s >= 12) & (made.due_s < 22)
    chance = np.random.default_rng(3).random(len(made))
    bad = within & (chance < np.where(made.arm == 0, baseline, canary))
    planned = replace(plan(), objectives=(parse_objective(text or "fallback_misses < 10%"),))
    counts = (fault_count("baseline", hit=hits[0]), fault_count("canary", hit=hits[1]))
    status = np.where(bad, 503, np.where(within, 200, made.status)).astype(np.int16)
    return record(plan=planned, samples=replace(made, status=status), fault_counts=counts)


@pytest.mark.parametrize(
    ("canary", "text", "verdict"),
    [
        (0.0, "fallback_misses < 10%", Verdict.PASS),
        (0.3, "fallback_misses < 10%", Verdict.FAIL),
        (0.3, "fallback_misses < +50%", Verdict.FAIL),
    ],
)
def test_a_fallback_saves_requests_or_misses_them(canary: float, text: str, verdict: Verdict) -> None:
    """Of the calls that the fault hit, so many failed a request of users. Both arms have a share and its counts."""
    found = finding(failing(0.03, canary, text=text))
    assert "fault" == found.phase
    assert verdict is found.verdict
    assert found.baseline is not None
    assert found.canary is not None
    assert (150, 150) == (found.baseline.n, found.canary.n)
    assert found.canary.value > 0.5 if canary else found.canary.value == 0


def test_no_more_failures_are_blamed_on_a_fault_than_calls_were_hit() -> None:
    """Others have another cause."""
    found = finding(failing(0.5, 0.5, hits=(20, 20)))
    assert found.canary is not None
    assert 1.0 == found.canary.value


@pytest.mark.parametrize(("hits", "text"), [((0, 0), "0 calls of the baseline"), ((40, 0), "and 0 of the canary")])
def test_without_hits_nobody_knows_what_a_fallback_would_do(hits: tuple[int, int], text: str) -> None:
    """The reason says so, and nothing passes."""
    found = finding(failing(0.0, 0.0, hits=hits))
    assert Verdict.INCONCLUSIVE is found.verdict
    assert "no fallback was needed" in found.reason
    assert text in found.reason


def ejecting(*readings: float) -> Record:
    """A run whose canary has these ejections in the recovery phase, spread over it; the baseline has none."""
    made = record(plan=replace(plan(), objectives=(parse_objective(EJECTED),)))
    last = made.phases[-1]
    at_s = tuple(np.linspace(last.start_s, last.end_s, 31)[:-1].tolist())
    each = np.repeat(readings, 30 // len(readings))
    series = tuple(
        Series(name="calls:ejections_left", arm=arm, unit="", source="made", at_s=at_s, values=tuple(values.tolist()))
        for arm, values in (("baseline", np.zeros(30)), ("canary", each.astype(float)))
    )
    return replace(made, series=series)


@pytest.mark.parametrize(
    ("readings", "verdict"),
    [((1, 1, 1), Verdict.FAIL), ((1, 1, 0), Verdict.PASS), ((0, 0, 1), Verdict.FAIL), ((0, 0, 0), Verdict.PASS)],
)
def test_only_what_is_ejected_at_the_end_did_not_come_back(readings: tuple[float, ...], verdict: Verdict) -> None:
    """An endpoint that returned before the last third of the recovery is not missed any more."""
    found = finding(ejecting(*readings))
    assert ("recovery", verdict) == (found.phase, found.verdict)


@pytest.mark.parametrize(("target", "told"), [("local", True), ("cluster", False)])
def test_a_plan_and_a_verdict_say_what_a_shared_proxy_cannot_tell(target: str, told: bool) -> None:
    """On the local mesh both arms share one Envoy; it counts their calls apart, but not their ejections."""
    made = ejecting(0, 0, 0)
    made = replace(made, plan=replace(made.plan, target=target))
    for said in (plan_warnings(made.plan, ()), decide(made, wiring.judge("sequential")).warnings):
        assert told is any(f"{EJECTED}: it cannot be measured here" in text for text in said)
    other = replace(made.plan, objectives=(parse_objective("calls:error_rate < +1pp"),))
    assert not any("cannot be measured" in text for text in plan_warnings(other, ()))


def test_without_readings_ejections_cannot_be_judged() -> None:
    """On the local mesh, for example, where both arms share one proxy."""
    for made in (replace(ejecting(0, 0, 0), series=()), ejecting(np.nan, np.nan, np.nan)):
        found = finding(made)
        assert Verdict.INCONCLUSIVE is found.verdict
        assert "'calls:ejections_left' of the baseline and 0 of the canary" in found.reason
