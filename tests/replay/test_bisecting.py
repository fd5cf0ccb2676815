"""A bisection finds the commit that broke the canary, and leaves the repository as it is."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from replay_records import demo_config, git

from harness.clients.processes.child import wait_until
from harness.errors import CannotReplay, UsageError
from harness.replay.bisecting import Mark, canary_from, first_bad, parse_range

PLANTED = 11
BISECT = """
import sys
from pathlib import Path
from harness.clients.processes.signals import signals_as_interrupts
from harness.replay.bisecting import first_bad
root, *build = sys.argv[1:]
with signals_as_interrupts():
    first_bad(Path(root), ("HEAD~2", "HEAD"), build=build, test=None, tell=print)
"""


@pytest.fixture
def root(tmp_path):
    """A repository with a good commit, 16 later ones, one of which plants a defect, and uncommitted work."""
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    for number in range(17):
        (folder / "state").write_text("broken" if number >= PLANTED else "fine")
        (folder / "number").write_text(str(number))
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", f"Change {number}")
    (folder / "state").write_text("work in progress")
    return folder


def verdict(folder, _):
    """Whether a build is broken, as a replay would say it."""
    return Mark.BAD if (folder / "state").read_text() == "broken" else Mark.GOOD


def state(root):
    """Everything of the repository that a bisection might change."""
    files = {path: path.stat().st_mtime_ns for path in sorted(root.rglob("*"))}
    return files, git(root, "for-each-ref"), git(root, "worktree", "list")


def test_the_planted_commit_of_sixteen_is_found_in_four_tests(root):
    """And nothing of the repository has changed, the work in progress least of all."""
    before, told = state(root), []
    found = first_bad(root, ("HEAD~16", "HEAD"), build=(), test=verdict, tell=told.append)
    assert (f"Change {PLANTED}", git(root, "rev-parse", f"HEAD~{16 - PLANTED}").strip()) == (
        found.subject,
        found.commit,
    )
    assert found.tests <= 4
    assert before == state(root)
    assert "16 commits after the good one: about 4 replays" == told[0]
    assert len(told) - 1 == found.tests


def test_an_end_of_the_range_is_tested_if_the_answer_rests_on_it_alone(root):
    """A failure that shows nowhere, or everywhere, is no commit's fault; the last and the first commit can be at fault."""
    for mark, said in ((Mark.GOOD, "expected the bad end of the range"), (Mark.BAD, "expected the good end")):
        with pytest.raises(CannotReplay, match=said):
            first_bad(root, ("HEAD~16", "HEAD"), build=(), test=lambda *_, mark=mark: mark, tell=lambda _: None)
    for good, bad in (("HEAD~12", f"HEAD~{16 - PLANTED}"), (f"HEAD~{17 - PLANTED}", "HEAD")):
        found = first_bad(root, (good, bad), build=(), test=verdict, tell=lambda _: None)
        assert f"Change {PLANTED}" == found.subject


def test_each_commit_is_built_in_its_own_folder(root):
    """The build runs in the files of the commit, and its folder is gone afterwards."""
    seen = []

    def test(folder, commit):
        seen.append(folder)
        assert (folder / "number").read_text() == (folder / "built").read_text()
        return verdict(folder, commit)

    first_bad(root, ("HEAD~7", "HEAD~4"), build=("cp", "number", "built"), test=test, tell=lambda _: None)
    assert seen
    assert not any(folder.exists() for folder in seen)


def test_commits_that_cannot_be_built_are_skipped(root):
    """The others still narrow it down, unless nothing is left."""
    build = ("sh", "-c", 'test "$(cat number)" != 8')
    found = first_bad(root, ("HEAD~16", "HEAD"), build=build, test=verdict, tell=lambda _: None)
    assert f"Change {PLANTED}" == found.subject
    with pytest.raises(CannotReplay, match="too many commits decided nothing"):
        first_bad(root, ("HEAD~16", "HEAD"), build=(), test=lambda *_: Mark.SKIP, tell=lambda _: None)


def test_a_build_command_that_fails_is_told_before_anything_runs(root):
    """With the last lines of the build."""
    build = ("sh", "-c", "echo no compiler here; exit 3")
    with pytest.raises(CannotReplay, match="no compiler here"):
        first_bad(root, ("HEAD~16", "HEAD"), build=build, test=verdict, tell=lambda _: None)
    with pytest.raises(CannotReplay, match="cannot be run"):
        first_bad(root, ("HEAD~16", "HEAD"), build=("/missing/make",), test=verdict, tell=lambda _: None)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_build_ends_with_the_harness(root, tmp_path, how):
    """With all that its command started, whatever ends the harness."""
    noted = tmp_path / "pid"
    build = ["sh", "-c", f"sleep 600 & echo $! > {noted}.part && mv {noted}.part {noted}; wait"]
    with subprocess.Popen([sys.executable, "-c", BISECT, str(root), *build]) as harness:
        assert wait_until(noted.is_file, timeout_s=120)
        harness.send_signal(how)
    started = Path(f"/proc/{noted.read_text().strip()}")
    assert wait_until(lambda: not started.exists(), timeout_s=120)


@pytest.mark.parametrize("text", ["", "a", "a..", "..b", "a...b"])
def test_a_range_has_two_ends(text):
    """Anything else is wrong usage."""
    with pytest.raises(UsageError, match=r"expected GOOD\.\.BAD"):
        parse_range(text)
    assert ("v1", "HEAD~2") == parse_range("v1..HEAD~2")


@pytest.mark.parametrize(
    "revisions", [("missing", "HEAD"), ("HEAD", "HEAD"), ("HEAD", "HEAD~3"), ("--upload-pack=x", "HEAD")]
)
def test_revisions_between_which_there_is_nothing_are_refused(root, revisions):
    """Unknown ones, the same one twice, and a bad one before the good one."""
    with pytest.raises(UsageError):
        first_bad(root, revisions, build=(), test=verdict, tell=lambda _: None)


def test_the_canary_runs_in_the_files_of_the_commit():
    """Paths below the folder of harness.yaml lead there too; the baseline stays where it is."""
    config = demo_config()
    moved = canary_from(config, "v3", Path("/tmp/elsewhere"))
    assert Path("/tmp/elsewhere") == moved.workload("reviews", "v3").folder
    assert config.workload("reviews", "v2") == moved.workload("reviews", "v2")
