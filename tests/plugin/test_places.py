"""Where pytest is started from makes no difference."""

import re

import pytest
from inner_sessions import QUIET

CONFIG = """
service: reviews
arms: {baseline: v1, canary: v2}
services:
  reviews: {command: ["{python}", "{port}"], versions: {v1: , v2: }}
load: {profile: browse, rate: 1, folders: [.]}
objectives: ["error_rate < +1pp"]
"""
TEST = """
def test_it(harness_config, request):
    from harness.plugin.fixtures import SESSION, _again
    print("again:", _again(request, request.config.stash[SESSION]))
    assert "reviews" == harness_config.service
"""


@pytest.fixture
def project(pytester):
    """A project with scenarios in a folder of their own."""
    (pytester.path / "project" / "scenarios").mkdir(parents=True)
    (pytester.path / "project" / "harness.yaml").write_text(CONFIG)
    (pytester.path / "project" / "scenarios" / "test_it.py").write_text(TEST)
    return pytester


@pytest.mark.parametrize(
    ("start", "tests"),
    [("project", "scenarios"), ("project/scenarios", "."), (".", "project/scenarios"), (".", "project/scenarios/test_it.py::test_it")],
)  # fmt: skip
def test_the_configuration_is_found_and_the_command_to_run_again_fits(project, monkeypatch, start, tests):
    """harness.yaml is looked for above the folder pytest was started in, then above the tests."""
    monkeypatch.chdir(project.path / start)
    result = project.runpytest_inprocess(*QUIET, "-s", tests)
    result.assert_outcomes(passed=1)
    (node,) = re.findall(r'again: .*?"(.*?)"', result.stdout.str())
    project.runpytest_inprocess(*QUIET, node).assert_outcomes(passed=1)


def test_a_missing_configuration_is_told(pytester):
    """Where it was looked for, and how to name it."""
    pytester.makepyfile(TEST)
    result = pytester.runpytest_inprocess(*QUIET)
    result.stdout.fnmatch_lines(["*expected harness.yaml in * or a folder above it*--harness-config*"])
    assert 2 == result.ret


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("load='brwse'", "expected the name of a load profile, found 'brwse'*"),
        ("faults=[abort('nobody', 503, percent=5)]", "*expected a service of harness.yaml, found 'nobody'*"),
        ("faults=[abort('reviews', 503, percent=5)], fault='0s'", "*expected a fault phase of more than 0 s*"),
    ],
)
def test_a_scenario_that_cannot_be_run_starts_nothing(pytester, given, message):
    """Nobody waits for services to learn of a wrong name; the command that would start one is not there."""
    (pytester.path / "harness.yaml").write_text(CONFIG)
    (pytester.path / "browse.py").write_text("from locust import HttpUser")
    pytester.makepyfile(f"from harness import abort\ndef test_it(canary): canary.run({given})")
    result = pytester.runpytest_inprocess(*QUIET)
    result.stdout.fnmatch_lines([f"UsageError: {message}" if "load" not in given else f"LoadProfileError: {message}"])
    left = [path.name for path in pytester.path.glob("reports/*/*")]
    assert (2, ["index.html", "run.json"]) == (result.ret, sorted(left))


PROFILE = """
from locust import HttpUser, task
class User(HttpUser):
    @task
    def read(self):
        self.client.get("/stars")
"""


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ('load.run("browse"); canary.compare("error_rate{endpoint=/star} < +1pp")', 2, "found '/star', did you mean '/stars'?"),
        ('load.run(); canary.compare("error_rate{endpoint=/star} < +1pp")', 2, "found '/star', did you mean '/stars'?"),
        ('load.run(); load.run("other"); canary.compare("error_rate{endpoint=/star} < +1pp")', 2, "browse or other sends"),
        ('load.run(); canary.compare("error_rat < +1pp")', 2, "error_rat"),
        ('load.run(); load.run("x"[:9]); canary.compare("error_rate{endpoint=/star} < +1pp")', 12, "started"),
        ('load.run(); canary.compare("error_rate{endpoint=/stars} < +1pp")', 12, "started"),
    ],
    ids=["typo", "default profile", "two profiles", "no objective", "unknown profile", "no mistake"],
)  # fmt: skip
def test_what_a_test_compares_later_is_checked_before_its_first_load(pytester, monkeypatch, body, code, message):
    """The texts are read from the test, so that nobody waits for a load to learn of a wrong name."""
    (pytester.path / "harness.yaml").write_text(CONFIG)
    for name in ("browse", "other"):
        (pytester.path / f"{name}.py").write_text(PROFILE)
    pytester.makeconftest("""
        import pytest
        from harness.errors import HarnessError
        from harness.plugin import subjects
        @pytest.fixture(autouse=True)
        def nothing_starts(monkeypatch):
            def mesh(_): raise HarnessError("started")
            monkeypatch.setattr(subjects.ScenarioContext, "mesh", property(mesh))
    """)
    pytester.makepyfile(f"def test_it(canary, load):\n    {body}")
    result = pytester.runpytest_inprocess(*QUIET)
    assert code == result.ret
    result.stdout.fnmatch_lines([f"*{message}*"])
