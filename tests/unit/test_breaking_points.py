"""The search for breaking points: mild before harsh, to the precision, and not misled by a wrong probe."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from harness.explore.search import Probe, Range, breaking_point, next_amount
from harness.model.breaking_point import BreakingPoint

WANTED = Range(low=0.01, high=5.0, precision=0.05, rounded=lambda amount: round(amount, 3))


def searched(breaks: dict[str, float | None], *, wrong: float = 0.0, unsure: float = 0.0, seed: int = 1) -> list[Probe]:
    """The probes of a search for arms that break from these amounts on; a share of probes is wrong or undecided."""
    chance = random.Random(seed)
    probes: list[Probe] = []
    while (amount := next_amount(probes, WANTED)) is not None:
        told: dict[str, bool | None] = {}
        for arm, at in breaks.items():
            told[arm] = at is not None and amount >= at
            if chance.random() < wrong:
                told[arm] = not told[arm]
            if chance.random() < unsure:
                told[arm] = None
        probes.append(Probe(amount=amount, broke=told))
        assert len(probes) < 100, "the search does not end"
    return probes


@pytest.mark.parametrize(("baseline", "canary"), [(1.9, 0.38), (0.38, 1.9), (0.05, 0.05), (4.9, 0.012)])
def test_each_arms_breaking_point_is_found_to_the_precision(baseline: float, canary: float) -> None:
    """One search finds both; the interval holds the true value."""
    probes = searched({"baseline": baseline, "canary": canary})
    for arm, at in (("baseline", baseline), ("canary", canary)):
        point = breaking_point(probes, arm)
        assert point.withstood is not None
        assert point.broke is not None
        assert point.withstood < at <= point.broke <= point.withstood * 1.06 + 0.001
    assert len(probes) <= 30


def test_mild_amounts_come_before_harsh_ones() -> None:
    """Nothing is tried that is more than twice as harsh as what was tried before."""
    harshest = 0.0
    for probe in searched({"baseline": 1.9, "canary": 0.38}):
        assert not harshest or probe.amount <= 2 * harshest + 0.001
        harshest = max(harshest, probe.amount)
    assert harshest < 4


@pytest.mark.parametrize("asked", [0.371, 0.389, 0.5, 0.05])
def test_what_was_asked_about_is_known_in_the_end(asked: float) -> None:
    """An amount inside of the interval that is left would otherwise be neither withstood nor not."""
    wanted, probes = replace(WANTED, asked=asked), []
    while (amount := next_amount(probes, wanted)) is not None:
        probes.append(Probe(amount=amount, broke={"baseline": amount >= 0.38, "canary": amount >= 0.38}))
    point = breaking_point(probes, "canary")
    assert point.withstood is not None
    assert point.broke is not None
    assert point.withstood >= asked or point.broke <= asked


def test_an_arm_that_never_breaks_is_tried_up_to_the_largest_amount() -> None:
    """And the other arm's breaking point is found all the same."""
    probes = searched({"baseline": None, "canary": 0.38})
    assert BreakingPoint(withstood=5.0, broke=None) == breaking_point(probes, "baseline")
    assert breaking_point(probes, "canary").estimate == pytest.approx(0.38, rel=0.05)
    assert breaking_point(probes, "baseline").estimate is None


def test_an_arm_that_breaks_at_the_mildest_amount_has_no_lower_end() -> None:
    """The search says so instead of guessing."""
    point = breaking_point(searched({"baseline": 0.001, "canary": 0.001}), "canary")
    assert (point.withstood, point.broke, point.estimate) == (None, 0.01, 0.01)


def test_few_wrong_and_undecided_probes_do_not_mislead_the_search() -> None:
    """Of 200 searches in which 2 % of the probes are wrong and 10 % undecided, 190 land within ten per cent."""
    near = 0
    for seed in range(200):
        probes = searched({"baseline": 1.9, "canary": 0.38}, wrong=0.02, unsure=0.1, seed=seed)
        found = breaking_point(probes, "canary").estimate
        near += found is not None and abs(found / 0.38 - 1) < 0.1
    assert near >= 190


def test_an_amount_that_never_decides_is_given_up() -> None:
    """After five tries the search goes on, and the interval stays as wide as it is."""
    probes = searched({"baseline": 1.0, "canary": 1.0}, unsure=1.0)
    assert len([probe for probe in probes if probe.amount == 0.01]) == 5
    assert breaking_point(probes, "canary") == BreakingPoint(withstood=None, broke=None)


def test_a_break_counts_when_it_shows_twice() -> None:
    """A machine that was busy for some seconds makes an arm fail that withstands the fault."""
    once = [Probe(amount=0.2, broke={"canary": False}), Probe(amount=0.3, broke={"canary": True})]
    assert 0.3 == next_amount(once, WANTED, ["canary"])
    assert BreakingPoint(withstood=0.2, broke=None) == breaking_point(once, "canary")
    twice = [*once, once[-1]]
    assert BreakingPoint(withstood=0.2, broke=0.3) == breaking_point(twice, "canary")
    assert BreakingPoint(withstood=0.3, broke=None) == breaking_point(
        [*once, *[Probe(amount=0.3, broke={"canary": False})] * 2], "canary"
    )


def test_an_amount_that_decides_nothing_is_passed_by() -> None:
    """The search goes on next to it, so the interval does not stay as wide as a step of the ladder."""
    probes: list[Probe] = []
    while (amount := next_amount(probes, WANTED, ["canary"])) is not None:
        probes.append(Probe(amount=amount, broke={"canary": None if 0.3 < amount < 0.33 else amount >= 0.38}))
    point = breaking_point(probes, "canary")
    assert point.withstood is not None
    assert point.broke is not None
    assert 0.25 < point.withstood < point.broke < 0.4
