"""The verdict as terminal text, JUnit properties and Markdown."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import report_records as records

from harness.judge.indicators import cell_style_of
from harness.model import formatting
from harness.model.verdict import Verdict
from harness.report import junit, markdown, terminal
from harness.report.facts import facts

COMMANDS = ("  rerun", "  replay", "  judge", "  report")


@pytest.mark.parametrize("verdict", list(Verdict), ids=str)
def test_terminal_keeps_to_eighty_columns(verdict: Verdict) -> None:
    """Lines have at most 80 columns, except for the test's name and the commands, which are not broken."""
    record, analysis = records.run(verdict)
    lines = terminal.render(record, analysis).splitlines()
    kept = [line for line in lines if not line.startswith(COMMANDS) and facts(record).test not in line]
    assert max(map(len, kept)) <= 80
    assert lines[1].startswith(verdict.upper())
    assert f"  rerun  {record.manifest['again']}" in lines
    assert all(line.isascii() or re.search("[…±µ∞]", line) for line in lines)


def test_terminal_shows_the_failure() -> None:
    """The failed SLI is listed under its phase with both values, difference, interval, tolerance and verdict."""
    text = terminal.render(*records.run(Verdict.FAIL))
    row = next(line for line in text.splitlines() if "error_rate" in line and "FAIL" in line)
    assert re.search(r"error_rate +0\.144 % +4\.6 % +\+4\.46 pp \[\+4\.28, \+4\.63\] +\+0\.5 pp FAIL", row)
    assert text.index("\n  fault\n") < text.index(row)
    assert "why    error_rate in fault: the canary fails 4.5 points" in text


def test_terminal_asks_for_no_more_requests_after_a_fail() -> None:
    """A canary that is proven worse needs no longer steady phase."""
    record, analysis = records.run(Verdict.INCONCLUSIVE)
    assert "  need   " in terminal.render(record, analysis)
    assert "  need   " not in terminal.render(record, replace(analysis, verdict=Verdict.FAIL))


def test_terminal_shows_phases_in_time_order() -> None:
    """The order of the plan, whichever phase has the worst finding."""
    record, analysis = records.run(Verdict.FAIL)
    lines = terminal.render(record, analysis).splitlines()
    names = [phase.name for phase in record.plan.phases]
    shown = [line.strip() for line in lines if line.strip() in names]
    assert len(shown) > 1
    assert sorted(shown, key=names.index) == shown


def test_details_leave_out_what_the_caller_says() -> None:
    """The demo shows verdict, reason and commands itself, so that nothing is on the screen twice."""
    record, analysis = records.run(Verdict.FAIL)
    whole, details = (
        terminal.render(record, analysis).splitlines(),
        terminal.render_details(record, analysis).splitlines(),
    )
    assert set(details) < set(whole)
    left_out = [line.split()[0] for line in whole if line.strip() and line not in details]
    assert {"FAIL", "why", "rerun", "judge"} <= set(left_out)


def test_a_proof_that_the_reason_quotes_is_not_quoted_again() -> None:
    """What remains to be said is what to do."""
    record, analysis = records.run(Verdict.INCONCLUSIVE)
    (failed,) = [proof for proof in analysis.proofs if not proof.held]
    reason = f"proof failed: {failed.name}: expected {failed.expected}, found {failed.observed}"
    text = " ".join(terminal.render(record, replace(analysis, reason=reason)).split())
    assert 1 == text.count(failed.expected)
    assert f"proof {failed.name}: {failed.remedy}" in text


def test_terminal_puts_long_names_on_a_separate_line() -> None:
    """A name or a number that is too long for its column is still shown in full within 80 columns."""
    record, analysis = records.run(Verdict.FAIL)
    first = next(f for f in analysis.findings if f.objective.name == "error_rate" and f.verdict is Verdict.FAIL)
    labelled = replace(
        first, objective=replace(first.objective, labels={"endpoint": "GET /reviews/{id}/stars"}, limit=0.01)
    )
    lines = terminal.render(record, replace(analysis, findings=(labelled, *analysis.findings))).splitlines()
    at = lines.index("    error_rate{endpoint=GET /reviews/{id}/stars}")
    assert lines[at + 1].split() == [
        "0.144",
        "%",
        "4.6",
        "%",
        "+4.46",
        "pp",
        "[+4.28,",
        "+4.63]",
        "+0.5",
        "pp,",
        "<",
        "1",
        "%",
        "FAIL",
    ]
    assert len(lines[at + 1]) <= 80


