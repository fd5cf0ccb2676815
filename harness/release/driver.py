"""Carry out a release: do the operation of each phase, with the record on disk before and after it.

If this process is killed, the operation is done again when the release is resumed; every operation may be repeated.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from harness.errors import BuildError, ClusterUnreachable, HarnessError
from harness.model.release import (
    FIRST,
    Decision,
    DecisionKind,
    Happening,
    Hold,
    Outcome,
    Phase,
    ReleaseRecord,
    ReleaseState,
    StepResult,
)
from harness.model.units import format_percent
from harness.release.machine import (
    TROUBLE,
    Approved,
    Checked,
    Done,
    Ended,
    Event,
    Failed,
    Held,
    advance,
    step_of,
)
from harness.release.observing import observed
from harness.release.ports import Gate, Pair, Watch, World
from harness.release.store import Store
from harness.release.wording import users_in_words

_POLL_S, _BEAT_S = 0.2, 3.0
_UNDONE_ON_ERROR = frozenset({Phase.PIN, Phase.DEPLOY, Phase.SHIFT, Phase.HOLD, Phase.SWITCH, Phase.PROMOTE})
_WORST_FIRST = ("fail", TROUBLE, "inconclusive", "marginal", "pass")


class _EndAskedError(Exception):
    """Somebody asked for the end of the release while a check was running."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a release works with. tell: receives lines for people. shown: called with each new record."""

    world: World
    watch: Watch
    gate: Gate
    tell: Callable[[str], None]
    shown: Callable[[ReleaseRecord], None]
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time


