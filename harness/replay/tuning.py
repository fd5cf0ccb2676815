"""Keep stand-ins as fast as recorded: what the machine adds to their answers is measured and taken off again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.model.hops import Bin, HopTotal
from harness.replay.answers import Recorded
from harness.replay.sampling import quantile
from harness.runner.counts import service_name
from harness.runner.hop_log import grown

_FEWEST = 50
_MOST_SHARE = 0.8
"""Of the recorded median that may be taken off: an answer still has to take some time."""


class Tuning:
    """Compares the median that the proxies measure with the recorded one, phase by phase."""

    def __init__(self, played: Mapping[str, Recorded], overhead_ms: float) -> None:
        """overhead_ms: what is taken off at first."""
        self._played = played
        self._overhead_ms = dict.fromkeys(played, overhead_ms)
        self._before: tuple[HopTotal, ...] = ()

    def tuned(self, totals: Sequence[HopTotal], phase: str) -> dict[str, float]:
        """Return what to take off from now on, in milliseconds by service, for those that were called often enough.

        totals: of the proxies at the end of ``phase``.
        """
        found = {}
        counts: dict[str, Counter[Bin]] = {name: Counter() for name in self._played}
        for hop in grown(self._before, totals):
            name = service_name(hop.destination)
            if name in counts and hop.version and not hop.injected:
                counts[name].update(hop.latency_ms)
        self._before = tuple(totals)
        for name, latency in counts.items():
            if sum(latency.values()) >= _FEWEST:
                bins = [(low, width, count) for (low, width), count in latency.items()]
                wanted_ms = self._median_ms(self._played[name], phase)
                added_ms = quantile(bins, 0.5) - wanted_ms
                most_ms = _MOST_SHARE * wanted_ms
                self._overhead_ms[name] = min(max(self._overhead_ms[name] + added_ms, 0.0), most_ms)
                found[name] = self._overhead_ms[name]
        return found

    @staticmethod
    def _median_ms(recorded: Recorded, phase: str) -> float:
        known = {one.phase: one for one in recorded.answers if not one.arm}
        return quantile(known.get(phase, known[""]).latency_ms, 0.5)
