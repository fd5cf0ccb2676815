"""A probe is believed only if its requests hardly waited for a CPU: a busy machine is no reason to break."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import fake_run
import pytest
from fake_run import FakeMesh, World, report, scenario
from recorded import record

from harness.cli import explore as command
from harness.clients.processes.waits import waited_s
from harness.explore.credibility import Waits, believed, waits_per_request
from harness.explore.exploration import Exploration, Times, explore
from harness.explore.faults import searched
from harness.explore.measuring import Outcome
from harness.explore.page import render
from harness.explore.record import as_json
from harness.explore.search import Probe, Range, is_open
from harness.explore.wording import of_arm
from harness.judge.objectives import parse_objective
from harness.load.parent.proofs import ON_TIME
from harness.model.load import LoadReport
from harness.model.record import Event
from harness.model.verdict import Verdict
from harness.runner.deciding import decide
from harness.wiring import judge

FINDING = decide(record(), judge("sequential")).findings[0]
REQUESTS = {"baseline": 900, "canary": 100}
OWN = {"baseline": {"reviews-v2"}, "canary": {"reviews-v3"}}


def test_a_request_waits_in_the_processes_that_work_on_it() -> None:
    """Those of its own arm, and those that both arms share; the waits before the load are none of it."""
    before = {"proxy": 5.0, "reviews-v2": 1.0, "reviews-v3": 7.0}
    after = {"proxy": 6.0, "reviews-v2": 1.9, "reviews-v3": 0.5, "ratings-v1": 1.0}  # one was started again, one new
    waits = waits_per_request(before, after, requests=REQUESTS, own=OWN)
    assert {"baseline": pytest.approx(0.003), "canary": pytest.approx(0.007)} == waits
    assert {} == waits_per_request({}, {}, requests=REQUESTS, own=OWN)


def judged(objective: str, verdict: Verdict, difference: float) -> Outcome:
    """What an arm did under a fault by one objective, with this difference from its steady phase."""
    finding = replace(
        FINDING,
        objective=parse_objective(objective),
        verdict=verdict,
        difference=difference,
        margin=0.1,
        relative=False,
    )
    broke = {Verdict.FAIL: True, Verdict.PASS: False}.get(verdict)
    return Outcome(broke=broke, requests=500, failed=0.5, findings=(finding,))


def test_waits_of_less_than_an_answer_takes_make_no_failures() -> None:
    """Where a share of requests is searched, a wait of 20 ms is no reason for a third of them to fail."""
    waits = Waits(steady_s=0.002, probe_s=0.002, small_s=0.006, failing_s=0.120)
    assert believed(judged("error_rate < +10pp", Verdict.FAIL, 0.2), waits).broke is True
    assert believed(judged("latency_p99 < +10%", Verdict.FAIL, 0.2), waits).broke is None
    longer = replace(waits, probe_s=0.020)
    assert believed(judged("error_rate < +10pp", Verdict.FAIL, 0.2), longer).broke is None


@pytest.mark.parametrize(
    ("told", "steady_s", "probe_s", "sure"),
    [
        (judged("error_rate < +10pp", Verdict.FAIL, 1.0), 0.0, 0.010, True),  # all requests had to wait for 11 ms
        (judged("error_rate < +10pp", Verdict.FAIL, 0.2), 0.0, 0.010, False),  # a tenth of them: it can be 100 ms
        (judged("error_rate < +10pp", Verdict.FAIL, 0.2), 0.0, 0.001, True),
        (judged("latency_p50 < +10%", Verdict.FAIL, 0.2), 0.0, 0.005, True),
        (judged("latency_p99 < +10%", Verdict.FAIL, 0.2), 0.0, 0.005, False),
        (
            judged("error_rate < +10pp", Verdict.PASS, 0.0),
            0.0,
            0.050,
            True,
        ),  # it withstood although the machine was busy
        (judged("error_rate < +10pp", Verdict.PASS, 0.0), 0.05, 0.0, True),
        (judged("latency_p50 < +10%", Verdict.PASS, 0.0), 0.05, 0.0, False),  # the steady phase was as slow itself
        (judged("latency_p50 < +10%", Verdict.PASS, 0.0), 0.05, 0.05, True),
        (judged("error_rate < +10pp", Verdict.INCONCLUSIVE, 0.0), 0.05, 0.05, True),
    ],
)
def test_what_a_busy_machine_may_have_caused_is_not_believed(
    told: Outcome, steady_s: float, probe_s: float, *, sure: bool
) -> None:
    """A fault of 400 ms may seem harsher by 20 ms; that needs the more waiting the more requests failed."""
    found = believed(told, Waits(steady_s=steady_s, probe_s=probe_s, small_s=0.02))
    assert (told.broke if sure else None, sure, probe_s) == (found.broke, not found.doubt, found.waited_s)


def test_an_interval_is_open_while_it_is_wider_than_asked() -> None:
    """An arm of which nothing is known, or only where it breaks, is open too."""
    wanted = Range(low=0.1, high=1.0, precision=0.05, rounded=lambda amount: round(amount, 3))

    def told(*probes: tuple[float, bool | None]) -> bool:
        return is_open(
            [Probe(amount=amount, broke={"canary": broke}) for amount, broke in probes * 2], wanted, "canary"
        )

    assert told((0.1, None))
    assert told((0.1, False), (0.2, None))
    assert told((0.1, None), (0.2, True))
    assert told((0.1, False), (0.2, True))
    assert not told((0.1, False), (0.104, True))
    assert not told((0.1, True))
    assert not told((1.0, False))


class BusyMesh(FakeMesh):
    """A mesh whose canary fails under every fault, and whose requests wait for a CPU, by the number of the load."""

    def __init__(self, world: World, *waits_s: float) -> None:
        """waits_s: of all requests of each load together; the last one goes on."""
        super().__init__(world.clock)
        self._world, self._waits_s, self._asked, self._waited_s = world, waits_s, 0, 0.0

    def raise_priorities(self) -> None:
        """It has no processes."""

    def cpu_waits_s(self) -> dict[str, float]:
        """Asked before and after each load."""
        if self._asked % 2:
            self._waited_s += self._waits_s[min(self._asked // 2, len(self._waits_s) - 1)]
        self._asked += 1
        return {"proxy": self._waited_s}

    @contextmanager
    def changed(self, steps, *, name: str) -> Iterator:
        """The canary fails inside of a fault."""
        with super().changed(steps, name=name) as change:
            self._world.load.status = (200, 503 if "delay" in name else 200)
            yield change
            self._world.load.status = (200, 200)


def found(folder: Path, *waits_s: float, **changed: str) -> Exploration:
    """A search from 100 to 200 ms, with 100 requests a second."""
    return searched_in(World(folder), *waits_s, **changed)


def searched_in(world: World, *waits_s: float, objective: str = "error_rate < +10pp") -> Exploration:
    """The same, in a world that can be looked at afterwards."""
    world.mesh = BusyMesh(world, *waits_s)
    settings = replace(world.settings, error_ceiling=1.0)
    wanted = searched("delay(ratings)", low="100ms", high="200ms")
    return explore(
        wanted, scenario(objectives=(parse_objective(objective),)), settings, world.parts, times=Times(), owner="x",
        folder=world.folder, notify=lambda _: None,
    )  # fmt: skip


def test_a_canary_breaks_on_a_calm_machine_only(tmp_path: Path) -> None:
    """With the waits of a busy one, the search says why it knows nothing; the baseline withstands everything."""
    calm = found(tmp_path / "calm", 0.0, 0.1)
    assert "breaks at 100 ms or less" == of_arm(calm, "canary")
    assert 2 == len([one for one in calm.tried if one.amount == 0.1])
    busy = found(tmp_path / "busy", 0.0, 30.0)
    assert "was not decided, and not closer because 10 probes are not believed: each request waited" in of_arm(
        busy, "canary"
    )
    assert "withstands 200 ms" == of_arm(busy, "baseline")
    assert 11 == command._code(replace(busy, proofs=()))
    assert {None} == {one.outcomes["canary"].broke for one in busy.tried}
    facts = {"service": "reviews", "target": "local", "command": "harness explore"}
    (probe, *_) = as_json(busy, started="2026-11-29T10:00:00", **facts)["probes"]
    assert (True, True) == (probe["arms"]["canary"]["waited_s"] > 0.03, "waited" in probe["arms"]["canary"]["doubt"])
    assert "not believed: each request waited" in render(busy, nights=(), **facts)


def test_a_probe_that_is_not_believed_is_repeated(tmp_path: Path) -> None:
    """One disturbed second costs a probe, not the result."""
    disturbed = found(tmp_path, 0.0, 9.0, 0.1)
    assert "breaks at 100 ms or less" == of_arm(disturbed, "canary")
    at_100_ms = [one.outcomes["canary"].broke for one in disturbed.tried if one.amount == 0.1]
    assert [None, True, True] == at_100_ms


@pytest.mark.parametrize(
    ("objective", "waits_s", "sent"),
    [("error_rate < +10pp", (9.0, 0.0), 1), ("latency_p50 < +50%", (9.0, 0.0), 2), ("latency_p50 < +50%", (9.0,), 3)],
)
def test_a_steady_phase_that_waited_is_sent_again_where_latency_is_judged(
    tmp_path: Path, objective: str, waits_s: tuple[float, ...], sent: int
) -> None:
    """At most three times; time that the machine takes makes no errors in a phase without a fault."""
    world = World(tmp_path)
    search = searched_in(world, *waits_s, objective=objective)
    assert sent == len(world.load.plans) - len(search.tried)


def late_loads(monkeypatch: pytest.MonkeyPatch, *late: bool) -> None:
    """Of the loads of a search, these are sent late; the last one goes on."""
    told = iter(late)

    def reported(**changed: object) -> LoadReport:
        return report(late_p99_s=0.03 if next(told, late[-1]) else 0.0, **changed)

    monkeypatch.setattr(fake_run, "report", reported)


def test_a_late_probe_is_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it showed; the search is proven all the same, because the others were on time."""
    late_loads(monkeypatch, False, True, False)
    search = found(tmp_path, 0.0)
    outcomes = [one.outcomes for one in search.tried if one.amount == 0.1]
    assert [None, True, True] == [one["canary"].broke for one in outcomes]
    assert "the load was late: within 30 ms (half within 0 s)" == outcomes[0]["baseline"].doubt
    assert ON_TIME in {proof.name for proof in search.proofs if proof.held}


