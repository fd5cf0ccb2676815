"""Invalid input of a judge is an error that names file, column and row, or the argument."""

from __future__ import annotations

import datetime as dt
import gzip
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.cli import main
from harness.errors import JudgeInputError, ObjectiveError, UsageError
from harness.judge import compare
from harness.judge.alpha_spending import starts
from harness.judge.arrays import prepared
from harness.judge.sequential import MOST_BLOCKS, block_seconds
from harness.model.verdict import Verdict

ROWS = 40
HEADER = "time_s,latency_s,status"
LINES = [f"{number / 2},{0.02 + number % 7 / 1000},200" for number in range(ROWS)]
GOOD = "\n".join([HEADER, *LINES, ""])


def columns(**changed):
    """Columns of an arm, some of them others."""
    latency_s = 0.02 + np.arange(ROWS) % 7 / 1000
    return {"time_s": np.arange(ROWS) / 2, "latency_s": latency_s, "status": np.full(ROWS, 200)} | changed


def judged(tmp_path, capsys, content, name="new.csv"):
    """Exit code and message of judging a file against a good one."""
    (tmp_path / "good.csv").write_text(GOOD)
    bad = tmp_path / name
    if isinstance(content, pa.Table):
        pq.write_table(content, bad)
    else:
        bad.write_bytes(content if isinstance(content, bytes) else content.encode())
    code = main(["judge", "--baseline", str(tmp_path / "good.csv"), "--canary", str(bad)])
    return code, capsys.readouterr().err.replace(str(bad), "FILE")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GOOD.encode("utf-16"), "FILE: expected CSV in UTF-8, found UTF-16"),
        (gzip.compress(GOOD.encode()), "FILE: expected CSV in UTF-8, found a gzip archive"),
        (GOOD.replace(",", ";"), "FILE: expected columns separated by commas, found semicolons"),
        ("\n\n", "FILE: expected CSV with a header, found an empty file"),
        (HEADER + ",status\n1,0.1,200,200\n", "FILE: column status: expected one column of this name, found 2"),
        (HEADER + ",phase,phase\n1,0.1,200,a,a\n", "FILE: column phase: expected one column of this name, found 2"),
        (GOOD + "21,0.1\n", "FILE: row 41: expected 3 columns, found 2: '21,0.1'"),
        (GOOD + "21,0.1,200,5\n", "FILE: row 41: expected 3 columns, found 4"),
        (GOOD + "21,NaN,200\n", "FILE: column latency_s: row 41: expected finite seconds of at least 0, found nan"),
        (GOOD + "21,,200\n", "FILE: column latency_s: row 41: expected finite seconds of at least 0, found nothing"),
        (GOOD + "21,NA,200\n", "FILE: column latency_s: row 41: expected a number, found 'NA'"),
        (GOOD + "21,0.1,14\n", "FILE: column status: row 41: expected an HTTP status from 100 to 999, or 0"),
        (HEADER + "\n1,true,200\n", "FILE: column latency_s: row 1: expected a number, found bool"),
        (
            HEADER + "\n2024-01-01T00:00:01Z,0.1,200\n",
            "FILE: column time_s: row 1: expected a number, found 2024-01-01",
        ),
        ((HEADER + ",endpoint\n1,0.1,200,caf\xe9\n").encode("latin-1"), "FILE: column endpoint: row 1: expected text"),
        (
            HEADER + ",phase\n1,0.1,200,steady\n2,0.1,200,\n",
            "canary: column phase: row 2: expected the name of a phase",
        ),
        (HEADER + ",phase\n1,0.1,200,steady\n", "baseline: expected a column phase, as the other arm has one"),
    ],
)
def test_an_invalid_csv_file_is_named_with_column_and_row(tmp_path, capsys, content, said):
    """Other encodings, separators and types, repeated columns and ragged rows are wrong usage, by place."""
    code, message = judged(tmp_path, capsys, content)
    assert (2, True) == (code, said in message), message


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + GOOD.encode(),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        "\n".join(",".join(f'"{cell}"' for cell in line.split(",")) for line in GOOD.splitlines()),
        GOOD.replace(",200", ",200.0"),
        "\n".join(f"{line},{extra}" for line, extra in zip(GOOD.splitlines(), ["note", *"x" * ROWS], strict=True)),
    ],
    ids=["byte order mark", "CRLF", "CR", "quoted", "decimal status", "another column"],
)
def test_csv_files_of_other_programs_are_accepted(tmp_path, capsys, content):
    """A byte order mark, other line ends, quotes and further columns change nothing."""
    code, message = judged(tmp_path, capsys, content)
    assert (Verdict.INCONCLUSIVE.exit_code, "") == (code, message)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"latency_s": [None, *[0.1] * (ROWS - 1)]}, "column latency_s: row 1: expected finite seconds"),
        ({"status": pa.nulls(ROWS)}, "column status: row 1: expected an HTTP status"),
        ({"status": np.arange(ROWS) % 2 == 0}, "column status: row 1: expected a number, found bool"),
        (
            {"time_s": [dt.datetime(2024, 1, 1)] * ROWS},
            "column time_s: row 1: expected a number, found 2024-01-01",
        ),
        ({"latency_s": np.arange(ROWS).astype("timedelta64[ns]")}, "expected a number, found duration[ns]"),
        ({"endpoint": [["a"]] * ROWS}, "column endpoint: row 1: expected text"),
        ({"endpoint": [b"\xff"] * ROWS}, "column endpoint: row 1: expected text in UTF-8"),
    ],
)
def test_parquet_of_other_types_is_named_with_column_and_row(tmp_path, capsys, changed, said):
    """Nulls, times, durations, booleans and lists in a Parquet file are wrong usage; the error names column and row."""
    code, message = judged(tmp_path, capsys, pa.table(columns(**changed)), "new.parquet")
    assert (2, True) == (code, f"FILE: {said}" in message or said in message), message


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"latency_s": None}, "column latency_s: expected one value a row, found a single value"),
        ({"latency_s": np.ones((ROWS, 2))}, r"found an array of shape \(40, 2\)"),
        ({"status": np.full(ROWS, 14)}, "column status: row 1: expected an HTTP status"),
        ({"status": np.full(ROWS, "200")}, "column status: row 1: expected a number, found '200'"),
        (
            {"latency_s": np.ma.masked_array(np.ones(ROWS), mask=[*[False] * 5, *[True] * 35])},
            "row 6: expected a value",
        ),
        ({"phase": [None] * ROWS}, "column phase: row 1: expected the name of a phase"),
    ],
)
def test_invalid_columns_are_named_with_arm_and_row(changed, said):
    """Masked values, wrong shapes and types, and invalid HTTP statuses are errors."""
    with pytest.raises(JudgeInputError, match=f"^baseline: .*{said}"):
        compare(columns(**changed), columns())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"alpha": "much"}, "alpha: expected a probability"),
        ({"alpha": True}, "alpha: expected a probability"),
        ({"horizon_s": "long"}, "horizon_s: expected seconds"),
        ({"now_s": math.nan}, "now_s: expected seconds"),
        ({"now_s": -1.0}, "now_s: expected seconds"),
        ({"canary_share": "half"}, "canary_share: expected a share"),
        ({"phases": {}}, "phases: expected planned seconds by name"),
        ({"phases": {"steady": math.nan}}, "phases: steady: expected seconds above 0"),
        ({"fail_on": "everything"}, "fail_on: expected 'beyond-tolerance' or 'any-harm'"),
        ({"pass_score": 101}, "pass_score: expected a score from 0 to 100"),
        ({"marginal_score": 96}, "marginal_score: expected at most the 95"),
        ({"series": ["cpu"]}, "series: expected a list"),
        ({"calibration": "c.json"}, "calibration: expected"),
        ({"objectives": 5}, "objectives: expected a list of texts"),
    ],
)
def test_arguments_of_another_type_or_range_are_named(options, said):
    """An invalid argument is wrong usage, and the message begins with its name."""
    with pytest.raises(UsageError, match=f"^{said}"):
        compare(columns(), columns(), **options)


