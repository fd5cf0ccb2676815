"""``harness demo --release``: release a canary of the demo on this machine while users send requests."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.cli.output import clean_print as print
from harness.clients.processes.child import start
from harness.config import Config, read_config
from harness.demo import PROJECT
from harness.demo.kinds import Kind
from harness.errors import HarnessError
from harness.mesh.stage.client import Stage
from harness.model.names import new_run_id
from harness.release.stage_host import end_stage, stage_folder, started_stage

USERS_RPS = 50.0
SECTION = """
release:
  steps:
    - {weight: 10%, scenarios: ["scenarios/test_release.py::test_slow_ratings"]}
    - {weight: 50%, scenarios: ["scenarios/test_release.py::test_broken_ratings"]}
    - {weight: 100%, scenarios: ["scenarios/test_release.py::test_slow_and_broken_ratings"]}
  hold: 15m
"""
SCENARIOS = '''"""What a build of reviews must pass before it gets more users: ratings in trouble, in three ways."""

from harness import abort, delay

LENGTHS = {"warm_up": "2s", "steady": "12s", "fault": "12s", "recovery": "6s"}
OBJECTIVES = ["error_rate < +1pp", "latency_p50 < +20%", "latency_p90 < +40%"]


def judge(canary, *faults):
    """Compare the arms of the release with each other; users are not touched."""
    canary.run(load="browse", rate=160, faults=faults, objectives=OBJECTIVES, **LENGTHS).require_pass()


def test_slow_ratings(canary):
    """ratings is slow for a third of its callers."""
    judge(canary, delay("ratings", "2s", percent=30))


def test_broken_ratings(canary):
    """ratings fails for a third of its callers."""
    judge(canary, abort("ratings", 503, percent=30))


def test_slow_and_broken_ratings(canary):
    """ratings is slow and fails."""
    judge(canary, delay("ratings", "1s", percent=15), abort("ratings", 503, percent=15))
'''


def run(kind: Kind, out: Path) -> int:
    """Release a canary of this kind and return the exit code of the release."""
    folder = out / "release-demo" / new_run_id()
    config = project(kind, folder)
    print(f"demo: a shop in {folder}; the new build of {config.service} is {kind.value}", file=sys.stderr, flush=True)
    with staged(config) as stage, users(stage, folder):
        words = [sys.executable, "-P", "-m", "harness", "release", "--version", "v3", "--config", str(config.file)]
        with subprocess.Popen(words, cwd=folder) as release:
            code = _waited(release)
    counts = json.loads((folder / "users.json").read_bytes())
    print(
        f"users    {counts['sent']} requests at {USERS_RPS:g} a second all the while: {counts['failed']} failed, "
        f"{counts['starless'] + counts['late']} lacked stars; {counts['new']} saw the new build; "
        f"slowest {counts['slowest_s']:.2f} s"
    )
    if counts["first"]:
        print(f"         first: {counts['first']}")
    return code


def project(kind: Kind, folder: Path) -> Config:
    """Write the demo's project with the steps of a release to a new folder, and return its configuration."""
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "harness.yaml"
    text = file.read_text(encoding="utf-8").replace("REVIEWS_KIND: good", f"REVIEWS_KIND: {kind.value}")
    file.write_text(text + SECTION, encoding="utf-8")
    (folder / "scenarios" / "test_release.py").write_text(SCENARIOS, encoding="utf-8")
    return read_config(file)


@contextmanager
def staged(config: Config) -> Iterator[Stage]:
    """Run the stage of a configuration inside the block."""
    address, _ = started_stage(config)
    try:
        yield Stage(address)
    finally:
        end_stage(stage_folder(config))


@contextmanager
def users(stage: Stage, folder: Path, *, rate_rps: float = USERS_RPS) -> Iterator[None]:
    """Let users send requests inside the block; ``users.json`` in the folder has the counts afterwards."""
    found = stage.ask("hello")["outbound"]
    counts = folder / "users.json"
    words = [sys.executable, "-P", "-m", "harness.demo.users", "--url", str(found), "--out", str(counts)]
    process = start([*words, "--rate", str(rate_rps)], name="users", log=folder / "users.log")
    try:
        yield
    finally:
        process.stop(grace_s=15.0)
    if not counts.is_file():
        raise HarnessError(f"expected the counts of the users, found none\n{process.last_lines()}")


def _waited(release: subprocess.Popen[bytes]) -> int:
    """Wait for the release, which hears Ctrl-C itself and takes everything back first."""
    while True:
        try:
            return release.wait()
        except KeyboardInterrupt:
            continue
