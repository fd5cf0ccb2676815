"""``recovery_time``: seconds after the fault until an arm is as good as it was in the steady phase."""

from __future__ import annotations

from harness.judge.evidence import RootEvidence, TailEvidence
from harness.judge.indicators.port import Indicator, Needs, Scene
from harness.judge.prediction import Expected
from harness.model.indicator import Direction, IndicatorSpec, Source
from harness.model.objective import Objective
from harness.model.phase import PhaseKind
from harness.model.units import Unit, format_duration
from harness.stats.limit import Root
from harness.stats.recovery import recovery_contrast


class RecoveryTime:
    """See the module."""

    spec = IndicatorSpec(
        kind="recovery_time",
        pattern="recovery_time",
        names="recovery_time",
        unit=Unit.SECONDS,
        source=Source.SAMPLES,
        worse=(Direction.INCREASE,),
        example="+2s or 5s",
        phase=PhaseKind.RECOVERY,
    )
    alpha_weight = 1.0
    counted = "canary requests"
    restarts = False
    in_interval = None

    def needs(self, objective: Objective) -> Needs:
        """Ask for the steady phase, which says what recovered means."""
        return Needs(steady=True)

    def contrast(self, objective: Objective, scene: Scene) -> TailEvidence | None:
        """Find the change point in the rate of bad requests of each arm."""
        contrast = None if scene.steady is None else recovery_contrast(scene.window, scene.steady)
        if contrast is None:
            return None
        return RootEvidence(
            contrast=contrast,
            direction=objective.direction,
            counts=scene.window.counts,
            limit_root=lambda limit: Root(value=contrast.root_of_limit(limit), degrees=contrast.noise.degrees),
        )

    def predict(self, objective: Objective, expected: Expected) -> None:
        """Predict nothing: how fast a service recovers is not known before the run."""
        return

    def show(self, value: float, *, short: bool = False) -> str:
        """Return the value as a duration."""
        return format_duration(value)


RECOVERY_TIME: Indicator = RecoveryTime()
