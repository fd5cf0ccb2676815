"""A recorded failure is found in a commit, fixed by a route, and kept up to look at; each takes minutes.

Run them with: pytest -m slow tests/runs/test_replays.py
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from replay_records import demo_config, git, write_demo

from harness import gate, wiring
from harness.cli import main
from harness.config import with_environment
from harness.console import silent
from harness.faults import delay
from harness.model.phase import PhaseLength
from harness.model.verdict import Verdict

pytestmark = [pytest.mark.slow, pytest.mark.lengthy, pytest.mark.timeout(1500)]
FRAGILE = "env REVIEWS_KIND=fragile {python} -m harness.demo.reviews --port {port} --version v3"


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """The bundle of a run of the demo that failed while ratings was slow."""
    folder = tmp_path_factory.mktemp("recorded") / "fragile"
    config = with_environment(demo_config(), "reviews", "v3", {"REVIEWS_KIND": "fragile"})
    scenario = wiring.scenario(
        config, name="fragile", seed=1, faults=[delay("ratings", "2s", percent=30)], rate_rps=100.0, warm_up_s=3.0,
        steady_s=PhaseLength(30.0, least_s=5.0), fault_s=PhaseLength(30.0, least_s=5.0), recovery_s=6.0,
    )  # fmt: skip
    with gate.open_mesh(config, target="local", folder=folder / "logs") as mesh:
        outcome = gate.judge_scenario(scenario, config, mesh, folder=folder, again="", notify=silent)
    assert Verdict.FAIL is outcome.analysis.verdict
    return folder


def test_the_commit_that_broke_the_canary_is_named(failed, tmp_path, capsys):
    """The planted one of 16, in at most four replays that decided something; the checkout is left alone."""
    shop = tmp_path / "shop"
    assert 0 == main(["demo", "--copy", str(shop)])
    file = shop / "harness.yaml"
    own = "{command: [sh, -c, 'REVIEWS_KIND=$(cat kind) exec {python} -m harness.demo.reviews --port {port} --version v3']}"
    file.write_text(file.read_text().replace("v3: {env: {REVIEWS_KIND: good}}", f"v3: {own}"))
    git(shop, "init", "--quiet", "--initial-branch=main")
    for number in range(17):
        (shop / "kind").write_text("fragile" if number >= 6 else "good")
        (shop / "number").write_text(str(number))
        git(shop, "add", ".")
        git(shop, "commit", "--quiet", "-m", f"Change {number}")
    (shop / "kind").write_text("work in progress")
    words = ["replay", str(failed), "--config", str(file), "--out", str(tmp_path / "out"), "--only", "fault"]
    assert 0 == main([*words, "--bisect", "HEAD~16..HEAD", "--build", "cp number built"])
    told = capsys.readouterr().out
    assert f"culprit  {git(shop, 'rev-parse', 'HEAD~10').strip()} Change 6" in told
    assert any(f"found with {number} replays" in told for number in range(1, 5))
    assert " M kind" == git(shop, "status", "--short").rstrip()


def test_a_change_of_a_route_is_found_and_verified(failed, tmp_path, capsys):
    """The fragile canary passes if its calls to ratings are cut off and sent again before it gives up."""
    words = ["replay", str(failed), "--config", str(demo_config().file), "--out", str(tmp_path / "out")]
    tries = [word for value in ("timeout=100ms", "retries=1x60ms", "retries=5x60ms") for word in ("--try", value)]
    assert 0 == main([*words, "--canary-command", FRAGILE, *tries])
    told = capsys.readouterr().out
    assert "answer   ratings.retries=5x60ms is the smallest tested change that passes" in told
    assert "perTryTimeout: 60ms" in told


def test_a_mesh_is_kept_until_ctrl_c(tmp_path):
    """Its URLs answer while it is up; afterwards nothing is left."""
    folder, _ = write_demo(tmp_path / "run")
    words = ["replay", str(folder), "--config", str(demo_config().file), "--out", str(tmp_path / "out"), "--keep"]
    log = tmp_path / "log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "harness", *words, "--stand-in", "ratings"]
        process = subprocess.Popen(command, stdout=output, start_new_session=True)
    until = time.monotonic() + 300
    while "in force: the split" not in log.read_text() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.2)
    told = log.read_text()
    url = next(line.split(": ")[1] for line in told.splitlines() if line.startswith("kept     reviews: "))
    pids = [int(line.rpartition("pid ")[2]) for line in told.splitlines() if line.startswith("kept     reviews-v")]
    answer = requests.get(f"{url}/reviews/0", headers={"baggage": "kept=1"}, timeout=60)
    assert (200, True) == (answer.status_code, answer.headers["x-harness-arm"] in ("baseline", "canary"))
    process.send_signal(signal.SIGINT)
    assert process.wait(120) in (0, 1, 11)
    assert 2 == len(pids)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids) or os.name != "posix"
