"""The arms must be two different things: the same requests on both sides are one recording, not two builds."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.judge.port import Evidence
from harness.judge.safeguards.objection import Objection
from harness.model.record import Plan
from harness.model.samples import BASELINE, CANARY, Samples

Floats = NDArray[np.float64]
ENOUGH = 20
"""So many requests of two builds never have the same latencies by chance."""
SHARED, UNIQUE = 0.5, 0.99
"""Shares of the smaller arm's requests: in both arms at the same time with the same latency, and without a double in
its own arm, which tells precise times from rounded ones."""
MANY, SAMPLED, SURELY_FEW = 200_000, 20_000, 0.4
"""Of so many requests, a sample of about ``SAMPLED`` is compared first, which may show that few are shared."""
_MIX = np.uint64(0x9E3779B97F4A7C15)
"""2**64 over the golden ratio: multiplying by it spreads all bits over the upper ones (Knuth 1998, 6.4)."""


def objections(evidence: Evidence, plan: Plan) -> Iterator[Objection]:  # noqa: ARG001 - the signature of a safeguard
    """Yield at most one objection: both arms hold the same requests, or one holds a part of the other's."""
    yield from tuple(_equal(evidence.samples)) or _part(evidence.samples)


def _part(samples: Samples) -> Iterator[Objection]:
    smaller = min(int(np.count_nonzero(samples.arm == arm)) for arm in (BASELINE, CANARY))
    if smaller < ENOUGH or surely_few(samples, smaller):
        return
    moments = _moments(samples.due_s, samples.latency_s, samples.arm)
    distinct = [np.unique(each) for each in moments]
    if any(len(own) < UNIQUE * len(each) for own, each in zip(distinct, moments, strict=True)):
        return
    shared = len(np.intersect1d(distinct[0], distinct[1], assume_unique=True))
    if shared > SHARED * smaller:
        yield Objection(
            text=f"{shared} of {smaller} requests are in both arms, at the same time and with the same latency: this "
            "is a part of one recording under two names; give the requests of the canary",
            no_reference=True,
        )


def _moments(due_s: Floats, latency_s: Floats, arms: NDArray[np.int8]) -> list[NDArray[np.complex128]]:
    """Return the time and the latency of each request as one number, by arm."""
    return [due_s[own] + 1j * latency_s[own] for own in (arms == BASELINE, arms == CANARY)]


def surely_few(samples: Samples, smaller: int) -> bool:
    """Return whether a sample of many requests shows that the arms share too few of them for an objection.

    The sample holds the same requests of both arms: those with certain bits in a hash of the time. smaller: the
    requests of the smaller arm.
    """
    if smaller < MANY:
        return False
    least = np.uint64(2**64 - 2**64 // (smaller // SAMPLED))
    parts = [
        _moments(part.due_s[chosen], part.latency_s[chosen], part.arm[chosen])
        for part in samples.parts()
        for chosen in [np.ascontiguousarray(part.due_s).view(np.uint64) * _MIX >= least]
    ]
    moments = [np.concatenate(each) for each in zip(*parts, strict=True)]
    fewest = min(map(len, moments))
    return fewest >= SAMPLED / 2 and len(np.intersect1d(moments[0], moments[1])) < SURELY_FEW * fewest


def _equal(samples: Samples) -> Iterator[Objection]:
    arms = [samples.arm == arm for arm in (BASELINE, CANARY)]
    count = int(np.count_nonzero(arms[0]))
    if count < ENOUGH or count != np.count_nonzero(arms[1]):
        return
    rows = [np.lexsort((samples.latency_s[arm], samples.due_s[arm])) for arm in arms]
    for column in (samples.latency_s, samples.status):
        first, second = (column[arm][order] for arm, order in zip(arms, rows, strict=True))
        if not np.array_equal(first, second):
            return
    yield Objection(
        text=f"both arms hold the same {count} requests with the same latencies: this is one recording under two "
        "names; give the requests of the canary",
        no_reference=True,
    )
