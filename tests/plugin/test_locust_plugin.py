"""Locust's pytest plugin, which comes with the load generator, stays out of sessions that do not ask for it."""

import pytest

CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--host", default="here")
"""
OWN_HOST = """
import pytest

def test_own_option(request):
    assert "here" == request.config.getoption("--host")

def test_no_fixture(request):
    with pytest.raises(pytest.FixtureLookupError):
        request.getfixturevalue("fastsession")
"""
WANTS_IT = """
def test_it(request):
    assert "http://x" == request.config.getoption("--host")
    assert request.session._fixturemanager.getfixturedefs("fastsession", request.node)  # calling it would load gevent
"""


@pytest.fixture(params=["locust first", "harness first"])
def suite(request, pytester, monkeypatch):
    """A folder for tests, and the order in which pytest finds the two plugins."""
    name, module = {"locust first": ("locust", "pytest_locust.plugin"), "harness first": ("harness", "harness.plugin")}[
        request.param
    ]
    found = pytester.mkdir("first") / f"first_{name}-1.dist-info"
    found.mkdir()
    (found / "METADATA").write_text(f"Metadata-Version: 2.1\nName: first_{name}\nVersion: 1\n")
    (found / "entry_points.txt").write_text(f"[pytest11]\n{name} = {module}\n")
    monkeypatch.setenv("PYTHONPATH", str(found.parent))
    monkeypatch.chdir(pytester.mkdir("suite"))
    return pytester


def test_it_adds_no_option(suite):
    """``pytest --help`` shows the options of the harness and no --host."""
    said = suite.runpytest_subprocess("--help").stdout.str()
    assert "--harness-target" in said
    assert "--host" not in said


def test_it_adds_no_fixtures(suite):
    """``pytest --fixtures`` shows the fixtures of the harness and none of Locust."""
    said = suite.runpytest_subprocess("--fixtures").stdout.str()
    assert "pytest_locust" not in said
    assert "\ncanary -- " in said


def test_a_suite_may_have_a_host_option_of_its_own(suite):
    """Its default counts too, also in the workers of xdist."""
    (suite.path / "suite" / "conftest.py").write_text(CONFTEST)
    (suite.path / "suite" / "test_own.py").write_text(OWN_HOST)
    suite.runpytest_subprocess("-n1").assert_outcomes(passed=2)


def test_a_session_that_asks_for_it_gets_it(suite):
    """Its option and its fixtures, also in the workers of xdist."""
    (suite.path / "suite" / "test_wants.py").write_text(WANTS_IT)
    suite.runpytest_subprocess("-p", "locust", "--host=http://x", "-n1").assert_outcomes(passed=1)


def test_a_conftest_that_asks_for_it_gets_it(suite):
    """The block is lifted before pytest reads the first conftest.py."""
    (suite.path / "suite" / "conftest.py").write_text("pytest_plugins = ['locust']\n")
    (suite.path / "suite" / "test_wants.py").write_text(WANTS_IT)
    suite.runpytest_subprocess("--host=http://x").assert_outcomes(passed=1)


def test_the_environment_can_ask_for_it(suite, monkeypatch):
    """PYTEST_PLUGINS counts like ``-p``."""
    monkeypatch.setenv("PYTEST_PLUGINS", "locust")
    (suite.path / "suite" / "test_wants.py").write_text(WANTS_IT)
    suite.runpytest_subprocess("--host=http://x").assert_outcomes(passed=1)


def test_it_stays_out_if_it_is_blocked(suite):
    """``-p no:locust`` still works, and nothing lifts it."""
    (suite.path / "suite" / "conftest.py").write_text("pytest_plugins = ['locust']\n")
    (suite.path / "suite" / "test_own.py").write_text(OWN_HOST)
    said = suite.runpytest_subprocess("-p", "no:locust", "-k", "test_no_fixture")
    said.assert_outcomes(passed=1, deselected=1)
