"""Render an analysis for a terminal: eighty columns, no box drawing, each command on its own line."""

from __future__ import annotations

import textwrap
from collections import Counter
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

_COLOURS = {Verdict.PASS: "32", Verdict.FAIL: "31", Verdict.MARGINAL: "33", Verdict.INCONCLUSIVE: "35"}
_SHORT = {Verdict.PASS: "pass", Verdict.FAIL: "FAIL", Verdict.MARGINAL: "MARGINAL", Verdict.INCONCLUSIVE: "INCONCL."}
_COLUMNS = ("SLI", "baseline", "canary", "difference", "tolerance")
_SHOWN = 12
_LABEL = 9


def render(record: Record, analysis: Analysis, *, width: int = 80, color: bool = False, folder: Path | str = "") -> str:
    """Render the verdict, the table, the reason, what is missing, failed proofs, and the commands to run next.

    width: the most columns of tables and sentences; commands are never broken. folder: the bundle's folder.
    """
    lines = [_title(width), *_banner(record, analysis, width=width, color=color)]
    lines += _table(record, analysis, width=width, color=color)
    lines += ["", *_wrapped("why", analysis.reason, width), *_sentences(record, analysis, width)]
    return _text([*lines, *_commands(record, analysis, folder)])


def render_details(record: Record, analysis: Analysis, *, width: int = 80, color: bool = False) -> str:
    """Render what stands between the verdict and the commands, for a caller that shows the verdict itself."""
    lines = [_title(width), *_about(record, width), *_table(record, analysis, width=width, color=color)]
    return _text([*lines, "", *_sentences(record, analysis, width)])


def score(record: Record, analysis: Analysis) -> str:
    """Return the score and from which scores on a run passes or is marginal."""
    judge = record.plan.judge
    lowest = formatting.points(judge.pass_score), formatting.points(judge.marginal_score)
    return f"score {formatting.points(analysis.score)} of 100 (pass from {lowest[0]}, marginal from {lowest[1]})"


def _title(width: int) -> str:
    return " canary analysis ".center(width, "=")


def _text(lines: Sequence[str]) -> str:
    return "\n".join(line.rstrip() for line in lines) + "\n"


def line(record: Record, analysis: Analysis, *, color: bool = False) -> str:
    """Render one line with verdict, test, score and reason."""
    verdict = _painted(analysis.verdict, analysis.verdict.upper(), color=color)
    test, points = formatting.printable(facts(record).test), formatting.points(analysis.score)
    return f"{verdict}  {test}  score {points}  {_clean(analysis.reason)}"


def _banner(record: Record, analysis: Analysis, *, width: int, color: bool) -> list[str]:
    verdict = analysis.verdict.upper()
    points = score(record, analysis).rjust(width - len(verdict))
    return [_painted(analysis.verdict, verdict, color=color) + points, *_about(record, width)]


def _about(record: Record, width: int) -> list[str]:
    run, plan = facts(record), record.plan
    about = [
        f"scenario {formatting.printable(run.scenario)}",
        plan.target,
        f"seed {plan.seed}",
        format_duration(run.duration_s),
    ]
    sent = f"{formatting.count(run.requests)} requests, {formatting.count(run.canary_requests)} to the canary"
    arms = [f"{arm:<8} {words}" for arm, words in run.arms]
    return [
        f"  {formatting.printable(run.test)}",
        *_wrapped_items([*about, sent], width),
        *(line_ for words in arms for line_ in _under(words, width)),
    ]


def _under(words: str, width: int) -> list[str]:
    """Wrap a line about an arm; long names of images are not broken."""
    return textwrap.wrap(
        formatting.printable(words), width, initial_indent="  ", subsequent_indent=" " * (_LABEL + 2),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _wrapped_items(items: Sequence[str], width: int) -> list[str]:
    """Wrap ``items`` to ``width``, with line breaks only between items."""
    text = "  ".join(item.replace(" ", "\xa0") for item in items)
    lines = textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="  ")
    return [line_.replace("\xa0", " ") for line_ in lines]


def _table(record: Record, analysis: Analysis, *, width: int, color: bool) -> list[str]:
    if not analysis.findings:
        return ["", "  no objective was judged"]
    ordered = formatting.worst_first(analysis.findings)
    shown = ordered[: max(_SHOWN, sum(finding.verdict is not Verdict.PASS for finding in ordered))]
    cells = {id(finding): _cells(finding, record) for finding in shown}
    longest = [max(map(len, column)) for column in zip(_COLUMNS, *cells.values(), strict=True)]
    widths = [min(length, most) for length, most in zip(longest, (width, 10, 10, 23, 9), strict=True)]
    widths[0] = max(min(widths[0], width - sum(widths[1:]) - 17), len(_COLUMNS[0]))
    lines = ["", "  " + _line(_COLUMNS, [widths[0] + 2, *widths[1:]])]
    for phase in _in_time_order(shown, record):
        lines.append(f"  {formatting.printable(phase)}")
        for finding in (f for f in shown if formatting.phase(f) == phase):
            watched = finding.label == WATCHED
            short = WATCHED if watched else _SHORT[finding.verdict]
            painted = _painted(finding.verdict, short, color=color and not watched)
            lines += _row(cells[id(finding)], widths, painted)
    hidden = Counter("passed" if one.label != WATCHED else "were only watched" for one in ordered[len(shown) :])
    return [*lines, *(f"  and {count} more {what}" for what, count in sorted(hidden.items()))]