def test_terminal_names_what_is_missing() -> None:
    """An inconclusive run names the missing requests, the failed proof and what to do."""
    text = " ".join(terminal.render(*records.run(Verdict.INCONCLUSIVE)).split())
    assert "need latency_p99 in fault: 185 of 1,900 canary requests; 84 s more at 18 requests a second" in text
    assert "proof split did not hold: expected 30 % to the canary, observed 6.1 %" in text


def test_terminal_colours_only_when_asked() -> None:
    """Escape sequences appear only with ``color``, and names cannot inject any."""
    record, analysis = records.run(Verdict.FAIL)
    evil = replace(record, plan=replace(record.plan, scenario="\x1b[2Jgone\r\n"), manifest={})
    assert "\x1b" not in terminal.render(evil, replace(analysis, reason="\x1b[31mred"))
    assert "\x1b[1;31mFAIL\x1b[0m" in terminal.render(record, analysis, color=True)


def test_terminal_uses_the_given_folder() -> None:
    """Commands contain the bundle's current folder, quoted for a shell."""
    text = terminal.render(*records.run(Verdict.PASS), folder="/tmp/my runs/a")
    assert "  judge  harness judge '/tmp/my runs/a'\n" in text
    assert "  report /tmp/my runs/a/report.html\n" in text


def test_terminal_describes_an_empty_run() -> None:
    """A run that sent nothing and ended early is described; rendering does not fail."""
    record, analysis = records.run(Verdict.INCONCLUSIVE)
    text = terminal.render(
        replace(records.empty(record), aborted="the error ceiling was passed"), replace(analysis, findings=())
    )
    assert "no objective was judged" in text
    assert "0 requests" in text
    assert "ended  the error ceiling was passed" in text


def test_one_line_for_a_pass() -> None:
    """``line`` is one line with verdict, test, score and reason."""
    line = terminal.line(*records.run(Verdict.PASS))
    assert line.startswith(
        "PASS  scenarios/test_ratings.py::test_reviews_survives_slow_ratings[delay]  score 96.8  every"
    )
    assert "\n" not in line


def test_junit_properties_hold_the_records_numbers() -> None:
    """The properties hold verdict, score, seed, bundle, reason, and each SLI's unrounded numbers by unique name."""
    record, analysis = records.run(Verdict.FAIL)
    properties = junit.properties(record, analysis)
    twice = junit.properties(record, replace(analysis, findings=analysis.findings * 2))
    names = [name for name, _ in twice]
    assert len(set(names)) == len(names)
    told = dict(properties)
    assert told["harness.verdict"] == "fail"
    assert told["harness.score"] == "0.0"
    assert told["harness.seed"] == "42"
    assert told["harness.bundle"] == record.manifest["bundle"]
    assert told["harness.reason"] == analysis.reason
    finding = next(f for f in analysis.findings if f.objective.name == "error_rate" and f.phase == "fault")
    prefix = "harness.sli.error_rate.fault"
    assert told[f"{prefix}.verdict"] == "fail"
    for name, value in {
        "baseline": finding.baseline.value,
        "canary": finding.canary.value,
        "low": finding.low,
        "high": finding.high,
    }.items():
        assert float(told[f"{prefix}.{name}"]) == value
    assert told["harness.sli.latency_p99_limit.fault.verdict"] == "pass"
    assert told["harness.proof.split"] == "held"
    assert all(isinstance(value, str) and value.isprintable() for value in told.values())


def test_markdown_gives_the_result_in_three_lines() -> None:
    """The first three lines have verdict, score, test and reason; the table is worst first."""
    record, analysis = records.run(Verdict.FAIL)
    lines = markdown.render(record, analysis).splitlines()
    assert lines[0] == f"### ❌ FAIL · score 0 of 100 · `{record.manifest['test']}`"
    assert lines[2].startswith(r"error\_rate in fault: the canary fails 4.5 points")
    table = [line for line in lines if line.startswith("| ")][1:]
    assert [row.split()[2] for row in table] == sorted((row.split()[2] for row in table), key=["fail", "pass"].index)
    assert table[0].startswith(
        r"| ❌ fail | error\_rate | fault | 0.144 % | 4.6 % | +4.46 pp \[+4.28, +4.63\] | +0.5 pp | 3,482 / 1,478 |"
    )


