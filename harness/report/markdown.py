"""Render analyses as GitHub-flavoured Markdown, for ``$GITHUB_STEP_SUMMARY`` and comments on pull requests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from harness.judge.indicators import cell_style_of
from harness.model import formatting
from harness.model.record import Record
from harness.model.seed_scope import seed_scope
from harness.model.units import format_duration
from harness.model.verdict import WATCHED, Analysis, Finding, Proof, Verdict
from harness.report.advice import replay_command
from harness.report.facts import facts

LIMIT_BYTES = 1024 * 1000
"""GitHub rejects a summary of more than 1,024 kB; this assumes the smaller meaning of kB, 1,000 bytes."""

_SIGNS = {Verdict.PASS: "✅", Verdict.FAIL: "❌", Verdict.MARGINAL: "⚠️", Verdict.INCONCLUSIVE: "❔"}
_HEAD = "| | SLI | phase | baseline | canary | difference | tolerance | n | points lost |"
_RULE = "|---|---|---|---:|---:|---:|---:|---:|---:|"
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~$&])")


def render(record: Record, analysis: Analysis, *, folder: Path | str = "", limit_bytes: int = LIMIT_BYTES) -> str:
    """Render one analysis: the result in the first three lines, then the table (worst first), proofs and details.

    The text has at most ``limit_bytes`` bytes of UTF-8. If it is too long, the least bad rows are dropped and a note
    says how many.
    """
    head, rows, tail = _head(record, analysis), _rows(record, analysis), _tail(record, analysis, folder)
    while True:
        text = _joined(head, rows, tail, left_out=len(analysis.findings) - len(rows))
        excess = len(text.encode()) - limit_bytes
        if excess <= 0:
            return text
        if rows:
            rows = rows[: _kept(rows, excess)]
        elif tail:
            tail = []
        else:
            return _cut(text, limit_bytes)


def summary(runs: Sequence[tuple[Record, Analysis]], *, limit_bytes: int = LIMIT_BYTES) -> str:
    """Render several analyses, worst first; the last line counts those that do not fit."""
    ordered = sorted(runs, key=lambda run: formatting.WORST_FIRST.index(run[1].verdict))
    parts: list[str] = []
    left = limit_bytes - 200  # room for the last line
    for position, (record, analysis) in enumerate(ordered):
        part = render(record, analysis, limit_bytes=limit_bytes)
        if len(part.encode()) + 1 > left:
            rest = ", ".join(f"{n} {v}" for v, n in _counts(ordered[position:]).items())
            parts.append(_cut(f"{len(ordered) - position} more analyses do not fit here: {rest}.\n", 199))
            break
        parts.append(part)
        left -= len(part.encode()) + 1
    return "\n".join(parts)


def escaped(text: str) -> str:
    """Escape ``text`` so that Markdown shows it literally, also in the cell of a table."""
    return (
        _SPECIAL.sub(r"\\\1", " ".join(formatting.printable(text).split()))
        .replace(r"\<", "&lt;")
        .replace(r"\>", "&gt;")
    )


def code(text: str) -> str:
    """Return ``text`` as a code span, with a fence that is longer than any run of backticks inside it."""
    clean = " ".join(formatting.printable(text).split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", clean)), default=0))
    pad = " " if clean.startswith("`") or clean.endswith("`") else ""
    return f"{fence}{pad}{clean}{pad}{fence}"


def _head(record: Record, analysis: Analysis) -> list[str]:
    run = facts(record)
    about = [
        f"scenario {escaped(run.scenario)}", f"seed {record.plan.seed}", format_duration(run.duration_s),
        f"{formatting.count(run.requests)} requests, {formatting.count(run.canary_requests)} to the canary",
    ]  # fmt: skip
    verdict = f"{_SIGNS[analysis.verdict]} {analysis.verdict.upper()}"
    return [
        f"### {verdict} · score {formatting.points(analysis.score)} of 100 · {code(run.test)}",
        "",
        escaped(analysis.reason),
        "",
        " · ".join(about + ([f"commit {code(run.commit)}"] if run.commit else [])),
        "",
    ]


def _rows(record: Record, analysis: Analysis) -> list[str]:
    return [_row(record, finding) for finding in formatting.worst_first(analysis.findings)]


def _row(record: Record, finding: Finding) -> str:
    style = cell_style_of(finding.objective, record.series)
    sizes = [formatting.count(arm.n) if arm else "0" for arm in (finding.baseline, finding.canary)]
    muted = " (muted)" if finding.objective.muted else ""
    cells = [
        f"{'' if finding.label == WATCHED else _SIGNS[finding.verdict] + ' '}{finding.label}{muted}",
        escaped(formatting.indicator(finding.objective)),
        escaped(formatting.phase(finding)), escaped(formatting.estimate(finding.baseline, style)),
        escaped(formatting.estimate(finding.canary, style)), escaped(formatting.interval(finding, style)),
        escaped(formatting.tolerance(finding, style)), " / ".join(sizes), formatting.points(finding.points_lost),
    ]  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def _tail(record: Record, analysis: Analysis, folder: Path | str) -> list[str]:
    run = facts(record, folder)
    held = sum(proof.held for proof in analysis.proofs)
    lines = [
        f"- missing: {escaped(f.missing)} "
        f"({escaped(formatting.indicator(f.objective))}, {escaped(formatting.phase(f))})"
        for f in formatting.worst_first(analysis.findings)
        if f.missing
    ]
    lines += [_failed(proof) for proof in analysis.proofs if not proof.held]
    if record.ended and record.ended not in analysis.reason:
        lines += [f"- ended early: {escaped(record.ended)}"]
    lines += [f"- note: {escaped(warning)}" for warning in analysis.warnings]
    lines += [f"- {held} of {len(analysis.proofs)} proofs held"] if analysis.proofs else []
    lines += [f"- {escaped(seed_scope(record.plan))}"] if record.load else []
    lines += [f"- run again: {code(run.again)}"] if run.again else []
    replay = replay_command(record, run.bundle) if analysis.verdict is Verdict.FAIL else ""
    lines += [f"- replay on your machine: {code(replay)}"] if replay else []
    lines += [f"- judge again: {code(run.judge_again)}"] if run.judge_again else []
    return ["", *lines, ""]


def _failed(proof: Proof) -> str:
    expected, observed = escaped(proof.expected), escaped(proof.observed)
    return f"- proof failed: {escaped(proof.name)}: expected {expected}, observed {observed}. {escaped(proof.remedy)}"


def _joined(head: list[str], rows: list[str], tail: list[str], *, left_out: int) -> str:
    table = [_HEAD, _RULE, *rows] if rows else []
    note = [f"\n{left_out} more rows, none of them worse, do not fit here."] if left_out else []
    return "\n".join([*head, *table, *note, *tail]) + "\n"


def _kept(rows: list[str], excess: int) -> int:
    """Return how many rows to keep so that at least ``excess`` bytes, plus the note about them, are saved."""
    freed, kept = -100, len(rows)
    while kept and freed < excess:
        kept -= 1
        freed += len(rows[kept].encode()) + 1
    return kept


def _cut(text: str, limit_bytes: int) -> str:
    return text.encode()[:limit_bytes].decode(errors="ignore")


def _counts(runs: Sequence[tuple[Record, Analysis]]) -> dict[Verdict, int]:
    verdicts = [analysis.verdict for _, analysis in runs]
    return {verdict: verdicts.count(verdict) for verdict in formatting.WORST_FIRST if verdict in verdicts}
