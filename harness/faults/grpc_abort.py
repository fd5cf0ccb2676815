"""gRPC abort: a proxy answers a gRPC call with an error, and the call never arrives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.errors import UsageError
from harness.faults.dosed import DosedFault
from harness.faults.port import Arguments, Usage, Words
from harness.faults.values import host_name, share
from harness.model.declared import Scalar
from harness.routing.port import RouteChange

STATUSES = (
    "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
"""Every gRPC status that is an error. Istio takes the names, not the numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcAbort(DosedFault):
    """gRPC calls to ``host`` are answered with the status ``status`` by a proxy and never arrive."""

    kind: ClassVar[str] = "grpc_abort"
    flag: ClassVar[str] = "FI"
    usage: ClassVar[Usage] = Usage(
        value="STATUS",
        example="UNAVAILABLE --percent 20",
        help="gRPC calls are answered with this status and never arrive",
        signal="response flag FI",
        needs="callers by gRPC",
    )

    status: str

    @classmethod
    def parse(cls, arguments: Arguments) -> GrpcAbort:
        """``HOST STATUS``, with a percentage, a caller, or in the host's own proxies."""
        percent = 100 if arguments.percent is None else arguments.percent
        return grpc_abort(
            arguments.host, arguments.value, percent=percent, caller=arguments.caller, inbound=arguments.inbound
        )

    @property
    def params(self) -> Mapping[str, Scalar]:
        """The status."""
        return {"status": self.status}

    @property
    def change(self) -> RouteChange:
        """Calls are answered with the status."""
        return RouteChange(abort_grpc=self.status, share=self.dose)

    def words(self) -> Words:
        """``grpc_abort(ratings, UNAVAILABLE, 30 %)``."""
        return self._words(self.status, f"are answered with the gRPC status {self.status}")


def grpc_abort(
    host: str, status: str, *, percent: str | float = 100, caller: str | None = None, inbound: bool = False
) -> GrpcAbort:
    """Answer ``percent`` (0 to 100) of the calls to ``host`` with a gRPC ``status`` ("UNAVAILABLE").

    The HTTP status of such an answer is 200, so only callers by gRPC notice it. inbound: as for ``delay``. Raises
    UsageError for an empty host, an unknown status or a dose of zero.
    """
    what = f"grpc_abort({host})"
    if status not in STATUSES:
        raise UsageError(f"{what}: expected the name of a gRPC status, found {status!r}; known: {', '.join(STATUSES)}")
    return GrpcAbort(host=host_name(host), status=status, dose=share(percent, what), caller=caller, inbound=inbound)