def test_a_search_whose_steady_phase_stays_late_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would prove nothing, so nothing is tried after three of them."""
    late_loads(monkeypatch, True)
    world = World(tmp_path)
    search = searched_in(world, 0.0)
    assert (3, (), True) == (len(world.load.plans), search.tried, search.unproven.startswith(ON_TIME))


def test_a_search_ends_at_the_error_ceiling(tmp_path: Path) -> None:
    """Where others use the mesh, a canary may not fail as much as it likes; the fault is reverted."""
    world = World(tmp_path)
    world.mesh = BusyMesh(world, 0.0)
    search = explore(
        searched("delay(ratings)", low="100ms", high="200ms"), scenario(),
        replace(world.settings, real_users=True, error_ceiling=0.2), world.parts, times=Times(), owner="x",
        folder=tmp_path, notify=lambda _: None,
    )  # fmt: skip
    assert ("error" in search.ended, ()) == (True, search.tried)
    assert 11 == command._code(replace(search, proofs=()))
    diary = [line for line in world.mesh.diary if "delay" in line]
    assert ["+", "-"] == [line[0] for line in diary]


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the system does not count waits")
def test_waits_of_a_process_are_read() -> None:
    """Those of all its threads; of a process that has ended nothing is known."""
    mine = waited_s(os.getpid())
    assert mine is None or mine >= 0.0
    assert None is waited_s(2**22 + 7)


def test_waits_are_the_second_number_of_each_thread(tmp_path: Path) -> None:
    """In nanoseconds; a system that counts nothing says zero everywhere."""
    for thread, text in (("1", "500000000 250000000 7"), ("2", "0 1000000000 1"), ("3", "strange")):
        file = tmp_path / str(os.getpid()) / "task" / thread / "schedstat"
        file.parent.mkdir(parents=True)
        file.write_text(text)
    assert 1.25 == waited_s(os.getpid(), tmp_path)
    for file in tmp_path.rglob("schedstat"):
        file.write_text("0 0 0")
    assert None is waited_s(os.getpid(), tmp_path)


def test_what_a_search_says_is_in_order(tmp_path: Path) -> None:
    """The results of probes have the clock of the other events, which begins with the first request."""
    world = World(tmp_path)
    world.mesh = BusyMesh(world, 0.0)
    world.mesh._takes_s = 3.0
    told: list[Event] = []
    explore(
        searched("delay(ratings)", low="100ms", high="200ms"), scenario(objectives=(parse_objective("error_rate < +10pp"),)),
        replace(world.settings, error_ceiling=1.0), world.parts, times=Times(), owner="x", folder=tmp_path,
        notify=lambda one: told.append(one) if isinstance(one, Event) else None,
    )  # fmt: skip
    first = next(index for index, one in enumerate(told) if one.text == "load started")
    assert any("canary breaks" in one.text for one in told[first:])
    times = [one.at_s for one in told[first:]]
    assert sorted(times) == times
