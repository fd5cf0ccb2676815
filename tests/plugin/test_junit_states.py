"""Only a fail is a <failure> in JUnit XML."""

from xml.etree import ElementTree as ET

import pytest
from inner_sessions import PLUGIN


@pytest.mark.parametrize(
    ("body", "state"),
    [
        ("canary.run('pass')", None),
        ("canary.run('fail').require_pass()", "failure"),
        ("canary.run('fail')", "failure"),
        ("canary.run('inconclusive').require_pass()", "skipped"),
        ("canary.run('inconclusive')", "skipped"),
        ("canary.run('marginal').require_pass()", "skipped"),
        ("raise TypeError('a bug of the scenario \\x1b')", "error"),
        ("import harness.errors; raise harness.errors.EnvoyError('no proxy')", "error"),
        ("assert 1 == 2", "failure"),
    ],
)
def test_the_state_says_whose_problem_it_is(pytester, body, state):
    """Trouble is an error, an open verdict is skipped with its reason."""
    pytester.makepyfile(f"def test_it(canary):\n    {body}")
    pytester.runpytest_inprocess(*PLUGIN, "--junit-xml=junit.xml")
    (case,) = ET.parse(pytester.path / "junit.xml").iter("testcase")
    states = [child for child in case if child.tag in {"failure", "error", "skipped"}]
    assert [state] * bool(state) == [child.tag for child in states]
    assert all(child.get("message") and child.text for child in states)


def test_the_counts_of_the_suite_fit(pytester):
    """CI servers read the totals too; tests without the fixtures keep pytest's states."""
    pytester.makepyfile("""
        def test_open(canary): canary.run("inconclusive").require_pass()
        def test_trouble(canary): raise TypeError
        def test_other(): raise TypeError
    """)
    pytester.runpytest_inprocess(*PLUGIN, "--junit-xml=junit.xml")
    (suite,) = ET.parse(pytester.path / "junit.xml").iter("testsuite")
    assert {"tests": "3", "failures": "1", "errors": "1", "skipped": "1"} == {
        name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")
    }
