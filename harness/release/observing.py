"""Observe a build while users get it: it must live, and answer users without more errors than allowed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.errors import BuildError
from harness.model.release import ReleaseStep
from harness.model.units import format_percent
from harness.release.ports import Pair, Seen, Watch

FEWEST = 20
"""The fewest answers to users from which a share of errors is judged."""
_POLL_S = 1.0


def observed(
    watch: Watch,
    pairs: Sequence[Pair],
    step: ReleaseStep,
    *,
    now: Callable[[], float],
    sleep: Callable[[float], None],
    still: Callable[[], None],
) -> tuple[str, str]:
    """Observe every build for the time of the step and return the verdict with its reason.

    Fails a build that dies or, with a limit, that answers users with more errors; inconclusive if fewer than 20 users'
    requests were answered.
    """
    try:
        before = {pair.service: watch.look(pair) for pair in pairs}
        over = now() + step.observe_s
        while now() < over:
            still()
            sleep(min(_POLL_S, max(over - now(), 0.0)))
            after = {pair.service: watch.look(pair) for pair in pairs}
        after = {pair.service: watch.look(pair) for pair in pairs}
    except BuildError as error:
        return "fail", str(error)
    if step.max_errors is None:
        return "pass", f"the new build stayed healthy for {step.observe_s:g} s"
    return _judged(before, after, step)


def _judged(before: dict[str, Seen], after: dict[str, Seen], step: ReleaseStep) -> tuple[str, str]:
    texts, limit = [], step.max_errors or 0.0
    for service, seen in after.items():
        answered = seen.requests.get("canary", 0) - before[service].requests.get("canary", 0)
        failed = seen.failed.get("canary", 0) - before[service].failed.get("canary", 0)
        if answered < FEWEST:
            return "inconclusive", f"{service}: expected at least {FEWEST} answers of the new build, found {answered}"
        texts.append(f"{service}: {failed} of {answered} answers to users failed, at most {format_percent(limit)} may")
        if failed > limit * answered:
            return "fail", texts[-1]
    return "pass", "; ".join(texts)
