"""Compute when requests are due in the open model: a pure function of stages, spacing and seed.

The expected number of arrivals until t is the integral of the rate, a piecewise quadratic function M(t). Even arrivals
are due when M reaches 0, 1, 2, ... Poisson arrivals are due when M reaches the partial sums of unit exponentials, which
gives an inhomogeneous Poisson process with that rate (time change; Cinlar 1975, Introduction to Stochastic Processes,
4.7).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from random import Random

from harness.errors import LoadProfileError
from harness.model.load import Arrivals, LoadPlan, Stage


def check_stages(stages: Sequence[Stage]) -> None:
    """Raise LoadProfileError unless every stage has a duration and finite rates, and some rate is above zero."""
    for number, stage in enumerate(stages, start=1):
        if not (0 < stage.duration_s < math.inf):
            raise LoadProfileError(
                f"stage {number} of the load: expected a duration above 0 s, found {stage.duration_s:g} s"
            )
        for rate in (stage.start_rps, stage.end_rps):
            if not 0 <= rate < math.inf:
                raise LoadProfileError(
                    f"stage {number} of the load: expected a rate of at least 0 requests per second, found {rate:g}"
                )
    if not any(stage.arrivals > 0 for stage in stages):
        raise LoadProfileError("expected a load with at least one stage whose rate is above 0, found none")


def due_times(stages: Sequence[Stage], arrivals: Arrivals, seed: int) -> Iterator[float]:
    """Yield the due times of requests in seconds from the start, ascending, all within the stages.

    The same arguments give the same times on every machine. So n workers that each take every n-th time send together
    what one worker would have sent.
    """
    marks = _marks(arrivals, seed)
    mark, start_s, reached = next(marks), 0.0, 0.0
    for stage in stages:
        end = reached + stage.arrivals
        slope = (stage.end_rps - stage.start_rps) / stage.duration_s
        first = stage.start_rps
        while mark < end:
            count = mark - reached
            root = math.sqrt(max(0.0, first * first + 2 * slope * count))
            yield start_s + (2 * count / (first + root) if count else 0.0)
            mark = next(marks)
        start_s, reached = start_s + stage.duration_s, end


def count_arrivals(plan: LoadPlan) -> int:
    """Return the number of requests in the plan's schedule."""
    if plan.arrivals is Arrivals.EVEN:
        return math.ceil(plan.expected)
    return sum(1 for _ in due_times(plan.stages, plan.arrivals, plan.seed))


def _marks(arrivals: Arrivals, seed: int) -> Iterator[float]:
    if arrivals is Arrivals.EVEN:
        number = 0
        while True:
            yield float(number)
            number += 1
    draw, mark = Random(seed).random, 0.0  # noqa: S311 - arrival times need no cryptographic randomness
    while True:
        mark -= math.log(1.0 - draw())
        yield mark
