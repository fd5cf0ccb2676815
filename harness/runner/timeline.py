"""The events of a run. They are noted by the clock and given in seconds since the first due request."""

from __future__ import annotations

from collections.abc import Callable

from harness.model.json import JsonScalar
from harness.model.record import Event


class Timeline:
    """Collects events. ``zero``, the time of the first due request, is known only when load has started."""

    def __init__(self, now: Callable[[], float], notify: Callable[[Event], None]) -> None:
        """now: returns epoch seconds. notify: called with each event at once."""
        self._now = now
        self._notify = notify
        self._noted: list[tuple[float, Event]] = []
        self.zero = now()

    def now(self) -> float:
        """Return epoch seconds by the clock of the run."""
        return self._now()

    def note(self, kind: str, text: str, **fields: JsonScalar) -> None:
        """Note something that happened just now."""
        at = self._now()
        event = Event(at_s=at - self.zero, kind=kind, text=text, fields=fields)
        self._noted.append((at, event))
        self._notify(event)

    def announce(self, text: str) -> None:
        """Say what the run waits for, without recording it."""
        self._notify(Event(at_s=self._now() - self.zero, kind="wait", text=text, fields={}))

    def events(self) -> tuple[Event, ...]:
        """Return all events, in seconds since the zero as it is known now."""
        return tuple(
            Event(at_s=round(at - self.zero, 4), kind=event.kind, text=event.text, fields=event.fields)
            for at, event in self._noted
        )
