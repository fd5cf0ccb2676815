"""Measure twice on one machine at the same time: each run must name the other, which slows it down."""

from __future__ import annotations

from pathlib import Path

from harness import gate
from harness.model.record import Event
from harness.run_folder import finish_run, others_at_work, working_on


def test_only_runs_that_go_on_are_others(tmp_path: Path) -> None:
    """The run itself, a run that has ended and one that was killed disturb nobody."""
    mine = tmp_path / "20261129-080000-00000001"
    with working_on(tmp_path / "ended"), working_on(mine):
        finish_run(tmp_path / "ended", 0)
        with working_on(tmp_path / "killed"):
            pass
        assert others_at_work(mine) == ()
        with working_on(tmp_path / "other"):
            assert others_at_work(mine) == ("other",)
    assert others_at_work(tmp_path / "nowhere" / "run") == ()


def test_a_run_tells_of_another_at_its_start_and_records_all_that_it_saw(tmp_path: Path) -> None:
    """One was there when it began and has ended meanwhile; another one began later."""
    told: list[object] = []
    with working_on(tmp_path / "mine"):
        with working_on(tmp_path / "first"):
            at_the_end = gate.notice_others(tmp_path / "mine", told.append)
        (said,) = told
        assert isinstance(said, Event)
        assert "at the same time: first;" in said.text
        with working_on(tmp_path / "second"):
            events = at_the_end()
    assert ["note"] == [event.kind for event in events]
    assert "at the same time: first, second;" in events[0].text


def test_a_run_alone_has_nothing_to_tell(tmp_path: Path) -> None:
    """No note on the terminal, and none on the timeline."""
    told: list[object] = []
    with working_on(tmp_path / "mine"):
        events = gate.notice_others(tmp_path / "mine", told.append)()
    assert ([], ()) == (told, events)
