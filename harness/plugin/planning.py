"""``--harness-plan``: say what each run of a test would do, and start nothing.

The code of the test is executed. Runs are written down instead of carried out, and answer with a ``Planned`` analysis.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import pytest

from harness.config import Config
from harness.errors import HarnessError
from harness.judge.power import undecidable, visible_effects
from harness.model.objective import Objective
from harness.model.units import format_duration
from harness.model.verdict import Analysis, Verdict
from harness.runner.live_run import LiveTraffic
from harness.runner.plan_warnings import plan_warnings
from harness.runner.planning import plan_run
from harness.runner.scenario import Scenario

if TYPE_CHECKING:
    from harness.faults import Fault

PLANS: pytest.StashKey[TestPlan] = pytest.StashKey()
"""The key of the plan of a test."""
_SKIPPED = "planned only; nothing was started"
_UNKNOWN = "what follows uses the running mesh, so it is known only when it runs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned(Analysis):
    """What a planned run answers: no verdict that a test could rely on, and nothing to require."""

    def require_pass(self) -> None:
        """Go on: nothing was measured."""


class TestPlan:
    """What one test would do, as blocks of lines."""

    __test__ = False

    def __init__(self, name: str, target: str) -> None:
        """Plan nothing yet. name: of the test."""
        self._name, self._target = name, target
        self._runs = 0
        self._by_hand = False
        self.lines: list[str] = []

    def run(self, scenario: Scenario, config: Config) -> Analysis:
        """Write down a whole scenario."""
        self._begin_run()
        self.lines += _rows(_scenario_rows(scenario, config, target=self._target))
        return _planned()

    def observe(self, users: LiveTraffic) -> Analysis:
        """Write down what an observation of real users would look at."""
        self._begin_run()
        self.lines += _rows(_users_rows(users, target=self._target))
        return _planned()

    def inject(self, fault: Fault) -> None:
        """Write down a fault that a test injects itself."""
        self._step("fault", fault.words().text)

    def load(self, scenario: Scenario) -> None:
        """Write down a load that a test sends itself."""
        length, before = format_duration(scenario.steady_s), format_duration(scenario.warm_up_s)
        text = f"{scenario.load}, {scenario.rate_rps:g} requests per second for {length}, after {before} of warm-up"
        self._step("load", text)

    def compare(self, objectives: Sequence[Objective]) -> Analysis:
        """Write down what a test judges what it did by."""
        self._step("compare", ", ".join(objective.text for objective in objectives))
        return _planned()

    def unknown(self) -> NoReturn:
        """End the test: it asks for a mesh."""
        self._step("note", _UNKNOWN)
        pytest.skip(_SKIPPED)

    def broke_off(self, error: BaseException) -> None:
        """Write down that the code of the test needs the result of a run to go on."""
        said = (str(error).splitlines() or [""])[0]
        self.lines += _rows([("note", f"what follows depends on results: {type(error).__name__}: {said}".rstrip(": "))])

    def _begin_run(self) -> None:
        self._runs += 1
        self._begin(f"run {self._runs}" if self._runs > 1 else "")

    def _step(self, name: str, text: str) -> None:
        if not self._by_hand:
            self._by_hand = True
            self._begin("")
        self.lines += _rows([(name, text)])

    def _begin(self, addition: str) -> None:
        self.lines += ["", f"{self._name}, {addition}" if addition else self._name]


def ended(plan: TestPlan) -> Generator[None, object, object]:
    """Let the code of a test run, then skip it if it has planned anything. Mistakes of the plan are raised."""
    try:
        yield
    except HarnessError:
        raise
    except (Exception, pytest.fail.Exception) as error:
        if not plan.lines:
            raise
        plan.broke_off(error)
    if plan.lines:
        pytest.skip(_SKIPPED)
    return None


def _planned() -> Planned:
    return Planned(
        verdict=Verdict.INCONCLUSIVE, reason=_SKIPPED, score=0.0, findings=(), judge="", alpha=0.0, decided_at_s=0.0,
        final=False,
    )  # fmt: skip


def _scenario_rows(scenario: Scenario, config: Config, *, target: str) -> list[tuple[str, str]]:
    """Return the phases, the requests and the smallest visible effect of a scenario."""
    from harness import wiring

    plan = plan_run(scenario, wiring.settings(config, scenario, target=target, manifest={}), target=target)
    requests = plan.rate_rps * plan.duration_s
    effects = visible_effects(plan, lengths=False) if plan.judge.name == "sequential" else ()
    warnings = [
        undecidable(effects) if effects else "",
        *plan_warnings(plan, [one.declared("") for one in scenario.faults]),
    ]
    return [
        ("target", target),
        ("phases", ", ".join(f"{phase.name} {format_duration(phase.duration_s)}" for phase in plan.phases)),
        ("faults", ", ".join(fault.words().text for fault in scenario.faults) or "none"),
        ("load", f"{scenario.load}, {plan.rate_rps:g} requests per second for {format_duration(plan.duration_s)}"),
        ("requests", f"{requests:.0f}, {requests * plan.canary_share:.0f} of them to the canary"),
        *(("can see", str(effect)) for effect in effects),
        *(("warning", text) for text in warnings if text),
    ]


def _users_rows(users: LiveTraffic, *, target: str) -> list[tuple[str, str]]:
    return [
        ("target", target),
        ("phases", f"steady {format_duration(users.length_s)}, a look every {format_duration(users.every_s)}"),
        ("load", "none: the requests of real users are judged"),
        *(("judges", objective.text) for objective in users.objectives),
    ]


def _rows(rows: Sequence[tuple[str, str]]) -> list[str]:
    return [f"  {name.ljust(9)}{text}" for name, text in rows]
