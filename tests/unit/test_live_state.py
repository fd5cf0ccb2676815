"""What a running scenario writes for the live page."""

import json
import math
from dataclasses import replace

import pytest
import recorded

from harness.judge.sequential import SequentialJudge
from harness.live_state import LIVE, LiveFile, read_live
from harness.model.record import Event
from harness.runner.deciding import decide
from harness.runner.progress import Progress


@pytest.fixture
def clock():
    """A clock that is set by hand."""

    class Clock:
        now = 1000.0

        def __call__(self):
            return self.now

    return Clock()


@pytest.fixture
def told():
    """What is passed on."""
    return []


@pytest.fixture
def live(tmp_path, clock, told):
    """A live file of a scenario that runs."""
    with LiveFile(tmp_path, "test_x", target="local", tell=told.append, wall=clock) as file:
        yield file


def progress(elapsed_s, p50_s=0.01):
    """A moment of a run."""
    return Progress(
        elapsed_s=elapsed_s, total_s=40.0, phase="steady", rate_rps=100.0, failed=(0, 1), requests=(50, 50),
        p50_s=(p50_s, math.nan),
    )  # fmt: skip


def test_the_file_exists_from_the_start_and_is_removed_at_the_end(tmp_path, told):
    """A scenario is seen before its first event, and its file does not stay in the bundle."""
    with LiveFile(tmp_path / "new", "test_x", target="local", tell=told.append):
        state = read_live(tmp_path / "new")
        assert ("test_x", "local") == (state["scenario"], state["target"])
        assert 0o600 == (tmp_path / "new" / LIVE).stat().st_mode & 0o777
    assert not (tmp_path / "new" / LIVE).exists()


def test_events_progress_and_findings_are_shown_and_passed_on(live, tmp_path, told, clock):
    """The file holds what was told last, and everything reaches the terminal too."""
    event = Event(at_s=1.5, kind="fault", text="delay live")
    analysis = decide(recorded.record(), SequentialJudge())
    live(event)
    live(progress(2.0))
    clock.now += 2
    live(analysis)
    state = read_live(tmp_path)
    assert [{"at_s": 1.5, "kind": "fault", "text": "delay live"}] == state["events"]
    assert (2.0, [0.01, None]) == (state["progress"][0]["elapsed_s"], state["progress"][0]["p50_s"])
    assert {str(one.objective) for one in analysis.findings} == {one["objective"] for one in state["findings"]}
    assert [event, analysis] == [told[0], told[2]]


def test_faults_in_force_are_shown(live, tmp_path):
    """From the moment in which a fault is live until it is removed; the split is no fault."""

    def told(text, faults_live, at_s):
        live(Event(at_s=at_s, kind="fault", text=text, fields={"faults_live": faults_live}))
        return [(one["fault"], one["at_s"]) for one in read_live(tmp_path)["faults"]]

    assert [] == told("split by weight: 50% to the canary: live", 0, 0.0)
    assert [("delay(ratings, 2 s, 30 %)", 3.0)] == told("delay(ratings, 2 s, 30 %): live", 1, 3.0)
    assert ["delay(ratings, 2 s, 30 %)", "abort(details)"] == [one for one, _ in told("abort(details): live", 2, 4.0)]
    live(Event(at_s=5.0, kind="rollback", text="delay(ratings, 2 s, 30 %): removing"))
    assert [("abort(details)", 4.0)] == told("delay(ratings, 2 s, 30 %): removed and verified", 1, 6.0)


def test_rates_of_both_arms_are_those_of_the_last_seconds(live, tmp_path, clock):
    """Counted from answers of this phase; at its start no rate is known."""

    def told(elapsed_s, requests, phase="steady"):
        clock.now += 1
        live(replace(progress(elapsed_s), requests=requests, phase=phase))
        return read_live(tmp_path)["rates_rps"]

    assert told(1.0, (0, 0)) is None
    assert [50.0, 40.0] == told(2.0, (50, 40))
    assert [20.0, 18.0] == told(7.0, (150, 130))
    assert told(8.0, (3, 4), phase="fault") is None


def test_progress_is_written_once_a_second(live, tmp_path, clock):
    """A run that reports more often does not write more often."""
    clock.now += 1
    live(progress(1.0))
    live(progress(1.1))
    assert 1 == len(read_live(tmp_path)["progress"])
    clock.now += 1
    live(progress(2.0))
    assert 3 == len(read_live(tmp_path)["progress"])


def test_a_file_that_cannot_be_written_is_told_once_and_harms_nothing(tmp_path, told):
    """The live page is no reason to end a run."""
    (tmp_path / "file").write_text("in the way")
    with LiveFile(tmp_path / "file" / "x", "test_x", target="local", tell=told.append) as live:
        live(Event(at_s=0.0, kind="note", text="hello"))
    assert ["note", "note"] == [one.kind for one in told]
    assert "the live page does not show this run" in told[0].text


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b'{"format_version": 9}', b"\xff", b"[" * 100_000])
def test_a_strange_file_is_no_live_scenario(tmp_path, content):
    """What is not ours is not shown."""
    (tmp_path / LIVE).write_bytes(content)
    assert read_live(tmp_path) is None


def test_the_state_is_plain_json(live, tmp_path, clock):
    """Browsers refuse NaN."""
    clock.now += 1
    live(progress(1.0, p50_s=math.nan))
    json.loads((tmp_path / LIVE).read_text(), parse_constant=pytest.fail)
