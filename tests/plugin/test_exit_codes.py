"""A pytest run is the gate: its exit code says what the verdicts were."""

import pytest
from inner_sessions import PLUGIN

TESTS = {
    "passes": "def test_passes(): pass",
    "regression": "def test_regression(): raise errors.CanaryRegression('worse')",
    "marginal": "def test_marginal(): raise errors.CanaryMarginal('a bit worse')",
    "inconclusive": "def test_inconclusive(): raise errors.CanaryInconclusive('too little')",
    "trouble": "def test_trouble(): raise errors.EnvoyError('no proxy')",
    "usage": "def test_usage(): raise errors.ConfigError('unknown key', file='harness.yaml', line=3)",
    "setup": "import pytest\n@pytest.fixture\ndef broken(): raise errors.ServiceError('died')\ndef test_setup(broken): pass",
    "ordinary": "def test_ordinary(): assert 1 == 2",
}
OWN_FAILURES = {
    "canary.run(loads='browse')": 12,
    "raise TypeError('a bug of the scenario')": 12,
    "raise KeyError('ratings')": 12,
    "raise SystemExit(1)": 12,
    "time.sleep(5)": 12,
    "pytest.fail('stale prices')": 1,
    "assert 1 == 2": 1,
    "canary.run('pass'); assert 1 == 2": 1,
    "raise ExceptionGroup('two', [AssertionError('one'), TypeError('other')])": 1,
}
"""What a scenario does, and the exit code."""


def gate(pytester, *names, args=()):
    """Run the named tests in a session of their own."""
    pytester.makepyfile("from harness import errors\n" + "\n".join(TESTS[name] for name in names))
    run = pytester.runpytest_subprocess if any(arg.startswith("-n") for arg in args) else pytester.runpytest_inprocess
    return run("-p", "no:locust", *args)


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["passes"], 0),
        (["passes", "regression"], 1),
        (["passes", "marginal"], 10),
        (["passes", "inconclusive"], 11),
        (["trouble"], 12),
        (["setup", "passes"], 12),
        (["usage"], 2),
        (["ordinary"], 1),
        (["marginal", "inconclusive"], 11),
        (["marginal", "inconclusive", "trouble"], 12),
        (["marginal", "inconclusive", "trouble", "regression"], 1),
        (["marginal", "ordinary"], 1),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, list) else str(value),
)
def test_the_worst_finding_decides(pytester, names, code):
    """Fail before trouble of ours before inconclusive before marginal before pass."""
    assert code == gate(pytester, *names).ret


@pytest.mark.parametrize("body", OWN_FAILURES)
def test_only_an_assertion_of_the_scenario_is_a_finding(pytester, body):
    """A bug of the scenario, such as a mistyped keyword, or a time limit is trouble and rejects no canary."""
    pytester.makepyfile(f"""
        import pytest, time
        @pytest.mark.timeout(1)
        def test_it(canary):
            {body}
        def test_other(canary): canary.run("pass")
    """)
    assert OWN_FAILURES[body] == pytester.runpytest_inprocess(*PLUGIN).ret


def test_an_assertion_of_a_fixture_is_trouble(pytester):
    """What a fixture checks is the environment; a finding of the harness in a fixture stays one."""
    pytester.makepyfile("""
        import pytest
        @pytest.fixture
        def ready(canary): assert False, "the stock is empty"
        def test_it(ready): pass
    """)
    assert 12 == pytester.runpytest_inprocess(*PLUGIN).ret
    pytester.makepyfile("""
        import pytest
        @pytest.fixture
        def judged(canary): canary.run("marginal").require_pass()
        def test_it(judged): pass
    """)
    assert 10 == pytester.runpytest_inprocess(*PLUGIN).ret


@pytest.mark.parametrize(
    ("hook", "code"),
    [
        ("def pytest_runtest_call(item): raise KeyboardInterrupt", 130),
        ("def pytest_runtest_logreport(report): raise ValueError('a plugin is broken')", 12),
        ("def pytest_runtest_logfinish(nodeid): raise AssertionError('a plugin is broken')", 12),
    ],
)
def test_the_codes_of_pytest_are_no_verdicts(pytester, hook, code):
    """In a session with scenarios, an interrupt is 130 and an internal error of pytest 12."""
    pytester.makeconftest(hook)
    pytester.makepyfile("def test_it(canary): canary.run('pass')")
    assert code == pytester.runpytest_inprocess(*PLUGIN, no_reraise_ctrlc=True).ret


def test_a_scenario_file_that_cannot_be_imported_is_wrong_usage(pytester):
    """Also when pytest is told to go on."""
    pytester.makepyfile(test_broken="import no_such_module", test_good="def test_it(canary): canary.run('pass')")
    assert 2 == pytester.runpytest_inprocess(*PLUGIN, "--continue-on-collection-errors").ret


def test_the_code_is_the_same_with_xdist(pytester):
    """Kinds of failures cross from the workers."""
    assert 11 == gate(pytester, "passes", "marginal", "inconclusive", args=["-n2"]).ret


@pytest.mark.parametrize("args", [["-x"], ["--maxfail=1"], ["-n1", "-x"], ["-n1", "--maxfail=1"]], ids=" ".join)
def test_a_run_that_stops_at_the_first_finding_has_its_code(pytester, args):
    """With xdist as without: 11, not the code of an interrupt."""
    assert 11 == gate(pytester, "inconclusive", "passes", args=args).ret


def test_a_broken_test_file_is_no_finding(pytester):
    """Pytest's own code for an error of collection, also when xdist stops at it."""
    pytester.makepyfile("import no_such_module")
    assert 2 == pytester.runpytest_subprocess("-p", "no:locust").ret


def test_pytest_keeps_its_own_codes(pytester):
    """No tests collected is 5, a bad option 4."""
    pytester.makepyfile("")
    assert 5 == pytester.runpytest_subprocess("-p", "no:locust").ret
    assert 4 == pytester.runpytest_subprocess("-p", "no:locust", "--harness-target=moon").ret


def test_undecided_tests_have_a_letter_of_their_own(pytester):
    """I and M are neither passes nor failures, in the line of letters and in the counts."""
    result = gate(pytester, "marginal", "inconclusive")
    result.stdout.fnmatch_lines(["*MI*"])
    assert {"marginal": 1, "inconclusive": 1} == result.parseoutcomes()
