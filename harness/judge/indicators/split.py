"""``split``: the share of requests that the canary answers, compared with the planned share."""

from __future__ import annotations

import math

from harness.judge.evidence import RootEvidence, TailEvidence
from harness.judge.indicators.port import Indicator, Needs, Scene
from harness.judge.prediction import Expected
from harness.model.indicator import Direction, IndicatorSpec, Source
from harness.model.objective import Objective
from harness.model.units import Unit, format_percent
from harness.stats.limit import Root
from harness.stats.split import split_contrast


class Split:
    """Compares the canary's actual share of the requests with the planned share."""

    spec = IndicatorSpec(
        kind="split",
        pattern="split",
        names="split",
        unit=Unit.RATIO,
        source=Source.SAMPLES,
        worse=(Direction.EITHER,),
        example="2pp",
        shares=False,
    )
    alpha_weight = 0.5
    counted = "canary requests"
    restarts = True
    in_interval = None

    def needs(self, objective: Objective) -> Needs:
        """Ask for the planned share, which the actual share is compared with."""
        return Needs(canary_share=True)

    def contrast(self, objective: Objective, scene: Scene) -> TailEvidence | None:
        """Compare the canary's share with the plan: its requests are a binomial count of all requests."""
        contrast = split_contrast(scene.window, scene.share, excess=scene.excess)
        if contrast is None:
            return None
        return RootEvidence(
            contrast=contrast,
            direction=objective.direction,
            counts=scene.window.counts,
            limit_root=lambda limit: Root(
                value=contrast.root(limit - scene.share, relative=False) / math.sqrt(contrast.noise.factor),
                degrees=contrast.noise.degrees,
            ),
        )

    def predict(self, objective: Objective, expected: Expected) -> None:
        """Predict nothing: nobody knows before the run how evenly the mesh splits requests."""
        return

    def show(self, value: float, *, short: bool = False) -> str:
        """Return the share as a percentage."""
        return format_percent(value)


SPLIT: Indicator = Split()
