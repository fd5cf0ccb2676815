"""The script of the stand-in process: its parent writes it to a file, and the process reads what to answer."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from harness.model.stand_in import Body

Correction = tuple[tuple[float, float], ...]
"""By how much to shorten answers: sorted pairs of (intended duration, correction) in ms, with interpolation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """How one service answered one arm in one phase; an empty name means every arm, phase or operation.

    operation: as in ``harness.model.operations``. statuses: each with its count. latency_ms, size_bytes: bins as in
    ``harness.model.hops``; the counts of latencies need not be whole.
    """

    phase: str = ""
    arm: str = ""
    operation: str = ""
    statuses: tuple[tuple[int, int], ...]
    latency_ms: tuple[tuple[float, float, float], ...]
    size_bytes: tuple[tuple[float, float, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A fault that happens at the service itself and not in its callers' proxy, in one phase.

    share: of the requests. delay_s: how long they wait for an answer. status: the HTTP status of
    the answer; 0 if the fault sets none.
    """

    phase: str
    share: float
    delay_s: float = 0.0
    status: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """One workload that the process stands in for.

    health: the path that is answered at once. forward: ``host:port`` of the real workload, which then answers instead;
    empty for recorded answers. bodies: what answers contain. recorded: what they contain where no body fits, first for
    the same path, then for the same operation; the others are JSON of the recorded size.
    """

    name: str
    health: str
    answers: tuple[Answers, ...] = ()
    bodies: tuple[Body, ...] = ()
    recorded: tuple[Body, ...] = ()
    troubles: tuple[Trouble, ...] = ()
    forward: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """All workloads that the process stands in for. overhead_ms: what the proxy and the process add to an answer."""

    seed: int
    stand_ins: tuple[StandIn, ...]
    overhead_ms: float = 0.0


def script_text(script: Script) -> str:
    """Return the script as JSON in ASCII, which any locale can read."""
    return json.dumps(asdict(script))


def read_script(text: str) -> Script:
    """Return the script that ``script_text`` wrote."""
    return TypeAdapter(Script).validate_python(json.loads(text))
