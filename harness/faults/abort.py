"""Abort: a proxy answers with an error, and the request never arrives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import UsageError
from harness.faults.counting import flagged
from harness.faults.port import Arguments, Signals, Usage, Words, World, expressed
from harness.faults.values import host_name, share
from harness.model.declared import Declared, Scope
from harness.model.hit import Hit
from harness.model.step import Step
from harness.model.units import format_percent
from harness.routing.port import Aim, RouteChange

_FLAG = "FI"


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort:
    """Requests to ``host`` are answered with ``status`` by the caller's proxy and never arrive.

    dose: the share of requests that are answered so, in (0, 1]. caller: the workload whose calls are; None means the
    callers that the run chooses. inbound: by the proxies of ``host`` itself, for every caller.
    """

    kind: ClassVar[str] = "abort"
    usage: ClassVar[Usage] = Usage(value="STATUS", help="requests are answered with this HTTP status and never arrive")

    host: str
    status: int
    dose: float
    caller: str | None = None
    inbound: bool = False

    def __str__(self) -> str:
        return self.words().text

    @classmethod
    def parse(cls, arguments: Arguments) -> Abort:
        """``HOST STATUS``, with a percentage, a caller, or in the host's own proxies."""
        if not arguments.value.isdigit():
            raise UsageError(f"abort: expected an HTTP status such as 503, found {arguments.value!r}")
        percent = 100 if arguments.percent is None else arguments.percent
        return abort(
            arguments.host, int(arguments.value), percent=percent, caller=arguments.caller, inbound=arguments.inbound
        )

    def declared(self, fault_id: str) -> Declared:
        """A share of the requests is answered with the status."""
        return Declared(
            id=fault_id,
            kind=self.kind,
            host=self.host,
            text=self.words().text,
            params={"status": self.status},
            dose=self.dose,
            flag=_FLAG,
            scope=Scope(caller=self.caller, side="host" if self.inbound else "caller"),
        )

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """One change of the routes to the host."""
        change = RouteChange(abort_status=self.status, share=self.dose)
        return expressed(world.routing.change(world.resources(), change, aim))

    def hit(self, before: Signals, after: Signals) -> Hit:
        """Envoy flags the requests that it answered."""
        return flagged(before, after, _FLAG)

    def words(self) -> Words:
        """``abort(ratings, 503, 30 %)``."""
        dose = format_percent(self.dose)
        return Words(
            text=f"abort({self.host}, {self.status}, {dose}{', inbound' if self.inbound else ''})",
            effect=f"{dose} of the requests to {self.host} are answered with {self.status}",
        )


def abort(
    host: str, status: int, *, percent: str | float = 100, caller: str | None = None, inbound: bool = False
) -> Abort:
    """An answer with HTTP ``status`` (200 to 599) for ``percent`` (0 to 100) of the requests to ``host``.

    inbound: as for ``delay``. Raises UsageError for an empty host, another status or a dose of zero.
    """
    what = f"abort({host})"
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise UsageError(f"{what}: expected an HTTP status from 200 to 599, found {status!r}")
    return Abort(host=host_name(host), status=status, dose=share(percent, what), caller=caller, inbound=inbound)
