"""The live output of a run: a line for each event, and the progress, in place on a terminal."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TextIO

from harness.model.record import Event
from harness.model.verdict import Analysis
from harness.printable import printable
from harness.runner.progress import Progress
from harness.runner.settings import Notify

_EVERY_S = 5.0
"""How often the progress is written where it cannot be overwritten."""
_QUIET = frozenset({"phase"})


def watcher(stream: TextIO, *, width: int) -> Notify:
    """Return a function that writes events and progress to ``stream``.

    On a terminal, which is ``width`` columns wide, the progress is one line that is overwritten. Elsewhere it is a line
    of its own at the start of each phase and every five seconds.
    """
    live = stream.isatty()
    written: Progress | None = None

    def tell(what: Event | Progress | Analysis) -> None:
        nonlocal written
        if isinstance(what, Progress):
            if not live and written is not None and not _is_due(what, written):
                return
            written = what
            text = printable(str(what))
            stream.write(f"\r{text[: width - 1]:<{width - 1}}" if live else f"{text}\n")
        elif isinstance(what, Event) and what.kind not in _QUIET:
            stream.write(f"{clear}{what.at_s:6.1f} s  {printable(what.text)}\n")
        stream.flush()

    clear = f"\r{'':<{width - 1}}\r" if live else ""
    return tell


def _is_due(progress: Progress, written: Progress) -> bool:
    since_s = progress.elapsed_s - written.elapsed_s
    return progress.phase != written.phase or not 0 <= since_s < _EVERY_S


def silent(what: Event | Progress | Analysis) -> None:
    """Write nothing."""


def within(manager: Callable[[], AbstractContextManager[None]], tell: Notify) -> Notify:
    """Return ``tell`` inside a context, for example one in which pytest does not capture output."""

    def told(what: Event | Progress | Analysis) -> None:
        with manager():
            tell(what)

    return told
