"""What ended a run is said once in each report, with the numbers of the whole run."""

from __future__ import annotations

from dataclasses import replace

import pytest
import report_records as records

from harness.model.verdict import Verdict
from harness.report import markdown, page, terminal
from harness.runner.deciding import decide

LOOK = "error_rate in the fault phase is worse than tolerated: 31.9 % against 0 %: +31.9 pp [+26.1 pp, +38 pp]"


@pytest.mark.parametrize("render", [page.render, markdown.render, terminal.render])
def test_proven_harm_is_told_with_the_numbers_of_the_whole_run_only(render) -> None:
    """The look that ended the run saw fewer requests, so its numbers are not repeated."""
    record, analysis = records.run(Verdict.FAIL)
    record = replace(record, aborted=f"harm is proven: {LOOK}")
    text = render(record, analysis)
    assert text.count("harm is proven") == 1
    assert "+31.9 pp" not in text


@pytest.mark.parametrize("render", [page.render, markdown.render, terminal.render])
def test_what_the_reason_says_is_not_said_again(render) -> None:
    """The verdict of a run that ended early names the cause; no other line does."""
    record, analysis = records.run(Verdict.INCONCLUSIVE)
    record = replace(record, aborted="the kill switch is engaged")
    analysis = replace(analysis, reason="the run ended early: the kill switch is engaged")
    text = " ".join(render(record, analysis).split())
    assert text.count("kill switch is engaged") == 1


def test_a_failed_proof_does_not_repeat_the_numbers_of_a_look() -> None:
    """The reason has the judge's numbers once, from all requests."""

    class Says:
        name = "says"

        def judge(self, *_: object, **__: object):
            return replace(records.run(Verdict.FAIL)[1], proofs=(), reason="32.2 % against 0 %")

    record = replace(records.run(Verdict.FAIL)[0], aborted=f"harm is proven: {LOOK}", proxy_requests={})
    reason = decide(record, Says()).reason
    assert "+31.9 pp" not in reason
    assert reason.count("32.2 %") == 1