class Driver:
    """One release, driven by this process. The caller holds its lock."""

    def __init__(self, store: Store, parts: Parts) -> None:
        """store: of a release that exists."""
        self._store, self._parts = store, parts
        self.record = store.load()
        self._beaten = 0.0

    def run(self, until: Callable[[ReleaseState], bool] = lambda _: False) -> ReleaseRecord:
        """Drive the release until it is over or ``until`` is true of its state, and return the record.

        Raises HarnessError if an operation cannot be done and cannot be undone either; the release can be resumed.
        """
        while not (self.record.state.over or until(self.record.state)):
            self._once()
        return self.record

    def feed(self, event: Event) -> None:
        """Take an event from outside, such as an abort."""
        self._keep(advance(self.record.state, event, self.record.plan.settings))

    def _once(self) -> None:
        state = self.record.state
        asked = self._store.asked_to_end()
        if asked is not None and not state.undoing and state.phase not in (Phase.RETURN, Phase.REMOVE, Phase.UNROUTE):
            self.feed(ended_by(asked))
            return
        self._store.journal(state.phase.value, state, done=False)
        event = self._operated(state)
        self.feed(event)
        self._store.journal(state.phase.value, state, done=True, text=type(event).__name__.lower())

    def _operated(self, state: ReleaseState) -> Event:
        """Do the operation of the phase and return what came of it."""
        try:
            return self._operations[state.phase](self, state)
        except _EndAskedError:
            asked = self._store.asked_to_end()
            return Done() if asked is None else ended_by(asked)
        except ClusterUnreachable:
            raise  # nothing can be done or undone now; the release is resumed when the server answers
        except HarnessError as error:
            if state.phase is Phase.EXAMINE or state.phase in _UNDONE_ON_ERROR:
                self._parts.tell(f"{state.phase.value}: {error}")
                return Failed(reason=str(error), exit_code=error.exit_code)
            raise

    def _examine(self, _: ReleaseState) -> Event:
        for pair in self._pairs():
            known = self._parts.world.examine(pair)
            self._know(known)
            if known.first:
                self._note(f"{pair.service}: {FIRST}")
        return Done()

    def _deploy(self, _: ReleaseState) -> Event:
        for pair in self._pairs():
            copy = "two copies of it, because no build runs yet" if pair.first else "a fresh copy of the running build"
            self._parts.tell(f"{pair.service}: starting {pair.build.name} and {copy}")
            known = self._parts.world.deploy(pair)
            self._know(known)
            self._note(f"{pair.service}: {known.build.name} is ready as {known.identity}")
        return Done()

    def _shift(self, state: ReleaseState) -> Event:
        step = step_of(state, self.record.plan.settings)
        return self._route(step.weight, step.header)

    def _switch(self, _: ReleaseState) -> Event:
        return self._route(1.0)

    def _pin(self, _: ReleaseState) -> Event:
        return self._route(0.0)

    def _route(self, share: float, header: Mapping[str, str] | None = None) -> Event:
        pairs = self._pairs()
        for pair in pairs:
            # Before the first release, requests that do not go to the new build get an error.
            self._parts.world.route(pair, 1.0 if pair.first and share else share, header)
        first = [pair.service for pair in pairs if pair.first and self.record.state.outcome is not Outcome.PROMOTED]
        text = users_in_words(share, header or {}, first=first, alone=len(first) == len(pairs))
        last = next((one.text for one in reversed(self.record.happenings) if one.share is not None), "")
        if text != last:
            self._note(text, share)
        return Done()

    def _unroute(self, _: ReleaseState) -> Event:
        for pair in self._pairs():
            self._parts.world.route(pair, None)
        self._note("the routes are as they were before the release", 0.0)
        return Done()

    def _gate(self, state: ReleaseState) -> Event:
        step = step_of(state, self.record.plan.settings)
        results = []
        for pair in self._pairs():
            result = self._gated(pair, state)
            if result.verdict == TROUBLE and not self._end_asked():
                self._note(f"{pair.service}: no verdict ({result.reason}); the gate is tried once more")
                result = self._gated(pair, state)
            results.append(result)
        worst = min(results, key=lambda one: _WORST_FIRST.index(one.verdict))
        self._note(f"step {state.step + 1} at {format_percent(step.weight)} of the users: {worst.verdict}")
        return Checked(verdict=worst.verdict, reason=worst.reason)

    def _gated(self, pair: Pair, state: ReleaseState) -> StepResult:
        attempt = self.record.state.attempt
        self._save(replace(self.record, state=replace(self.record.state, attempt=attempt + 1)))
        folder = self._store.folder / "gates" / f"{state.step}-{attempt}-{pair.service}"
        step = step_of(state, self.record.plan.settings)
        found = self._parts.gate.check(pair, step, folder=folder, still=self._still)
        bundles = tuple(str((folder / name).relative_to(self._store.folder)) for name in found.bundles)
        result = replace(found, step=state.step, attempt=attempt, weight=step.weight, bundles=bundles)
        self._save(replace(self.record, results=(*self.record.results, result)))
        return result

    def _observe(self, state: ReleaseState) -> Event:
        step, began = step_of(state, self.record.plan.settings), self._parts.now()
        verdict, reason = observed(
            self._parts.watch, self._pairs(), step, now=self._parts.now, sleep=self._parts.sleep, still=self._still
        )
        result = StepResult(
            step=state.step,
            attempt=state.attempt,
            service=", ".join(self.record.plan.services),
            check="observe",
            weight=step.weight,
            verdict=verdict,
            exit_code=0 if verdict == "pass" else 1,
            reason=reason,
            began_s=began,
            ended_s=self._parts.now(),
        )
        self._save(replace(self.record, results=(*self.record.results, result)))
        return Checked(verdict=verdict, reason=reason)

    def _hold(self, state: ReleaseState) -> Event:
        self._route(0.0)
        began = self._parts.now()
        expires = began + self.record.plan.settings.hold_s
        if len(self.record.holds) == state.hold:
            last = self.record.results[-1].verdict if self.record.results else ""
            hold = Hold(step=state.step, began_s=began, expires_s=expires, verdict=last, reason=state.reason)
            self._save(replace(self.record, holds=(*self.record.holds, hold)))
        return Held(expires_s=self.record.holds[-1].expires_s)

    def _held(self, state: ReleaseState) -> Event:
        """Wait for a person or for the end of the hold. What was decided too late does not count."""
        while True:
            decision = self._store.decision(state.hold)
            if decision is not None and decision.at_s <= state.expires_s:
                self._end_hold(decision=decision)
                if decision.kind is DecisionKind.APPROVE:
                    return Approved(by=decision.by, why=decision.reason)
                return ended_by(decision)
            if self._parts.now() > state.expires_s:
                self._end_hold(expired=True)
                return Ended(
                    outcome=Outcome.REJECTED, reason=f"nobody approved it in time ({state.reason})", exit_code=1
                )
            self._still()
            self._parts.sleep(_POLL_S)

    def _end_hold(self, *, decision: Decision | None = None, expired: bool = False) -> None:
        *before, last = self.record.holds
        self._save(replace(self.record, holds=(*before, replace(last, decision=decision, expired=expired))))
        if decision is not None:
            word = "approved" if decision.kind is DecisionKind.APPROVE else "rejected"
            self._note(f"{word} by {decision.by}: {decision.reason}")
        else:
            self._note("the hold is over and nobody approved the build")

    def _promote(self, _: ReleaseState) -> Event:
        for pair in self._pairs():
            self._parts.tell(f"{pair.service}: the stable build becomes {pair.build.name}")
            self._parts.world.settle(pair, new=True)
            self._note(f"{pair.service}: the stable build is {pair.identity} now")
        return Done()

    def _undo_promote(self, state: ReleaseState) -> Event:
        if state.promoting:
            for pair in self._pairs():
                self._parts.world.settle(pair, new=False)
                before = "there is no stable build, as before" if pair.first else "the stable build is the one before"
                self._note(f"{pair.service}: {before} the release")
        return Done()

    def _remove(self, _: ReleaseState) -> Event:
        for pair in self._pairs():
            self._parts.world.remove(pair)
        self._note("both arms are removed")
        return Done()

    _operations: Mapping[Phase, Callable[[Driver, ReleaseState], Event]] = {
        Phase.EXAMINE: _examine,
        Phase.PIN: _pin,
        Phase.DEPLOY: _deploy,
        Phase.SHIFT: _shift,
        Phase.GATE: _gate,
        Phase.OBSERVE: _observe,
        Phase.HOLD: _hold,
        Phase.HELD: _held,
        Phase.SWITCH: _switch,
        Phase.PROMOTE: _promote,
        Phase.RETURN: _pin,
        Phase.REMOVE: _remove,
        Phase.UNROUTE: _unroute,
        Phase.UNDO_ROUTE: _pin,
        Phase.UNDO_PROMOTE: _undo_promote,
        Phase.UNDO_REMOVE: _remove,
        Phase.UNDO_UNROUTE: _unroute,
    }

    def _pairs(self) -> list[Pair]:
        """Return every service of the release with what is known of it by now.

        Each has a mark of its own: what is found by one mark and removed must not belong to another service.
        """
        record = self.record
        return [
            Pair(
                release=f"rel-{record.id[-11:]}" + (f"s{number}" if len(record.plan.builds) > 1 else ""),
                build=build,
                identity=record.identities.get(build.service, ""),
                stable=record.stable.get(build.service, ""),
                first=build.service in record.first,
            )
            for number, build in enumerate(record.plan.builds)
        ]

    def _know(self, pair: Pair) -> None:
        """Keep what was learnt of a service. What is known once never changes: a tag may move meanwhile."""
        identities, stable = dict(self.record.identities), dict(self.record.stable)
        if pair.identity:
            known = identities.setdefault(pair.service, pair.identity)
            if known != pair.identity:
                raise BuildError(
                    f"{pair.service}: expected {pair.build.name} to be {known} as before, found {pair.identity}: it "
                    "moved during the release; what was tested is not promoted by that name"
                )
        if pair.stable:
            stable.setdefault(pair.service, pair.stable)
        first = tuple(dict.fromkeys((*self.record.first, *([pair.service] if pair.first else []))))
        self._save(replace(self.record, identities=identities, stable=stable, first=first))

    def _end_asked(self) -> bool:
        return self._store.asked_to_end() is not None

    def _still(self) -> None:
        """Show that this process lives. Raises if somebody asked for the end of the release."""
        if self._end_asked():
            raise _EndAskedError
        if self._parts.now() - self._beaten >= _BEAT_S:
            self._save(self.record)

    def _note(self, text: str, share: float | None = None) -> None:
        state = self.record.state
        happening = Happening(at_s=self._parts.now(), phase=state.phase, step=state.step, text=text, share=share)
        self._save(replace(self.record, happenings=(*self.record.happenings, happening)))
        self._parts.tell(text)

    def _keep(self, state: ReleaseState) -> None:
        self._save(replace(self.record, state=state))

    def _save(self, record: ReleaseRecord) -> None:
        self._beaten = self._parts.now()
        self.record = replace(record, seen_s=self._beaten)
        self._store.save(self.record)
        self._parts.shown(self.record)


def ended_by(decision: Decision) -> Ended:
    """Return the event of a person who ends a release."""
    outcome, word, code = _ENDS[decision.kind]
    return Ended(outcome=outcome, reason=f"{word} by {decision.by}: {decision.reason}", exit_code=code)


_ENDS: Mapping[DecisionKind, tuple[Outcome, str, int]] = {
    DecisionKind.REJECT: (Outcome.REJECTED, "rejected", 1),
    DecisionKind.ABORT: (Outcome.ABORTED, "aborted", 12),
    DecisionKind.ROLL_BACK: (Outcome.ROLLED_BACK, "rolled back", 1),
}
