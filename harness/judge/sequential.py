"""Implement the default judge, which passes or fails a canary only on proof and otherwise says what is missing.

Every objective is compared in every judged phase, block by block of time (``harness.stats.contrast``), with the
long-run variance of the blocks. A canary fails if harm beyond its tolerance is proven at the run's ``alpha``, which
``alpha_spending`` divides. It passes only if every objective is shown to be within its tolerance in every phase. The
judge is called at every look with everything observed so far; the same evidence gives the same analysis.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial

from harness.judge.alpha_spending import Look, Start, applies, looks, starts
from harness.judge.blame import harm_of
from harness.judge.endpoints import counts_of_table, mix_warnings
from harness.judge.findings import finding_of
from harness.judge.implied import implied_objective, is_implied, shares_of_alpha
from harness.judge.indicators.port import Scene
from harness.judge.instances import MOST as MOST_INSTANCES
from harness.judge.instances import InstanceWindows
from harness.judge.missing_findings import in_no_phase, not_begun
from harness.judge.objectives import default_objectives
from harness.judge.port import Evidence
from harness.judge.scoring import scored, weighted
from harness.judge.validity_checks import doubts
from harness.judge.view import PhaseView, Places
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind, PhasePlan
from harness.model.record import Plan, hits_of
from harness.model.samples import BASELINE, CANARY
from harness.model.units import format_duration, format_percent
from harness.model.verdict import Analysis, Finding, Verdict
from harness.stats.stretches import Stretches, stretches_of
from harness.stats.table import Table, reduce_samples
from harness.stats.window import Window, joined, window_of

LONG_RUN_S = 90.0
MOST_BLOCKS = 3600
EARLY_PASS_AFTER = 0.5
_UNCALIBRATED = (
    "any harm fails, and the noise of this environment is not known: an arm that is slow for a while, or whose host is,"
    " looks like a slower build; learn the noise with harness calibrate"
)


class FailOn(StrEnum):
    """Selects what fails a canary: proven harm beyond the tolerance, or any proven harm."""

    BEYOND_TOLERANCE = "beyond-tolerance"
    ANY_HARM = "any-harm"


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialJudge:
    """Implements ``harness.judge.port.Judge`` as the module describes."""

    fail_on: FailOn = FailOn.BEYOND_TOLERANCE
    name: str = "sequential"

    def judge(self, evidence: Evidence, plan: Plan, *, now_s: float, final: bool) -> Analysis:
        """See ``harness.judge.port.Judge.judge``."""
        objectives = plan.objectives or default_objectives()
        table = evidence.table or reduce_samples(
            evidence.samples, evidence.phases, block_s=block_seconds(plan, evidence.phases)
        )
        begun = looks(plan, evidence.phases, now_s=now_s, final=final)
        windows = _Windows(table, evidence, until_s=math.inf if final else now_s)
        views = _Views(evidence=evidence, plan=plan, begun=begun, windows=windows, fail_on=self.fail_on)
        findings, seconds = _findings(objectives, views, known=table.operations)
        verdict = self._verdict(findings, begun, plan, now_s=now_s, final=final)
        doubted = doubts(table)
        if verdict is Verdict.PASS and doubted:
            verdict = Verdict.INCONCLUSIVE
        score, charged = scored(weighted(findings, seconds), verdict, plan.judge)
        if verdict is Verdict.PASS and score < plan.judge.pass_score:
            verdict = Verdict.MARGINAL if score >= plan.judge.marginal_score else Verdict.INCONCLUSIVE
        return Analysis(
            verdict=verdict,
            reason=doubted[0]
            if verdict is Verdict.INCONCLUSIVE and doubted
            else _reason(verdict, charged, score, plan, final=final, begun=begun),
            score=score,
            findings=charged,
            judge=self.name,
            alpha=plan.judge.alpha,
            decided_at_s=now_s,
            final=final,
            warnings=(
                *doubted,
                *_warnings(table, begun, plan),
                *self._uncalibrated(plan),
                *_mix_warnings(table, evidence, windows),
            ),
        )

    def _uncalibrated(self, plan: Plan) -> tuple[str, ...]:
        return () if plan.judge.noise or self.fail_on is not FailOn.ANY_HARM else (_UNCALIBRATED,)

    def _verdict(
        self, findings: list[Finding], begun: tuple[Look, ...], plan: Plan, *, now_s: float, final: bool
    ) -> Verdict:
        verdicts = {finding.verdict for finding in findings if not finding.objective.muted}
        if Verdict.FAIL in verdicts:
            return Verdict.FAIL
        early = final or (now_s >= EARLY_PASS_AFTER * plan.duration_s and bool(begun))
        if verdicts == {Verdict.PASS} and early:
            return Verdict.PASS
        return Verdict.MARGINAL if Verdict.MARGINAL in verdicts else Verdict.INCONCLUSIVE


class _Windows:
    """Builds the windows of one look, each of them once."""

    def __init__(self, table: Table, evidence: Evidence, *, until_s: float) -> None:
        self._table, self._until_s = table, until_s
        self._instances: InstanceWindows | None = None
        found = evidence.instances
        if found is not None and 2 <= len(found.names) <= MOST_INSTANCES:
            self._instances = InstanceWindows(
                evidence.samples, evidence.phases, found, block_s=table.block_s, until_s=until_s
            )
        self._made: dict[tuple[str, str | None], Window] = {}
        self._endpoints: dict[tuple[str, str, bool], Window] = {}
        self._parts: dict[tuple[str, str | None], tuple[tuple[Start, ...], Stretches]] = {}

    def of(self, look: Look, objective: Objective) -> Window:
        """Return the requests of a phase that an objective covers, without unfinished blocks."""
        key = (look.phase.name, objective.labels.get("endpoint"))
        if key not in self._made:
            span_s = look.phase.start_s, look.phase.end_s
            self._made[key] = window_of(self._table, key[0], operation=key[1], before_s=self._until_s, span_s=span_s)
        return self._made[key]

    def stretches(self, look: Look, objective: Objective) -> tuple[tuple[Start, ...], Stretches]:
        """Return the starts of the stretches, the whole phase first, and the stretches that start later in it."""
        key = (look.phase.name, objective.labels.get("endpoint"))
        if key not in self._parts:
            whole = self.of(look, objective)
            found = starts(whole.blocks.tolist(), whole.block_s, look.planned_s)
            self._parts[key] = found, stretches_of(whole, tuple(start.first for start in found[1:]))
        return self._parts[key]

    @property
    def apart(self) -> bool:
        """Whether all endpoints together are compared endpoint by endpoint."""
        whole = [made for (_, endpoint), made in self._made.items() if endpoint is None]
        return bool(whole) and all(made.standardised is not None for made in whole)

    def part(self, look: Look, endpoint: str, *, others: bool) -> Window:
        """Return the requests of a phase to an endpoint, or those to all others."""
        key = look.phase.name, endpoint, others
        if key not in self._endpoints:
            span_s = look.phase.start_s, look.phase.end_s
            self._endpoints[key] = window_of(
                self._table, key[0], operation=endpoint, others=others, before_s=self._until_s, span_s=span_s
            )
        return self._endpoints[key]

    def places(self, look: Look, objective: Objective) -> tuple[Places, ...]:
        """Return the endpoints, if there are several that the objective covers, and the canary's instances."""
        endpoint, found = objective.labels.get("endpoint"), []
        if endpoint is None and len(self._table.operations) > 1:
            own, others = partial(self.part, look, others=False), partial(self.part, look, others=True)
            names = self._table.operations
            found.append(Places(names=names, own=own, others=others, where="", elsewhere="the other endpoints"))
        if self._instances is not None:
            part = partial(self._instances.part, look.phase, endpoint)
            own, others = partial(part, others=False), partial(part, others=True)
            where, elsewhere = "the canary's instance ", "its other instances"
            names = self._instances.names
            found.append(Places(names=names, own=own, others=others, where=where, elsewhere=elsewhere))
        return tuple(found)

    def steady(self, objective: Objective, begun: tuple[Look, ...]) -> Window | None:
        """Return the steady phase, or None if there is none."""
        found = next((other for other in begun if other.phase.kind is PhaseKind.STEADY), None)
        return None if found is None else self.of(found, objective)

    def with_steady(self, look: Look, objective: Objective, begun: tuple[Look, ...]) -> Window | None:
        """Return a short phase joined with the steady phase, or None if the phase is not short."""
        steady = self.steady(objective, tuple(other for other in begun if not other.short))
        return joined(steady, self.of(look, objective)) if look.short and steady is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Views:
    """Holds everything that one look measures objectives on."""

    evidence: Evidence
    plan: Plan
    begun: tuple[Look, ...]
    windows: _Windows
    fail_on: FailOn

    def of(self, objective: Objective, look: Look, *, alpha: float) -> PhaseView:
        """Return what an objective is measured on in one phase. alpha: its part of the run's alpha."""
        scene = Scene(
            window=self.windows.of(look, objective),
            share=self.plan.canary_share,
            steady=self.windows.steady(objective, self.begun),
            series=self.evidence.series,
            start_s=look.phase.start_s,
            end_s=look.phase.end_s,
            excess=excess_of(self.plan, objective),
            is_calibrated=objective.plain_name in self.plan.judge.noise,
            samples=self.evidence.samples if len(self.evidence.samples) else None,
            hits=hits_of(self.evidence.fault_counts, look.phase.name),
        )
        begun, later = self.windows.stretches(look, objective)
        return PhaseView(
            look=look,
            scene=scene,
            starts=begun,
            later=later,
            pooled=self.windows.with_steady(look, objective, self.begun),
            places=self.windows.places(look, objective),
            plan=self.plan,
            alpha=alpha,
            any_harm=self.fail_on is FailOn.ANY_HARM and not is_implied(objective),
        )


