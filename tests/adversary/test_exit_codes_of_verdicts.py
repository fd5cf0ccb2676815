"""Attempts to end a session with exit code 0, or with the code of another verdict, although a verdict says otherwise."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import stub_canary
from inner_sessions import PLUGIN

from harness.cli import main
from harness.clients.processes.child import wait_until

ATTEMPTS = {
    "never asks": "canary.run('fail')",
    "swallows the error": "try: canary.run('fail').require_pass()\n    except AssertionError: pass",
    "skips afterwards": "canary.run('fail'); pytest.skip('not now')",
    "expects to fail": "canary.run('fail').require_pass()",
    "stops pytest": "canary.run('fail'); pytest.exit('enough')",
    "stops pytest with 0": "canary.run('fail'); pytest.exit('enough', returncode=0)",
    "ends Python with 0": "canary.run('fail'); raise SystemExit(0)",
    "stops the session": "canary.run('fail'); request.session.shouldstop = 'enough'",
    "sets the exit code": "canary.run('fail'); request.session.exitstatus = 0",
    "asks about another run": "canary.run('fail'); canary.run('pass').require_pass()",
    "has a bug of its own": "canary.run('fail').requires_pass()",
}


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch):
    """Other processes find the stub, and nothing is written to the job summary of these tests themselves."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(stub_canary.__file__).parent))


def scenarios(pytester, *bodies, mark=""):
    """Write one scenario for each body."""
    tests = [f"{mark}\ndef test_{place}(canary, request):\n    {body}\n" for place, body in enumerate(bodies)]
    pytester.makepyfile("import pytest\n" + "\n".join(tests))
    return pytester


@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_a_fail_is_never_0(pytester, attempt):
    """Whatever the scenario does with it, the verdict decides the exit code."""
    mark = "@pytest.mark.xfail" if attempt == "expects to fail" else ""
    scenarios(pytester, ATTEMPTS[attempt], "canary.run('pass').require_pass()", mark=mark)
    assert 1 == pytester.runpytest_inprocess(*PLUGIN).ret


@pytest.mark.parametrize("attempt", ["never asks", "stops pytest"])
def test_a_fail_in_a_worker_is_never_0(pytester, attempt):
    """The verdict reaches the controller of xdist with a report or with the end of the worker."""
    scenarios(pytester, ATTEMPTS[attempt], "canary.run('pass').require_pass()")
    assert 1 == pytester.runpytest_subprocess(*PLUGIN, "-n1").ret


@pytest.mark.parametrize(("verdict", "code"), [("marginal", 10), ("inconclusive", 11), ("pass", 0)])
def test_other_verdicts_count_unasked_too(pytester, verdict, code):
    """Each with its own exit code."""
    assert code == scenarios(pytester, f"canary.run('{verdict}')").runpytest_inprocess(*PLUGIN).ret


def test_the_failure_of_an_unasked_verdict_says_what_to_do(pytester):
    """It names the verdict, its reason, the call that asks and the option."""
    result = scenarios(pytester, "canary.run('fail')").runpytest_inprocess(*PLUGIN)
    result.stdout.fnmatch_lines(["fail: stubbed fail", "*require_pass()*--harness-unasked=warn*"])


def test_unasked_verdicts_may_be_shown_only(pytester):
    """With --harness-unasked=warn only the tests decide."""
    result = scenarios(pytester, "canary.run('fail')").runpytest_inprocess(*PLUGIN, "--harness-unasked=warn")
    assert 0 == result.ret
    result.stdout.fnmatch_lines(["TEXT fail *"])


def test_a_verdict_in_the_teardown_of_a_fixture_counts(pytester):
    """A fixture may judge when the test is over."""
    pytester.makepyfile("""
        import pytest
        @pytest.fixture
        def judged(canary):
            yield
            canary.run("fail")
        def test_it(judged): pass
    """)
    assert 1 == pytester.runpytest_inprocess(*PLUGIN).ret


NOTHING_JUDGED = {
    "no call": ("pass", [], "without a call of canary.run"),
    "skipped": ("pytest.skip('no cluster')", [], "skipped"),
    "stopped": ("pytest.exit('enough', returncode=0)", [], "stopped"),
}


