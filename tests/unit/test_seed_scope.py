"""A report says what the seed of a run fixes, so that nobody expects the same verdict from the same seed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recorded import plan, record

from harness.judge.sequential import SequentialJudge
from harness.model.seed_scope import seed_scope
from harness.model.split import SplitBy
from harness.report import markdown, page, terminal
from harness.runner.deciding import decide


@pytest.mark.parametrize("split_by", SplitBy)
def test_the_arm_of_a_request_is_fixed_where_the_load_generator_chooses_it(split_by):
    """Envoy draws the arms of a split by weight, and knows no seed."""
    said = seed_scope(replace(plan(), split_by=split_by))
    fixed, _, drawn = said.partition("It does not fix latencies")
    assert "Seed 7 fixes when requests are due" in fixed
    assert (split_by is SplitBy.HEADER) == ("which arm each request asks for" in fixed)
    assert (split_by is SplitBy.WEIGHT) == ("the arm of each request" in drawn)
    assert "A verdict that is close to a limit can differ" in drawn


def test_every_report_says_what_the_seed_fixes():
    """The reports in the terminal, in Markdown and in HTML do."""
    made = record()
    shown = (made, decide(made, SequentialJudge()))
    for text in (terminal.render(*shown), markdown.render(*shown), page.render(*shown)):
        assert "It does not fix latencies" in " ".join(text.split())


@pytest.mark.parametrize("args", [["--harness-seed=7"], ["--harness-target=local", "--harness-seed=7"]])
def test_the_header_of_a_pytest_run_says_it_in_short(pytester, args):
    """The text is next to the seed."""
    pytester.makepyfile("def test_x(): pass")
    result = pytester.runpytest_subprocess("-p", "no:locust", *args)
    result.stdout.fnmatch_lines(["harness: target *, seed 7 (fixes when requests are due *, not latencies *)"])
