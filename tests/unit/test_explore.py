"""Breaking points: the fault that is searched, what breaks an arm, and the words, records and codes of a search."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from recorded import samples

from harness.cli import explore as command
from harness.cli import main
from harness.config import read_config
from harness.errors import UsageError
from harness.explore.exploration import Exploration, Tried
from harness.explore.faults import searched
from harness.explore.measuring import Outcome, outcome, phase_samples
from harness.explore.page import render
from harness.explore.record import as_json, earlier, written
from harness.explore.wording import summary, table
from harness.judge.objectives import parse_objective
from harness.model.judge import JudgeSettings
from harness.model.phase import Phase, PhaseKind
from harness.model.samples import BASELINE, CANARY
from harness.model.verdict import Proof

ERRORS = (parse_objective("error_rate < +2pp"),)
STEADY = phase_samples(samples(), Phase(name="s", kind=PhaseKind.STEADY, start_s=0.0, end_s=26.0))


def failing(share: float, arm: int):
    """The steady phase with a share of one arm's requests failed."""
    chosen = (np.random.default_rng(3).random(len(STEADY)) < share) & (STEADY.arm == arm)
    return replace(STEADY, status=np.where(chosen, 503, STEADY.status).astype(np.int16))


def told(share: float, arm: int) -> Outcome:
    """What ten seconds of the canary show when a share of an arm's requests fails."""
    return outcome(STEADY, failing(share, arm), CANARY, ERRORS, seconds=10.0, settings=JudgeSettings())


def test_an_arm_breaks_against_its_own_steady_phase() -> None:
    """What the other arm does is of no importance."""
    assert (told(0.3, CANARY).broke, told(0.0, CANARY).broke, told(0.9, BASELINE).broke) == (True, False, False)
    assert told(0.3, CANARY).failed == pytest.approx(0.3, abs=0.05)
    nobody = STEADY.where(STEADY.arm == BASELINE)
    assert outcome(STEADY, nobody, CANARY, ERRORS, seconds=10.0, settings=JudgeSettings()).broke is None


def test_a_fault_is_searched_by_what_it_leaves_open() -> None:
    """The time of a delay without one, otherwise the share of requests."""
    delays = searched("delay(ratings)", low=None, high="1s")
    assert ("time", 0.01, 1.0) == (delays.what, delays.range.low, delays.range.high)
    assert "delay(ratings, 250 ms, 100 %)" == delays.of(0.25).words().text
    for text in ("delay(ratings, 2s)", "abort(ratings, 503)"):
        shares = searched(text, low="1%", high=None)
        assert ("share of requests", "30 %") == (shares.what, shares.show(0.3))
        assert "30 %" in shares.of(0.3).words().text
    asked = (
        searched("delay(ratings)", low=None, high=None, asked="300ms"),
        searched("delay(ratings, 2s)", low=None, high=None, asked="30%"),
    )
    assert [0.3, 0.3] == [one.range.asked for one in asked]


@pytest.mark.parametrize(
    ("text", "low", "high", "words"),
    [
        ("dely(ratings)", None, None, "kinds that can be searched: abort"),
        ("delay", None, None, "expected KIND(HOST) or KIND(HOST, VALUE)"),
        ("timeout(ratings)", None, None, "hits no share of requests"),
        ("abort(ratings)", None, None, "expected"),
        ("delay(ratings)", "2s", "1s", "expected a smaller and a larger amount"),
        ("delay(ratings)", "5%", None, "--from, --up-to"),
        ("abort(ratings, 999)", None, None, "status"),
    ],
)
def test_what_cannot_be_searched_is_said_before_the_search(
    text: str, low: str | None, high: str | None, words: str
) -> None:
    """With what was expected."""
    with pytest.raises(UsageError) as caught:
        searched(text, low=low, high=high)
    assert words in str(caught.value)


def found(*, held: bool = True, ended: str = "", asked: str | None = None) -> Exploration:
    """A search: the canary breaks between 300 and 310 ms, the baseline does not break."""
    tried = [
        Tried(
            amount=amount, seconds=5.0,
            outcomes={
                "baseline": Outcome(broke=False, requests=500, failed=0.0, findings=()),
                "canary": Outcome(broke=amount > 0.3, requests=500, failed=float(amount > 0.3), findings=()),
            },
        )
        for amount in (0.1, 0.3, 0.31, 0.31)
    ]  # fmt: skip
    proof = Proof(name="dose", held=held, expected="30 %", observed="2 %")
    return Exploration(
        searched=searched("delay(ratings)", low=None, high=None, asked=asked), objectives=ERRORS, tried=tuple(tried),
        proofs=(proof,), ended=ended, seconds=60.0,
    )  # fmt: skip


def test_the_sentence_says_what_is_known_and_what_is_not() -> None:
    """A proof that failed makes it worth nothing."""
    assert (
        summary(found()) == "canary breaks at 305 ms (withstands 300 ms, breaks at 310 ms); baseline withstands 310 ms"
    )
    assert summary(found(held=False)) == "nothing is proven: dose: expected 30 %, found 2 %"
    assert summary(found(ended="the time is over")).endswith("(the search ended early: the time is over)")


def test_several_searches_are_a_table() -> None:
    """A row for each fault, and a column for each arm."""
    other = replace(found(held=False), searched=searched("abort(details, 503)", low=None, high=None))
    assert [
        "fault                canary                                                  baseline",
        "delay(ratings)       breaks at 305 ms (withstands 300 ms, breaks at 310 ms)  withstands 310 ms",
        "abort(details, 503)  nothing is proven                                       nothing is proven",
    ] == list(table([found(), other]))