@pytest.mark.parametrize("text", ["latency_p99 < 0ms", "throughput > 0rps", "recovery_time < 0s"])
def test_a_limit_that_cannot_decide_anything_is_refused(text):
    """A latency cannot be below 0 s, and a rate cannot be below 0 requests per second, so 0 is not a limit."""
    with pytest.raises(ObjectiveError, match="expected a limit above 0"):
        compare(columns(), columns(), [text], canary_share=0.5)


def test_a_run_of_days_takes_no_longer_than_one_of_minutes():
    """Long runs have wider blocks and fewer fresh starts, so that even a week of requests is judged quickly."""
    week = compare(columns(time_s=np.linspace(0, 6e5, ROWS)), columns(time_s=np.linspace(0, 6e5, ROWS)))
    assert (Verdict.INCONCLUSIVE, 6e5) == (week.verdict, week.decided_at_s)
    assert (3600, 164.0) == (
        MOST_BLOCKS,
        block_seconds(prepared(*[columns(time_s=np.linspace(0, 590_000, ROWS))] * 2).plan),
    )
    assert 31 == len(starts(range(3600), 100.0, 360_000.0))


def test_a_run_of_nothing_but_a_short_phase_is_shown_at_full_confidence():
    """A short phase has a lower bar only next to a long one; alone, a few seconds must show everything."""
    rows = {"latency_s": np.full(ROWS, 0.02), "time_s": np.linspace(0, 5, ROWS)}
    analysis = compare(columns(**rows), columns(**rows), ["throughput > -10%"], canary_share=0.45)
    assert (Verdict.INCONCLUSIVE, False) == (analysis.verdict, any("80 %" in text for text in analysis.warnings))


def test_points_that_a_failed_validity_check_costs_are_listed():
    """When every objective holds but a validity check fails, score and lost points still add up to 100."""
    silent = columns(time_s=np.where(np.arange(ROWS) < 30, np.arange(ROWS) / 6, 15 + np.arange(ROWS) / 6))
    many = {name: np.repeat(column, 30) for name, column in columns().items()}
    analysis = compare(many, {name: np.repeat(column, 30) for name, column in silent.items()}, ["latency_p50 < +50%"])
    assert (Verdict.INCONCLUSIVE, [Verdict.PASS]) == (analysis.verdict, [one.verdict for one in analysis.findings])
    assert analysis.score + sum(one.points_lost for one in analysis.findings) == pytest.approx(100)
