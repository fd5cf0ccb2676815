"""A replay reproduces a fail by the same objective, and says that it cannot tell where it cannot."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from recorded import record, samples
from replay_records import demo_config, write_demo

from harness.cli.replay import _counted
from harness.cli.replay_bisect import mark_of
from harness.gate import Outcome
from harness.judge.objectives import parse_objective
from harness.model.load import Arrivals
from harness.model.record import Event
from harness.model.samples import no_samples
from harness.model.verdict import Verdict
from harness.replay.asked import Asked, read_asked
from harness.replay.bisecting import Mark
from harness.replay.comparing import Answer, Comparison, answered, compared, same_arrivals
from harness.replay.staging import Options, by_what_failed, staged
from harness.report.diff import difference, side
from harness.runner.deciding import decide
from harness.runner.ending import DEATH
from harness.wiring import judge

FOUND = decide(record(), judge("sequential"))


def analysis(verdict, *failed):
    """An analysis with this verdict, in which these objectives fail in the fault phase."""
    objective = FOUND.findings[0].objective
    findings = tuple(
        replace(FOUND.findings[0], objective=replace(objective, text=text), phase="fault", verdict=Verdict.FAIL)
        for text in failed
    )
    return replace(FOUND, verdict=verdict, findings=findings)


@pytest.mark.parametrize(
    ("then", "now", "cannot", "answer"),
    [
        (analysis(Verdict.FAIL, "a < 1"), analysis(Verdict.FAIL, "a < 1", "b < 1"), (), Answer.REPRODUCED),
        (analysis(Verdict.FAIL, "a < 1"), analysis(Verdict.FAIL, "b < 1"), (), Answer.CANNOT),  # a was not reached
        (analysis(Verdict.FAIL), analysis(Verdict.FAIL), (), Answer.REPRODUCED),
        (analysis(Verdict.FAIL, "a < 1"), analysis(Verdict.PASS), (), Answer.NOT_REPRODUCED),
        (analysis(Verdict.FAIL, "a < 1"), analysis(Verdict.PASS), ("a < 1: no real builds",), Answer.CANNOT),
        (analysis(Verdict.FAIL, "a < 1"), analysis(Verdict.MARGINAL), (), Answer.NOT_REPRODUCED),
        (analysis(Verdict.FAIL, "a < 1"), analysis(Verdict.INCONCLUSIVE), (), Answer.CANNOT),
        (analysis(Verdict.FAIL, "a < 1"), analysis(Verdict.PASS), ("a < 10: no real builds",), Answer.NOT_REPRODUCED),
        (analysis(Verdict.PASS), analysis(Verdict.PASS), (), Answer.REPRODUCED),
        (analysis(Verdict.PASS), analysis(Verdict.PASS), ("a < 1: no real builds",), Answer.CANNOT),
        (analysis(Verdict.MARGINAL), analysis(Verdict.MARGINAL), ("a < 1: no real builds",), Answer.CANNOT),
        (analysis(Verdict.PASS), analysis(Verdict.FAIL, "a < 1"), (), Answer.NOT_REPRODUCED),
        (analysis(Verdict.MARGINAL), analysis(Verdict.MARGINAL), (), Answer.REPRODUCED),
        (analysis(Verdict.INCONCLUSIVE), analysis(Verdict.FAIL, "a < 1"), (), Answer.CANNOT),
    ],
)
def test_the_answer_follows_from_both_verdicts(then, now, cannot, answer):
    """Nothing undecided counts as a reproduction, and another reason is none either."""
    assert answer is answered(then, now, cannot=cannot)[0]


@pytest.mark.parametrize(
    ("high", "held", "answer"),
    [(0.02, True, Answer.NOT_REPRODUCED), (0.4, True, Answer.CANNOT), (0.02, False, Answer.CANNOT)],
)
def test_too_little_evidence_can_still_exclude_the_recorded_harm(high, held, answer):
    """The interval of the replay lies below that of the record, and every proof held."""
    then = analysis(Verdict.FAIL, "a < 1")
    then = replace(then, findings=(replace(then.findings[0], low=0.3, high=0.4),))
    proofs = tuple(replace(proof, held=held) for proof in FOUND.proofs)
    found = replace(then.findings[0], low=-0.01, high=high, verdict=Verdict.INCONCLUSIVE)
    now = replace(then, verdict=Verdict.INCONCLUSIVE, findings=(found,), proofs=proofs)
    assert answer is answered(then, now, cannot=())[0]


@pytest.mark.parametrize(
    ("then", "now", "failed", "undecided", "late"),
    [
        (Verdict.PASS, Verdict.INCONCLUSIVE, (), True, False),
        (Verdict.PASS, Verdict.INCONCLUSIVE, ("load on time",), False, True),
        (Verdict.PASS, Verdict.INCONCLUSIVE, ("load on time", "load sent"), False, False),
        (Verdict.PASS, Verdict.INCONCLUSIVE, ("load sent",), False, False),
        (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, (), False, False),
        (Verdict.PASS, Verdict.FAIL, (), False, False),
    ],
)
def test_only_too_little_evidence_and_a_busy_machine_are_worth_another_replay(then, now, failed, undecided, late):
    """Another proof that failed, or a record without a verdict, is not helped by more requests."""
    proofs = tuple(replace(proof, held=proof.name not in failed) for proof in FOUND.proofs)
    sides = [
        side(label, "", record(), replace(analysis(verdict), proofs=proofs))
        for label, verdict in (("A", then), ("B", now))
    ]
    answer, why = answered(sides[0].analysis, sides[1].analysis, cannot=())
    found = Comparison(answer=answer, why=why, difference=difference(*sides), differs=())
    assert (undecided, late) == (found.undecided, found.late)


@pytest.mark.parametrize(
    ("verdict", "phase", "answer"),
    [
        (Verdict.INCONCLUSIVE, "fault", Answer.CANNOT),
        (Verdict.MARGINAL, "fault", Answer.CANNOT),  # worse, but not shown to exceed the tolerance
        (Verdict.PASS, "steady", Answer.CANNOT),  # it failed in the fault phase, which was not reached
        (Verdict.PASS, "fault", Answer.NOT_REPRODUCED),
    ],
)
def test_a_fail_for_another_reason_excludes_only_what_passed(verdict, phase, answer):
    """A run ends at the first proof of harm, and leaves the other objectives and the later phases open."""
    now = analysis(Verdict.FAIL, "b < 1")
    other = replace(analysis(Verdict.FAIL, "a < 1").findings[0], verdict=verdict, phase=phase)
    now = replace(now, findings=(*now.findings, other))
    found, why = answered(analysis(Verdict.FAIL, "a < 1"), now, cannot=())
    assert (answer, answer is Answer.CANNOT) == (found, "before a < 1 in the fault phase was decided" in why)


def test_the_same_objective_in_a_phase_that_passed_then_is_another_failure():
    """A build that fails without any fault does not reproduce a failure that only the fault showed."""
    then = analysis(Verdict.FAIL, "a < 1")
    passed = replace(then.findings[0], verdict=Verdict.PASS, phase="steady")
    now = replace(then, findings=(replace(then.findings[0], phase="steady"),))
    assert Answer.CANNOT is answered(replace(then, findings=(passed, *then.findings)), now, cannot=())[0]
    open_then = replace(passed, verdict=Verdict.INCONCLUSIVE)
    assert Answer.REPRODUCED is answered(replace(then, findings=(open_then, *then.findings)), now, cannot=())[0]


@pytest.mark.parametrize(
    ("then", "now", "died", "answer"),
    [
        ((), (), (True, True), Answer.REPRODUCED),
        (("a < 1",), (), (True, True), Answer.REPRODUCED),  # how far an objective came is chance
        ((), ("a < 1",), (True, False), Answer.CANNOT),  # the replay ended before
        (("a < 1",), ("a < 1",), (True, False), Answer.CANNOT),
        (("a < 1",), ("a < 1",), (False, True), Answer.CANNOT),
        (("a < 1",), (), (False, True), Answer.CANNOT),
    ],
)
def test_a_death_is_reproduced_by_a_death_alone(then, now, died, answer):
    """A run ends at the first proof of harm, so a replay that fails otherwise says nothing about the death."""
    found = answered(analysis(Verdict.FAIL, *then), analysis(Verdict.FAIL, *now), cannot=(), died=died)
    assert answer is found[0]


def test_a_death_is_read_from_the_record():
    """The analysis does not tell one."""
    death = Event(at_s=4.0, kind=DEATH, text="the canary (reviews-v3) died", fields={"arm": "canary"})
    died = asked_of(Verdict.FAIL)
    died = replace(died, record=replace(died.record, events=(death,)))
    here = Outcome(record=record(), analysis=analysis(Verdict.FAIL), folder=Path("replay"))
    assert Answer.CANNOT is compared(died, here, cannot=()).answer
    again = replace(here, record=replace(here.record, events=(death,)))
    assert Answer.REPRODUCED is compared(died, again, cannot=()).answer


def test_what_failed_then_is_worth_another_replay_judged_by_it_alone(tmp_path):
    """A replay that failed elsewhere first is repeated; a run in which the canary died has nothing to be judged by."""
    sides = [
        side(label, "", record(), analysis(Verdict.FAIL, name)) for label, name in (("A", "a < 1"), ("B", "b < 1"))
    ]
    answer, why = answered(sides[0].analysis, sides[1].analysis, cannot=())
    found = Comparison(answer=answer, why=why, difference=difference(*sides), differs=())
    assert (True, False, False) == (found.elsewhere, found.undecided, found.late)
    asked = read_asked(write_demo(tmp_path / "run")[0])
    stage = staged(asked, demo_config(), Options())
    other = parse_objective("latency_p50 < +20%")
    two = replace(stage, scenario=replace(stage.scenario, objectives=(*stage.scenario.objectives, other)))
    failed = replace(asked.analysis.findings[0], objective=other, verdict=Verdict.FAIL)
    of_it = replace(two, asked=replace(asked, analysis=replace(asked.analysis, findings=(failed,))))
    died = replace(two, asked=replace(asked, analysis=replace(asked.analysis, findings=())))
    assert (other,) == by_what_failed(of_it).scenario.objectives
    assert two.scenario.objectives == by_what_failed(died).scenario.objectives


def asked_of(verdict):
    """A recorded run with this verdict and no failed objective."""
    return Asked(
        folder=Path("run"), record=record(), analysis=analysis(verdict), faults=(), load="browse",
        arrivals=Arrivals.POISSON, entry="reviews", baseline="v2", canary="v3", lengths_s={},
    )  # fmt: skip


def test_a_canary_that_does_not_start_is_no_death_under_load():
    """A canary that died in the fault phase then, and a build that does not start now, are two failures."""
    started = Outcome(record=record(), analysis=analysis(Verdict.FAIL), folder=Path("replay"))
    never = replace(started, record=replace(record(), samples=no_samples(), load=None))
    died = asked_of(Verdict.FAIL)
    assert Answer.REPRODUCED is compared(died, started, cannot=()).answer
    assert Answer.CANNOT is compared(died, never, cannot=()).answer


def comparison(then, now, cannot=()):
    """What a replay with the verdict ``now`` says about a run with the verdict ``then``."""
    found = replace(asked_of(then), analysis=analysis(then, *(["a < 1"] if then is Verdict.FAIL else [])))
    failed = ["a < 1"] if now is Verdict.FAIL else []
    return compared(
        found, Outcome(record=record(), analysis=analysis(now, *failed), folder=Path("replay")), cannot=cannot
    )


def test_a_commit_is_good_only_if_its_replay_judged_what_failed():
    """A pass without the objective that failed says nothing about the commit."""
    assert Mark.BAD is mark_of(comparison(Verdict.FAIL, Verdict.FAIL))
    assert Mark.GOOD is mark_of(comparison(Verdict.FAIL, Verdict.PASS))
    assert Mark.SKIP is mark_of(comparison(Verdict.FAIL, Verdict.PASS, ("a < 1: no real builds",)))
    assert Mark.SKIP is mark_of(comparison(Verdict.FAIL, Verdict.MARGINAL))


@pytest.mark.parametrize(
    ("then", "now", "code"),
    [
        (Verdict.FAIL, (Verdict.PASS, Verdict.PASS, Verdict.FAIL), 0),
        (Verdict.PASS, (Verdict.PASS, Verdict.PASS, Verdict.FAIL), 1),
        (Verdict.PASS, (Verdict.PASS, Verdict.PASS, Verdict.INCONCLUSIVE), 0),
        (Verdict.FAIL, (Verdict.INCONCLUSIVE, Verdict.INCONCLUSIVE, Verdict.PASS), 11),
    ],
)
def test_several_replays_have_one_exit_code(then, now, code):
    """One failure reproduces a failure, and no number of passes reproduces a pass if one replay fails."""
    assert code == _counted([comparison(then, one) for one in now])


def test_every_answer_has_its_exit_code():
    """As the help says."""
    assert [0, 1, 11] == [answer.exit_code for answer in Answer]


def test_arrivals_are_compared_as_far_as_both_runs_went():
    """A run that ended early has fewer, and rounding in a packed bundle is no difference."""
    made = record()
    short = replace(made, samples=made.samples.where(made.samples.due_s < 5))
    rounded = replace(made, samples=replace(made.samples, due_s=np.round(made.samples.due_s, 4)))
    assert same_arrivals(made, short)
    assert same_arrivals(made, rounded)
    assert not same_arrivals(made, replace(made, samples=replace(samples(), due_s=made.samples.due_s + 0.01)))


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        ({}, "another version of the load generator drew them"),
        ({"shared": "1"}, "sent requests under other faults too"),
    ],
)
def test_other_arrivals_have_their_reason(manifest, why):
    """In a matrix, each fault has its own part of one load."""
    then = asked_of(Verdict.PASS)
    then = replace(then, record=replace(then.record, manifest={**then.record.manifest, **manifest}))
    made = replace(record(), samples=replace(samples(), due_s=then.record.samples.due_s + 0.01))
    here = Outcome(record=made, analysis=analysis(Verdict.PASS), folder=Path("replay"))
    assert why in compared(then, here, cannot=()).differs[0]
