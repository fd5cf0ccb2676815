"""``fallback_misses``: the share of calls hit by a fault that failed a request; a fallback saved the others.

Calls are counted by the proxies, requests by the load generator. A request counts for one call at most, so no more
failures are attributed to the fault than calls were hit. A delayed call whose request succeeded was saved too.
"""

from __future__ import annotations

from harness.judge.evidence import TailEvidence
from harness.judge.exact_evidence import ExactEvidence
from harness.judge.indicators.port import Indicator, Needs, Scene
from harness.judge.prediction import Expected
from harness.model.indicator import Direction, IndicatorSpec, Source
from harness.model.objective import Objective
from harness.model.phase import PhaseKind
from harness.model.samples import BASELINE, CANARY
from harness.model.units import Unit, format_percent


class FallbackMisses:
    """See the module."""

    spec = IndicatorSpec(
        kind="fallback_misses",
        pattern="fallback_misses",
        names="fallback_misses",
        unit=Unit.RATIO,
        source=Source.SAMPLES,
        worse=(Direction.INCREASE,),
        example="+50%",
        relative=True,
        sizes=False,
        phase=PhaseKind.FAULT,
    )
    alpha_weight = 1.0
    counted = "calls of the canary that were hit"
    restarts = False
    in_interval = None

    def needs(self, objective: Objective) -> Needs:
        """Ask for the calls that were hit, in both arms."""
        return Needs(hits=True)

    def contrast(self, objective: Objective, scene: Scene) -> TailEvidence | None:
        """Compare exact counts; hits are taken to be independent, as with a fault that hits a share of the calls.

        What one endpoint's requests called is not counted, so there is no evidence about a single endpoint.
        """
        hits, window = scene.hits, scene.window
        if hits is None or not min(hits) or not min(window.counts) or "endpoint" in objective.labels:
            return None
        failed = (int(window.failed[arm].sum()) for arm in (BASELINE, CANARY))
        baseline, canary = (min(count, hit) for count, hit in zip(failed, hits, strict=True))
        return ExactEvidence(events=(baseline, canary), requests=hits)

    def predict(self, objective: Objective, expected: Expected) -> None:
        """Predict nothing: how many calls a fault will hit is not known before the run."""
        return

    def show(self, value: float, *, short: bool = False) -> str:
        """Return the value as a percentage."""
        return format_percent(value)


FALLBACK_MISSES: Indicator = FallbackMisses()