@pytest.mark.parametrize("case", NOTHING_JUDGED)
def test_no_verdict_is_never_0(pytester, case):
    """Exit code 12, and a line that says what is missing."""
    body, args, words = NOTHING_JUDGED[case]
    result = scenarios(pytester, body).runpytest_inprocess(*PLUGIN, *args)
    assert 12 == result.ret
    result.stdout.fnmatch_lines([f"harness: no verdict on the canary: expected at least 1 verdict, found 0: *{words}*"])


def test_a_session_that_stops_before_all_scenarios_have_finished_is_no_pass(pytester):
    """One pass is not the verdict on two scenarios."""
    scenarios(pytester, "canary.run('pass').require_pass()", "pytest.exit('enough', returncode=0)")
    result = pytester.runpytest_inprocess(*PLUGIN)
    assert 12 == result.ret
    result.stdout.fnmatch_lines(["*the session ended before 1 scenario had finished: *::test_1*"])


@pytest.mark.parametrize(
    "case",
    [
        ([], 0, ""),
        (["-k", "absent"], 12, "1 were deselected"),
        (["--collect-only"], 12, "to collect tests and to run none"),
        (["--harness-require-verdicts=2"], 12, "expected at least 2 verdicts, found 1"),
        (["-p", "no:harness"], 12, ""),
        (["-p", "no:harness-account"], 12, ""),
        (["no_such_file.py"], 2, ""),
        (["--no-such-option"], 2, ""),
    ],
    ids=str,
)
def test_harness_run_refuses_a_session_that_judged_nothing(pytester, monkeypatch, capfd, case):
    """Deselected, only collected, too few verdicts, plugin disabled, wrong arguments."""
    args, code, words = case
    scenarios(pytester, "canary.run('pass').require_pass()")
    monkeypatch.chdir(pytester.path)
    assert code == main(["run", ".", "--", "--import-mode=importlib", *PLUGIN[2:], *args])
    said = capfd.readouterr()
    assert words in said.out + said.err


@pytest.mark.parametrize("option", ["--collect-only", "--fixtures", "--fixtures-per-test"])
def test_only_collecting_scenarios_is_fine_for_pytest_itself(pytester, option):
    """Editors collect all the time; nobody takes that for a verdict."""
    result = scenarios(pytester, "pass").runpytest_inprocess(*PLUGIN, option)
    assert 0 == result.ret
    result.stdout.no_fnmatch_line("*no verdict*")


def test_a_suite_without_scenarios_keeps_the_codes_of_pytest(pytester):
    """The plugin is installed, but nothing of it is used."""
    pytester.makepyfile("def test_it(): raise TypeError('no scenario')")
    assert 1 == pytester.runpytest_inprocess(*PLUGIN).ret
    assert 5 == pytester.runpytest_inprocess(*PLUGIN, "-k", "nothing").ret


@pytest.mark.parametrize("args", [["-x"], ["--maxfail=1"], ["-n2", "-x"]], ids=" ".join)
def test_the_code_holds_for_every_way_to_run(pytester, args):
    """An unasked fail with -x, with --maxfail and with workers."""
    scenarios(pytester, "canary.run('fail')", "canary.run('pass')")
    run = pytester.runpytest_subprocess if "-n2" in args else pytester.runpytest_inprocess
    assert 1 == run(*PLUGIN, *args).ret


FLAKY = """
import pathlib
def test_it(canary):
    tries = pathlib.Path("tries")
    tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
    canary.run({verdicts}[len(tries.read_text()) - 1]).require_pass()
"""


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [(["fail", "pass"], 0), (["inconclusive", "pass"], 0), (["inconclusive", "inconclusive"], 11), (["pass"], 0)],
    ids=str,
)
def test_the_last_attempt_counts_when_tests_are_repeated(pytester, verdicts, code):
    """With pytest-rerunfailures: exactly what the last attempt says."""
    pytester.makepyfile(FLAKY.format(verdicts=verdicts))
    assert code == pytester.runpytest_inprocess(*PLUGIN, "--reruns=1").ret


