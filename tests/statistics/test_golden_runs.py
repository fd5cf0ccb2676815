"""Recorded runs are judged as they were when they were recorded."""

import json

import golden_runs
import pytest

EXPECTED = golden_runs.expected()


@pytest.fixture(scope="module")
def found():
    """What the judges say now."""
    return golden_runs.analyses()


@pytest.mark.parametrize("case", EXPECTED)
def test_a_recorded_run_is_judged_as_before(found, case):
    """Verdict, reason, score and every number of every finding stay the same from version to version."""
    document = golden_runs.rounded(json.loads(found[case]))
    document.pop("judged_by")  # the version of the judge is no part of its judgement
    assert document.pop("probable_cause") == ""  # it is found in the hops, by no judge
    assert EXPECTED[case] == document


def test_every_verdict_is_among_them(found):
    """The recorded runs cover all four verdicts, so that a change in any of them is detected."""
    assert {"pass", "fail", "marginal", "inconclusive"} == {json.loads(one)["verdict"] for one in found.values()}
