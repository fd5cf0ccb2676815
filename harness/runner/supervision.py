"""Supervises a run while load is sent: abort conditions, load generator, stalls, progress, looks of the judge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from harness.errors import LoadError
from harness.load.port import RunningLoad
from harness.model.phase import Phase, PhasePlan
from harness.model.samples import Samples
from harness.runner.abort_conditions import SharedLoad, conditions
from harness.runner.ending import Ending, ending_for
from harness.runner.guard_thread import GuardThread
from harness.runner.judge_looks import JudgeLooks, decided, harm
from harness.runner.progress import progress
from harness.runner.settings import Notify, Parts, Settings
from harness.runner.stall_detector import StallDetector
from harness.runner.timeline import Timeline

_TICK_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenPhase:
    """A phase that has begun. Times are seconds since the first due request of the load.

    start_s: when it really began, which may be later than planned, because injecting a fault takes time.
    until_s: when it is planned to end. total_s: planned length of the load. earlier: the phases before it.
    """

    plan: PhasePlan
    start_s: float
    until_s: float
    total_s: float
    earlier: tuple[Phase, ...]

    def may_end(self, now_s: float) -> bool:
        """Return whether the phase may end at ``now_s`` if all its objectives are decided."""
        least_s = self.plan.least_s
        return least_s is not None and now_s - self.start_s >= least_s

    def window(self, end_s: float) -> Phase:
        """Return the phase as it really was if it ends at ``end_s``."""
        plan = self.plan
        return Phase(name=plan.name, kind=plan.kind, start_s=self.start_s, end_s=end_s, faults=plan.faults)


class Supervision:
    """Decides whether a run goes on. As a context manager it runs the thread that checks the abort conditions."""

    def __init__(
        self,
        settings: Settings,
        parts: Parts,
        timeline: Timeline,
        *,
        undo: Callable[[], None],
        notify: Notify,
        looks: JudgeLooks | None,
    ) -> None:
        """Prepare the conditions.

        undo: reverts every live change, from any thread. looks: None for a run whose objectives are not known yet.
        """
        self._parts, self._timeline, self._notify, self._looks = parts, timeline, notify, looks
        self._load = SharedLoad(parts.now)
        self._stalls = StallDetector(parts.now, parts.wall, timeline)
        self._guards = GuardThread(conditions(settings, parts.mesh, self._load), undo=undo, misses=settings.misses)
        self._decided = False
        self.reason = ""
        """Why the run ended early, or an empty string."""

    def __enter__(self) -> Self:
        self._guards.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._guards.__exit__(kind, error, trace)

    def ended(self) -> bool:
        """Return whether the run must stop; ``reason`` then says why. Raises the error that leaves no verdict."""
        return self._end(self._guards.ended())

    def end(self, ending: Ending) -> None:
        """End the run for a reason that was found elsewhere."""
        self._end(ending)

    @contextmanager
    def sending(self, running: RunningLoad) -> Iterator[None]:
        """Let the abort conditions see ``running`` inside the block."""
        self._stalls.start()
        self._load.begin(running)
        try:
            yield
        finally:
            self._load.end()

    def wait(self, running: RunningLoad, phase: OpenPhase) -> None:
        """Wait until the phase is over or the run ends early; look after the run once a second meanwhile.

        A phase without a fixed length is over as soon as a look decides all its objectives.
        """
        self._decided = False
        while (
            not self._decided and not self.ended() and (now_s := self._parts.now() - running.started_at) < phase.until_s
        ):
            tick_s = min(_TICK_S, phase.until_s - now_s)
            self._parts.sleep(tick_s)
            self._stalls.beat(tick_s)
            if self.ended() or self._lost(running):
                return
            seen = self._load.samples()
            if seen is not None:
                self._tell(phase, *seen)
        self._end(self._guards.ask())

    def _lost(self, running: RunningLoad) -> bool:
        """Return whether the load generator died; the samples that it recorded until then are still evidence."""
        try:
            running.running()
        except LoadError as lost:
            return self._end(ending_for(lost))
        return False

    def _tell(self, phase: OpenPhase, samples: Samples, now_s: float) -> None:
        """Report the progress and what the judge sees, and end the run when it has proven harm."""
        self._notify(
            progress(
                samples,
                elapsed_s=now_s,
                total_s=phase.total_s,
                phase=phase.plan.name,
                phase_start_s=phase.start_s,
                window_s=min(_TICK_S, max(now_s, 0.1)),
            )
        )
        windows = (*phase.earlier, phase.window(now_s))
        seen = None if self._looks is None else self._looks.look(samples, windows, now_s=now_s)
        if seen is not None:
            self._notify(seen)
            self._decided = phase.may_end(now_s) and decided(seen, phase.plan.name)
            ends = harm(seen) and self._looks is not None and self._looks.end_run
            self._end(Ending(kind="guard", text=harm(seen)) if ends else None)

    def _end(self, ending: Ending | None) -> bool:
        """Return whether the run must stop. The first reason is kept and put on the timeline."""
        if ending is not None and not self.reason:
            self.reason = ending.text
            self._timeline.note(ending.kind, ending.text, **ending.fields)
        return bool(self.reason)
