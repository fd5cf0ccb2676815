"""Request limit: a proxy lets only so many requests to a host be under way at once, over HTTP/1 and HTTP/2."""

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
class RequestLimit(PolicyFault):
    """Each caller's proxy has at most ``most`` requests to ``host`` under way at once."""

    kind: ClassVar[str] = "request_limit"
    flags: ClassVar[tuple[str, ...]] = ("UO",)
    usage: ClassVar[Usage] = Usage(
        value="MOST",
        example="1",
        help="a proxy sends so many requests at once, and others get a 503",
        signal="response flag UO",
        needs="more calls at once",
    )

    most: int

    @classmethod
    def parse(cls, arguments: Arguments) -> RequestLimit:
        """``HOST MOST``."""
        refuse_others(arguments, cls.kind, "value")
        return request_limit(arguments.host, whole_number(arguments.value, f"{cls.kind}({arguments.host})"))

    @property
    def params(self) -> Mapping[str, Scalar]:
        """The limit."""
        return {"most": self.most}

    @property
    def policy(self) -> JsonObject:
        """The name says HTTP/2, but the limit holds for HTTP/1 too."""
        return {"connectionPool": {"http": {"http2MaxRequests": self.most}}}

    @property
    def unmet(self) -> str:
        """Why no call met the condition."""
        return f"no more than {self.most} calls were under way at once"

    def words(self) -> Words:
        """``request_limit(ratings, 1)``."""
        return Words(
            text=f"{self.kind}({self.host}, {self.most})",
            effect=f"a proxy has at most {self.most} requests to {self.host} under way; others get a 503",
        )


def request_limit(host: str, most: int = 1) -> RequestLimit:
    """Let each caller's proxy have at most ``most`` requests to ``host`` under way at once; others get a 503.

    It holds for every caller, for HTTP/1 and HTTP/2. Raises UsageError for an empty host, or for less than 1 request,
    which Istio reads as no limit.
    """
    return RequestLimit(host=host_name(host), most=whole_number(most, f"request_limit({host})"))
