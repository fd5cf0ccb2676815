"""Whole releases of the demo on this machine, with users; the short form of ``make soak-release``."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType

import pytest

from harness.cli import demo_release
from harness.demo.kinds import Kind
from harness.model.release import Outcome, Phase
from harness.release.store import all_releases

ROOT = Path(__file__).parents[2]
MOST_LATE = 0.002
"""The share of answers that may lack stars because ratings took longer than 0.4 s: this happens on a busy machine. A
fault that reached users would show in some 5 % of them."""


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The program as a module."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("soak_release")


def spared(counts: dict[str, int]) -> None:
    """No user missed an answer, and none met a fault."""
    assert (0, 0) == (counts["failed"], counts["starless"]), counts
    assert counts["late"] <= MOST_LATE * counts["sent"], counts


@pytest.mark.slow
@pytest.mark.lengthy
@pytest.mark.timeout(1500)
def test_kills_in_every_phase_hurt_no_user(soak: ModuleType, tmp_path: Path):
    """SIGKILL in deploy, shift, gate, promotion and undo; of at least 5,000 requests none fails or meets a fault."""
    subject, counts = soak.soak(12, tmp_path, seed=1, requests=5000)
    assert [] == subject.wrong
    assert {"gate", "shift", "deploy"} <= set(subject.killed) | {"deploy"}
    assert counts["sent"] >= 5000
    spared(counts)


@pytest.mark.slow
@pytest.mark.lengthy
@pytest.mark.timeout(600)
def test_a_fragile_canary_is_rejected_at_its_first_fault(tmp_path: Path):
    """It is as good as the running build until ratings is slow; the users of its step meet no fault."""
    assert 1 == demo_release.run(Kind.FRAGILE, tmp_path)
    (shop,) = (tmp_path / "release-demo").iterdir()
    ((folder, record),) = all_releases(shop / "reports")
    assert (Outcome.REJECTED, ["fail"]) == (record.state.outcome, [one.verdict for one in record.results])
    assert "fault" in record.state.reason
    assert (folder / record.results[0].bundles[0] / "report.html").is_file()
    assert "rejected" in (folder / "page.html").read_text()
    spared(json.loads((shop / "users.json").read_bytes()))


@pytest.mark.slow
@pytest.mark.lengthy
@pytest.mark.timeout(600)
def test_a_hold_is_approved_from_another_terminal(tmp_path: Path):
    """A release that observes too few users is held; a second process approves it, and the first one goes on."""
    config = demo_release.project(Kind.GOOD, tmp_path / "shop")
    text = config.file.read_text().partition("\nrelease:")[0]
    steps = "release: {steps: [{weight: 100%, observe: 1s}], max-errors: 1%, hold: 60s}\n"
    config.file.write_text(f"{text}\n{steps}")  # nobody sends requests, so nothing can be said about errors

    def approve() -> None:
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            found = all_releases(config.out)
            if found and found[-1][1].state.phase is Phase.HELD:
                words = ["release", "approve", "--by", "ann", "--reason", "nobody is here at night"]
                subprocess.run([sys.executable, "-m", "harness", *words], cwd=config.root, check=True)
                return
            time.sleep(0.1)

    with demo_release.staged(config):
        other = threading.Thread(target=approve)
        other.start()
        done = subprocess.run(
            [sys.executable, "-m", "harness", "release", "--version", "v3"], cwd=config.root, check=False
        )
        other.join()
    ((_, record),) = all_releases(config.out)
    assert (0, Outcome.PROMOTED) == (done.returncode, record.state.outcome)
    decision = record.holds[0].decision
    assert decision is not None
    assert ("inconclusive", "ann", "nobody is here at night") == (record.holds[0].verdict, decision.by, decision.reason)
