"""Tell Pushgateway and the textfile how many faults a run has in force, when one goes live and when one is gone.

A thread sends, so that a slow server delays no run. What goes wrong is told when the run is over, once for each place.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from harness.metrics.own_text import fault_live, with_fault_live
from harness.metrics.publishing import pushed, written
from harness.model.publish import PublishSettings
from harness.model.record import FAULTS_LIVE, Event

_PATIENCE_S = 15.0
_Told = TypeVar("_Told")


@contextmanager
def faults_told(
    settings: PublishSettings,
    *,
    service: str,
    scenario: str,
    notify: Callable[[_Told], None],
    note: Callable[[str], None],
) -> Iterator[Callable[[_Told], None]]:
    """Yield a function that passes everything on to ``notify`` and publishes the number of faults that events tell.

    note: called at the end with each place that could not be reached.
    """
    if settings.pushgateway is None and settings.textfile is None:
        yield notify
        return
    gauge = _Gauge(settings, service=service, scenario=scenario)

    def told(what: _Told) -> None:
        notify(what)
        if isinstance(what, Event) and isinstance(live := what.fields.get(FAULTS_LIVE), int):
            gauge.put(live)

    try:
        yield told
    finally:
        for text in gauge.close():
            note(text)


class _Gauge:
    """Sends the newest number in a thread of its own."""

    def __init__(self, settings: PublishSettings, *, service: str, scenario: str) -> None:
        self._settings, self._service, self._scenario = settings, service, scenario
        self._queue: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._warnings: dict[str, None] = {}
        self._thread = threading.Thread(target=self._send_all, name="fault gauge", daemon=True)
        self._thread.start()

    def put(self, live: int) -> None:
        """Send a number soon."""
        self._queue.put(live)

    def close(self) -> tuple[str, ...]:
        """Send what is left, and return what could not be reached."""
        self._queue.put(None)
        self._thread.join(_PATIENCE_S)
        return tuple(self._warnings)

    def _send_all(self) -> None:
        while (live := self._queue.get()) is not None:
            self._warnings.update(dict.fromkeys(self._sent(live)))

    def _sent(self, live: int) -> list[str]:
        failed = []
        if self._settings.pushgateway is not None:
            text = fault_live(self._service, self._scenario, live)
            failed += pushed(self._settings.pushgateway, self._service, text, method="POST")
        if self._settings.textfile is not None:
            text = with_fault_live(_text(self._settings.textfile), self._service, self._scenario, live)
            failed += written(self._settings.textfile, text)
        return failed


def _text(file: Path) -> str:
    """Return what a file of ours says, or nothing; a file that cannot be read cannot be written either."""
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
