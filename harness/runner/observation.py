"""Observe real users: measure what they got again and again, until harm is proven, everything is shown or time is up.

Nothing is sent and nothing is changed. The record has no samples, but the series of both arms and the counts of their
answers, and it is judged like that of any run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.errors import MetricsError
from harness.judge.port import Evidence, Judge
from harness.metrics.server_side import Measured
from harness.model.json import JsonValue
from harness.model.phase import Phase, PhaseKind
from harness.model.record import HARM_PROVEN, Event, Plan, Record
from harness.model.samples import no_samples
from harness.model.units import format_duration
from harness.model.verdict import Analysis, Verdict
from harness.runner.settings import Notify

_BETWEEN_S = 1.0

Measure = Callable[[float, float], Measured]
"""Returns what the server side has measured since an epoch time, in so many seconds. Raises MetricsError."""


@dataclass(slots=True, kw_only=True)
class Observation:
    """Looks at real users' requests for the planned time.

    plan: with one steady phase. every_s: seconds between two looks. now, sleep: the wall clock, which Prometheus has
    too. stop: returns why the observation has to end, or an empty text.
    """

    plan: Plan
    measure: Measure
    judge: Judge
    every_s: float
    now: Callable[[], float]
    sleep: Callable[[float], None]
    stop: Callable[[], str]
    notify: Notify
    _began_s: float = field(init=False, default=0.0)
    _events: list[Event] = field(init=False, default_factory=list)
    _measured: Measured = field(init=False, default_factory=lambda: Measured(series=()))
    _seen_s: float = field(init=False, default=0.0)

    def record(self, *, manifest: Mapping[str, JsonValue], config: Mapping[str, JsonValue]) -> Record:
        """Observe, and return the record. Raises MetricsError if the server has never answered."""
        self._began_s = self.now()
        self._say("phase", f"observing real users for {format_duration(self.plan.duration_s)} at most", at_s=0.0)
        aborted = self._looked()
        for event in self._measured.events(self._seen_s):
            self._note(event)
        return Record(
            plan=self.plan,
            phases=self._phases(),
            samples=no_samples(),
            load=None,
            events=tuple(self._events),
            series=self._measured.series,
            hops=self._measured.hops,
            manifest=manifest,
            config=config,
            aborted=aborted,
        )

    def _looked(self) -> str:
        """Look until there is nothing more to learn, and return why that was before its time, or an empty text."""
        trouble: MetricsError | None = None
        while True:
            stopped = self._wait()
            seconds = min(self.now() - self._began_s, self.plan.duration_s)
            try:
                self._measured, self._seen_s = self.measure(self._began_s, seconds), seconds
                trouble = None
            except MetricsError as error:
                trouble = error
                self._say("note", f"this look saw nothing: {error}", at_s=seconds)
            if trouble is None:
                analysis = self._judged()
                self.notify(analysis)
                if analysis.verdict is Verdict.FAIL:
                    return f"{HARM_PROVEN}: {analysis.reason}"
                if analysis.verdict is Verdict.PASS:
                    return ""
            if stopped:
                self._say("guard", stopped, at_s=seconds)
                return stopped
            if seconds >= self.plan.duration_s:
                return self._unseen(trouble)

    def _unseen(self, trouble: MetricsError | None) -> str:
        """Return why the last part of the time was not seen. Raises the error if nothing was."""
        if trouble is None:
            return ""
        if not self._seen_s:
            raise trouble
        return f"Prometheus was not heard from after {format_duration(self._seen_s)}: {trouble}"

    def _wait(self) -> str:
        """Wait for the next look; return why the observation has to end before, or an empty text."""
        elapsed = self.now() - self._began_s
        due_s = min((elapsed // self.every_s + 1) * self.every_s, self.plan.duration_s)
        while (left := due_s - (self.now() - self._began_s)) > 0:
            if stopped := self.stop():
                return stopped
            self.sleep(min(left, _BETWEEN_S))
        return self.stop()

    def _judged(self) -> Analysis:
        evidence = Evidence(samples=no_samples(), phases=self._phases(), series=self._measured.series)
        return self.judge.judge(evidence, self.plan, now_s=self._seen_s, final=False)

    def _phases(self) -> tuple[Phase, ...]:
        return (Phase(name=self.plan.phases[0].name, kind=PhaseKind.STEADY, start_s=0.0, end_s=self._seen_s),)

    def _say(self, kind: str, text: str, *, at_s: float | None = None) -> None:
        self._note(Event(at_s=self._seen_s if at_s is None else at_s, kind=kind, text=text))

    def _note(self, event: Event) -> None:
        self._events.append(event)
        self.notify(event)