def _findings(
    objectives: tuple[Objective, ...], views: _Views, *, known: tuple[str, ...]
) -> tuple[list[Finding], list[float]]:
    """Return a finding for each objective and judged phase, with the lengths of the phases in seconds.

    The implied comparison of errors is included only if it fails.
    """
    plan, begun = views.plan, views.begun
    parts, implied = shares_of_alpha(plan, objectives)
    findings: list[Finding] = []
    seconds: list[float] = []
    for number, objective in enumerate(objectives):
        for look in begun:
            phase = look.phase
            if not applies(objective, phase.kind, phase.name):
                continue
            alpha = parts.get((number, phase.name), plan.judge.alpha / len(objectives) / len(begun))
            findings.append(finding_of(objective, views.of(objective, look, alpha=alpha), known=known))
            seconds.append(look.planned_s)
        for missing in _not_begun(plan, begun):
            if applies(objective, missing.kind, missing.name):
                findings.append(not_begun(objective, missing.name))
                seconds.append(missing.duration_s)
        if all(finding.objective is not objective for finding in findings):
            findings.append(in_no_phase(objective, [*views.evidence.phases, *plan.phases]))
            seconds.append(plan.duration_s)
    for look in begun:
        failed = _implied_failure(views, look, alpha=implied.get(look.phase.name), known=known)
        if failed is not None:
            findings.append(failed)
            seconds.append(look.planned_s)
    return findings, seconds


