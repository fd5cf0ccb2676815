"""GitHub's job summary is written once, whatever happens."""

import os
from pathlib import Path

import pytest
import stub_canary
from inner_sessions import PLUGIN

from harness.cli import main
from harness.report import job_summary


@pytest.fixture
def summary(pytester, monkeypatch):
    """The file of the job summary."""
    path = pytester.path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    monkeypatch.setenv("PYTHONPATH", str(Path(stub_canary.__file__).parent))
    return path


def test_every_verdict_is_written_once(pytester, summary):
    """Worst first, and the exit code at the end."""
    pytester.makepyfile("def test_a(canary): canary.run('pass')\ndef test_b(canary): canary.run('fail')")
    pytester.runpytest_inprocess(*PLUGIN)
    lines = [line for line in summary.read_text().splitlines() if line]
    assert ["MARKDOWN fail", "MARKDOWN pass", "exit code 1"] == [
        " ".join(line.split()[:2]) for line in lines[:2]
    ] + lines[2:]


def test_workers_do_not_repeat_it_and_their_crash_is_in_it(pytester, summary):
    """With xdist the controller writes; a crashed worker is told too."""
    pytester.makepyfile("""
        import os
        def test_a(canary): canary.run("pass")
        def test_b(canary): os._exit(0)
    """)
    assert 12 == pytester.runpytest_subprocess(*PLUGIN, "-n2", "--max-worker-restart=0").ret
    written = summary.read_text()
    assert (1, 1, 1) == (written.count("MARKDOWN pass"), written.count("crashed"), written.count("exit code 12"))


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("raise errors.ConfigError('unknown key', file='harness.yaml', line=3)", 2, "harness.yaml:3: unknown key"),
        ("raise TypeError('a bug of the scenario')", 12, "a bug of the scenario"),
        ("import pytest; pytest.skip('no cluster')", 12, "found 0: 1 scenario selected, but skipped"),
        ("raise KeyboardInterrupt", 130, "interrupted"),
    ],
)
def test_what_left_no_verdict_is_in_it(pytester, summary, body, code, words):
    """A mistake in the configuration, a bug, a skip, an interrupt."""
    pytester.makepyfile(f"from harness import errors\ndef test_it(canary):\n    {body}")
    assert code == pytester.runpytest_inprocess(*PLUGIN, no_reraise_ctrlc=True).ret
    assert words in summary.read_text()


def test_wrong_arguments_of_harness_run_are_in_it(pytester, summary, monkeypatch):
    """Also when pytest never started a session."""
    monkeypatch.chdir(pytester.path)
    assert 2 == main(["run", ".", "--", "--no-such-option"])
    assert "pytest did not accept its arguments" in summary.read_text()


def test_a_suite_without_scenarios_writes_nothing(pytester, summary):
    """The summary belongs to others then."""
    pytester.makepyfile("def test_it(): assert 1 == 2")
    pytester.runpytest_inprocess(*PLUGIN)
    assert not summary.exists()


def test_a_file_that_cannot_be_written_changes_no_exit_code(pytester, summary):
    """A pass stays a pass."""
    summary.mkdir()
    pytester.makepyfile("def test_it(canary): canary.run('pass')")
    assert 0 == pytester.runpytest_inprocess(*PLUGIN).ret


def test_a_pipe_that_nobody_reads_blocks_nothing(pytester, summary, capfd):
    """A pass stays a pass, with a warning."""
    os.mkfifo(summary)
    pytester.makepyfile("def test_it(canary): canary.run('pass')")
    assert 0 == pytester.runpytest_inprocess(*PLUGIN).ret
    assert "the job summary cannot be written" in "".join(capfd.readouterr())


def test_a_full_pipe_blocks_nothing(summary, monkeypatch, capsys):
    """What does not fit is given up with a warning."""
    os.mkfifo(summary)
    reader = os.open(summary, os.O_RDONLY | os.O_NONBLOCK)
    job_summary.write([("pass", "x" * 900_000)], [], code=0, words=())
    os.close(reader)
    assert "the job summary cannot be written" in capsys.readouterr().err


def test_a_path_with_a_nul_is_a_warning(monkeypatch, capsys):
    """Python refuses such a path with a ValueError."""
    monkeypatch.setattr(job_summary.os, "environ", {"GITHUB_STEP_SUMMARY": "/tmp/a\0b"})
    job_summary.write([], [], code=0, words=())
    assert "the job summary cannot be written" in capsys.readouterr().err


def test_it_stays_within_githubs_limit():
    """A summary that is too long would be refused whole; the worst parts are kept."""
    parts = [("pass", "x" * 300_000)] * 4 + [("fail", "the worst")]
    written = job_summary.text(parts, [("test_a", "trouble", "``` fenced ```")], code=1, words=())
    assert len(written.encode()) <= job_summary.LIMIT_BYTES
    assert written.startswith("the worst\n\n### ⛔ no verdict\n\n````\ntest_a\n``` fenced ```\n````")
    assert "2 more parts do not fit here; exit code 1" in written
