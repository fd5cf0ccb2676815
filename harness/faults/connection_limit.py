"""Connection limit: a small pool of connections with a short queue, so that requests overflow it under load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.faults.condition import refuse_others, whole_number
from harness.faults.pool import PolicyFault
from harness.faults.port import Arguments, Usage, Words
from harness.faults.values import host_name
from harness.model.declared import Scalar
from harness.model.json import JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimit(PolicyFault):
    """Each caller's proxy holds at most ``most`` connections to ``host``, and as many requests wait for one."""

    kind: ClassVar[str] = "connection_limit"
    flags: ClassVar[tuple[str, ...]] = ("UO",)
    usage: ClassVar[Usage] = Usage(
        value="MOST",
        example="1",
        help="a proxy holds so many connections, as many requests wait, and others get a 503",
        signal="response flag UO",
        needs="more than twice as many calls at once",
    )

    most: int

    @classmethod
    def parse(cls, arguments: Arguments) -> ConnectionLimit:
        """``HOST MOST``."""
        refuse_others(arguments, cls.kind, "value")
        return connection_limit(arguments.host, whole_number(arguments.value, f"{cls.kind}({arguments.host})"))

    @property
    def params(self) -> Mapping[str, Scalar]:
        """The limit."""
        return {"most": self.most}

    @property
    def policy(self) -> JsonObject:
        """Without the short queue, requests would only wait. Zero would mean no limit at all."""
        return {
            "connectionPool": {"tcp": {"maxConnections": self.most}, "http": {"http1MaxPendingRequests": self.most}}
        }

    @property
    def unmet(self) -> str:
        """Why no call met the condition."""
        return f"no more than {2 * self.most} calls were under way at once"

    def words(self) -> Words:
        """``connection_limit(ratings, 1)``."""
        return Words(
            text=f"{self.kind}({self.host}, {self.most})",
            effect=f"a proxy holds at most {self.most} connections to {self.host} with as many waiting requests; "
            "others get a 503",
        )


def connection_limit(host: str, most: int = 1) -> ConnectionLimit:
    """Let each caller's proxy hold at most ``most`` connections to ``host``, with a queue of as many requests.

    More requests at once get a 503. It holds for every caller. Raises UsageError for an empty host, or for less than 1
    connection, which Istio reads as no limit.
    """
    return ConnectionLimit(host=host_name(host), most=whole_number(most, f"connection_limit({host})"))
