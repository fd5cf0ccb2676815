"""Phases as long as they need to be: a range of lengths, from the configuration to the judge."""

import copy
from dataclasses import replace

import numpy as np
import pytest
from fake_run import FakeJudge, World, scenario

from harness import delay
from harness.errors import UsageError
from harness.judge.objectives import parse_objective
from harness.judge.port import Evidence
from harness.judge.sequential import SequentialJudge
from harness.model.phase import Phase, PhaseKind, PhaseLength, PhasePlan, format_length, least_of, parse_length
from harness.model.record import Plan
from harness.model.samples import DTYPES, Samples
from harness.model.verdict import Finding, Verdict
from harness.runner.declared_run import run_scenario
from harness.runner.planning import plan_run


def test_a_range_is_its_longest_length_and_knows_its_shortest():
    """A range counts as its longest length wherever no one asks for the shortest; copies keep both."""
    length = parse_length("10s .. 2m")
    assert (120.0, 10.0) == (length, least_of(length))
    assert "10s..120s" == format_length(copy.deepcopy(length))
    assert (30.0, None, "30s") == (parse_length("30s"), least_of(parse_length("30s")), format_length(30.0))


@pytest.mark.parametrize("text", ["2m..10s", "0s..5s", "..5s", "5s..", "1s..2s..3s", "a..b"])
def test_a_range_that_is_none_is_refused(text):
    """Both ends are durations, and the first one is shorter and not zero."""
    with pytest.raises(UsageError, match="steady: expected a"):
        parse_length(text, "steady")


class DecidingJudge(FakeJudge):
    """Decides every phase a given number of seconds after it begins."""

    after_s = 0.0
    verdict = Verdict.INCONCLUSIVE

    def judge(self, evidence, plan, *, now_s, final):
        """Say that the objective is shown to be within tolerance if the phase lasted long enough."""
        phase = evidence.phases[-1]
        shown = Verdict.PASS if now_s - phase.start_s >= self.after_s else Verdict.INCONCLUSIVE
        finding = Finding(
            objective=plan.objectives[0], phase=phase.name, baseline=None, canary=None, difference=None, low=None,
            high=None, relative=False, confidence=0.95, margin=None, verdict=shown, reason="",
        )  # fmt: skip
        return replace(super().judge(evidence, plan, now_s=now_s, final=final), findings=(finding,))


def lengths(folder, *, after_s, **changed):
    """Return the lengths of the phases of a run whose judge decides each phase after so many seconds."""
    world = World(folder)
    world.judge = DecidingJudge()
    world.judge.after_s = after_s
    asked = scenario(faults=(delay("ratings", "1s", percent=30),), **changed)
    settings = replace(world.settings, look_every_s=1.0)
    record = run_scenario(asked, settings, world.parts, owner="a1", folder=world.folder, notify=lambda _: None)
    assert "" == record.aborted
    assert [phase.least_s for phase in record.plan.phases[1:3]] == [least_of(asked.steady_s), least_of(asked.fault_s)]
    return [round(phase.duration_s, 1) for phase in record.phases], record


def test_a_phase_ends_when_it_is_decided_and_not_before_its_shortest_length(tmp_path):
    """The next phase begins at once and has its own length; the plan stays that of the longest run."""
    ranges = {"steady_s": PhaseLength(40.0, 10.0), "fault_s": PhaseLength(20.0, 5.0)}
    found, record = lengths(tmp_path, after_s=7.0, **ranges)
    assert ([2.0, 10.0, 7.0, 4.0], 66.0) == (found, record.plan.duration_s)
    assert ["steady decided", "fault decided"] == [each.text for each in record.events if "decided" in each.text]
    assert len(record.samples) < 2700


def test_a_phase_that_is_not_decided_lasts_as_long_as_planned(tmp_path):
    """Without a decision, and without a range, a phase has its full length."""
    found, _ = lengths(tmp_path, after_s=99.0, steady_s=PhaseLength(12.0, 3.0), fault_s=6.0)
    assert [2.0, 12.0, 6.0, 4.0] == found
    found, _ = lengths(tmp_path, after_s=0.0, steady_s=8.0, fault_s=6.0)
    assert [2.0, 8.0, 6.0, 4.0] == found


def test_only_judged_phases_have_a_range(tmp_path):
    """A warm-up decides nothing."""
    world = World(tmp_path)
    plan = plan_run(scenario(warm_up_s=PhaseLength(5.0, 1.0)), world.settings, target="local")
    assert plan.phases[0].least_s is None


def judged(least_s, *, slower=1.0, seen_s=40.0, most_s=120.0):
    """Judge a phase of up to two minutes that ended after ``seen_s`` seconds."""
    rng = np.random.default_rng(5)
    count = int(seen_s * 200)
    columns = {name: np.zeros(count, dtype) for name, dtype in DTYPES.items()}
    arm = rng.integers(0, 2, count).astype(np.int8)
    columns |= {"due_s": np.sort(rng.uniform(0, seen_s, count)), "arm": arm, "status": np.full(count, 200, np.int16)}
    columns["latency_s"] = rng.lognormal(-4, 0.3, count) * np.where(arm == 1, slower, 1.0)
    samples = Samples(**columns, operations=("/",), errors=("",))
    planned = PhasePlan(name="steady", kind=PhaseKind.STEADY, duration_s=most_s, least_s=least_s)
    plan = Plan(
        scenario="s", service="s", target="local", phases=(planned,), canary_share=0.5, rate_rps=200.0, seed=1,
        objectives=(parse_objective("latency_p50 < +10%"), parse_objective("error_rate < +1pp")),
    )  # fmt: skip
    phase = Phase(name="steady", kind=PhaseKind.STEADY, start_s=0.0, end_s=seen_s)
    return SequentialJudge().judge(Evidence(samples=samples, phases=(phase,)), plan, now_s=seen_s, final=True)


def test_a_phase_that_ended_when_decided_passes():
    """It is judged with limits that hold at every look, so that ending it early is no way to a pass."""
    assert Verdict.PASS is judged(10.0).verdict
    assert Verdict.INCONCLUSIVE is judged(None).verdict
    assert Verdict.FAIL is judged(10.0, slower=1.3).verdict
    assert Verdict.PASS is not judged(10.0, slower=1.08).verdict


def test_a_phase_that_ended_before_its_shortest_length_does_not_pass():
    """Something else ended it."""
    assert Verdict.INCONCLUSIVE is judged(60.0).verdict
