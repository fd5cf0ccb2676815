"""Send the loads of a search, and say how far the machine lets them be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from harness.explore.credibility import LEAST_S, Waits, believed, waits_per_request
from harness.explore.measuring import Outcome, phase_samples
from harness.load.parent.proofs import ON_TIME, load_proofs
from harness.mesh.port import Mesh, SharesCpu
from harness.model.json import text_at, texts_at
from harness.model.phase import PhaseKind, PhasePlan
from harness.model.record import Plan
from harness.model.samples import ARMS, Samples
from harness.model.step import PROCESS
from harness.model.verdict import Proof
from harness.runner.engine import Engine
from harness.runner.settings import Settings

WARM_UP_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What a phase showed. waits_s: for how long a request of each arm waited for a CPU; empty if not known.

    on_time: the proof that it was sent on time, if its load has one.
    """

    samples: Samples
    seconds: float
    waits_s: Mapping[str, float]
    on_time: Proof | None

    @property
    def late(self) -> str:
        """Why the load was not as planned, or an empty string."""
        return "" if self.on_time is None or self.on_time.held else f"the load was late: {self.on_time.observed}"

    def usual_s(self, arm: str) -> float:
        """Return the median latency of an arm in seconds, 0 without requests."""
        latency_s = self.samples.latency_s[self.samples.arm == ARMS.index(arm)]
        return float(np.median(latency_s)) if len(latency_s) else 0.0

    def is_calm(self, share: float) -> bool:
        """Return whether the load was on time, and requests waited for a CPU for less than a share of their latency."""
        return not self.late and all(
            waited_s <= max(share * self.usual_s(arm), LEAST_S) for arm, waited_s in self.waits_s.items()
        )

    def compared(
        self, steady: Sent, told: Outcome, arm: str, small_s: float, *, failing_s: float | None = None
    ) -> Outcome:
        """Return what an arm did in this phase, compared with its steady one, as far as that is believed."""
        if self.late:
            return replace(told, broke=None, waited_s=self.waits_s.get(arm), doubt=self.late)
        if arm not in self.waits_s:
            return told
        steady_s = steady.waits_s.get(arm, 0.0)
        waits = Waits(steady_s=steady_s, probe_s=self.waits_s[arm], small_s=small_s, failing_s=failing_s)
        return believed(told, waits)


class Sender:
    """Sends one load after the other through an engine, as planned but for the phases."""

    def __init__(self, engine: Engine, plan: Plan, settings: Settings, mesh: Mesh, folder: Path) -> None:
        """folder: where each load gets a folder."""
        self.engine, self.plan, self._mesh, self._folder = engine, plan, mesh, folder
        self._own = _own_processes(mesh, settings)
        if isinstance(mesh, SharesCpu):
            mesh.raise_priorities()

    def send(self, name: str, kind: PhaseKind, seconds: float, faults: tuple[str, ...] = ()) -> Sent | None:
        """Send one load, and return what its phase showed; None if the run ended."""
        warm_up = PhasePlan(name="warm-up", kind=PhaseKind.WARM_UP, duration_s=WARM_UP_S)
        phase = PhasePlan(name=name, kind=kind, duration_s=seconds, faults=faults)
        folder = self._folder / f"load-{len(self.engine.loads)}"
        before = self._waited_s()
        self.engine.send(replace(self.plan, phases=(warm_up, phase)), folder=folder)
        after = self._waited_s()
        if self.engine.ended():
            return None
        sent = self.engine.loads[-1]
        requests = {arm: int((sent.samples.arm == number).sum()) for number, arm in enumerate(ARMS)}
        return Sent(
            samples=phase_samples(sent.samples, sent.windows[-1]),
            seconds=seconds,
            waits_s=waits_per_request(before, after, requests=requests, own=self._own),
            on_time=next((proof for proof in load_proofs(sent.report) if proof.name == ON_TIME), None),
        )

    def _waited_s(self) -> Mapping[str, float]:
        return self._mesh.cpu_waits_s() if isinstance(self._mesh, SharesCpu) else {}


def _own_processes(mesh: Mesh, settings: Settings) -> dict[str, frozenset[str]]:
    """Return the names of the processes of each arm, as far as the mesh runs them."""
    processes = [
        (text_at(one, "metadata", "name"), texts_at(one, "metadata", "labels")) for one in mesh.resources(PROCESS)
    ]
    return {
        arm: frozenset(name for name, has in processes if labels and labels.items() <= has.items())
        for arm, labels in zip(ARMS, (settings.baseline, settings.canary), strict=True)
    }
