"""``interaction(INDICATOR)``: how much more the canary suffers from a fault than the baseline does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from harness.judge.evidence import Blur, RootEvidence, TailEvidence
from harness.judge.indicators.port import Indicator, Needs, Scene
from harness.judge.prediction import Expected, Prediction
from harness.model.indicator import IndicatorSpec
from harness.model.objective import Objective
from harness.model.phase import PhaseKind
from harness.stats.interaction import InteractionContrast


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """The difference between the arms under the fault, minus the difference without it."""

    inner: Indicator
    in_interval: None = None
    restarts: bool = False

    @property
    def spec(self) -> IndicatorSpec:
        """That of the inner indicator, judged under faults only."""
        return replace(self.inner.spec, phase=PhaseKind.FAULT)

    @property
    def alpha_weight(self) -> float:
        """That of the inner indicator."""
        return self.inner.alpha_weight

    @property
    def counted(self) -> str:
        """As for the inner indicator."""
        return self.inner.counted

    def needs(self, objective: Objective) -> Needs:
        """Return the inner indicator's needs, and a steady phase."""
        return replace(self.inner.needs(objective), steady=True)

    def contrast(self, objective: Objective, scene: Scene) -> TailEvidence | None:
        """Subtract the evidence of the steady phase from that of this one."""
        if scene.steady is None:
            return None
        fault = self.inner.contrast(objective, scene)
        steady = self.inner.contrast(objective, replace(scene, window=scene.steady))
        if fault is None or steady is None:
            return None
        if not isinstance(fault, RootEvidence) or not isinstance(steady, RootEvidence):
            raise TypeError(f"{objective.name}: only the evidence of signed roots can be subtracted; see RootEvidence")
        contrast = InteractionContrast(
            fault=fault.contrast, steady=steady.contrast, relative=objective.relative is not None
        )
        return replace(
            fault,
            contrast=contrast,
            difference=contrast.difference,
            blur_of=partial(_blur, fault, steady),
            weight_rate=None,
        )

    def predict(self, objective: Objective, expected: Expected) -> Prediction | None:
        """Predict for twice the variance, because two differences have twice that of one."""
        assumed = replace(expected.assumed, overdispersion=expected.assumed.overdispersion * 2)
        return self.inner.predict(objective, replace(expected, assumed=assumed))

    def show(self, value: float, *, short: bool = False) -> str:
        """Return the value as the inner indicator does."""
        return self.inner.show(value, short=short)


def _blur(fault: RootEvidence, steady: RootEvidence) -> Blur:
    share = (1 + fault.blur.share) * (1 + steady.blur.share) - 1
    return Blur(share=share, size=fault.blur.size + steady.blur.size)
