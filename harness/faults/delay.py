"""Delay: requests wait in a proxy before they are forwarded."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.errors import UsageError
from harness.faults.dosed import DosedFault
from harness.faults.port import Arguments, Usage, Words
from harness.faults.values import host_name, share
from harness.model.declared import Scalar
from harness.model.units import format_duration, parse_duration
from harness.routing.port import RouteChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Delay(DosedFault):
    """Requests to ``host`` wait ``duration_s`` seconds before they are forwarded."""

    kind: ClassVar[str] = "delay"
    flag: ClassVar[str] = "DI"
    usage: ClassVar[Usage] = Usage(
        value="TIME",
        example="2s --percent 50 --from reviews",
        help="requests wait for this time before they are forwarded",
        signal="response flag DI",
        needs="HTTP calls",
    )

    duration_s: float

    @classmethod
    def parse(cls, arguments: Arguments) -> Delay:
        """``HOST TIME``, with a percentage, a caller, or in the host's own proxies."""
        percent = 100 if arguments.percent is None else arguments.percent
        return delay(
            arguments.host, arguments.value, percent=percent, caller=arguments.caller, inbound=arguments.inbound
        )

    @property
    def params(self) -> Mapping[str, Scalar]:
        """The duration."""
        return {"duration_s": self.duration_s}

    @property
    def change(self) -> RouteChange:
        """Requests wait for the duration."""
        return RouteChange(delay_s=self.duration_s, share=self.dose)

    def words(self) -> Words:
        """``delay(ratings, 2 s, 30 %)``."""
        duration = format_duration(self.duration_s)
        return self._words(duration, f"wait {duration}")


def delay(
    host: str,
    duration: str | float,
    *,
    percent: str | float = 100,
    caller: str | None = None,
    inbound: bool = False,
) -> Delay:
    """Delay ``percent`` (0 to 100) of the requests to ``host`` by ``duration`` ("250ms", "2s" or seconds).

    inbound: in the host's own proxies, for every caller, without an edit of its routes; on a cluster only.
    Raises UsageError for an empty host, a duration under 1 ms (Istio's resolution) or a dose of zero.
    """
    what = f"delay({host})"
    seconds = parse_duration(duration, what)
    if seconds < 1e-3 or not math.isfinite(seconds):
        raise UsageError(f"{what}: expected a duration of at least 1ms, found {duration!r}")
    return Delay(host=host_name(host), duration_s=seconds, dose=share(percent, what), caller=caller, inbound=inbound)
