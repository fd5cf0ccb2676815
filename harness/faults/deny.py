"""Deny: the service's own proxies refuse every request with a 403, as after a wrong authorization policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from harness.faults.condition import refuse_others
from harness.faults.counting import grown
from harness.faults.port import Arguments, Signals, Usage, Words, World, expressed
from harness.faults.values import host_name
from harness.model.declared import Declared, Scalar, Scope
from harness.model.hit import Hit
from harness.model.step import Step
from harness.routing.port import Aim, Refusal

_FORBIDDEN = "403"


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """The proxies of ``host`` refuse every request with a 403; nothing arrives."""

    kind: ClassVar[str] = "deny"
    usage: ClassVar[Usage] = Usage(
        value="",
        help="its own proxies refuse every request with a 403",
        signal="status 403 at the called side",
        needs="sidecars of the host; cluster.limits.every-caller",
        undo="the AuthorizationPolicy is deleted",
        meshes=("cluster",),
        closest='abort("HOST", 403)',
    )

    host: str

    def __str__(self) -> str:
        return self.words().text

    @classmethod
    def parse(cls, arguments: Arguments) -> Deny:
        """``HOST``."""
        refuse_others(arguments, cls.kind)
        return deny(arguments.host)

    @property
    def params(self) -> Mapping[str, Scalar]:
        """Nothing."""
        return {}

    def declared(self, fault_id: str) -> Declared:
        """Return a refusal of every request. Envoy gives refused requests no flag."""
        return Declared(
            id=fault_id,
            kind=self.kind,
            host=self.host,
            text=self.words().text,
            dose=1.0,
            scope=Scope(side="host", every_caller=True),
        )

    def steps(self, world: World, aim: Aim) -> tuple[Step, ...]:
        """Return an object of its own, which nobody else writes."""
        return expressed(world.routing.change(world.resources(), Refusal(), aim))

    def hit(self, before: Signals, after: Signals) -> Hit:
        """Count the answers with 403. If the service answers with it itself, the share of the others tells."""
        requests = grown(before.rows, after.rows, lambda _: True)
        return Hit(hit=grown(before.rows, after.rows, lambda row: row.response_code == _FORBIDDEN), requests=requests)

    def words(self) -> Words:
        """``deny(ratings)``."""
        return Words(text=f"{self.kind}({self.host})", effect=f"every request to {self.host} is refused with a 403")


def deny(host: str) -> Deny:
    """Let the proxies of ``host`` refuse every request with a 403, by an AuthorizationPolicy. Cluster only.

    On the local mesh, ``abort(host, 403)`` comes closest. Raises UsageError for an empty host.
    """
    return Deny(host=host_name(host))
