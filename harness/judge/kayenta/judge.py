"""Kayenta's judge behind the harness's own port: it turns samples into points, and Kayenta's label into a verdict.

Each objective becomes one metric pair per phase: the indicator's values by interval, with the baseline as control and
the canary as experiment. Latencies are in milliseconds and error rates in percent, as Kayenta's users store them; the
unit matters because Kayenta's search stops within 1e-4 of it. A relative tolerance of 10 % becomes allowedIncrease
1.1; an absolute one becomes a share of the baseline's mean. Throughput is divided by the arm's planned share, because
Kayenta expects arms of equal size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from harness.judge.indicators import indicator_of
from harness.judge.kayenta.classify import Label, Result
from harness.judge.kayenta.config import JUDGE, CanaryConfig, Metric, Thresholds
from harness.judge.kayenta.explain import finding, unjudged_finding
from harness.judge.kayenta.pairs import Pair
from harness.judge.kayenta.reference import Judgement, judge_pairs
from harness.judge.kayenta.schedule import stops
from harness.judge.kayenta.score import group_weight
from harness.judge.port import Evidence
from harness.judge.time_series import MOST_SPANS, check_samples, judged_phases, points_of, reads_samples, spans_of
from harness.model.json import JsonObject
from harness.model.objective import Objective
from harness.model.phase import Phase
from harness.model.record import Plan
from harness.model.samples import BASELINE, CANARY
from harness.model.sums import plain_sum
from harness.model.units import Unit
from harness.model.verdict import Analysis, Finding, Verdict

POINT_S = 5.0
ALPHA = 1.0
"""No bound: Kayenta limits false alarms to 2 % per metric and look, but not those of a whole run."""

SCALES = {Unit.SECONDS: 1e3, Unit.RATIO: 1e2}
"""Factors from the objective's unit to Kayenta's: milliseconds and percent."""

UNEQUAL = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """An objective in a phase, and its metric pair in Kayenta's unit."""

    objective: Objective
    phase: str
    pair: Pair
    baseline_requests: int
    canary_requests: int


class KayentaJudge:
    """Apply NetflixACAJudge-v1.0 to a recorded run.

    point_s: the seconds that one point covers. look_every_s: seconds between judgements of growing windows during the
    run; None judges once, at the end, as Kayenta does. As in Kayenta's standalone analysis, a window fails if its
    score is not above the marginal one.
    """

    name = "kayenta"

    def __init__(self, *, point_s: float = POINT_S, look_every_s: float | None = None) -> None:
        """Set the length of a point and whether to judge before the end of the run."""
        self.point_s = point_s
        self.look_every_s = look_every_s

    def judge(self, evidence: Evidence, plan: Plan, *, now_s: float, final: bool) -> Analysis:
        """Return Kayenta's judgement as an analysis; see ``harness.judge.port.Judge``.

        The verdict is a pass only if Kayenta says Pass and every objective that counts had data and a result.
        """
        check_samples(evidence.samples)
        for end_s in self._looks(now_s):
            early = self._judged(evidence, plan, end_s)
            if early.verdict is Verdict.FAIL and stops(early.score, plan.judge.marginal_score):
                return replace(early, decided_at_s=end_s, final=final)
        whole = self._judged(evidence, plan, now_s)
        if final:
            return replace(whole, decided_at_s=now_s, final=True)
        reason = "Kayenta judges at the end of the run" + (
            f"; so far it says: {whole.reason}" if whole.findings else ""
        )
        return replace(
            whole,
            verdict=Verdict.INCONCLUSIVE,
            reason=reason,
            score=min(whole.score, plan.judge.marginal_score),
            decided_at_s=now_s,
        )

    def _looks(self, now_s: float) -> list[float]:
        if self.look_every_s is None:
            return []
        return [number * self.look_every_s for number in range(1, int(now_s / self.look_every_s + 1e-9) + 1)]

    def _judged(self, evidence: Evidence, plan: Plan, until_s: float) -> Analysis:
        able = [objective for objective in plan.objectives if _obstacle(objective) is None]
        compared = [
            self._compared(evidence, objective, phase, plan.canary_share, until_s)
            for objective in able
            for phase in judged_phases(objective, evidence.phases)
            if phase.start_s < until_s
        ]
        config = _config(compared)
        thresholds = Thresholds(pass_score=plan.judge.pass_score, marginal_score=plan.judge.marginal_score)
        judgement = judge_pairs(config, [one.pair for one in compared], thresholds)
        unable = [
            (one, why) for one in plan.objectives if (why := _obstacle(one) or _unseen(one, compared)) is not None
        ]
        found = _analysis(judgement, config, compared, unable, plan)
        return replace(found, warnings=(*found.warnings, *reads_samples(evidence)))

    def _compared(
        self, evidence: Evidence, objective: Objective, phase: Phase, canary_share: float, until_s: float
    ) -> Compared:
        spans = spans_of(phase, self.point_s, until_s=until_s)
        scale, shared = scale_of(objective), indicator_of(objective).needs(objective).canary_share
        shares = (1 - canary_share, canary_share) if shared else (1.0, 1.0)
        baseline = points_of(evidence, objective, BASELINE, spans)
        canary = points_of(evidence, objective, CANARY, spans)
        return Compared(
            objective=objective,
            phase=phase.name,
            baseline_requests=baseline.requests,
            canary_requests=canary.requests,
            pair=Pair(
                name=f"{objective.text} [{phase.name}]",
                control=baseline.values * (scale / shares[BASELINE]),
                experiment=canary.values * (scale / shares[CANARY]),
                step_s=max(self.point_s, phase.duration_s / MOST_SPANS),
            ),
        )


