"""Check the arguments of the judge's function for arrays before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from harness.errors import UsageError
from harness.judge.calibration import Calibration
from harness.judge.indicators import indicator_of
from harness.judge.objectives import default_objectives, parse_objective
from harness.judge.sequential import FailOn
from harness.model.objective import Objective
from harness.model.record import Series


def checked_objectives(objectives: object, canary_share: float | None) -> tuple[Objective, ...]:
    """Return the objectives, or the default ones if there are none. Raises UsageError or ObjectiveError."""
    if isinstance(objectives, (str, Objective)):
        objectives = (objectives,)
    if not isinstance(objectives, Iterable):
        raise UsageError(f"objectives: expected a list of texts such as 'latency_p99 < +10%', found {objectives!r}")
    parsed = tuple(each if isinstance(each, Objective) else parse_objective(each) for each in objectives)
    for objective in parsed:
        if canary_share is None and indicator_of(objective).needs(objective).canary_share:
            raise UsageError(
                f"{objective.text}: expected canary_share, the planned share of requests to the canary, found none: "
                "without it the number of requests that the canary should have had is unknown"
            )
    return parsed or default_objectives()


def check_numbers(
    *,
    alpha: float,
    canary_share: float | None,
    horizon_s: float | None,
    now_s: float | None,
    pass_score: float,
    marginal_score: float,
) -> None:
    """Raise UsageError, naming the argument, for something that is no number or is out of its range."""
    _within("alpha", alpha, "a probability above 0 and below 0.5", 0, 0.5)
    _within("canary_share", canary_share, "a share above 0 and below 1", 0, 1)
    _within("horizon_s", horizon_s, "seconds above 0", 0, math.inf)
    _within("now_s", now_s, "seconds of at least 0", math.nextafter(0, -1), math.inf)
    for name, score in (("pass_score", pass_score), ("marginal_score", marginal_score)):
        _within(name, score, "a score from 0 to 100", math.nextafter(0, -1), math.nextafter(100, 101))
    if marginal_score > pass_score:
        raise UsageError(
            f"marginal_score: expected at most the {pass_score:g} that a pass needs, found {marginal_score:g}"
        )


def _within(name: str, value: float | None, expected: str, above: float, below: float) -> None:
    """Raise UsageError unless a number, if one is given, lies between two others."""
    if value is None and name in {"canary_share", "horizon_s", "now_s"}:
        return
    if value is None or not is_number(value) or not above < float(value) < below:
        raise UsageError(f"{name}: expected {expected}, found {value!r}")


def is_number(value: object) -> bool:
    """Whether this is a real number of Python or NumPy. A truth value is no number."""
    if isinstance(value, bool) or type(value).__name__ in {"bool", "bool_", "str_", "bytes_"}:
        return False
    return isinstance(value, (int, float)) or (hasattr(value, "dtype") and value.dtype.kind in "iuf")


def check_phases(phases: Mapping[str, float] | None) -> None:
    """Raise UsageError unless these are planned seconds by phase."""
    if phases is None:
        return
    if not isinstance(phases, Mapping) or not phases:
        raise UsageError(f"phases: expected planned seconds by name, such as {{'steady': 60}}, found {phases!r}")
    for name, seconds in phases.items():
        if not isinstance(name, str):
            raise UsageError(f"phases: expected names of phases, found {name!r}")
        _within(f"phases: {name}", seconds, "seconds above 0", 0, math.inf)


def checked_fail_on(fail_on: str) -> FailOn:
    """Return the rule that fails a canary. Raises UsageError for anything else."""
    if isinstance(fail_on, str) and fail_on in set(FailOn):
        return FailOn(fail_on)
    raise UsageError(f"fail_on: expected {' or '.join(repr(str(each)) for each in FailOn)}, found {fail_on!r}")


def checked_series(series: Sequence[Series]) -> tuple[Series, ...]:
    """Return the series. Raises UsageError for anything but values of ``Series``."""
    if isinstance(series, Iterable) and not isinstance(series, str):
        found = tuple(series)
        if all(isinstance(one, Series) for one in found):
            return found
    raise UsageError(f"series: expected a list of harness.model.record.Series, found {series!r}")


def check_calibration(calibration: Calibration | None) -> None:
    """Raise UsageError unless this is a calibration or None."""
    if calibration is not None and not isinstance(calibration, Calibration):
        raise UsageError(
            f"calibration: expected a harness.judge.calibration.Calibration, found {type(calibration).__name__}"
        )
