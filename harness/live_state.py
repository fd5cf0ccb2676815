"""Show others what a running scenario does, in ``live.json`` in its folder, which is written about once a second.

``harness serve`` reads it. The file is removed when the scenario ends. A killed run leaves it behind, and the time in
it tells when the run was last alive. No verdict depends on it.
"""

from __future__ import annotations

import json
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.model import formatting
from harness.model.json import JsonObject, JsonValue
from harness.model.record import FAULTS_LIVE, Event
from harness.model.verdict import Analysis
from harness.runner.progress import Progress
from harness.runner.settings import Notify

LIVE = "live.json"
FORMAT_VERSION = 1
STALE_AFTER_S = 15.0
"""An older state belongs to a run that was killed, or whose machine cannot keep up."""
_EVERY_S = 1.0
_KEPT_EVENTS = 60
_KEPT_PROGRESS = 180
_RATE_OVER_S = 5.0
_MOST_BYTES = 1_000_000


class LiveFile:
    """Keeps ``live.json`` of a folder up to date while a scenario runs, and passes everything on to ``tell``.

    As a context manager it removes the file on exit. If the file cannot be written, it says so once, and the run
    continues.
    """

    def __init__(
        self, folder: Path, scenario: str, *, target: str, tell: Notify, wall: Callable[[], float] = time.time
    ) -> None:
        """wall: returns epoch seconds."""
        self._file, self._tell, self._wall = folder / LIVE, tell, wall
        self._facts: JsonObject = {"scenario": scenario, "target": target, "pid": os.getpid(), "started": wall()}
        self._events: deque[JsonValue] = deque(maxlen=_KEPT_EVENTS)
        self._progress: deque[JsonValue] = deque(maxlen=_KEPT_PROGRESS)
        self._recent: list[Progress] = []
        self._faults: list[JsonValue] = []
        self._findings: list[JsonValue] = []
        self._written_s = float("-inf")
        self._trouble = ""

    def __enter__(self) -> Self:
        self._write()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._trouble:
            return
        try:
            self._file.unlink(missing_ok=True)
        except OSError as problem:
            self._fail(problem)

    def __call__(self, what: Event | Progress | Analysis) -> None:
        """Record an event, the progress or what the judge has seen so far, and pass it on."""
        self._tell(what)
        match what:
            case Event():
                self._events.append({"at_s": round(what.at_s, 3), "kind": what.kind, "text": what.text})
                self._faults = _in_force(self._faults, what)
            case Progress():
                self._progress.append(_plain(asdict(what)))
                self._recent = [*(one for one in self._recent if _is_recent(one, what)), what]
            case Analysis():
                self._findings = _findings(what)
        urgent = isinstance(what, Event)
        if urgent or self._wall() - self._written_s >= _EVERY_S:
            self._write()

    def _write(self) -> None:
        if self._trouble:
            return
        self._written_s = self._wall()
        state: JsonObject = {
            "format_version": FORMAT_VERSION,
            **self._facts,
            "updated": self._written_s,
            "events": [*self._events],
            "progress": [*self._progress],
            "rates_rps": _rates_rps(self._recent),
            "faults": self._faults,
            "findings": self._findings,
        }
        fresh = self._file.with_suffix(".new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "w") as stream:
                json.dump(state, stream, allow_nan=False)
            fresh.replace(self._file)
        except OSError as problem:
            self._fail(problem)

    def _fail(self, problem: OSError) -> None:
        self._trouble = f"the live page does not show this run: {self._file}: {problem.strerror or problem}"
        self._tell(Event(at_s=0.0, kind="note", text=self._trouble))


def read_live(folder: Path) -> JsonObject | None:
    """Return what the scenario in ``folder`` shows; None if it does not run, or if the file is not ours."""
    file = folder / LIVE
    try:
        with file.open("rb") as stream:
            text = stream.read(_MOST_BYTES + 1)
        state = json.loads(text) if len(text) <= _MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    known = isinstance(state, dict) and state.get("format_version") == FORMAT_VERSION
    return state if known else None


def _is_recent(one: Progress, last: Progress) -> bool:
    return one.phase == last.phase and 0 <= last.elapsed_s - one.elapsed_s <= _RATE_OVER_S


def _rates_rps(recent: Sequence[Progress]) -> list[JsonValue] | None:
    """Return the answers per second of baseline and canary in the last seconds of the phase; None at its start."""
    seconds = recent[-1].elapsed_s - recent[0].elapsed_s if recent else 0.0
    if seconds <= 0:
        return None
    counts = zip(recent[0].requests, recent[-1].requests, strict=True)
    return [round(max(now - before, 0) / seconds, 1) for before, now in counts]


def _in_force(faults: list[JsonValue], event: Event) -> list[JsonValue]:
    """Return the faults that are in force after an event, each with the time at which it took effect."""
    number = event.fields.get(FAULTS_LIVE)
    if not isinstance(number, int) or number == len(faults):
        return faults
    if number > len(faults):
        return [*faults, {"fault": event.text.removesuffix(": live"), "at_s": round(event.at_s, 3)}]
    return [one for one in faults if not (isinstance(one, dict) and event.text.startswith(f"{one['fault']}: "))]


def _findings(analysis: Analysis) -> list[JsonValue]:
    """Return what the judge sees in the phases that have begun."""
    return [
        {
            "objective": str(finding.objective),
            "phase": finding.phase,
            "verdict": finding.label,
            "reason": finding.reason,
            "missing": finding.missing,
        }
        for finding in formatting.worst_first(analysis.findings)
        if finding.canary is not None
    ]


def _plain(progress: dict[str, object]) -> JsonObject:
    """Return a progress for JSON, which has no NaN: a median of no answers is null."""
    return {key: _number(value) for key, value in progress.items()}


def _number(value: object) -> JsonValue:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_number(one) for one in value]
    if isinstance(value, float):
        return round(value, 6) if value == value and abs(value) != float("inf") else None  # noqa: PLR0124 - NaN
    return value if isinstance(value, (str, int)) else None