def scale_of(objective: Objective) -> float:
    """Return the factor from the objective's unit to Kayenta's."""
    return SCALES.get(indicator_of(objective).spec.unit, 1.0)


def _obstacle(objective: Objective) -> str | None:
    """Return why Kayenta cannot judge an objective, or None if it can."""
    if objective.interaction:
        return "Kayenta cannot compare the effects of a fault"
    if indicator_of(objective).in_interval is None:
        return f"Kayenta compares series over time and has none for {objective.name}"
    if not objective.tolerates:
        return "Kayenta has no absolute limits; the judge 'limits' has"
    return None


def _unseen(objective: Objective, compared: Sequence[Compared]) -> str | None:
    seen = any(one.objective is objective for one in compared)
    return None if seen else "no phase in which it holds has begun"


def _config(compared: Sequence[Compared]) -> CanaryConfig:
    metrics = tuple(
        Metric(
            name=one.pair.name,
            path=f"objective {one.objective.text!r}",
            groups=(one.objective.group,),
            query={},
            analysis={"canary": _rules(one)},
        )
        for one in {one.pair.name: one for one in compared}.values()
    )
    counted = {id(one.objective): one.objective for one in compared if not one.objective.muted}.values()
    total = plain_sum(objective.weight for objective in counted)
    weights: dict[str, float] = {}
    for objective in counted:
        weights[objective.group] = weights.get(objective.group, 0.0) + 100 * objective.weight / total
    return CanaryConfig(name="objectives", metrics=metrics, judge=JUDGE, group_weights=weights)


def _rules(one: Compared) -> JsonObject:
    objective = one.objective
    tolerated = relative_tolerance(objective, one.pair)
    effect: JsonObject = {
        "allowedIncrease": 1.0 + tolerated,
        "criticalIncrease": 1.0 + tolerated,
        "allowedDecrease": 1.0 - tolerated,
        "criticalDecrease": 1.0 - tolerated,
    }
    return {
        "direction": objective.direction.value,
        "critical": objective.critical,
        "muted": objective.muted,
        "effectSize": effect,
    }


def relative_tolerance(objective: Objective, pair: Pair) -> float:
    """Return the tolerated change as a share of the baseline's mean: the larger of both tolerances."""
    known = pair.control[~np.isnan(pair.control)]
    mean = float(known.mean()) if known.size else 0.0
    absolute = (objective.absolute or 0.0) * scale_of(objective)
    return max(objective.relative or 0.0, absolute / mean if mean > 0 else 0.0)


