"""Deciding from a record: the judge's word, unless what it rests on did not happen."""

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
        """The opinion, whatever the evidence."""
        assert final
        return Analysis(
            verdict=self.verdict, reason="because", score=96.0, findings=(), judge=self.name, alpha=0.01,
            decided_at_s=now_s, final=final,
        )  # fmt: skip


@pytest.mark.parametrize("verdict", Verdict)
def test_a_proven_run_gets_the_judges_verdict(verdict):
    """All proofs held: the judge decides."""
    analysis = decide(record(), Says(verdict))
    assert (verdict, "because", 96.0) == (analysis.verdict, analysis.reason, analysis.score)


@pytest.mark.parametrize("verdict", Verdict)
def test_a_failed_proof_makes_every_verdict_inconclusive(verdict):
    """A fault that was not delivered leaves nothing to decide."""
    analysis = decide(record(fault_counts=(fault_count("baseline"), fault_count("canary", hit=0))), Says(verdict))
    assert Verdict.INCONCLUSIVE is analysis.verdict
    assert "proof failed: dose of delay(ratings, 2 s, 30 %), canary" in analysis.reason
    assert analysis.score < 95


def test_load_that_was_not_sent_makes_a_pass_inconclusive():
    """The generator's own proofs count as well."""
    analysis = decide(record(load=replace(load_report(), dropped=500)), Says(Verdict.PASS))
    assert Verdict.INCONCLUSIVE is analysis.verdict


def test_a_run_that_lost_its_load_report_is_inconclusive():
    """No report of the load generator, no verdict."""
    assert Verdict.INCONCLUSIVE is decide(record(load=None), Says(Verdict.PASS)).verdict


def test_what_ended_a_run_early_is_told_before_the_proofs_that_failed_for_it():
    """A guard that ends a run leaves proofs without requests; the guard is the reason."""
    analysis = decide(record(aborted="Prometheus is silent", load=None), Says(Verdict.PASS))
    assert analysis.reason.startswith("the run ended early: Prometheus is silent; proof failed: ")


def test_a_run_ended_early_never_passes_but_keeps_a_proven_fail():
    """A breached limit ends a run: harm that was proven stays proven."""
    assert Verdict.INCONCLUSIVE is decide(record(aborted="the kill switch is set"), Says(Verdict.PASS)).verdict
    assert Verdict.FAIL is decide(record(aborted="harm is proven"), Says(Verdict.FAIL)).verdict


@pytest.mark.parametrize(
    ("arm", "verdict", "highest"), [("canary", Verdict.FAIL, 0.0), ("baseline", Verdict.INCONCLUSIVE, 94.9)]
)
def test_the_death_of_an_arm_decides_whatever_the_judge_says(arm, verdict, highest):
    """A dead canary fails; a dead baseline leaves a score below what a pass needs."""
    death = Event(at_s=3.0, kind=DEATH, text=f"the {arm} died: exit code 3", fields={"arm": arm, "log": ""})
    analysis = decide(record(events=(death,)), Says(Verdict.PASS))
    assert verdict is analysis.verdict
    assert analysis.score <= highest
    assert "exit code 3" in analysis.reason


def mirrored(canary_bytes):
    """A run whose canary got copies: the client saw the baseline alone, Prometheus both arms."""
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
    """The client's samples hold no canary, and none is needed."""
    analysis = decide(mirrored(level), SequentialJudge())
    assert [] == [proof for proof in analysis.proofs if not proof.held]
    assert verdict is analysis.verdict


def test_an_answer_of_the_canary_is_no_mirror():
    """Somebody who routes requests to the canary makes a run with copies inconclusive."""
    made = mirrored(100.0)
    analysis = decide(replace(made, samples=samples(canary_share=0.1)), Says(Verdict.PASS))
    assert "proof failed: split" in analysis.reason
