"""Abort: a proxy answers with an error, and the request never arrives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.errors import UsageError
from harness.faults.dosed import DosedFault
from harness.faults.port import Arguments, Usage, Words
from harness.faults.values import host_name, share
from harness.model.declared import Declared, Scalar
from harness.routing.port import RouteChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort(DosedFault):
    """Requests to ``host`` are answered with ``status`` by a proxy and never arrive."""

    kind: ClassVar[str] = "abort"
    flag: ClassVar[str] = "FI"
    usage: ClassVar[Usage] = Usage(
        value="STATUS",
        example="503 --percent 20 --from reviews",
        help="requests are answered with this HTTP status and never arrive",
        signal="response flag FI",
        needs="HTTP calls",
    )

    status: int

    @classmethod
    def parse(cls, arguments: Arguments) -> Abort:
        """``HOST STATUS``, with a percentage, a caller, or in the host's own proxies."""
        if not arguments.value.isdigit():
            raise UsageError(f"abort: expected an HTTP status such as 503, found {arguments.value!r}")
        percent = 100 if arguments.percent is None else arguments.percent
        return abort(
            arguments.host, int(arguments.value), percent=percent, caller=arguments.caller, inbound=arguments.inbound
        )

    @property
    def params(self) -> Mapping[str, Scalar]:
        """Return the status as a parameter of the record."""
        return {"status": self.status}

    @property
    def change(self) -> RouteChange:
        """Return the change of the route: the proxy answers with the status."""
        return RouteChange(abort_status=self.status, share=self.dose)

    def words(self) -> Words:
        """``abort(ratings, 503, 30 %)``."""
        return self._words(str(self.status), f"are answered with {self.status}")


def answers_as_success(fault: Declared) -> bool:
    """Return whether a fault answers calls with a status that callers do not take for an error."""
    status = fault.params.get("status")
    return fault.kind == Abort.kind and isinstance(status, int) and status < 400


def abort(
    host: str, status: int, *, percent: str | float = 100, caller: str | None = None, inbound: bool = False
) -> Abort:
    """Answer ``percent`` (0 to 100) of the requests to ``host`` with HTTP ``status`` (200 to 599).

    inbound: as for ``delay``. Raises UsageError for an empty host, another status or a dose of zero.
    """
    what = f"abort({host})"
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise UsageError(f"{what}: expected an HTTP status from 200 to 599, found {status!r}")
    return Abort(host=host_name(host), status=status, dose=share(percent, what), caller=caller, inbound=inbound)
