"""A scenario from pytest to exit code, on real services, proxies and load."""

import xml.etree.ElementTree as ET

import pytest
from gates import Gate, hops_measured

from harness import bundle, wiring
from harness.runner.deciding import decide

PHASES = {"warm-up": "1s", "steady": "2.5s", "fault": "2.5s", "recovery": "3s"}
FAULTED = """
def test_slow_ratings(canary):
    canary.run(faults=[delay("ratings", "1s", percent=30)]).require_pass()
"""


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A run of a good canary, with every report that pytest can write."""
    gate = Gate(tmp_path_factory.mktemp("good"))
    gate.configure(phases=PHASES, rate=200)
    gate.scenario(FAULTED)
    said, code = gate.run_on_time(
        "--harness-seed=3", "--junit-xml=junit.xml", "--html=all.html", "--self-contained-html"
    )
    assert 0 == code, said
    return gate


@pytest.mark.alone
def test_a_good_canary_passes_and_everything_is_recorded(good):
    """The bundle holds resources, timeline, samples, counts, analysis and report; nothing runs any more."""
    (folder,) = good.bundles()
    record, analysis = bundle.read_bundle(folder), bundle.read_analysis(folder)
    assert ["warm-up", "steady", "fault", "recovery"] == [phase.name for phase in record.phases]
    assert record.resources["before"] == record.resources["after"] != record.resources["during"]
    assert [] == [proof.name for proof in analysis.proofs if not proof.held]
    assert {"baseline", "canary"} == {count.arm for count in record.fault_counts}
    assert 1600 < len(record.samples) < 2000
    assert "<svg" in (folder / "report.html").read_text()
    assert [] == good.left_behind()


@pytest.mark.alone
def test_junit_and_pytest_html_tell_the_verdict(good):
    """As properties of the test, and as fragments in its row."""
    properties = {one.get("name"): one.get("value") for one in ET.parse(good.folder / "junit.xml").iter("property")}
    assert "pass" == properties["harness.verdict"]
    assert good.bundles()[0] == good.folder / properties["harness.bundle"]  # as the session's user would type it
    assert "harness-verdict" in (good.folder / "all.html").read_text()


@pytest.mark.alone
def test_a_recorded_run_is_decided_again_with_the_same_bytes(good):
    """Judging reads only the bundle."""
    (folder,) = good.bundles()
    record = bundle.read_bundle(folder)
    again = decide(record, wiring.judge(record.plan.judge.name))
    assert (folder / "analysis.json").read_bytes() == bundle.analysis_json(again)


@pytest.mark.alone
def test_equal_builds_are_not_blamed(good):
    """The hops of both arms were measured, and no cause is named."""
    hops_measured(good.bundles()[0])
    assert "" == good.analyses()[0]["probable_cause"]


def test_a_fragile_canary_fails_only_under_the_fault(gate):
    """Exit code 1; the reason names the indicator and the phase, and the bundle has what the failed answers said.

    Other tests may run at the same time. They may make the run inconclusive, but the findings are the same.
    """
    gate.canary("fragile")
    gate.scenario(FAULTED)
    said, code = gate.run()
    (folder,) = gate.bundles()
    analysis = bundle.read_analysis(folder)
    bodies = [body for body in bundle.read_bundle(folder).bodies if body.arm == "canary"]
    assert 1 == code or gate.was_busy(), said
    assert 1 != code or "error_rate in the fault phase" in analysis.reason
    assert {"fault"} == {finding.phase for finding in analysis.findings if finding.verdict == "fail"}
    assert 3 == len(bodies)
    assert all(body.status >= 500 and body.text and body.at_s > 0 for body in bodies)
