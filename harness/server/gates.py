"""Find the result of a gate that an adapter started, from its job."""

from __future__ import annotations

from dataclasses import dataclass

from harness.server.jobs import Job, JobState

_VERDICTS = {0: "pass", 1: "fail", 10: "marginal", 11: "inconclusive"}


@dataclass(frozen=True, slots=True, kw_only=True)
class GateAnswer:
    """state: waiting, running or done. verdict: empty until it is done; ``none`` if there is no verdict.

    score: the lowest of its scenarios; None if there is none.
    """

    job: str
    state: str
    verdict: str
    score: float | None
    reason: str


def answer(job: Job) -> GateAnswer:
    """Return what is known of a gate. What a person decided about a marginal or inconclusive one replaces it."""
    if job.state is not JobState.DONE:
        reason = f"gate {job.subject}: {job.state.value}"
        return GateAnswer(job=job.id, state=job.state.value, verdict="", score=None, reason=reason)
    verdict = _VERDICTS.get(-1 if job.exit_code is None else job.exit_code, "none")
    reason = job.reason
    if job.approval is not None and verdict != "fail":
        verdict = "pass" if job.approval.approved else "fail"
        word = "approved" if job.approval.approved else "rejected"
        reason = f"{word} by {job.approval.by}: {job.approval.reason}; before: {job.reason}"
    return GateAnswer(job=job.id, state="done", verdict=verdict, score=job.score, reason=reason)
