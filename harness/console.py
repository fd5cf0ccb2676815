"""What a person sees while a run goes on: events as they happen and one progress line a second."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TextIO

from harness.model.record import Event
from harness.runner.progress import Progress
from harness.runner.settings import Notify

_QUIET = frozenset({"phase"})


def watcher(stream: TextIO, *, width: int) -> Notify:
    """Write events as lines; on a terminal the progress line is overwritten in place, elsewhere each is a line."""
    live = stream.isatty()

    def tell(what: Event | Progress) -> None:
        if isinstance(what, Progress):
            text = str(what)
            stream.write(f"\r{text[: width - 1]:<{width - 1}}" if live else f"{text}\n")
        elif what.kind not in _QUIET:
            stream.write(f"{clear}{what.at_s:6.1f} s  {what.text}\n")
        stream.flush()

    clear = f"\r{'':<{width - 1}}\r" if live else ""
    return tell


def silent(what: Event | Progress) -> None:
    """Tell nobody."""


def within(manager: Callable[[], AbstractContextManager[None]], tell: Notify) -> Notify:
    """Tell inside a context, such as pytest's switched-off capturing."""

    def told(what: Event | Progress) -> None:
        with manager():
            tell(what)

    return told
