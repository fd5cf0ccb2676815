"""Compare a replay with the recorded run: is it the same, and what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from harness.gate import Outcome
from harness.load.parent.proofs import ON_TIME
from harness.model import formatting
from harness.model.indicator import Direction
from harness.model.record import Record
from harness.model.verdict import Analysis, Finding, Verdict
from harness.replay.asked import Asked
from harness.report.diff import Difference, difference, side
from harness.runner.ending import DEATH

_SAME_TIME_S = 2e-4
"""By how much due times may differ: those of a packed bundle are rounded to 0.1 ms."""


class Answer(StrEnum):
    """What a replay says about the recorded run."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not reproduced"
    CANNOT = "cannot"

    @property
    def exit_code(self) -> int:
        """The exit code of ``harness replay``."""
        return {Answer.REPRODUCED: 0, Answer.NOT_REPRODUCED: 1, Answer.CANNOT: 11}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The answer with its reason, and both runs side by side. differs: what is not as it was, as sentences."""

    answer: Answer
    why: str
    difference: Difference
    differs: tuple[str, ...]

    @property
    def undecided(self) -> bool:
        """Whether the replay has too little evidence, and nothing else is in the way of an answer."""
        return self._open and all(proof.held for proof in self._now.proofs)

    @property
    def late(self) -> bool:
        """Whether nothing is in the way of an answer but this machine, which was too busy to send the load on time."""
        return self._open and {proof.name for proof in self._now.proofs if not proof.held} == {ON_TIME}

    @property
    def elsewhere(self) -> bool:
        """Whether the replay ended with a failure before what failed in the record was decided."""
        then = self.difference.sides[0].analysis
        return (
            self.answer is Answer.CANNOT
            and then.verdict is self._now.verdict is Verdict.FAIL
            and all(proof.held for proof in self._now.proofs)
            and bool(_undecided(then, self._now))
        )

    @property
    def _now(self) -> Analysis:
        return self.difference.sides[1].analysis

    @property
    def _open(self) -> bool:
        then = self.difference.sides[0].analysis
        return (
            self.answer is Answer.CANNOT
            and then.verdict is not Verdict.INCONCLUSIVE
            and self._now.verdict is Verdict.INCONCLUSIVE
        )


def compared(asked: Asked, outcome: Outcome, *, cannot: Sequence[str]) -> Comparison:
    """Compare a replay with what was recorded. cannot: the objectives that could not be judged here, with reasons."""
    if len(outcome.record.samples):
        died = (_canary_died(asked.record), _canary_died(outcome.record))
        answer, why = answered(asked.analysis, outcome.analysis, cannot=cannot, died=died)
    else:
        answer, why = Answer.CANNOT, f"nothing was repeated, because no load was sent: {outcome.analysis.reason}"
    left = side("A", str(asked.folder), asked.record, asked.analysis)
    right = side("B", str(outcome.folder), outcome.record, outcome.analysis)
    return Comparison(
        answer=answer,
        why=why,
        difference=difference(left, right),
        differs=tuple(_differs(asked.record, outcome.record)),
    )


def _canary_died(record: Record) -> bool:
    return any(event.kind == DEATH and event.fields.get("arm") == "canary" for event in record.events)


def answered(
    recorded: Analysis, replay: Analysis, *, cannot: Sequence[str], died: tuple[bool, bool] = (False, False)
) -> tuple[Answer, str]:
    """Return the answer and its reason.

    A fail is reproduced if an objective that failed then fails now, in a phase in which it did not pass then; without
    one, if the replay fails without one too. The death of a canary is reproduced by a death alone. Another verdict
    rests on every objective, so all of them must be judged here too.

    died: whether the canary died, in the recorded run and in the replay.
    """
    if recorded.verdict is Verdict.INCONCLUSIVE:
        return Answer.CANNOT, f"the recorded run decided nothing that could be reproduced; now: {replay.verdict}"
    if replay.verdict is Verdict.INCONCLUSIVE:
        if recorded.verdict is Verdict.FAIL and harm_excluded(recorded, replay):
            return Answer.NOT_REPRODUCED, f"harm of the recorded size is excluded here: {replay.reason}"
        return Answer.CANNOT, f"the replay decided nothing: {replay.reason}"
    if recorded.verdict is Verdict.FAIL:
        return _answered_fail(recorded, replay, cannot, died)
    return _answered_other(recorded, replay, cannot)


def _answered_other(recorded: Analysis, replay: Analysis, cannot: Sequence[str]) -> tuple[Answer, str]:
    if recorded.verdict is not replay.verdict:
        return Answer.NOT_REPRODUCED, f"{recorded.verdict} then, {replay.verdict} here: {replay.reason}"
    if cannot:
        return Answer.CANNOT, f"{replay.verdict} here too, but not everything can be judged here: {'; '.join(cannot)}"
    return Answer.REPRODUCED, f"{replay.verdict} here too: {replay.reason}"


def _answered_fail(
    recorded: Analysis, replay: Analysis, cannot: Sequence[str], died: tuple[bool, bool]
) -> tuple[Answer, str]:
    then = failed(recorded)
    if replay.verdict is Verdict.FAIL:
        if died[0] == died[1] and (died[0] or _fails_alike(recorded, replay)):
            return Answer.REPRODUCED, f"it fails here too: {replay.reason}"
        if died[0] and not died[1]:
            return Answer.CANNOT, f"it fails here before its canary dies, as it did then: {replay.reason}"
    lost = [text for text in cannot if any(text.startswith(f"{name}: ") for name in then)]
    if lost:
        return Answer.CANNOT, f"what failed cannot be judged here: {'; '.join(lost)}"
    if replay.verdict is Verdict.FAIL:
        undecided = _undecided(recorded, replay)
        if undecided:
            left = ", ".join(undecided)
            return Answer.CANNOT, f"it fails here for another reason, before {left} was decided: {replay.reason}"
        return Answer.NOT_REPRODUCED, f"it fails here for another reason: {replay.reason}"
    return Answer.NOT_REPRODUCED, f"fail then, {replay.verdict} here: {replay.reason}"


def _fails_alike(recorded: Analysis, replay: Analysis) -> bool:
    """Return whether an objective that failed then fails now too; one that passed then in that phase does not count.

    If no objective failed then or now, both failed without one.
    """
    then, now = failed(recorded), failed(replay)
    if not (then or now):
        return True
    passed = {(one.objective.text, one.phase) for one in recorded.findings if one.verdict is Verdict.PASS}
    return any(
        _decided_fail(one) and one.objective.text in then and (one.objective.text, one.phase) not in passed
        for one in replay.findings
    )


def _undecided(recorded: Analysis, replay: Analysis) -> list[str]:
    """Return the objectives that failed then and did not pass here in the same phase, with that phase.

    A run ends at the first proof of harm, which leaves others open, and phases that were not reached have no findings.
    """
    passed = {(one.objective.text, one.phase) for one in replay.findings if one.verdict is Verdict.PASS}
    then = [(one.objective.text, one.phase) for one in recorded.findings if _decided_fail(one)]
    return sorted({f"{text} in the {phase} phase" for text, phase in then if (text, phase) not in passed})


def harm_excluded(recorded: Analysis, replay: Analysis) -> bool:
    """Return whether each failure of the record is larger than all that its interval in the replay allows."""
    then = [one for one in recorded.findings if _decided_fail(one)]
    now = {(one.objective.text, one.phase): one for one in replay.findings}
    proofs_held = all(proof.held for proof in replay.proofs)
    return bool(then) and proofs_held and all(_excluded(one, now.get((one.objective.text, one.phase))) for one in then)


def _excluded(then: Finding, now: Finding | None) -> bool:
    if now is None or then.low is None or then.high is None or now.low is None or now.high is None:
        return False
    if then.objective.direction is Direction.DECREASE:
        return now.low > then.high
    return now.high < then.low


def failed(analysis: Analysis) -> set[str]:
    """Return the objectives that failed, in whatever phase."""
    return {one.objective.text for one in analysis.findings if _decided_fail(one)}


def _decided_fail(finding: Finding) -> bool:
    return finding.verdict is Verdict.FAIL and not finding.objective.muted


def _differs(then: Record, now: Record) -> list[str]:
    lines = []
    if not same_arrivals(then, now):
        shared = "the recorded run sent requests under other faults too"
        why = shared if then.manifest.get("shared") else "another version of the load generator drew them"
        lines.append(f"requests were due at other times, because {why}")
    for what, left, right in (
        ("target", then.plan.target, now.plan.target),
        ("commit", then.manifest.get("commit", "unknown"), now.manifest.get("commit", "unknown")),
        ("machine", then.manifest.get("platform"), now.manifest.get("platform")),
        ("CPUs", then.manifest.get("cpus"), now.manifest.get("cpus")),
        ("load", then.manifest.get("load_average"), now.manifest.get("load_average")),
    ):
        if left != right:
            lines.append(f"{what}: {left} then, {right} now")
    rates = [_rate(one) for one in (then, now)]
    if abs(rates[0] - rates[1]) > 0.02 * max(rates):
        lines.append(f"rate: {formatting.number(rates[0])} req/s then, {formatting.number(rates[1])} req/s now")
    return lines


def _rate(record: Record) -> float:
    due = record.samples.due_s
    return len(due) / float(due.max()) if len(due) and due.max() > 0 else 0.0


def same_arrivals(then: Record, now: Record) -> bool:
    """Return whether the requests of two runs were due at the same times, as far as both went."""
    left, right = (np.sort(one.samples.due_s) for one in (then, now))
    both = min(len(left), len(right))
    return bool(both and np.allclose(left[:both], right[:both], atol=_SAME_TIME_S, rtol=0))
