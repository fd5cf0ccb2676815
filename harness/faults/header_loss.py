"""Header loss: the callers' proxies drop a header of requests, as after a wrong route or a proxy that filters."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from harness.errors import ResourceError, UsageError
from harness.faults.condition import Condition, refuse_others
from harness.faults.port import Arguments, Usage, Words, World, expressed
from harness.faults.values import host_name, only
from harness.model.declared import Scalar
from harness.model.json import JsonObject, list_at, object_at, objects_at
from harness.model.step import Step
from harness.routing.port import Aim, RouteChange

_MARK_S = 0.001
"""How long the requests that lose the header wait: the shortest delay that Istio has.

No counter of a proxy tells which requests lost a header, but each counts the delayed ones.
"""
_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_KEPT = {
    "host": "requests would have no target",
    "content-length": "it belongs to the connection",
    "transfer-encoding": "it belongs to the connection",
    "baggage": "it tells which arm a call belongs to",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderLoss(Condition):
    """Requests to ``host`` that carry ``header`` arrive without it."""

    kind: ClassVar[str] = "header_loss"
    flags: ClassVar[tuple[str, ...]] = ("DI",)
    usage: ClassVar[Usage] = Usage(
        value="HEADER",
        example="authorization --from reviews",
        help="requests that carry this header arrive without it",
        signal="response flag DI: these requests, and no others, wait for 1 ms",
        needs="HTTP calls that carry the header",
    )

    header: str

    @classmethod
    def parse(cls, arguments: Arguments) -> HeaderLoss:
        """``HOST HEADER``, with a caller."""
        refuse_others(arguments, cls.kind, "value", "caller")
        return header_loss(arguments.host, arguments.value, caller=arguments.caller)

    @property
    def params(self) -> Mapping[str, Scalar]:
        """The name of the header."""
        return {"header": self.header}

    @property
    def unmet(self) -> str:
        """Why no call met the condition."""
        return f"no call carried the header {self.header}"

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return one change of the routes to the host, for the requests that carry the header."""
        change = RouteChange(delay_s=_MARK_S, rewrites={"istio": partial(_without, header=self.header)})
        return expressed(world.routing.change(world.resources(), change, aim))

    def words(self) -> Words:
        """``header_loss(ratings, authorization)``."""
        return Words(
            text=f"{self.kind}({self.host}, {self.header}{only(self.arms)})",
            effect=f"requests to {self.host} that carry the header {self.header} arrive without it, 1 ms later",
        )


def header_loss(host: str, header: str, *, caller: str | None = None) -> HeaderLoss:
    """Remove ``header`` from the requests to ``host`` that carry it, such as ``authorization`` or ``traceparent``.

    These requests also wait for 1 ms, by which the proxies count them. Raises UsageError for an empty host, for what is
    no name of a header, and for headers that requests cannot do without.
    """
    what, name = f"header_loss({host})", header.strip().lower()
    if not _NAME.fullmatch(name):
        raise UsageError(f"{what}: expected the name of a request header, such as authorization, found {header!r}")
    why = "it is the harness's own" if name.startswith("x-harness-") else _KEPT.get(name)
    if why:
        raise UsageError(f"{what}: expected a header that requests can lose, found {name}: {why}")
    return HeaderLoss(host=host_name(host), header=name, caller=caller)


def _without(route: JsonObject, *, header: str) -> JsonObject:
    """Return a route of a VirtualService that takes the requests with the header, whatever its value, and removes it.

    Raises ResourceError if the route, or a destination of it, sets the header, which would then arrive.
    """
    for part in (route, *objects_at(route, "route")):
        request = object_at(part, "headers", "request")
        for known in (*object_at(request, "set"), *object_at(request, "add")):
            if known.lower() == header:
                raise ResourceError(f"sets the request header {known}, so no request can lose it: expected another one")
    present: JsonObject = {header: {"regex": ".*"}}
    headers, request = object_at(route, "headers"), object_at(route, "headers", "request")
    return {
        **route,
        "match": [{**block, "headers": present | object_at(block, "headers")} for block in objects_at(route, "match")],
        "headers": {**headers, "request": {**request, "remove": [*list_at(request, "remove"), header]}},
    }
