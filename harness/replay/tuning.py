"""Keep stand-ins as fast as recorded: what the machine adds to their answers is measured and taken off again.

A busy machine adds more to some answers than to others, so more than the median has to be right: the quantiles that the
proxies measure are compared with the recorded ones, and an answer that should take as long as one of these is sent
earlier or later by what was wrong with it, again and again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import accumulate

from harness.model.hops import Bin, HopTotal
from harness.model.phase import PhaseKind
from harness.replay.answers import Recorded
from harness.replay.patience import if_all_had_waited
from harness.replay.sampling import quantile
from harness.replay.script import Correction
from harness.replay.smoothing import Bins
from harness.runner.counts import service_name
from harness.runner.hop_log import grown

SHARES = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95)
"""The quantiles that are compared; few calls tell little about those further out."""
FEWEST = 100
"""Calls from which quantiles are read."""
_STEP = 0.6
"""Of what was wrong that is corrected at a time: the rest may be chance."""
_LEAST_SHARE = 0.2
"""Of a recorded latency that an answer has to take."""


class Tuning:
    """Compares quantiles that the proxies measure with the recorded ones."""

    def __init__(
        self, played: Mapping[str, Recorded], overhead_ms: float, *, spoiled: Collection[str] = frozenset()
    ) -> None:
        """overhead_ms: what is taken off at first. spoiled: services of which a phase of a fault tells nothing."""
        self._played, self._spoiled = played, spoiled
        self._off_ms = {name: [overhead_ms] * len(SHARES) for name in played}
        self._before: tuple[HopTotal, ...] = ()

    def tuned(self, totals: Sequence[HopTotal], phase: str) -> dict[str, Correction]:
        """Return what to take off from now on, by service, for those with enough calls since the last answer.

        totals: of the proxies now, in ``phase`` or at its end. Under a fault that makes calls longer and that no flag
        tells, such as retries, nothing is taken off but what was before.
        """
        found = {}
        ignored = set(self._spoiled) if phase.startswith(PhaseKind.FAULT) else set[str]()
        for name, bins in self._measured(totals, ignored).items():
            wanted = _wanted(self._played[name], phase)
            off_ms = [
                off + _STEP * (quantile(bins, share) - quantile(wanted, share))
                for off, share in zip(self._off_ms[name], SHARES, strict=True)
            ]
            latencies = [quantile(wanted, share) for share in SHARES]
            self._off_ms[name] = list(_possible(latencies, off_ms))
            found[name] = tuple(zip(latencies, self._off_ms[name], strict=True))
        return found

    def _measured(self, totals: Sequence[HopTotal], ignored: Collection[str]) -> dict[str, Bins]:
        """Return the latencies of each service since the last answer about it, without those that a fault hit.

        ignored: services of which the calls since then tell nothing.
        """
        counts: dict[str, Counter[Bin]] = {name: Counter() for name in self._played}
        given_up: dict[str, Counter[Bin]] = {name: Counter() for name in self._played}
        for hop in grown(self._before, totals):
            name = service_name(hop.destination)
            if name in counts and hop.version and not hop.injected:
                counts[name].update(hop.latency_ms)
                given_up[name].update(hop.given_up_ms)
        enough = {name for name, latency in counts.items() if sum(latency.values()) >= FEWEST}.difference(ignored)
        waiting = {name for name, latency in counts.items() if latency}.difference(enough, ignored)
        self._before = (
            *(one for one in totals if service_name(one.destination) not in waiting),
            *(one for one in self._before if service_name(one.destination) in waiting),
        )
        return {name: if_all_had_waited(counts[name], given_up[name]) for name in enough}


def _wanted(recorded: Recorded, phase: str) -> Bins:
    known = {one.phase: one for one in recorded.overall if not one.arm}
    return known.get(phase, known[""]).latency_ms


def _possible(latencies: Sequence[float], off_ms: Sequence[float]) -> Iterator[float]:
    """Yield what can be taken off: a slower answer is not sent before a faster one, and each takes some time."""
    pairs = list(zip(latencies, off_ms, strict=True))
    waits = accumulate((max(latency - max(off, 0.0), _LEAST_SHARE * latency) for latency, off in pairs), max)
    return (latency - wait for latency, wait in zip(latencies, waits, strict=True))