def test_a_worker_that_crashes_is_trouble(pytester):
    """Its verdicts are lost; that is not the canary's fault, and no pass."""
    scenarios(pytester, "import os; canary.run('pass'); os._exit(0)", "canary.run('pass')")
    assert 12 == pytester.runpytest_subprocess(*PLUGIN, "-n1", "--max-worker-restart=0").ret


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=str)
def test_a_test_that_is_run_twice_has_two_verdicts(pytester, args):
    """Named twice with --keep-duplicates, a test fails and then passes under one node id."""
    first = "tries = pathlib.Path('tries'); again = tries.exists(); tries.touch()"
    pytester.makepyfile(f"import pathlib\ndef test_it(canary):\n    {first}; canary.run('pass' if again else 'fail')")
    run = pytester.runpytest_subprocess if args else pytester.runpytest_inprocess
    files = [str(next(pytester.path.glob("test_*.py")))] * 2
    assert 1 == run(*PLUGIN, "--keep-duplicates", *args, *files).ret


EDITED_REPORT = """
import pytest
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport():
    report = yield
    report.outcome, report.harness_verdicts, report.harness_kind = "passed", ["pass"], ""
    return report
"""


@pytest.mark.parametrize("args", [[], ["-n1"]], ids=str)
def test_a_report_that_another_plugin_edits_changes_no_verdict(pytester, args):
    """The verdict was noted when the judge gave it."""
    pytester.makeconftest(EDITED_REPORT)
    scenarios(pytester, "canary.run('fail')")
    run = pytester.runpytest_subprocess if args else pytester.runpytest_inprocess
    assert 1 == run(*PLUGIN, *args).ret


ENDINGS = {
    "os._exit(0)": "import os; os._exit(0)",
    "os._exit(0) after a pass": "import os; canary.run('pass').require_pass(); os._exit(0)",
    "os._exit(0) after a fail": "import os; canary.run('fail'); os._exit(0)",
    "exec of another program": "import os; os.execv('/bin/true', ['true'])",
    "a crash": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "SIGKILL": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "at exit": "import os, atexit; canary.run('fail'); atexit.register(os._exit, 0)",
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_harness_run_notices_a_scenario_that_ends_the_process(pytester, monkeypatch, capfd, ending):
    """No exit code of a process that was ended in the middle is a pass; a session that did end keeps its verdict."""
    scenarios(pytester, ENDINGS[ending])
    monkeypatch.chdir(pytester.path)
    code = main(["run", ".", "--", "--import-mode=importlib", *PLUGIN[2:]])
    said = "".join(capfd.readouterr())
    assert code == (1 if ending == "at exit" else 12)
    assert ("pytest ended before its session did" in said) == (ending != "at exit")


def test_a_scenario_that_starts_pytest_cannot_write_the_note_of_the_session(pytester, monkeypatch, capfd):
    """A session inside a scenario ends with 0; the outer one ended in the middle."""
    inner = pytester.makepyfile(inner="def test_it(): pass")
    body = f"import os, subprocess, sys; subprocess.run([sys.executable, '-m', 'pytest', {str(inner)!r}]); os._exit(0)"
    scenarios(pytester, body)
    monkeypatch.chdir(pytester.path)
    assert 12 == main(["run", ".", "--", "--import-mode=importlib", *PLUGIN[2:]])


def test_pytest_ends_with_a_harness_run_that_is_killed(pytester, monkeypatch):
    """SIGKILL leaves the supervising process no time; SIGTERM is passed on, and the scenario is interrupted."""
    scenarios(pytester, "import os, pathlib, time; pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(60)")
    monkeypatch.chdir(pytester.path)
    words = [sys.executable, "-m", "harness", "run", ".", "--", "--import-mode=importlib", *PLUGIN[2:]]
    pid = pytester.path / "pid"
    for number in (signal.SIGKILL, signal.SIGTERM):
        pid.unlink(missing_ok=True)
        with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            assert wait_until(lambda: pid.exists() and pid.read_text() != "", timeout_s=60)
            process.send_signal(number)
            assert process.wait(30) != 0
        assert wait_until(lambda: not psutil.pid_exists(int(pid.read_text())), timeout_s=30)
