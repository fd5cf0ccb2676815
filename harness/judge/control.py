"""Test whether the judge sees what ``harness plan`` promises, on requests of equal builds that are made worse.

A gate that passes everything looks just like a service without bugs. So for each objective and phase, the canary's
requests of recorded A/A runs are made worse by the smallest difference that the plan promises to fail in 95 of 100
runs. The judge must fail them about that often, and must not fail the requests as they were. Noise that the plan does
not know of, such as pauses or a slow neighbour, shows here as harm that is missed.

This tests the judge with the real noise, rate and lengths of a service. It does not test the mesh or the load, whose
proofs are made in every run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.judge.assumed import recorded
from harness.judge.indicators import style_of
from harness.judge.port import Evidence
from harness.judge.power import POWER, Visible, visible_effects
from harness.judge.sequential import SequentialJudge
from harness.model import formatting
from harness.model.objective import Objective
from harness.model.phase import Phase
from harness.model.record import Plan
from harness.model.samples import CANARY, Samples
from harness.model.verdict import Verdict
from harness.stats.binomial import binomial_tails

UNLIKELY = 0.05
"""An objective is unfit if so few of its controls fail that this or less is their chance at the promised power."""
_SERVER_ERROR = 503


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The controls of one objective in one phase.

    difference: by how much the canary was made worse, in the unit of ``Finding.difference``; None if the plan promises
    nothing or the requests cannot be made worse in this way. runs: the number of controls. seen: how many failed.
    """

    objective: Objective
    phase: str
    difference: float | None
    relative: bool
    runs: int
    seen: int

    @property
    def fit(self) -> bool | None:
        """Whether the judge sees what the plan promises; None if nothing was tested."""
        if self.difference is None or not self.runs:
            return None
        return binomial_tails(self.seen, self.runs, POWER)[1] > UNLIKELY

    def __str__(self) -> str:
        place = f"{self.objective.text} in the {self.phase} phase"
        if self.difference is None:
            return f"{place}: not tested; the plan promises no difference that can be made from recorded requests"
        made = formatting.difference(self.difference, style_of(self.objective), relative=self.relative)
        word = "fit" if self.fit else "UNFIT"
        return f"{place}: {word}; a canary worse by {made} failed in {self.seen} of {self.runs} runs"


def controls(runs: Sequence[Evidence], plan: Plan, *, seed: int) -> tuple[Control, ...]:
    """Return the controls of each objective in each judged phase, made from runs of equal builds.

    seed: decides which requests of the canary fail where errors are added.
    """
    rng = np.random.default_rng(seed)
    seen = visible_effects(plan, recorded([(run.samples, run.phases) for run in runs]), lengths=False)
    return tuple(_control(each, runs, plan, rng) for each in seen)


def worse(
    samples: Samples, objective: Objective, phase: Phase, *, difference: float, relative: bool, rng: np.random.Generator
) -> Samples | None:
    """Return the samples with the canary's requests of a phase made worse; None if the objective is not about them.

    Latencies are multiplied or prolonged. For errors, answers that succeeded become answers with status 503.
    """
    chosen = (samples.arm == CANARY) & (samples.due_s >= phase.start_s) & (samples.due_s < phase.end_s)
    endpoint = objective.labels.get("endpoint")
    if endpoint is not None:
        names = np.array([name == endpoint for name in samples.operations] or [False])
        chosen &= names[samples.operation]
    if objective.interaction:
        return None
    if objective.kind == "latency":
        added = samples.latency_s * difference if relative else np.full(len(samples), difference)
        return replace(samples, latency_s=samples.latency_s + np.where(chosen, added, 0.0))
    if objective.kind == "error_rate":
        return _failing(samples, chosen, difference, relative=relative, rng=rng)
    return None


def _failing(
    samples: Samples, chosen: NDArray[np.bool_], difference: float, *, relative: bool, rng: np.random.Generator
) -> Samples | None:
    failed = samples.failed
    rate = float(failed[chosen].mean()) if chosen.any() else 0.0
    added = difference * rate if relative else difference
    if not 0 < added < 1 - rate:
        return None
    broken = chosen & ~failed & (rng.random(len(samples)) < added / (1 - rate))
    return replace(samples, status=np.where(broken, _SERVER_ERROR, samples.status).astype(samples.status.dtype))


def _control(visible: Visible, runs: Sequence[Evidence], plan: Plan, rng: np.random.Generator) -> Control:
    difference = visible.smallest if visible.smallest is not None and math.isfinite(visible.smallest) else None
    made = [] if difference is None else [_made(visible, difference, run, rng) for run in runs]
    tested = [run for run in made if run is not None]
    return Control(
        objective=visible.objective,
        phase=visible.phase,
        difference=difference if tested else None,
        relative=visible.relative,
        runs=len(tested),
        seen=sum(_fails(run, visible, plan) for run in tested),
    )


def _made(visible: Visible, difference: float, run: Evidence, rng: np.random.Generator) -> Evidence | None:
    phase = next((each for each in run.phases if each.name == visible.phase), None)
    if phase is None:
        return None
    made = worse(run.samples, visible.objective, phase, difference=difference, relative=visible.relative, rng=rng)
    return None if made is None else Evidence(samples=made, phases=run.phases, series=run.series)


def _fails(run: Evidence, visible: Visible, plan: Plan) -> bool:
    analysis = SequentialJudge().judge(run, plan, now_s=run.phases[-1].end_s, final=True)
    return any(
        finding.verdict is Verdict.FAIL and finding.objective == visible.objective and finding.phase == visible.phase
        for finding in analysis.findings
    )
