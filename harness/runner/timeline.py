"""Events of a run, noted by wall clock and told in seconds since the first due request."""

from __future__ import annotations

from collections.abc import Callable

from harness.model.json import Json
from harness.model.record import Event


class Timeline:
    """Collects events; the run's zero is known only when load has started."""

    def __init__(self, now: Callable[[], float], notify: Callable[[Event], None]) -> None:
        """``now`` gives epoch seconds; ``notify`` is told of each event at once."""
        self._now = now
        self._notify = notify
        self._noted: list[tuple[float, Event]] = []
        self.zero = now()

    def now(self) -> float:
        """Epoch seconds by the run's clock."""
        return self._now()

    def note(self, kind: str, text: str, **fields: Json) -> None:
        """Something happened just now."""
        at = self._now()
        event = Event(at_s=at - self.zero, kind=kind, text=text, fields=fields)
        self._noted.append((at, event))
        self._notify(event)

    def events(self) -> tuple[Event, ...]:
        """All events, timed from the zero as it is known now."""
        return tuple(
            Event(at_s=round(at - self.zero, 4), kind=event.kind, text=event.text, fields=event.fields)
            for at, event in self._noted
        )
