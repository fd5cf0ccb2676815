"""A pytest run is the gate: its exit code says what the verdicts were."""

import pytest

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


def gate(pytester, *names, args=()):
    """Run the named tests in a fresh pytest process."""
    pytester.makepyfile("from harness import errors\n" + "\n".join(TESTS[name] for name in names))
    return pytester.runpytest_subprocess("-p", "no:locust", *args)


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
