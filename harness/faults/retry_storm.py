"""Retry storm: the callers' proxies send a request many times, which multiplies the load on a service in trouble."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from harness.errors import UsageError
from harness.faults.condition import Condition, refuse_others, whole_number
from harness.faults.counting import flagged, grown, has_flag
from harness.faults.port import Arguments, Signals, Usage, Words, World, expressed
from harness.faults.values import host_name, only
from harness.model.counts import RequestCount
from harness.model.declared import Scalar
from harness.model.hit import Hit, HitState
from harness.model.step import Step
from harness.model.units import format_duration, parse_duration
from harness.routing.port import Aim, Retries, RouteChange

_TOO_FEW = 0.75
"""Calls that used up a storm made more than this share of its attempts; a few began before it, with others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryStorm(Condition):
    """The callers' proxies send a request to ``host`` that fails up to ``attempts`` times again, at once.

    per_try_s: an attempt that takes longer has failed; None sets no limit.
    """

    kind: ClassVar[str] = "retry_storm"
    flags: ClassVar[tuple[str, ...]] = ("URX",)
    usage: ClassVar[Usage] = Usage(
        value="ATTEMPTS[xTIME]",
        example="10x50ms --from reviews",
        help="requests that fail, or take longer than TIME, are sent so many times again",
        signal="response flag URX, or more attempts than calls",
        needs="calls that fail or take longer",
    )

    attempts: int
    per_try_s: float | None = None

    @classmethod
    def parse(cls, arguments: Arguments) -> RetryStorm:
        """``HOST ATTEMPTS`` or ``HOST ATTEMPTSxTIME``, with a caller."""
        refuse_others(arguments, cls.kind, "value", "caller")
        attempts, timed, per_try = arguments.value.partition("x")
        number = whole_number(attempts, f"{cls.kind}({arguments.host}): attempts")
        return retry_storm(arguments.host, number, per_try=per_try if timed else None, caller=arguments.caller)

    @property
    def params(self) -> Mapping[str, Scalar]:
        """The attempts, and the time of one."""
        return {"attempts": self.attempts, "per_try_s": self.per_try_s}

    @property
    def unmet(self) -> str:
        """Why no call met the condition."""
        return "no call failed, so none was sent again"

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return one change of the routes to the host."""
        change = RouteChange(retries=Retries(attempts=self.attempts, per_try_s=self.per_try_s))
        return expressed(world.routing.change(world.resources(), change, aim))

    def hit(self, before: Signals, after: Signals) -> Hit:
        """Count the calls that used up their attempts.

        If all calls succeeded in the end, the surplus of attempts tells how many calls were sent again at least. Where
        attempts are counted, the answer says by how much the storm multiplied the load, and calls that were given up
        after too few attempts show that the retries of before are still in force.
        """
        found = flagged(before, after, *self.flags)
        earlier, given_up = self._given_up(before), self._given_up(after)
        ended, tried = grown(earlier, given_up, lambda _: True), _attempts(given_up) - _attempts(earlier)
        if 0 < tried <= _TOO_FEW * ended * (self.attempts + 1):
            why = f"no effect: proxies gave up after {tried / ended:.1f} attempts, not {self.attempts + 1}"
            return Hit(state=HitState.NO_OCCASION, requests=found.requests, why=why)
        sent, calls = (
            _attempts(after.rows) - _attempts(before.rows),
            grown(before.rows, after.rows, lambda row: row.attempts > 0),
        )
        least = -(-max(0, sent - calls) // self.attempts)
        hit = found if found.hit >= least else Hit(hit=least, requests=max(least, found.requests))
        return self.met(replace(hit, why=f"{sent / calls:.1f} attempts per call") if calls else hit)

    def _given_up(self, signals: Signals) -> tuple[RequestCount, ...]:
        """Return the calls that used up their attempts, where attempts are counted."""
        return tuple(row for row in signals.rows if row.attempts and has_flag(row, *self.flags))

    def words(self) -> Words:
        """``retry_storm(ratings, 10 x 50 ms)``."""
        time = "" if self.per_try_s is None else f" x {format_duration(self.per_try_s)}"
        slow = "" if self.per_try_s is None else f" or take longer than {format_duration(self.per_try_s)}"
        return Words(
            text=f"{self.kind}({self.host}, {self.attempts}{time}{only(self.arms)})",
            effect=f"requests to {self.host} that fail{slow} are sent up to {self.attempts} times again",
        )


def retry_storm(
    host: str, attempts: int = 10, *, per_try: str | float | None = None, caller: str | None = None
) -> RetryStorm:
    """Let the callers' proxies send each request that fails up to ``attempts`` times again.

    per_try: an attempt that takes longer ("50ms" or seconds) counts as failed, so a slow service gets more load too.
    It hits the calls that used up their attempts. Raises UsageError for an empty host, no attempt, or a time under 1 ms
    (Istio's resolution).
    """
    what = f"retry_storm({host})"
    seconds = None if per_try is None else parse_duration(per_try, f"{what}: per_try")
    if seconds is not None and seconds < 1e-3:
        raise UsageError(f"{what}: expected a time of at least 1ms for an attempt, found {per_try!r}")
    number = whole_number(attempts, f"{what}: attempts")
    return RetryStorm(host=host_name(host), attempts=number, per_try_s=seconds, caller=caller)


def _attempts(rows: Iterable[RequestCount]) -> int:
    return sum(row.attempts for row in rows)
