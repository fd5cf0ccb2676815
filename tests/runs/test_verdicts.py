"""A scenario from pytest to exit code, on real services, proxies and load."""

import json
import xml.etree.ElementTree as ET

import pytest
from gates import Gate

from harness import bundle, wiring
from harness.runner.deciding import decide

pytestmark = pytest.mark.alone
FAULTED = """
def test_slow_ratings(canary):
    canary.run(faults=[delay("ratings", "1s", percent=30)]).require_pass()
"""


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A run of a good canary, with every report that pytest can write."""
    gate = Gate(tmp_path_factory.mktemp("good"))
    gate.configure()
    gate.scenario(FAULTED)
    said, code = gate.run_on_time(
        "--harness-seed=3", "--junit-xml=junit.xml", "--html=all.html", "--self-contained-html"
    )
    assert 0 == code, said
    return gate


def test_a_good_canary_passes_and_everything_is_recorded(good):
    """The bundle holds resources, timeline, samples, counts, analysis and report; nothing runs any more."""
    (folder,) = good.bundles()
    record, analysis = bundle.read_bundle(folder), bundle.read_analysis(folder)
    assert ["warm-up", "steady", "fault", "recovery"] == [phase.name for phase in record.phases]
    assert record.resources["before"] == record.resources["after"] != record.resources["during"]
    assert [] == [proof.name for proof in analysis.proofs if not proof.held]
    assert {"baseline", "canary"} == {count.arm for count in record.fault_counts}
    assert 1000 < len(record.samples) < 1200
    assert "<svg" in (folder / "report.html").read_text()
    assert [] == good.left_behind()


def test_junit_and_pytest_html_tell_the_verdict(good):
    """As properties of the test, and as fragments in its row."""
    properties = {one.get("name"): one.get("value") for one in ET.parse(good.folder / "junit.xml").iter("property")}
    assert "pass" == properties["harness.verdict"]
    assert str(good.bundles()[0]) == properties["harness.bundle"]
    assert "harness-verdict" in (good.folder / "all.html").read_text()


def test_a_recorded_run_is_decided_again_with_the_same_bytes(good):
    """Judging reads only the bundle."""
    (folder,) = good.bundles()
    record = bundle.read_bundle(folder)
    again = decide(record, wiring.judge(record.plan.judge.name))
    assert (folder / "analysis.json").read_bytes() == bundle.analysis_json(again)


def test_load_may_choose_its_arm(gate):
    """Split by header: every request says which arm it is for, and every proof of the split holds."""
    gate.configure(split={"by": "header", "share": "25%"})
    gate.scenario("def test_steady(canary):\n    canary.run()\n")
    said, _ = gate.run()
    (folder,) = gate.bundles()
    held = {proof.name: proof.held for proof in bundle.read_analysis(folder).proofs}
    assert (True, True, True) == (held["split"], held["arms known"], held["counted alike"]), said


def test_a_fragile_canary_fails_only_under_the_fault(gate):
    """Exit code 1; the reason names the indicator and the phase."""
    gate.canary("fragile")
    gate.scenario(FAULTED)
    said, code = gate.run_on_time()
    assert 1 == code, said
    analysis = bundle.read_analysis(gate.bundles()[-1])
    assert "error_rate in the fault phase" in analysis.reason
    assert {"fault"} == {finding.phase for finding in analysis.findings if finding.verdict == "fail"}


def test_free_hand_faults_and_loads_are_judged_together(gate):
    """``chaos``, ``load`` and ``canary.compare`` give the same kind of record as a declared run."""
    gate.scenario("""
def test_by_hand(canary, chaos, load):
    load.run("browse", "4s", warm_up="1s")
    with chaos.inject(abort("ratings", 503, percent=30)):
        load.run("browse", "4s", warm_up="1s")
    canary.compare("error_rate < +10pp", "latency_p50 < +200%").require_pass()
""")
    said, code = gate.run_on_time()
    assert 0 == code, said
    record = bundle.read_bundle(gate.bundles()[-1])
    assert ["steady", "abort(ratings, 503, 30 %)"] == [phase.name for phase in record.phases if phase.kind.judged]
    assert [] == gate.left_behind()


def test_xdist_workers_take_turns_with_a_mesh_each(gate):
    """Two scenarios on two workers: both decided, one after the other, in one run folder."""
    gate.scenario("""
@pytest.mark.parametrize("number", [1, 2])
def test_steady(canary, number):
    canary.run().require_pass()
""")
    said, code = gate.run_on_time("-n2")
    assert 0 == code, said
    first, second = (json.loads((folder / "manifest.json").read_text()) for folder in gate.bundles())
    assert first["run"] != second["run"]
    assert 1 == len({folder.parent for folder in gate.bundles()})
    ends = [bundle.read_bundle(folder).load for folder in gate.bundles()]
    assert abs(ends[0].started_at - ends[1].started_at) > 5


def test_two_runs_at_once_do_not_disturb_each_other(gate):
    """Own ports, own proxies, own folders: both are decided, and no proof fails but for how busy the other run keeps us."""
    gate.scenario("def test_steady(canary):\n    canary.run().require_pass()\n")
    first, second = gate.start(), gate.start()
    codes = [first.wait(120), second.wait(120)]
    assert [0, 0] == codes or gate.was_busy(), first.stdout.read() + second.stdout.read()
    assert 2 == len({folder.parent for folder in gate.bundles()})
    for process in (first, second):
        process.stdout.close()
