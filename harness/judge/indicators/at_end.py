"""Gauges of which only the end of a phase counts, such as ejected endpoints that did not come back in a recovery."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.judge.evidence import TailEvidence
from harness.judge.indicators.gauge import Gauge
from harness.judge.indicators.port import Scene
from harness.model.objective import Objective

_LAST = 1 / 3
"""The part of the phase that counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AtEnd(Gauge):
    """A gauge of the last third of a phase. In a longer recovery more time is left to come back before it."""

    def contrast(self, objective: Objective, scene: Scene) -> TailEvidence | None:
        """Compare the readings of the last third."""
        start_s = scene.end_s - _LAST * (scene.end_s - scene.start_s)
        return Gauge.contrast(self, objective, replace(scene, start_s=start_s))
