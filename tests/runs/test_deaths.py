"""A canary that dies is a finding about the canary, with a report; a baseline that dies leaves nothing to compare."""

import json

import pytest
import yaml

STEADY = "def test_steady(canary):\n    canary.run().require_pass()\n"
DYING = (
    "import os, runpy, signal, sys, threading\n"
    "sys.argv = ['reviews', *sys.argv[2:]]\n"
    "threading.Timer(6, lambda: (print('out of cheese', flush=True), {how})).start()\n"
    "runpy.run_module('harness.demo.reviews', run_name='__main__')\n"
)
HOW = {
    "crashes": "os._exit(3)",
    "is-killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "hangs": "os.kill(os.getpid(), signal.SIGSTOP)",
}


def replace_version(gate, version, code):
    """Start ``version`` of reviews by Python code."""
    script = gate.folder / "build.py"
    script.write_text(code)
    gate.configure(rate=40)
    path = gate.folder / "harness.yaml"
    settings = yaml.safe_load(path.read_text())
    command = ["{python}", str(script), version, "--port", "{port}", "--version", version]
    settings["services"]["reviews"]["versions"][version] = {"command": command}
    settings["phases"] = {"warm-up": "1s", "steady": "25s"}
    path.write_text(yaml.safe_dump(settings))
    gate.scenario(STEADY)


@pytest.mark.parametrize("how", HOW)
def test_a_canary_that_dies_during_the_run_fails(gate, how):
    """The reason says how it ended and what it wrote last; the bundle is whole and nothing is left running."""
    replace_version(gate, "v3", DYING.format(how=HOW[how]))
    said, code = gate.run("-q")
    assert code == 1, said
    (bundle,) = gate.bundles()
    analysis = json.loads((bundle / "analysis.json").read_text())
    assert analysis["verdict"] == "fail"
    assert "the canary (reviews-v3) died" in analysis["reason"]
    assert ("exit code 3" in analysis["reason"]) == (how == "crashes")
    assert "out of cheese" in analysis["reason"]
    assert (bundle / "report.html").is_file()
    assert [] == gate.left_behind()


def test_a_baseline_that_dies_leaves_nothing_to_compare(gate):
    """Neither a pass nor a fail of the canary."""
    replace_version(gate, "v2", DYING.format(how=HOW["crashes"]))
    said, code = gate.run("-q")
    assert code == 11, said
    (bundle,) = gate.bundles()
    assert "nothing to compare with" in json.loads((bundle / "analysis.json").read_text())["reason"]


def test_a_canary_that_dies_at_the_start_fails_with_a_report(gate):
    """A build that cannot start is the plainest regression."""
    replace_version(gate, "v3", "raise SystemExit('no such table: reviews')")
    said, code = gate.run("-q")
    assert code == 1, said
    (bundle,) = gate.bundles()
    assert "no such table: reviews" in json.loads((bundle / "analysis.json").read_text())["reason"]
    assert (bundle / "report.html").is_file()