def _implied_failure(views: _Views, look: Look, *, alpha: float | None, known: tuple[str, ...]) -> Finding | None:
    if alpha is None:
        return None
    objective = implied_objective()
    finding = finding_of(objective, views.of(objective, look, alpha=alpha), known=known)
    if finding.verdict is not Verdict.FAIL:
        return None
    return replace(finding, reason=f"{finding.reason} (always compared, also without an objective)")


def excess_of(plan: Plan, objective: Objective) -> float:
    """Return the noise to assume for an objective. An objective about one endpoint gets the noise of its indicator."""
    return plan.judge.noise.get(objective.plain_name, 0.0)


def block_seconds(plan: Plan, phases: Sequence[Phase] = ()) -> float:
    """Return the width of the blocks of time: 1 s, 0.5 s in runs under 90 s, and more in runs over an hour.

    phases: as observed. A run that lasted far longer than planned gets the width for its true length.
    """
    observed_s = max(phase.end_s for phase in phases) - min(phase.start_s for phase in phases) if phases else 0.0
    planned_s = plan.duration_s
    if observed_s > MOST_BLOCKS and observed_s > 2 * planned_s:
        planned_s = observed_s
    if planned_s < LONG_RUN_S:
        return 0.5
    return float(max(1, math.ceil(planned_s / MOST_BLOCKS)))