def _in_time_order(findings: Sequence[Finding], record: Record) -> list[str]:
    """Return the phases of ``findings`` in the order of the plan; the whole run comes last."""
    order = [phase.name for phase in record.plan.phases]
    found = dict.fromkeys(formatting.phase(finding) for finding in findings)
    return sorted(found, key=lambda name: order.index(name) if name in order else len(order))


def _cells(finding: Finding, record: Record) -> tuple[str, ...]:
    style = cell_style_of(finding.objective, record.series)
    muted = " (muted)" if finding.objective.muted else ""
    return (
        formatting.printable(formatting.indicator(finding.objective)) + muted,
        formatting.estimate(finding.baseline, style),
        formatting.estimate(finding.canary, style),
        formatting.interval(finding, style),
        formatting.tolerance(finding, style),
    )


def _row(cells: Sequence[str], widths: Sequence[int], verdict: str) -> list[str]:
    """Return a row; where a cell is too long for its column, put the name on a separate line."""
    if all(len(cell) <= width for cell, width in zip(cells, widths, strict=True)):
        return [f"    {_line(cells, widths)} {verdict}"]
    room = sum(widths) + len(widths) - 1
    numbers = _line(("", *cells[1:]), (0, *widths[1:])).strip()
    return [f"    {cells[0]}", f"    {numbers:>{room}} {verdict}"]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first = f"{cells[0]:<{widths[0]}}"
    return " ".join([first, *(f"{cell:>{width}}" for cell, width in zip(cells[1:], widths[1:], strict=True))])


def _sentences(record: Record, analysis: Analysis, width: int) -> list[str]:
    open_findings = [f for f in formatting.worst_first(analysis.findings) if f.verdict is not Verdict.PASS]
    sentences = _ended(record, analysis)
    needs = [
        f"{formatting.indicator(f.objective)} in {formatting.phase(f)}: {f.missing}" for f in open_findings if f.missing
    ]
    if analysis.verdict is Verdict.FAIL:  # it is decided, so nothing more is needed
        needs = []
    sentences += [("need", need) for need in list(dict.fromkeys(needs))[:3]]
    sentences += [("proof", _failed(proof, analysis.reason)) for proof in analysis.proofs if not proof.held]
    sentences += [("note", warning) for warning in analysis.warnings]
    sentences += [("seed", seed_scope(record.plan))] if record.load else []
    return [wrapped for label, text in sentences for wrapped in _wrapped(label, text, width)]


def _failed(proof: Proof, reason: str) -> str:
    """Return what a failed proof found and what to do; only the latter if the verdict's reason quotes the proof."""
    if proof.name in reason and proof.expected in reason:
        return f"{proof.name}: {proof.remedy}"
    return f"{proof.name} did not hold: expected {proof.expected}, observed {proof.observed}. {proof.remedy}"


def _ended(record: Record, analysis: Analysis) -> list[tuple[str, str]]:
    """Return why the run ended early, unless the reason of the verdict says it."""
    return [("ended", record.ended)] if record.ended and record.ended not in analysis.reason else []


def _wrapped(label: str, text: str, width: int) -> Sequence[str]:
    first = f"  {label:<{_LABEL - 2}}"
    return textwrap.wrap(_clean(text), width, initial_indent=first, subsequent_indent=" " * _LABEL)


def _commands(record: Record, analysis: Analysis, folder: Path | str) -> list[str]:
    run = facts(record, folder)
    bundle = run.bundle
    rows = [
        ("rerun", run.again), ("replay", replay_command(record, bundle) if analysis.verdict is Verdict.FAIL else ""),
        ("judge", run.judge_again), ("report", f"{bundle}/report.html" if bundle else ""),
    ]  # fmt: skip
    return [f"  {label:<{_LABEL - 2}}{formatting.printable(text)}" for label, text in rows if text]


def _clean(text: str) -> str:
    return " ".join(formatting.printable(text).split())


def _painted(verdict: Verdict, text: str, *, color: bool) -> str:
    return f"\x1b[1;{_COLOURS[verdict]}m{text}\x1b[0m" if color else text
