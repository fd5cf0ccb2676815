"""The plugin is loaded by every pytest run, so it must cost next to nothing and disturb nobody."""

import subprocess
import sys

import pytest

HEAVY = ("scipy", "kubernetes", "locust", "gevent", "numpy", "pyarrow", "pydantic")


@pytest.mark.parametrize("module", ["harness", "harness.plugin", "harness.cli"])
def test_importing_loads_nothing_heavy(module):
    """Neither the package nor its doors import what only a run needs."""
    code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == said.stdout.strip()


@pytest.mark.parametrize("module", ["harness.judge.arrays", "harness.judge.kayenta.judge", "harness.history.trust"])
def test_the_judges_load_scipy_with_the_first_number(module):
    """Half of the time that their import took was spent on it."""
    code = f"import sys, {module}; print('scipy' in sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "False" == said.stdout.strip()


@pytest.mark.parametrize("module", ["harness.demo.reviews", "harness.cli"])
def test_services_and_commands_load_no_faults(module):
    """The names of the package load their modules when they are used, and other names are refused."""
    code = f"import sys, {module}; print('harness.faults' in sys.modules); from harness import delay, nosuch"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "False" == done.stdout.strip()
    assert "cannot import name 'nosuch'" in done.stderr


def test_a_pytest_run_without_scenarios_loads_nothing_heavy(pytester):
    """A suite that does not use the fixtures pays nothing for them."""
    pytester.makepyfile(f"import sys\ndef test_it(): assert not [m for m in {HEAVY!r} if m in sys.modules]")
    assert 0 == pytester.runpytest_subprocess("-p", "no:locust").ret


def test_fixtures_are_documented(pytester):
    """Without -v too, each fixture says what it is, with an example."""
    said = pytester.runpytest_subprocess("-p", "no:locust", "--fixtures").stdout.str()
    for name in ("mesh", "chaos", "load", "canary", "harness_config"):
        shown = said.split(f"\n{name} -- ")[1].split("\n\n")[0]
        assert "Example: ``" in shown, name


def test_options_are_in_a_group_of_their_own(pytester):
    """``pytest --help`` shows them together."""
    said = pytester.runpytest_subprocess("-p", "no:locust", "--help").stdout.str()
    group = said.split("canary analysis under faults:")[1]
    for name in ("target", "config", "out", "seed"):
        assert f"--harness-{name}" in group
