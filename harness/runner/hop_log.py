"""Record what each workload called in each judged phase, as the difference of the proxies' counts at its ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import starmap
from typing import TypeVar

from harness.errors import HarnessError
from harness.mesh.port import CountsHops, Mesh
from harness.model.hops import Bin, Hop, HopTotal
from harness.runner.counts import service_name
from harness.runner.timeline import Timeline

_Key = tuple[str, str, str, str, str, str]
_Counted = TypeVar("_Counted", int, Bin)


class HopLog:
    """The hops of the phases of one run. A mesh that does not count hops leaves it empty."""

    def __init__(self, mesh: Mesh, timeline: Timeline, *, service: str, app: str, arms: Mapping[str, str]) -> None:
        """app: the app label of the service under test. arms: the arm of each of its versions."""
        self._mesh = mesh if isinstance(mesh, CountsHops) else None
        self._timeline, self._service, self._app, self._arms = timeline, service, app, arms
        self._hops: list[Hop] = []

    @contextmanager
    def during(self, phase: str, *, judged: bool) -> Iterator[None]:
        """Count the calls inside the block, if the phase is judged."""
        before = self._read() if judged else None
        yield
        after = self._read() if before is not None else None
        if before is not None and after is not None:
            self._hops += starmap(self._hop, ((phase, one) for one in grown(before, after)))

    def hops(self) -> tuple[Hop, ...]:
        """Return the hops of all phases so far."""
        return tuple(self._hops)

    def _read(self) -> tuple[HopTotal, ...] | None:
        """Return the totals, or None with a note: a run is judged without them too."""
        if self._mesh is None:
            return None
        try:
            return self._mesh.hop_totals()
        except HarnessError as error:
            self._timeline.note("note", f"the calls of this phase were not counted: {error}")
            return None

    def _hop(self, phase: str, total: HopTotal) -> Hop:
        answered = service_name(total.destination) == self._service
        own = self._arms.get(total.version, "") if answered else ""
        arm = own if answered else self._arms.get(total.caller_version, "") if total.app == self._app else ""
        return Hop(
            phase=phase,
            arm=arm,
            caller=total.caller,
            destination=total.destination,
            version=total.version,
            instance=total.instance,
            calls=total.calls,
            errors=total.errors,
            injected=total.injected,
            attempts=total.attempts,
            latency_ms=_bins(total.latency_ms),
            given_up_ms=_bins(total.given_up_ms),
            size_bytes=_bins(total.size_bytes),
            statuses=tuple(sorted(total.statuses.items())),
            instances=tuple((name, _bins(counts)) for name, counts in sorted(total.instances.items())),
        )


def grown(before: Sequence[HopTotal], after: Sequence[HopTotal]) -> Iterator[HopTotal]:
    """Yield what was counted between two readings, without unused hops. A restarted proxy counts from zero."""
    first = {_key(one): one for one in before}
    for last in after:
        start = first.get(_key(last))
        if start is None or start.calls > last.calls:
            start = HopTotal(
                caller=last.caller,
                caller_version=last.caller_version,
                app=last.app,
                destination=last.destination,
                version=last.version,
                attempts=None if last.attempts is None else 0,
            )
        if last.calls > start.calls:
            attempts = None if last.attempts is None or start.attempts is None else last.attempts - start.attempts
            yield HopTotal(
                caller=last.caller,
                caller_version=last.caller_version,
                app=last.app,
                destination=last.destination,
                version=last.version,
                instance=last.instance,
                calls=last.calls - start.calls,
                errors=last.errors - start.errors,
                injected=last.injected - start.injected,
                attempts=attempts,
                latency_ms=_more(start.latency_ms, last.latency_ms),
                given_up_ms=_more(start.given_up_ms, last.given_up_ms),
                size_bytes=_more(start.size_bytes, last.size_bytes),
                statuses=_more(start.statuses, last.statuses),
                instances={
                    name: more
                    for name, counts in last.instances.items()
                    if (more := _more(start.instances.get(name, {}), counts))
                },
            )


def _more(before: Mapping[_Counted, int], after: Mapping[_Counted, int]) -> dict[_Counted, int]:
    counts = Counter(after)
    counts.subtract(before)
    return {what: count for what, count in counts.items() if count > 0}


def _bins(counts: Mapping[Bin, int]) -> tuple[tuple[float, float, int], ...]:
    return tuple((low, width, count) for (low, width), count in sorted(counts.items()))


def _key(total: HopTotal) -> _Key:
    return total.caller, total.caller_version, total.app, total.destination, total.version, total.instance
