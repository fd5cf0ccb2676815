"""What a session writes for CI servers: annotations, GitLab's reports, a comment; and what --harness-plan lists."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import stub_canary
from inner_sessions import PLUGIN

import harness
from harness.report import ci_notes
from harness.report.ci_notes import Note

CONFIG = Path(harness.__file__).parent / "demo" / "project" / "harness.yaml"
HOSTILE = "bad\n::error file=x::forged, 100 %: \x1b[31mred"
SCENARIOS = """
def test_good(canary):
    canary.run('pass')
def test_worse(canary):
    canary.run('fail')
def test_open(canary):
    canary.run('inconclusive')
def test_bug(canary):
    raise TypeError('a bug')
"""


def note(kind: str, **changed: object) -> Note:
    """A note about a test."""
    values = {"kind": kind, "place": "test_a.py::test_a", "path": "test_a.py", "line": 3, "message": f"it is {kind}"}
    return Note(**{**values, **changed})


def test_annotations_stand_at_the_test(pytester, monkeypatch) -> None:
    """On GitHub, each verdict other than a pass and each failure is one command, the worst first; elsewhere none."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    pytester.makepyfile(SCENARIOS)
    lines = [line for line in pytester.runpytest_inprocess(*PLUGIN).outlines if line.startswith("::")]
    file = "test_annotations_stand_at_the_test.py"
    assert lines[0] == f"::error file={file},line=3,title=fail%3A {file}%3A%3Atest_worse::stubbed fail"
    assert lines[1].startswith(f"::error file={file},line=7,title=no verdict%3A {file}%3A%3Atest_bug::")
    assert lines[2] == f"::warning file={file},line=5,title=inconclusive%3A {file}%3A%3Atest_open::stubbed inconclusive"
    assert len(lines) == 3
    monkeypatch.delenv("GITHUB_ACTIONS")
    assert not [line for line in pytester.runpytest_inprocess(*PLUGIN).outlines if line.startswith("::")]


def test_hostile_text_stays_one_command() -> None:
    """Line ends, colons and commas of names and messages cannot end a command, begin another or set a property."""
    hostile = note("fail", place=HOSTILE, message=HOSTILE, path=HOSTILE)
    (line,) = ci_notes.commands([hostile], {"GITHUB_ACTIONS": "true"})
    assert "\n" not in line
    assert "\x1b" not in line
    properties, _, data = line.removeprefix("::").partition("::")
    assert properties.count(",") == 2
    assert "%0A" in data
    assert "100 %25" in data


def test_gitlab_gets_quality_and_metrics(pytester) -> None:
    """Code quality lists what is not a pass, with stable fingerprints; metrics have the scores."""
    pytester.makepyfile(SCENARIOS)
    pytester.runpytest_inprocess(*PLUGIN, "--harness-gitlab=gitlab")
    found = json.loads((pytester.path / "gitlab" / "gl-code-quality-report.json").read_text())
    assert [("harness.fail", "critical", 3), ("harness.trouble", "major", 7), ("harness.inconclusive", "minor", 5)] == [
        (one["check_name"], one["severity"], one["location"]["lines"]["begin"]) for one in found
    ]
    assert len({one["fingerprint"] for one in found}) == 3
    same = [ci_notes._quality(note("fail", message=f"p99 +{number} %"))["fingerprint"] for number in (12, 13.5)]
    assert same[0] == same[1]
    metrics = (pytester.path / "gitlab" / "metrics.txt").read_text()
    assert 'verdict="fail"} 50.0' in metrics
    assert metrics.endswith("# EOF\n")


def test_metrics_escape_labels() -> None:
    """Quotes and line ends of names cannot end a label or a line."""
    text = ci_notes.metrics([note("pass", place='a"b\\c\nd', score=1.0, differences={"p99 in steady": 0.1})])
    assert text.splitlines() == [
        'harness_score{test="a\\"b\\\\c d",verdict="pass"} 1.0',
        'harness_difference{test="a\\"b\\\\c d",objective="p99 in steady"} 0.1',
        "# EOF",
    ]


def test_comment_is_replaced(pytester) -> None:
    """The file begins with the mark by which an action finds its comment, fits GitHub's limit, and is replaced."""
    pytester.makepyfile(SCENARIOS)
    for _ in range(2):
        pytester.runpytest_inprocess(*PLUGIN, "--harness-comment=comment.md")
    text = (pytester.path / "comment.md").read_text()
    assert text.startswith(ci_notes.COMMENT_MARK + "\n")
    assert text.count("MARKDOWN fail") == 1
    assert "a bug" in text
    assert len(text) < 65_536


def test_a_file_that_cannot_be_written_is_a_warning(pytester) -> None:
    """The verdicts decide about the exit code, not the comment."""
    pytester.makepyfile("def test_good(canary): canary.run('pass')")
    (pytester.path / "file").write_text("")
    done = pytester.runpytest_inprocess(*PLUGIN, "--harness-comment=file/comment.md")
    assert done.ret == 0
    done.stdout.fnmatch_lines(["harness: warning: *cannot be recorded*"])