@pytest.mark.parametrize(
    ("search", "code"),
    [
        (found(), 0),
        (found(asked="300ms"), 0),
        (found(asked="305ms"), 11),  # between what it withstood and what broke it
        (found(asked="310ms"), 1),
        (found(asked="400ms"), 1),
        (found(held=False), 11),
        (found(held=False, asked="20ms"), 11),
        (found(ended="the time is over"), 11),
        (replace(found(), tried=()), 11),
    ],
)
def test_the_exit_code(search: Exploration, code: int) -> None:
    """1 only for a canary that breaks too early; nothing unproven is 0."""
    assert code == command._code(search)


def test_a_page_shows_both_arms_and_earlier_searches(tmp_path: Path) -> None:
    """Searches of other faults, and files of other versions, are left out."""
    facts = {"service": "reviews", "target": "local", "command": "harness explore <x>"}
    for night, search in (("a", found()), ("b", found(held=False)), ("c", found())):
        folder = tmp_path / night / "1-ratings"
        folder.mkdir(parents=True)
        document = as_json(search, started=f"2026-11-2{len(night)}T00:00:00", **facts)
        (folder / "explore.json").write_bytes(written(document))
    other = json.loads(written(document)) | {"format_version": 9}
    (tmp_path / "d" / "1").mkdir(parents=True)
    (tmp_path / "d" / "1" / "explore.json").write_text(json.dumps(other))
    nights = tuple(earlier(list(tmp_path.iterdir()), service="reviews", fault="delay(ratings)", target="local"))
    assert [one.said("canary") for one in nights] == [
        "breaks at 305 ms (withstands 300 ms, breaks at 310 ms)",
        "nothing is proven",
        "breaks at 305 ms (withstands 300 ms, breaks at 310 ms)",
    ]
    assert not tuple(earlier([tmp_path / "a"], service="reviews", fault="delay(details)", target="local"))
    page = render(found(), nights=nights, **facts)
    assert "canary breaks at 305 ms" in page
    assert "harness explore &lt;x&gt;" in page
    assert page.count("<circle") == 6
    assert "Earlier searches" in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ratings", "--fault", "delay(ratings)"], "expected the service under test of harness.yaml, which is reviews"),
        (["--fault", "delay(rating)"], "ratings"),
        (["--fault", "delay(details)"], "expected a service that reviews calls, found details; reviews calls ratings"),
        (["--fault", "delay(ratings)", "--max-minutes", "0"], "--max-minutes: expected more than 0"),
        (["--fault", "delay(ratings)", "--at-least", "5%"], "--at-least"),
        (["--fault", "delay(ratings)", "--at-least", "6s"], "--at-least: expected 10 ms to 5 s"),
        (["--fault", "delay(ratings)", "--precision", "0"], "--precision: expected more than 0 %"),
        (["--fault", "delay(ratings)", "--objective", "eror_rate < +1pp"], "error_rate"),
    ],
)
def test_mistakes_are_found_before_anything_starts(
    words: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each ends as wrong usage, with what was expected."""
    shutil.copytree(str(files("harness.demo") / "project"), tmp_path / "demo")
    monkeypatch.chdir(tmp_path / "demo")
    assert main(["explore", *words]) == 2
    assert said in capsys.readouterr().err


def test_a_service_without_a_dependency_has_nothing_to_search(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No fault at another service can break it."""
    shutil.copytree(str(files("harness.demo") / "project"), tmp_path / "demo")
    monkeypatch.chdir(tmp_path / "demo")
    config = Path("harness.yaml")
    config.write_text(config.read_text().replace("    calls: {RATINGS_URL: ratings}\n", ""))
    assert main(["explore", "--fault", "delay(ratings)"]) == 2
    assert "reviews calls no other service (calls in harness.yaml)" in capsys.readouterr().err
    assert not Path("reports").exists()


def test_full_names_and_hosts_elsewhere_can_be_searched() -> None:
    """What the service calls can have more than one name, and need not be a service of harness.yaml."""
    config = read_config(Path(str(files("harness.demo") / "project" / "harness.yaml")))
    reviews = replace(config.services["reviews"], external={"PAYMENTS_URL": "payments.example.com"})
    config = replace(config, services={**config.services, "reviews": reviews})
    for host in ("ratings.default.svc.cluster.local", "payments.example.com", "reviews"):
        command.require_called(searched(f"delay({host})", low=None, high=None), config)
    with pytest.raises(UsageError, match=r"found other.example.com; reviews calls ratings, payments.example.com "):
        command.require_called(searched("delay(other.example.com)", low=None, high=None), config)


def test_a_threshold_outside_of_the_bounds_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An arm that withstands the harshest amount has no breaking point, and one that breaks at the mildest has no other."""
    shutil.copytree(str(files("harness.demo") / "project"), tmp_path / "demo")
    monkeypatch.chdir(tmp_path / "demo")
    range_ = searched("delay(ratings)", low="100ms", high="1s", asked=None)

    def outcome(broke: bool) -> Outcome:
        return Outcome(broke=broke, requests=500, failed=float(broke), findings=())

    tried = tuple(
        Tried(amount=amount, seconds=5.0, outcomes={"baseline": outcome(False), "canary": outcome(True)})
        for amount in (0.1, 0.1, 1.0)
    )
    told = replace(found(), searched=range_, tried=tried)
    monkeypatch.setattr(command, "_searched", lambda *_, **__: (told, tmp_path / "explore.html"))
    assert main(["explore", "--fault", "delay(ratings)", "--from", "100ms", "--up-to", "1s"]) == 0
    said = capsys.readouterr().out
    assert "canary breaks at 100 ms or less" in said
    assert "baseline withstands 1 s" in said
