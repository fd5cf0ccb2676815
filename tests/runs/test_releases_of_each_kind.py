"""Kinds of releases on this machine, with the real command, real Envoy and a small shop: reviews calls ratings.

Each build of ratings is a Git revision that a command builds; builds of reviews are versions of harness.yaml.
"""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from harness.bundle import read_analysis
from harness.cli.demo_release import staged
from harness.config import Config, read_config
from harness.judge.alone import NOTE
from harness.mesh.stage.client import Stage
from harness.model.release import Outcome, ReleaseRecord
from harness.release.store import all_releases

SERVER = """
import os, pathlib, sys, urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

here = pathlib.Path(__file__).parent
starts = here / "starts"
starts.write_text(starts.read_text() + "x" if starts.exists() else "x")
if (here / "fails-at").exists() and len(starts.read_text()) >= int((here / "fails-at").read_text()):
    sys.exit("on purpose")

class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        text = os.environ.get("NAME") or (here / "built.txt").read_text().strip()
        if self.path == "/page" and "RATINGS_URL" in os.environ:
            with urllib.request.urlopen(os.environ["RATINGS_URL"] + "/page") as rating:
                text += " " + rating.read().decode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""
SHOP = """\
service: reviews
arms: {baseline: v1, canary: v2}
objectives: [error_rate < 5%]
load: {profile: page, rate: 60}
services:
  ratings:
    port: 9080
    command: ["{python}", "{root}/ratings/server.py", "{port}"]
    versions: {v1: }
  reviews:
    port: 9080
    command: ["{python}", "{root}/server.py", "{port}"]
    calls: {RATINGS_URL: ratings}
    versions: {v1: {env: {NAME: old}}, v2: {env: {NAME: new}}}
"""
PROFILE = """
from locust import FastHttpUser, task


