"""Latency: requests wait for different times, by a distribution, as a service in trouble makes them wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.errors import UsageError
from harness.faults.condition import refuse_others
from harness.faults.dosed import DosedFault
from harness.faults.port import Arguments, Usage, Words
from harness.faults.values import host_name, only, share
from harness.model.declared import Scalar
from harness.model.units import format_duration, format_percent, parse_duration
from harness.routing.port import DelayShare, RouteChange

_MOST = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(DosedFault):
    """Requests to ``host`` wait by a distribution: each of ``delays`` is a time and the share of all requests."""

    kind: ClassVar[str] = "latency"
    flag: ClassVar[str] = "DI"
    usage: ClassVar[Usage] = Usage(
        value="TIME:PERCENT,...",
        example="50ms:20%,1s:1% --from reviews",
        help="requests wait by this distribution, such as 50ms:20%,1s:1%",
        signal="response flag DI",
        needs="HTTP calls whose x-request-id is a UUID, as proxies make it",
    )

    delays: tuple[DelayShare, ...]

    @classmethod
    def parse(cls, arguments: Arguments) -> Latency:
        """``HOST TIME:PERCENT,...``, with a caller."""
        refuse_others(arguments, cls.kind, "value", "caller")
        return latency(arguments.host, arguments.value, caller=arguments.caller)

    @property
    def params(self) -> Mapping[str, Scalar]:
        """The longest time, and the share of each."""
        longest_s = max(one.delay_s for one in self.delays)
        return {"longest_s": longest_s, **{format_duration(one.delay_s): one.share for one in self.delays}}

    @property
    def change(self) -> RouteChange:
        """Requests wait by the distribution."""
        return RouteChange(delays=self.delays)

    def words(self) -> Words:
        """``latency(ratings, 20 % 50 ms, 1 % 1 s)``."""
        parts = ", ".join(f"{format_percent(one.share)} {format_duration(one.delay_s)}" for one in self.delays)
        return Words(
            text=f"{self.kind}({self.host}, {parts}{only(self.arms)})", effect=f"requests to {self.host} wait: {parts}"
        )


def latency(host: str, distribution: str, *, caller: str | None = None) -> Latency:
    """Let the requests to ``host`` wait by a distribution, such as ``"50ms:20%, 1s:1%"``; the rest does not wait.

    Requests are told apart by the last digits of ``x-request-id``, which every proxy sets and services pass on. Raises
    UsageError for an empty host, for times under 1 ms, for shares of more than 100 % together, or for more than 16
    times.
    """
    what = f"latency({host})"
    delays = tuple(_part(part.strip(), what) for part in distribution.split(","))
    total = sum(one.share for one in delays)
    if total > 1 + 1e-9 or len(delays) > _MOST:
        raise UsageError(
            f"{what}: expected at most {_MOST} times with at most 100 % together, found {len(delays)} with "
            f"{format_percent(total)}"
        )
    return Latency(host=host_name(host), delays=delays, dose=min(1.0, total), caller=caller)


def _part(text: str, what: str) -> DelayShare:
    time, colon, percent = text.partition(":")
    if not colon:
        raise UsageError(f"{what}: expected TIME:PERCENT such as 50ms:20%, found {text!r}")
    seconds = parse_duration(time.strip(), what)
    if seconds < 1e-3:
        raise UsageError(f"{what}: expected a time of at least 1ms, found {time!r}")
    return DelayShare(delay_s=seconds, share=share(percent.strip(), what))
