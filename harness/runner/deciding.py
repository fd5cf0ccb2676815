"""Decide the verdict of a recorded run. A pure function, so that a verdict can be recomputed at any time."""

from __future__ import annotations

from dataclasses import replace

from harness import __version__
from harness.judge.port import Evidence, Judge
from harness.judge.revision import REVISION
from harness.judge.safeguards import guarded, objections
from harness.load.parent.proofs import load_proofs, load_warnings
from harness.metrics.hops import probable_cause
from harness.model.record import Event, Record
from harness.model.verdict import Analysis, Proof, Verdict
from harness.runner.arm_identity import identity_warnings
from harness.runner.ending import DEATH
from harness.runner.live_proofs import live_proofs
from harness.runner.plan_warnings import fault_warnings
from harness.runner.proofs import proofs

JUDGED_BY = f"canary-harness {__version__}, judge revision {REVISION}"
"""The version that an analysis records."""


def decide(record: Record, judge: Judge) -> Analysis:
    """Return the judge's analysis of a recorded run, with the proofs that it rests on.

    A failed proof makes the verdict inconclusive. A run that ended early passes in no case: unless the judge says
    fail, its verdict is inconclusive.
    """
    end_s = record.phases[-1].end_s if record.phases else 0.0
    evidence = Evidence(
        samples=record.samples, phases=record.phases, series=record.series, fault_counts=record.fault_counts
    )
    judged = judge.judge(evidence, record.plan, now_s=end_s, final=True)
    analysis = guarded(judged, objections(evidence, record.plan), record.plan)
    proven = tuple(live_proofs(record)) if record.plan.live_traffic else (*load_proofs(record.load), *proofs(record))
    said = (*load_warnings(record.load), *identity_warnings(record), *fault_warnings(record))
    warned = replace(analysis, warnings=(*analysis.warnings, *said), judged_by=JUDGED_BY)
    proved = _with_proofs(warned, proven, record.ended, cap=record.plan.judge.undecided_cap)
    return replace(_with_death(proved, record), probable_cause=probable_cause(record))


def _with_proofs(analysis: Analysis, proven: tuple[Proof, ...], aborted: str, *, cap: float) -> Analysis:
    analysis = replace(analysis, proofs=proven)
    failed = [proof for proof in proven if not proof.held]
    if failed:
        first = failed[0]
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        reason = f"proof failed: {first.name}{more}: expected {first.expected}, found {first.observed}"
        return _inconclusive(analysis, f"the run ended early: {aborted}; {reason}" if aborted else reason, cap)
    if aborted and analysis.verdict is not Verdict.FAIL:
        return _inconclusive(analysis, f"the run ended early: {aborted}", cap)
    return analysis


def _with_death(analysis: Analysis, record: Record) -> Analysis:
    """Fail a canary that dies while its baseline lives, whatever could be proven about the load.

    Proofs about requests and load often fail because of the death, so they do not save the canary.
    """
    deaths = {str(event.fields.get("arm")): event for event in record.events if event.kind == DEATH}
    if "baseline" in deaths:
        reason = f"{deaths['baseline'].text}: there is nothing to compare with{_last_words(deaths['baseline'])}"
        return _inconclusive(analysis, reason, record.plan.judge.undecided_cap)
    if "canary" not in deaths:
        return analysis
    reason = deaths["canary"].text + _last_words(deaths["canary"])
    return replace(analysis, verdict=Verdict.FAIL, reason=reason, score=0.0)


def _last_words(death: Event) -> str:
    log = str(death.fields.get("log") or "")
    return f"; {log}" if log else ""


def _inconclusive(analysis: Analysis, reason: str, cap: float) -> Analysis:
    if analysis.verdict is not Verdict.PASS:
        reason += f"; the judge alone said {analysis.verdict}: {analysis.reason}"
    return replace(analysis, verdict=Verdict.INCONCLUSIVE, reason=reason, score=min(analysis.score, cap))
