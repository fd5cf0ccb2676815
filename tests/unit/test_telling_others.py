"""A run that is over is published; what goes wrong then is a note of the run and changes nothing else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import recorded

from harness import gate
from harness.model.publish import PublishSettings
from harness.model.record import Event
from harness.model.verdict import Analysis, Verdict


def outcome(folder: Path) -> gate.Outcome:
    """A run that passed."""
    analysis = Analysis(
        verdict=Verdict.PASS, reason="fine", score=99, findings=(), judge="sequential", alpha=0.01, decided_at_s=26,
        final=True,
    )  # fmt: skip
    return gate.Outcome(record=recorded.record(), analysis=analysis, folder=folder)


def test_a_textfile_is_written_and_a_place_that_is_away_is_a_note(tmp_path: Path) -> None:
    """The first tells nothing; the second is told to those who watch the run."""
    told: list[Event] = []
    good: Any = SimpleNamespace(publish=PublishSettings(textfile=tmp_path / "own.prom"))
    gate.tell_others(outcome(tmp_path), good, told.append)
    assert ([], True) == (told, (tmp_path / "own.prom").is_file())
    away: Any = SimpleNamespace(publish=PublishSettings(textfile=tmp_path / "own.prom" / "inside"))
    gate.tell_others(outcome(tmp_path), away, told.append)
    assert ["note"] == [event.kind for event in told]
    assert "were not written to" in told[0].text