def _analysis(
    judgement: Judgement,
    config: CanaryConfig,
    compared: Sequence[Compared],
    unable: Sequence[tuple[Objective, str]],
    plan: Plan,
) -> Analysis:
    verdict, reason = _verdict(judgement, unable)
    score = judgement.score.total
    if verdict is Verdict.INCONCLUSIVE:
        score = min(score, plan.judge.marginal_score)
    findings = [
        finding(
            one.objective, one.phase, result, one.pair,
            requests=(one.baseline_requests, one.canary_requests),
            scale=scale_of(one.objective),
            weight=_weight(result, judgement, config),
        )
        for one, result in zip(compared, judgement.results, strict=True)
    ]  # fmt: skip
    findings += [unjudged_finding(objective, why) for objective, why in unable]
    return Analysis(
        verdict=verdict,
        reason=reason,
        score=score,
        findings=_accounted(findings, 100.0 - score),
        judge=KayentaJudge.name,
        alpha=ALPHA,
        decided_at_s=0.0,
        final=False,
        warnings=(*judgement.warnings, *_arm_warnings(compared), *_limit_warnings(plan.objectives)),
    )


def _verdict(judgement: Judgement, unable: Sequence[tuple[Objective, str]]) -> tuple[Verdict, str]:
    counted = [result for result in judgement.results if not result.muted]
    worse = [result for result in counted if result.label in {Label.HIGH, Label.LOW}]
    blind = [result for result in counted if result.label not in {Label.HIGH, Label.LOW, Label.PASS}]
    missing = [f"{one.text}: {why}" for one, why in unable if not one.muted]
    missing += [f"{result.name}: {result.found.reason}" for result in blind]
    says = f"Kayenta says {judgement.classification}, score {judgement.score.total:.2f}"
    if judgement.classification != "Pass" and worse:
        names = ", ".join(f"{result.name} {result.label}" for result in worse)
        verdict = Verdict.FAIL if judgement.classification == "Fail" else Verdict.MARGINAL
        return verdict, f"{says}: {names}"
    if judgement.classification == "Pass" and not missing and counted:
        return Verdict.PASS, says
    return Verdict.INCONCLUSIVE, f"{says}; not judged: {'; '.join(missing) or 'every objective is muted'}"


def _weight(result: Result, judgement: Judgement, config: CanaryConfig) -> float:
    """Return one result's share of the total score, or 0 if it did not count."""
    if result.muted or result.label in {Label.NODATA, Label.ERROR} or not result.groups:
        return 0.0
    group = result.groups[0]
    counted = [
        one
        for one in judgement.results
        if one.groups == result.groups and not one.muted and one.label not in {Label.NODATA, Label.ERROR}
    ]
    return group_weight(group, judgement.groups, config.group_weights or {}) / 100 / len(counted)


def _accounted(findings: Sequence[Finding], lost: float) -> tuple[Finding, ...]:
    """Return the findings with the points that each one cost.

    Points that Kayenta's overrides cost are charged to the findings that caused them.
    """
    plain = [finding.weight * 100 if finding.verdict is Verdict.FAIL else 0.0 for finding in findings]
    causes = [
        not finding.objective.muted
        and (
            finding.verdict is Verdict.INCONCLUSIVE or (finding.verdict is Verdict.FAIL and finding.objective.critical)
        )
        for finding in findings
    ]
    lost_plainly = plain_sum(plain)
    rest = lost - lost_plainly
    share = rest / sum(causes) if any(causes) else 0.0
    rounding = lost / lost_plainly if lost_plainly and not any(causes) else 1.0
    return tuple(
        replace(finding, points_lost=round(points * rounding + share * cause, 9))
        for finding, points, cause in zip(findings, plain, causes, strict=True)
    )


def _arm_warnings(compared: Sequence[Compared]) -> list[str]:
    """Warn of unequal arms: percentiles of few requests differ from those of many, even without any change."""
    latencies = [one for one in compared if one.objective.quantile is not None]
    baseline, canary = (sum(getattr(one, f"{arm}_requests") for one in latencies) for arm in ("baseline", "canary"))
    if min(baseline, canary) * UNEQUAL >= max(baseline, canary):
        return []
    ratio = max(baseline, canary) / max(1, min(baseline, canary))
    return [f"unequal arms: {ratio:.1f} times as many requests in one; percentiles by interval are biased then"]


def _limit_warnings(objectives: Sequence[Objective]) -> list[str]:
    return [
        f"{objective.text}: its limit is not judged, Kayenta has no absolute limits"
        for objective in objectives
        if objective.limit is not None and _obstacle(objective) is None
    ]
