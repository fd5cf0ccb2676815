"""``harness release`` refuses what cannot be done, and says what it would do."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from pathlib import Path

import pytest
from fake_world import FakeWorld, new_release, parts
from json_schemas import require_fit

from harness.cli import main
from harness.model.release import Decision, DecisionKind, Outcome, Phase, ReleaseState
from harness.release.driver import Driver, ended_by
from harness.release.store import Store

CONFIG = """\
service: reviews
arms: {baseline: v2, canary: v3}
services:
  ratings: {command: [ratings, "{port}"], versions: {v1: {}}}
  reviews: {command: [reviews, "{port}"], versions: {v2: {}, v3: {}}}
release: {scenarios: [scenarios]}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a release section."""
    file = tmp_path / "harness.yaml"
    file.write_text(CONFIG)
    return file


def _held(config: Path, *, expires_s: float) -> Store:
    store, record = new_release(config.parent / "reports")
    state = ReleaseState(phase=Phase.HELD, reason="slow", exit_code=10, expires_s=expires_s)
    store.save(dataclasses.replace(record, state=state))
    return store


def _run(config: Path, *words: str) -> int:
    return main(
        ["release", words[0], "--config", str(config), *words[1:]]
        if words[0][0] != "-"
        else ["release", "--config", str(config), *words]
    )


def test_a_plan_says_every_step_and_changes_nothing(config: Path, capsys: pytest.CaptureFixture[str]):
    """Steps, checks and what happens in doubt; no folder is made."""
    assert 0 == _run(config, "--version", "v3", "--plan")
    said = capsys.readouterr().out
    assert "step 2   50 % of the users get the new build; then scenarios scenarios" in said
    assert "release reviews version v3 on stage" in said
    assert not (config.parent / "reports").exists()


def test_a_plan_says_how_a_first_release_is_judged(config: Path, capsys: pytest.CaptureFixture[str]):
    """Also which users get the build, and who gets it before any share."""
    steps = "first: {reviews: }, steps: [{weight: 0, header: {x-group: staff}}, 100%]"
    config.write_text(CONFIG.partition("release:")[0] + f"release: {{scenarios: [scenarios], {steps}}}\n")
    assert 0 == _run(config, "--version", "v3", "--plan")
    said = capsys.readouterr().out
    assert (
        "first    reviews: if no build of it runs, the new one is judged by limits and by its own steady phase" in said
    )
    assert "step 1   users with x-group: staff get the new build; then scenarios scenarios" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected a build to release"),
        (["--version", "v3", "--image", "shop/reviews:2"], "found both"),
        (["--version", "v3", "--version", "v2"], "expected one build of each service"),
        (["--version", " "], "expected the name of a build"),
    ],
)
def test_builds_that_make_no_sense_are_refused(
    config: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
):
    """Wrong usage has exit code 2 and no release begins."""
    assert 2 == main(["release", "--config", str(config), *words])
    assert message in capsys.readouterr().err


def test_several_services_are_named(config: Path, capsys: pytest.CaptureFixture[str]):
    """SERVICE=NAME; a colon or an equals sign in an image does not make a service."""
    assert 0 == _run(config, "--image", "reviews=r:5000/reviews:2", "--image", "ratings=ratings:2", "--plan")
    assert "release reviews image r:5000/reviews:2, ratings image ratings:2 on cluster" in capsys.readouterr().out


def test_a_release_needs_its_section(config: Path, capsys: pytest.CaptureFixture[str]):
    """Without steps nothing would be proven."""
    config.write_text(CONFIG.partition("release:")[0])
    assert 2 == _run(config, "--version", "v3", "--plan")
    assert "docs/release.md" in capsys.readouterr().err


def test_an_approval_needs_a_name_a_reason_and_a_hold(config: Path, capsys: pytest.CaptureFixture[str]):
    """By nobody, before a hold and after its end it is refused; else it is recorded once."""
    new_release(config.parent / "reports", "ratings")
    assert 2 == _run(config, "approve", "--service", "ratings", "--by", "ann", "--reason", "known")
    assert "expected a release that is held, found the phase examine" in capsys.readouterr().err
    store = _held(config, expires_s=time.time() + 60)
    assert 2 == _run(config, "approve", "--by", " ", "--reason", "known")
    assert "found an empty text" in capsys.readouterr().err
    assert 0 == _run(config, "approve", "--by", "ann", "--reason", "known", "--plan")
    assert store.decision(0) is None
    assert 0 == _run(config, "approve", "--by", "ann", "--reason", "known")
    decision = store.decision(0)
    assert decision is not None
    assert ("ann", "known") == (decision.by, decision.reason)
    assert 2 == _run(config, "approve", "--by", "bob", "--reason", "known")
    assert "ann has decided" in capsys.readouterr().err


def test_an_approval_after_the_end_of_a_hold_is_refused(config: Path, capsys: pytest.CaptureFixture[str]):
    """The build is rejected by then, whether a process noticed it or not."""
    store = _held(config, expires_s=time.time() - 5)
    assert 2 == _run(config, "approve", "--by", "ann", "--reason", "known")
    assert re.search(r"its hold ended \d+ s ago: it is rejected", capsys.readouterr().err)
    assert store.decision(0) is None


def test_the_status_has_the_exit_code_of_the_hold_and_the_record(config: Path, capsys: pytest.CaptureFixture[str]):
    """People get the commands that decide; programs get JSON."""
    store = _held(config, expires_s=time.time() + 60)
    assert 10 == _run(config, "status")
    said = capsys.readouterr().out
    assert f"harness release approve --config {config} --release {store.folder.name}" in said
    assert 10 == _run(config, "status", "--json")
    told = json.loads(capsys.readouterr().out)
    require_fit(told, "harness.release/1")
    assert "held" == told["state"]["phase"]


@pytest.mark.parametrize(("step", "phase"), [("shift", "shift"), ("gate", "gate or observe"), ("promote", "switch or")])
def test_a_step_out_of_turn_is_refused(config: Path, capsys: pytest.CaptureFixture[str], step: str, phase: str):
    """Nothing is promoted that did not pass, and nothing is checked before users have it."""
    _held(config, expires_s=time.time() + 60)
    assert 2 == _run(config, step)
    assert f"expected a release in the phase {phase}" in capsys.readouterr().err


def test_what_is_over_stays_over(config: Path, capsys: pytest.CaptureFixture[str]):
    """Rejecting twice is the same as once; promoting what was rejected is refused."""
    store, _ = new_release(config.parent / "reports")
    driver = Driver(store, parts(FakeWorld()))
    driver.run(lambda state: state.phase is Phase.GATE)
    driver.feed(ended_by(Decision(kind=DecisionKind.REJECT, by="ann", reason="slow", at_s=1.0)))
    assert Outcome.REJECTED is driver.run().state.outcome
    assert 0 == _run(config, "reject", "--by", "ann", "--reason", "slow")
    assert "is over already: rejected" in capsys.readouterr().out
    assert 2 == _run(config, "promote")


def test_only_a_switched_blue_green_release_rolls_back(config: Path, capsys: pytest.CaptureFixture[str]):
    """A canary release has other words for it."""
    _held(config, expires_s=time.time() + 60)
    assert 2 == _run(config, "rollback", "--by", "ann", "--reason", "errors")
    assert "expected a blue-green release after its switch" in capsys.readouterr().err