def test_markdown_escapes_names() -> None:
    """Pipes, backticks and tags in names do not break a table or become markup."""
    record, analysis = records.run(Verdict.FAIL)
    evil = "a|b`c`<script>_x_\n| # @everyone"
    first = analysis.findings[0]
    finding = replace(first, objective=replace(first.objective, name=evil), phase=evil)
    text = markdown.render(
        replace(record, manifest={"test": evil}), replace(analysis, findings=(finding,), reason=evil)
    )
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {10}
    assert "<script>" not in re.sub("``.*?``", "", text)
    assert "``a|b`c`<script>_x_ | # @everyone``" in text


def test_markdown_is_cut_worst_first() -> None:
    """A summary that exceeds the limit keeps its head and its worst rows, and counts the rows that it leaves out."""
    record, analysis = records.run(Verdict.FAIL)
    many = replace(analysis, findings=analysis.findings * 800)
    text = markdown.render(record, many)
    assert len(text.encode()) <= markdown.LIMIT_BYTES <= 1024 * 1024
    left_out = int(re.search(r"\n(\d+) more rows, none of them worse", text)[1])
    assert text.count("\n| ") - 1 + left_out == len(many.findings)
    assert text.count("❌ fail") == sum(f.verdict is Verdict.FAIL for f in many.findings)
    for limit in (0, 10, 300, 1000, 4000):
        assert len(markdown.render(record, many, limit_bytes=limit).encode()) <= limit


def test_markdown_summary_of_many_runs() -> None:
    """Several runs are listed worst first within one limit; those that do not fit are counted by verdict."""
    runs = [records.run(verdict) for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.MARGINAL)]
    heads = re.findall(r"### \S+ (\w+)", markdown.summary(runs))
    assert heads == ["FAIL", "MARGINAL", "PASS"]
    short = markdown.summary(runs, limit_bytes=5000)
    assert len(short.encode()) <= 5000
    assert "### ❌ FAIL" in short
    assert "more analyses do not fit here: 1 marginal, 1 pass." in short


@pytest.mark.parametrize(
    ("difference", "low", "high", "expected"),
    [
        (0.6, 0.44, 0.79, "+60 % [+44, +79]"),
        (0.0002, -0.0008, 0.0012, "+0.02 % [-0.08, +0.12]"),
        (-0.043, -0.0432, -0.0428, "-4.300 % [-4.320, -4.280]"),
        (0.0, 0.0, 0.0, "+0 % [+0, +0]"),
        (0.1, None, None, "+10.0 %"),
        (0.1, float("-inf"), 0.2, "+10.0 % [-∞, +20.0]"),
        (None, None, None, "not compared"),
    ],
)  # fmt: skip
def test_intervals_have_meaningful_digits(
    difference: float | None, low: float | None, high: float | None, expected: str
) -> None:
    """Differences are shown with two significant digits of half their interval, with signs and one unit."""
    record, analysis = records.run(Verdict.PASS)
    finding = replace(analysis.findings[1], difference=difference, low=low, high=high)
    assert formatting.interval(finding, cell_style_of(finding.objective, record.series)) == expected


def test_worst_findings_come_first() -> None:
    """Findings are ordered fail, marginal, inconclusive, pass; then by points lost; muted ones last in their class."""
    _, analysis = records.run(Verdict.PASS)
    a, b, c, d, e = (
        replace(analysis.findings[0], verdict=verdict, points_lost=lost)
        for verdict, lost in (
            (Verdict.PASS, 9),
            (Verdict.INCONCLUSIVE, 1),
            (Verdict.FAIL, 1),
            (Verdict.FAIL, 2),
            (Verdict.MARGINAL, 0),
        )
    )
    muted = replace(d, objective=replace(d.objective, muted=True), points_lost=50)
    assert formatting.worst_first([a, b, c, d, e, muted]) == [d, c, muted, e, b, a]
