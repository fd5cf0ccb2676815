"""Keep a calibration up to date with the noise of ordinary runs, whatever their verdicts.

A run of two builds says how much the difference between the arms varies from block to block around its mean, which is
no question of the builds. That noise is learned from the steady phase of every run, because passed runs alone select
the quiet ones. The newest runs of a machine are averaged; none counts for more than three times their median, because
harm that begins late looks like noise. What ``harness calibrate`` measured between equal builds stays in force: the
larger of both is assumed.

The file stays a calibration (``calibration``), with the runs that it learned from under ``learned``, and what
``harness calibrate`` had measured under ``measured``.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from harness.errors import JudgeInputError
from harness.judge.calibration import (
    Calibration,
    calibration_json,
    is_size,
    noise_of,
    read_calibration,
    sizes_of,
)
from harness.judge.indicators.port import Scene
from harness.model.json import JsonObject, JsonValue, parse_json
from harness.model.objective import Objective
from harness.model.phase import Phase, PhaseKind
from harness.model.samples import Samples
from harness.stats.table import reduce_samples
from harness.stats.window import window_of

NEWEST = 30
"""Newest runs of a machine that count."""
ENOUGH = 3
"""With fewer runs nothing is assumed."""
MOST = 3.0
LEAST_S = 20.0
"""Blocks of a shorter steady phase say little about their noise."""
MOST_MACHINES = 10
OLDEST = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnedRun:
    """What one run adds.

    run: its mark; several records of one run count once. day: its date, as 2026-11-29. machine: the name and the number
    of processors of the machine that judged it. load: how busy the machine was at its start, as its load average.
    rate_rps: the planned requests per second. excess: by indicator, as in ``Calibration``.
    """

    run: str
    day: str
    machine: str
    load: float
    rate_rps: float
    excess: dict[str, float]


def noise_in_steady(
    samples: Samples, phases: Sequence[Phase], objectives: Sequence[Objective], *, block_s: float
) -> dict[str, float]:
    """Return the noise of the difference around its mean in the steady phase; empty if that is too short."""
    steady = next((phase for phase in phases if phase.kind is PhaseKind.STEADY), None)
    if steady is None or steady.duration_s < LEAST_S or not len(samples):
        return {}
    window = window_of(reduce_samples(samples, (steady,), block_s=block_s), steady.name)
    found = {each.name: noise_of(each, Scene(window=window, share=0.5)) for each in objectives if not each.interaction}
    return {name: max(one[1] - 1, 0.0) / one[2] for name, one in found.items() if one is not None and one[2] > 0}


def updated(text: str | None, run: LearnedRun, file: Path, *, environment: str) -> str:
    """Return the text of a calibration file after one more run. text: of the file so far, None without one.

    Raises JudgeInputError for a file that is no calibration.
    """
    known, measured = ((), None) if text is None else _parts(text, file)
    runs = [*(each for each in known if each.run != run.run), run]
    machines = list(dict.fromkeys(each.machine for each in reversed(runs)))[:MOST_MACHINES]
    kept = [each for machine in reversed(machines) for each in _of_machine(runs, machine)]
    now = _together(kept, measured, machine=run.machine, environment=environment)
    document: JsonObject = json.loads(calibration_json(now))
    document["measured"] = None if measured is None else json.loads(calibration_json(measured))
    document["learned"] = [asdict(each) for each in kept]
    return json.dumps(document, indent=1) + "\n"


def known_on(machine: str, text: str, file: Path) -> Calibration:
    """Return the calibration in the text of a file, with what was learned on one machine.

    Raises JudgeInputError for a file that is no calibration.
    """
    runs, measured = _parts(text, file)
    own = _of_machine(runs, machine)
    if not own and measured is not None:
        return measured
    environment = read_calibration(text, file).environment.partition(";")[0]
    return _together(own, measured, machine=machine, environment=environment)


def _together(
    runs: Sequence[LearnedRun], measured: Calibration | None, *, machine: str, environment: str
) -> Calibration:
    own = _of_machine(runs, machine)
    noise = _averaged(own) if len(own) >= ENOUGH else {}
    base = measured or Calibration(environment=environment, runs=0, failed=0, excess={})
    names = sorted({*noise, *base.excess})
    excess = {name: max(noise.get(name, 0.0), base.excess.get(name, 0.0)) for name in names}
    return replace(base, environment=f"{base.environment}; {_said(own, machine)}", excess=excess)


def _said(runs: Sequence[LearnedRun], machine: str) -> str:
    if not runs:
        return f"nothing learned on {machine} yet"
    days, loads = sorted(each.day for each in runs), [each.load for each in runs]
    few = "" if len(runs) >= ENOUGH else f", {ENOUGH} are needed"
    return (
        f"noise of {len(runs)} run{'s' * (len(runs) != 1)} from {days[0]} to {days[-1]} on {machine}, "
        f"load {min(loads):g} to {max(loads):g}{few}"
    )


def _averaged(runs: Sequence[LearnedRun]) -> dict[str, float]:
    found = {}
    for name in sorted({name for each in runs for name in each.excess}):
        values = [each.excess[name] for each in runs if name in each.excess]
        most = MOST * statistics.median(values)
        found[name] = math.fsum(min(value, most) for value in values) / len(values)
    return found


def _of_machine(runs: Sequence[LearnedRun], machine: str) -> list[LearnedRun]:
    """Return the newest runs of a machine, oldest first, without those that are far older than its newest one."""
    own = sorted((each for each in runs if each.machine == machine), key=lambda each: each.day)
    newest = date.fromisoformat(own[-1].day) if own else date.min
    return [each for each in own if newest - date.fromisoformat(each.day) <= OLDEST][-NEWEST:]


def _parts(text: str, file: Path) -> tuple[tuple[LearnedRun, ...], Calibration | None]:
    """Return the learned runs of a file, and what was measured between equal builds."""
    whole = read_calibration(text, file)
    document = parse_json(text)
    if not isinstance(document, dict) or "learned" not in document:
        return (), whole
    entries, measured = document["learned"], document.get("measured")
    if not isinstance(entries, list):
        raise _unreadable(file)
    base = None if measured is None else read_calibration(json.dumps(measured), file)
    return tuple(_run(entry, file) for entry in entries), base


def _run(entry: JsonValue, file: Path) -> LearnedRun:
    if not isinstance(entry, dict):
        raise _unreadable(file)
    texts = [entry.get(name) for name in ("run", "day", "machine")]
    load, rate_rps, excess = entry.get("load"), entry.get("rate_rps"), sizes_of(entry.get("excess"))
    if excess is None or not is_size(load) or not is_size(rate_rps) or not all(isinstance(one, str) for one in texts):
        raise _unreadable(file)
    run, day, machine = map(str, texts)
    if not _is_day(day):
        raise _unreadable(file)
    return LearnedRun(run=run, day=day, machine=machine, load=load, rate_rps=rate_rps, excess=dict(excess))


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _unreadable(file: Path) -> JudgeInputError:
    return JudgeInputError(f"{file}: learned: expected the runs that the noise was learned from, found something else")