class User(FastHttpUser):
    @task
    def page(self):
        self.client.get("/page")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The shop in a Git repository; ratings is built from a file of it."""
    (tmp_path / "ratings").mkdir()
    for folder in (tmp_path, tmp_path / "ratings"):
        (folder / "server.py").write_text(SERVER)
    (tmp_path / "ratings" / "built.txt").write_text("one")
    _git(tmp_path, "init", "-q")
    (tmp_path / ".gitignore").write_text("reports\nharness.yaml\nstarts\nbuilt.txt\n")
    return tmp_path


def _git(root: Path, *words: str) -> None:
    named = ["-c", "user.name=ann", "-c", "user.email=ann@example.test", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *named, *words], cwd=root, check=True)


def revision(root: Path, text: str, *, fails_at: int = 0) -> None:
    """Commit what the build of ratings is made from. fails_at: the number of the start that fails."""
    (root / "ratings" / "source.txt").write_text(text)
    if fails_at:
        (root / "ratings" / "fails-at").write_text(str(fails_at))
    _git(root, "add", ".")
    _git(root, "commit", "-q", "-m", text)
    for name in ("fails-at", "source.txt"):
        (root / "ratings" / name).unlink(missing_ok=True)


def configured(root: Path, release: str) -> Config:
    """The configuration with a release section."""
    build = "build: [sh, -c, cp ratings/source.txt ratings/built.txt]"
    (root / "harness.yaml").write_text(f"{SHOP}release: {{{build}, {release}}}\n")
    return read_config(root / "harness.yaml")


def release(config: Config, *words: str) -> int:
    """Run ``harness release`` with these words and return its exit code."""
    command = [sys.executable, "-m", "harness", "release", *words]
    return subprocess.run(command, cwd=config.root, check=False).returncode


def record_of(config: Config) -> ReleaseRecord:
    """The newest release."""
    return all_releases(config.out)[-1][1]


def page(stage: Stage, **headers: str) -> str:
    """What a user sees."""
    request = urllib.request.Request(f"{stage.ask('hello')['entry']}/page", headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return str(answer.read().decode())


def with_scenario(root: Path, call: str) -> None:
    """Give the shop a load profile and one scenario that makes this call."""
    for folder, name, text in (
        ("loadprofiles", "page.py", PROFILE),
        ("scenarios", "test_it.py", f"def test_it(canary):\n    {call}.require_pass()\n"),
    ):
        (root / folder).mkdir()
        (root / folder / name).write_text(text)


@pytest.mark.slow
@pytest.mark.lengthy
@pytest.mark.timeout(300)
@pytest.mark.parametrize("fails", [False, True])
def test_a_version_and_a_revision_are_promoted_together_or_not_at_all(root: Path, fails: bool):
    """Staff see both new builds before anybody else; if the second promotion fails, the first is taken back."""
    revision(root, "two", fails_at=2 if fails else 0)  # the second start is that of the promotion
    steps = "steps: [{weight: 0, header: {x-group: staff}, observe: 100ms}, {weight: 100%, observe: 100ms}]"
    config = configured(root, steps)
    with staged(config) as stage:
        assert "old one" == page(stage)
        assert 0 == release(config, "deploy", "--version", "reviews=v2", "--revision", "ratings=HEAD")
        assert 0 == release(config, "shift")
        assert ("old one", "new one") == (page(stage), page(stage, **{"x-group": "staff"}))
        assert (12 if fails else 0) == release(config, "resume", "--no-wait")
        record = record_of(config)
        assert (Outcome.REJECTED if fails else Outcome.PROMOTED) is record.state.outcome, record.state.reason
        assert ("old one" if fails else "new two") == page(stage)
        assert [{}, {}] == [stage.ask("state", service=name)["arms"] for name in ("reviews", "ratings")]


@pytest.mark.slow
@pytest.mark.lengthy
@pytest.mark.timeout(300)
def test_blue_green_tests_the_idle_side_and_rolls_back_at_once(root: Path):
    """The idle side has its header and passes a gate, all users are switched, and ``rollback`` switches back."""
    with_scenario(root, 'canary.run(warm_up="1s", steady="8s", objectives=["error_rate < +20pp"])')
    config = configured(root, "strategy: blue-green, scenarios: [scenarios], header: {x-idle: '1'}, bake: 10m")
    with staged(config) as stage:
        assert 0 == release(config, "deploy", "--version", "v2")
        assert 0 == release(config, "shift")
        assert ("old one", "new one") == (page(stage), page(stage, **{"x-idle": "1"}))
        assert 0 == release(config, "gate", "--no-wait")
        assert 0 == release(config, "shift")
        assert "new one" == page(stage)
        assert 0 == release(config, "rollback", "--by", "ann", "--reason", "errors in search")
        assert "old one" == page(stage)
    record = record_of(config)
    assert (Outcome.ROLLED_BACK, ["pass"]) == (record.state.outcome, [one.verdict for one in record.results])
    assert "rolled back by ann: errors in search" == record.state.reason


@pytest.mark.slow
@pytest.mark.lengthy
@pytest.mark.timeout(300)
def test_a_first_release_is_judged_alone_and_becomes_the_running_build(root: Path):
    """Nothing of reviews runs until its gate has passed by its limit; the run's analysis names how it was judged."""
    with_scenario(root, 'canary.run(warm_up="1s", steady="11s", objectives=["error_rate < 5%"])')
    config = configured(
        root,
        "first: {reviews: }, steps: [{weight: 0}, {weight: 100%, observe: 100ms, scenarios: []}], scenarios: [scenarios]",
    )
    with staged(config) as stage:
        with pytest.raises(urllib.error.HTTPError, match="503"):
            page(stage)
        assert 0 == release(config, "--version", "v2", "--no-wait")
        assert "new one" == page(stage)
    record = record_of(config)
    assert (Outcome.PROMOTED, ("reviews",)) == (record.state.outcome, record.first)
    analysis = read_analysis(all_releases(config.out)[-1][0] / record.results[0].bundles[0])
    assert ("alone", NOTE) == (analysis.judge, analysis.warnings[0])
    with staged(config) as stage:
        assert "new one" == page(stage), "it runs on the next stage too"
