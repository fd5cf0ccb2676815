"""The declaration of what a step does to requests, made by the step's creator.

Limits, proofs, the blast radius and counts read only the declaration. It is part of every step, every journal entry and
the record, so that it is still known if the code that made it is not installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

StringMatch: TypeAlias = Mapping[str, str]
"""A condition on a string: ``exact``, ``prefix`` or ``regex``."""
Scalar: TypeAlias = str | float | bool | None
Arms: TypeAlias = Literal["both", "canary"]
SPLIT, COPIES = "split", "copies"
ARRANGEMENTS = frozenset({SPLIT, COPIES})
"""Kinds of steps that only decide which build answers: no fault may have one of these names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The requests that a step changes.

    caller: the workload whose calls are meant, or None for the callers that the run chooses. labels: the pod labels of
    the callers; None means every caller. namespace: of the callers; None means any. headers: only requests with these
    headers are changed (name to string match); None means every request. side: whose proxies carry it out.
    every_caller: the step cannot spare some callers, whatever the run would choose.
    """

    caller: str | None = None
    labels: Mapping[str, str] | None = None
    namespace: str | None = None
    headers: Mapping[str, StringMatch] | None = None
    side: Literal["caller", "host"] = "caller"
    every_caller: bool = False

    @property
    def narrow(self) -> bool:
        """Whether some callers or requests are spared."""
        return bool(self.labels or self.headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What a step does. Steps with the same id are one fault; ``text`` is for people only.

    id: unique within a run. kind: the name of the fault, or one of ``ARRANGEMENTS``. host: the service whose requests
    are changed. dose: the share of requests that are hit, in (0, 1]; None for a condition that requests may or may not
    meet, such as a shorter timeout. flag: the response flag that Envoy gives to the requests that are hit; empty if
    there is none. arms: ``canary`` only in a positive control, which proves that a worse canary is noticed.
    """

    id: str
    kind: str
    host: str
    text: str
    params: Mapping[str, Scalar] = field(default_factory=dict)
    dose: float | None = None
    flag: str = ""
    scope: Scope = field(default_factory=Scope)
    arms: Arms = "both"

    @property
    def is_fault(self) -> bool:
        """Whether requests fare differently, and not only reach another build."""
        return self.kind not in ARRANGEMENTS

    @property
    def on_canary_pods(self) -> bool:
        """Whether it acts on the pods of the canary, as a positive control, instead of on the calls that it makes."""
        return self.arms == "canary" and self.scope.every_caller

    @property
    def worst_dose(self) -> float:
        """The largest share of requests that may be hit: a condition may hit all of them."""
        return 1.0 if self.dose is None else self.dose