def test_workers_give_the_same_notes(pytester, monkeypatch) -> None:
    """With xdist the controller writes, once."""
    monkeypatch.setenv("PYTHONPATH", str(Path(stub_canary.__file__).parent))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    pytester.makepyfile(SCENARIOS)
    done = pytester.runpytest_subprocess(*PLUGIN, "-n2")
    assert len([line for line in done.outlines if line.startswith("::")]) == 3


def planned(pytester: pytest.Pytester, body: str) -> pytest.RunResult:
    """A session that only plans, with the demo's configuration."""
    pytester.makepyfile(body)
    options = ["-p", "no:locust", f"--harness-config={CONFIG}", "--harness-out=reports", "--harness-plan"]
    return pytester.runpytest_inprocess(*options)


def test_plan_starts_nothing(pytester) -> None:
    """Each scenario says what it would do; no folder is made, the tests are skipped, and the exit code is 0."""
    done = planned(
        pytester,
        """
        from harness import delay
        def test_slow(canary):
            canary.run(faults=[delay("ratings", "2s", percent=30)], steady="30s", rate=100).require_pass()
        """,
    )
    assert done.ret == 0
    done.stdout.fnmatch_lines(
        ["*what would happen*", "*::test_slow", "*phases *steady 30 s*", "*faults *delay(ratings, 2 s, 30 %)", "*requests *",
         "*can see *latency_p99*"]
    )  # fmt: skip
    assert not (pytester.path / "reports").exists()


def test_plan_lists_every_run_of_every_parameter(pytester) -> None:
    """Several runs of one test, a test with loads of its own, and parameters; what needs a result is noted."""
    done = planned(
        pytester,
        """
        import pytest
        from harness import abort, delay
        @pytest.mark.parametrize("percent", [10, 20])
        def test_twice(canary, percent):
            canary.run(faults=[delay("ratings", "2s", percent=percent)]).require_pass()
            found = canary.run(faults=[abort("ratings", 503, percent=percent)])
            assert found.findings[0].score > 50
            canary.run()
        def test_by_hand(load, canary, chaos):
            with chaos.inject(delay("ratings", "1s")):
                load.run("browse", "20s", rate=70, warm_up="3s")
            canary.compare("latency_p50 < +20%").require_pass()
        def test_of_the_mesh(mesh):
            mesh.entry()
        """,
    )
    assert done.ret == 0
    done.assert_outcomes(skipped=4)
    for percent in (10, 20):
        done.stdout.fnmatch_lines(
            [f"*::test_twice[[]{percent}[]]", f"*delay(ratings, 2 s, {percent} %)", f"*::test_twice[[]{percent}[]], run 2",
             f"*abort(ratings, 503, {percent} %)", "*note *what follows depends on results: IndexError*"]
        )  # fmt: skip
    done.stdout.fnmatch_lines(
        ["*::test_by_hand", "  fault    delay(ratings, 1 s*", "  load     browse, 70 requests per second for 20 s, after 3 s *",
         "  compare  latency_p50 < +20%"]
    )  # fmt: skip
    done.stdout.fnmatch_lines(["*::test_of_the_mesh", "  note     what follows uses the running mesh*"])
    assert not (pytester.path / "reports").exists()


def test_plan_with_workers(pytester) -> None:
    """With xdist the controller lists what its workers have planned."""
    pytester.makepyfile("def test_a(canary): canary.run()\ndef test_b(canary): canary.run()")
    options = ["-p", "no:locust", f"--harness-config={CONFIG}", "--harness-out=reports", "--harness-plan", "-n", "2"]
    done = pytester.runpytest_subprocess(*options)
    assert done.ret == 0
    assert {"::test_a", "::test_b"} == {line[-8:] for line in done.outlines if line.endswith(("::test_a", "::test_b"))}


def test_plan_finds_mistakes(pytester) -> None:
    """What a run would refuse is refused by its plan too."""
    done = planned(
        pytester,
        """
        from harness import delay
        def test_objective(canary): canary.run(objectives=['latency_p99 < +'])
        def test_second_run(canary): canary.run(); canary.run(load='nowhere')
        def test_fault(chaos): chaos.inject(delay('nowhere', '1s'))
        """,
    )
    assert done.ret == 2
    done.assert_outcomes(errors=3)


def test_debugger_opens_at_the_verdict(pytester, monkeypatch) -> None:
    """``--pdb`` stops where require_pass raised, and the session ends with the exit code of the verdict."""
    monkeypatch.setenv("PYTHONPATH", str(Path(stub_canary.__file__).parent))
    file = pytester.makepyfile("def test_worse(canary): canary.run('fail').require_pass()")
    command = [sys.executable, "-m", "pytest", *PLUGIN, "--pdb", str(file)]
    done = pytester.run(*command, stdin=b"p 'seen by a person'\nc\n")
    done.stdout.fnmatch_lines(["*entering PDB*", "*seen by a person*"])
    assert done.ret == 1