def _not_begun(plan: Plan, begun: tuple[Look, ...]) -> list[PhasePlan]:
    seen = {look.phase.name for look in begun}
    return [phase for phase in plan.phases if phase.kind.judged and phase.name not in seen]


def _reason(
    verdict: Verdict, findings: tuple[Finding, ...], score: float, plan: Plan, *, final: bool, begun: tuple[Look, ...]
) -> str:
    """Return the reason in one sentence: the worst finding behind the verdict, and the number of others behind it."""
    live = [finding for finding in findings if not finding.objective.muted]
    if not live:
        return "no objective could be judged: every one of them is muted"
    if verdict is Verdict.PASS:
        watched = [look.phase.name for look in begun if look.short]
        phases = len({finding.phase for finding in live} - set(watched))
        count = len({finding.objective.text for finding in live})
        only = f"; {' and '.join(watched)} only watched (too short to judge)" if watched else ""
        return (
            f"{count} objective{'s' * (count != 1)} shown within tolerance in "
            f"{phases} phase{'s' * (phases != 1)}{only}; score {score:.1f}"
        )
    made = [finding for finding in live if finding.verdict is verdict]
    if not made:
        early = not final and all(finding.verdict is Verdict.PASS for finding in live)
        return (
            "within tolerance so far; a pass needs half of the planned time and every phase"
            if early
            else f"score {score:.1f} is below the {plan.judge.pass_score:g} that a pass needs"
        )
    decided = verdict in {Verdict.FAIL, Verdict.MARGINAL}
    worst = max(made, key=lambda each: (each.objective.critical, harm_of(each) if decided else 0.0, each.points_lost))
    others = len(made) - 1
    return worst.reason + (f"; and {others} more like it" if others else "")


def _mix_warnings(table: Table, evidence: Evidence, windows: _Windows) -> tuple[str, ...]:
    if len(table.operations) < 2:
        return ()
    return mix_warnings(counts_of_table(table, evidence.phases), compared_apart=windows.apart)


def _warnings(table: Table, begun: tuple[Look, ...], plan: Plan) -> tuple[str, ...]:
    warnings = []
    baseline, canary, unknown = table.total(BASELINE), table.total(CANARY), table.total(-1)
    if unknown:
        share = unknown / (baseline + canary + unknown)
        warnings.append(f"{unknown} requests ({format_percent(share)}) came back without the mark of an arm")
    if canary > baseline > 0 and plan.canary_share < 0.5:
        warnings.append(f"more requests reached the canary ({canary}) than the baseline ({baseline})")
    if plan.judge.noise:
        warnings.append(f"judged with the noise of equal builds: {plan.judge.noise_from}")
    warnings.extend(
        f"the {look.phase.name} phase ({format_duration(look.planned_s)}) is short: it is watched for harm, and "
        "being within tolerance is shown there with 80 % confidence"
        + ("" if look.phase.kind is PhaseKind.STEADY else ", or together with the steady phase")
        for look in begun
        if look.short
    )
    return tuple(warnings)
