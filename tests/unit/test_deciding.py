"""Deciding from a record: the judge decides, unless a proof failed."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from recorded import fault_count, load_report, plan, record, samples

from harness.judge.objectives import parse_objective
from harness.judge.sequential import SequentialJudge
from harness.model.record import Event, Series
from harness.model.split import SplitBy
from harness.model.verdict import Analysis, Verdict
from harness.runner.deciding import decide
from harness.runner.ending import DEATH


@dataclass(frozen=True)
class Says:
    """A judge with a fixed opinion."""

    verdict: Verdict
    name: str = "fixed"

    def judge(self, evidence, plan, *, now_s, final):
        """Return the opinion, whatever the evidence says."""
        assert final
        return Analysis(
            verdict=self.verdict, reason="because", score=96.0, findings=(), judge=self.name, alpha=0.01,
            decided_at_s=now_s, final=final,
        )  # fmt: skip


@pytest.mark.parametrize("verdict", Verdict)
def test_a_proven_run_gets_the_judges_verdict(verdict):
    """All proofs held, so the judge decides."""
    analysis = decide(record(), Says(verdict))
    assert (verdict, "because", 96.0) == (analysis.verdict, analysis.reason, analysis.score)


@pytest.mark.parametrize("verdict", Verdict)
def test_a_failed_proof_makes_every_verdict_inconclusive(verdict):
    """If a fault was not injected, there is nothing to decide."""
    analysis = decide(record(fault_counts=(fault_count("baseline"), fault_count("canary", hit=0))), Says(verdict))
    assert Verdict.INCONCLUSIVE is analysis.verdict
    assert "proof failed: dose of delay(ratings, 2 s, 30 %), canary" in analysis.reason
    assert analysis.score < 95


def test_load_that_was_not_sent_makes_a_pass_inconclusive():
    """The proofs of the load generator count too."""
    analysis = decide(record(load=replace(load_report(), dropped=500)), Says(Verdict.PASS))
    assert Verdict.INCONCLUSIVE is analysis.verdict


def test_a_run_that_lost_its_load_report_is_inconclusive():
    """Without the report of the load generator there is no verdict."""
    assert Verdict.INCONCLUSIVE is decide(record(load=None), Says(Verdict.PASS)).verdict


def test_what_ended_a_run_early_is_told_before_the_proofs_that_failed_for_it():
    """An abort condition that ends a run leaves proofs without requests; the reason names the condition."""
    analysis = decide(record(aborted="Prometheus is silent", load=None), Says(Verdict.PASS))
    assert analysis.reason.startswith("the run ended early: Prometheus is silent; proof failed: ")


def test_a_run_ended_early_never_passes_but_keeps_a_proven_fail():
    """A limit that was exceeded ends the run, but harm that was proven before stays proven."""
    assert Verdict.INCONCLUSIVE is decide(record(aborted="the kill switch is set"), Says(Verdict.PASS)).verdict
    assert Verdict.FAIL is decide(record(aborted="harm is proven"), Says(Verdict.FAIL)).verdict


@pytest.mark.parametrize(
    ("arm", "verdict", "highest"), [("canary", Verdict.FAIL, 0.0), ("baseline", Verdict.INCONCLUSIVE, 94.9)]
)
def test_the_death_of_an_arm_decides_whatever_the_judge_says(arm, verdict, highest):
    """If the canary died, the run fails; if the baseline died, the score is too low to pass."""
    death = Event(at_s=3.0, kind=DEATH, text=f"the {arm} died: exit code 3", fields={"arm": arm, "log": ""})
    analysis = decide(record(events=(death,)), Says(Verdict.PASS))
    assert verdict is analysis.verdict
    assert analysis.score <= highest
    assert "exit code 3" in analysis.reason


def mirrored(canary_bytes):
    """Return a run whose canary got copies: the client saw only the baseline, Prometheus saw both arms."""
    made = samples(canary_share=0.0)
    objective = parse_objective("gauge:memory < +10%")
    rng = np.random.default_rng(1)

    def gauge(arm, level):
        at_s = tuple(np.arange(26.0))
        values = tuple(rng.normal(level, 0.01 * level, 26))
        return Series(name="memory", arm=arm, unit="bytes", source="q", at_s=at_s, values=values)

    return record(
        plan=replace(plan(), split_by=SplitBy.MIRROR, canary_share=1.0, objectives=(objective,)),
        samples=made,
        proxy_requests={"baseline": len(made), "canary": 0, "": 0},
        series=(gauge("baseline", 100.0), gauge("canary", canary_bytes)),
        config={"prometheus": "http://127.0.0.1:9"},
    )


@pytest.mark.parametrize(("level", "verdict"), [(100.0, Verdict.PASS), (150.0, Verdict.FAIL)])
def test_copies_are_judged_by_what_the_arms_own_side_counts(level, verdict):
    """The client has no samples of the canary, and none are needed."""
    analysis = decide(mirrored(level), SequentialJudge())
    assert [] == [proof for proof in analysis.proofs if not proof.held]
    assert verdict is analysis.verdict


def test_an_answer_of_the_canary_is_no_mirror():
    """A run with copies is inconclusive if somebody else routes requests to the canary."""
    made = mirrored(100.0)
    analysis = decide(replace(made, samples=samples(canary_share=0.1)), Says(Verdict.PASS))
    assert "proof failed: split" in analysis.reason
