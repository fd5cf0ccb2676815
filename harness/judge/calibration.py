"""Learn the noise of an environment from runs with the same build in both arms (A/A), for later judgements.

Within one run, slow noise in one arm looks like a slower build; across runs it does not. So A/A runs in one environment
give, for each indicator, the variance between equal arms beyond that of independent requests. Later judgements assume
at least this variance, and say so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeGuard

from harness.errors import JudgeInputError
from harness.judge.evidence import RootEvidence
from harness.judge.indicators import indicator_of
from harness.judge.indicators.port import Scene
from harness.model.json import JsonValue, parse_json
from harness.model.objective import Objective
from harness.model.phase import Phase
from harness.model.record import Plan
from harness.model.samples import Samples
from harness.model.sums import plain_sum
from harness.printable import shown
from harness.stats.binomial import share_interval
from harness.stats.table import reduce_samples
from harness.stats.window import window_of

FORMAT_VERSION = 1
_LARGEST, _MOST_RUNS = 1e100, 10**9
"""Larger numbers are mistakes, and overflow where they are squared or counted with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualRun:
    """A run with the same build in both arms, and whether the judge failed it."""

    samples: Samples
    phases: tuple[Phase, ...]
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Noise of one environment.

    environment: free text, such as the host and target. runs: the number of A/A runs, 0 if only the noise within other
    runs was learned (``learned_noise``); the judge failed ``failed`` of them. excess: for each indicator, the variance
    beyond that of independent requests, per unit of weight and second (``Weights.least_factor``). control: whether the
    judge failed a run with a known delay in the canary; None if there was no such run.
    """

    environment: str
    runs: int
    failed: int
    excess: Mapping[str, float]
    control: bool | None = None

    def planned(self, plan: Plan) -> Plan:
        """Return the plan with this noise, so that the record contains everything that the verdict depends on."""
        return replace(plan, judge=replace(plan.judge, noise=dict(self.excess), noise_from=str(self)))

    def __str__(self) -> str:
        if not self.runs:
            return self.environment
        low, high = share_interval(self.failed, self.runs, confidence=0.95)
        return (
            f"{self.environment}, {self.runs} runs, {self.failed} of them failed ({low:.1%} to {high:.1%})"
            + {
                None: "",
                True: "; a canary made worse on purpose was failed",
                False: "; A CANARY MADE WORSE WAS NOT FAILED",
            }[self.control]
        )


def learn(
    runs: Sequence[EqualRun], objectives: Sequence[Objective], *, environment: str, block_s: float, control: bool | None
) -> Calibration:
    """Return the calibration that runs of equal builds give for the indicators of ``objectives``.

    For each indicator this is the larger of two estimates: the mean square of the differences between the arms, in
    units of independent requests, and the mean overdispersion within the runs. Raises JudgeInputError for fewer than
    three runs, which say nothing about the noise between runs.
    """
    if len(runs) < 3:
        raise JudgeInputError(f"calibration: expected at least 3 runs of equal builds, found {len(runs)}")
    wanted = {objective.name: objective for objective in objectives}
    seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in wanted}
    for run in runs:
        table = reduce_samples(run.samples, run.phases, block_s=block_s)
        for phase in run.phases:
            if not phase.kind.judged:
                continue
            window = window_of(table, phase.name)
            for name, objective in wanted.items():
                found = noise_of(objective, Scene(window=window, share=0.5))
                if found is not None:
                    seen[name].append(found)
    return Calibration(
        environment=environment,
        runs=len(runs),
        failed=sum(run.failed for run in runs),
        excess={name: _excess(values) for name, values in seen.items() if values},
        control=control,
    )


def noise_of(objective: Objective, scene: Scene) -> tuple[float, float, float] | None:
    """Return the squared difference in units of independent requests, the overdispersion, and the weight per second."""
    evidence = indicator_of(objective).contrast(objective, scene)
    if not isinstance(evidence, RootEvidence) or evidence.weight_rate is None:
        return None  # noise between runs cannot be learned for this indicator
    root, noise = evidence.contrast.root(0.0, relative=False), evidence.contrast.noise
    return root**2 + 1 - noise.calm, noise.factor + 1 - noise.calm, evidence.weight_rate


def _excess(values: Sequence[tuple[float, float, float]]) -> float:
    weight = plain_sum(rate for _, _, rate in values) / len(values)
    between = plain_sum(square for square, _, _ in values) / len(values)
    within = plain_sum(factor for _, factor, _ in values) / len(values)
    return max(between - 1, within - 1, 0.0) / weight


def calibration_json(calibration: Calibration) -> str:
    """Return the calibration as the text of a file."""
    content = {
        "format_version": FORMAT_VERSION,
        "environment": calibration.environment,
        "runs": calibration.runs,
        "failed": calibration.failed,
        "control": calibration.control,
        "excess": dict(sorted(calibration.excess.items())),
    }
    return json.dumps(content, indent=1) + "\n"


def read_calibration(text: str, file: Path | str) -> Calibration:
    """Return the calibration in ``text``. Raises JudgeInputError, naming ``file`` and key, for anything else."""
    try:
        content = parse_json(text)
    except ValueError as error:
        raise JudgeInputError(f"{file}: expected a calibration as JSON, found something else: {error}") from error
    if not isinstance(content, dict) or content.get("format_version") != FORMAT_VERSION:
        raise JudgeInputError(f"{file}: expected a calibration of format version {FORMAT_VERSION}, found another file")
    excess = sizes_of(content.get("excess"))
    if excess is None:
        found = shown(content.get("excess"))
        raise JudgeInputError(f"{file}: excess: expected numbers of at least 0 by indicator, found {found}")
    runs, failed = content.get("runs"), content.get("failed")
    if type(runs) is not int or type(failed) is not int or not 0 <= failed <= runs <= _MOST_RUNS:
        raise JudgeInputError(f"{file}: runs, failed: expected counts, found {shown(runs)} and {shown(failed)}")
    if not runs and not content.get("learned"):
        raise JudgeInputError(f"{file}: runs: expected at least 1, or noise learned from other runs, found 0")
    control = content.get("control")
    if control is not None and not isinstance(control, bool):
        raise JudgeInputError(f"{file}: control: expected true, false or null, found {shown(control)}")
    return Calibration(
        environment=str(content.get("environment", "")),
        runs=runs,
        failed=failed,
        excess=excess,
        control=control,
    )


def sizes_of(found: JsonValue) -> Mapping[str, float] | None:
    """Return numbers of at least 0 by name; None for anything else."""
    if not isinstance(found, dict):
        return None
    sizes = {name: float(value) for name, value in found.items() if is_size(value)}
    return sizes if len(sizes) == len(found) else None


def is_size(value: object) -> TypeGuard[float]:
    """Return whether a value is a number of at least 0, and not so large that it must be a mistake."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= _LARGEST
