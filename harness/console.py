"""The live output of a run: a line for each event, and the progress, in place on a terminal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TextIO

from tqdm.std import tqdm

from harness.model.record import Event
from harness.model.verdict import Analysis
from harness.printable import printable
from harness.runner.progress import Progress
from harness.runner.settings import Notify

_EVERY_S = 5.0
"""How often the progress is written where it cannot be overwritten."""
_QUIET = frozenset({"phase"})


def watcher(stream: TextIO, *, live: bool | None = None, prefix: str = "") -> Notify:
    """Return a function that writes events and progress to ``stream``.

    On a terminal, the progress is one line that is overwritten. Elsewhere it is a line of its own at the start of each
    phase and every five seconds. live: whether lines can be overwritten; None asks the stream. prefix: of each line.
    """
    write = _Overwriting(stream) if (stream.isatty() if live is None else live) else _Appending(stream, prefix)

    def tell(what: Event | Progress | Analysis) -> None:
        if isinstance(what, Progress):
            write.progress(what)
        elif isinstance(what, Event) and what.kind not in _QUIET:
            write.line(f"{what.at_s:6.1f} s  {printable(what.text)}")

    return tell


class _Appending:
    """Writes every line below the last one."""

    def __init__(self, stream: TextIO, prefix: str) -> None:
        self._stream, self._prefix = stream, prefix
        self._written: Progress | None = None

    def progress(self, now: Progress) -> None:
        """Write the progress if it is due."""
        if self._written is None or _is_due(now, self._written):
            self._written = now
            self.line(printable(str(now)))

    def line(self, text: str) -> None:
        """Write a line."""
        self._stream.write(f"{self._prefix}{text}\n")
        self._stream.flush()


class _Bar(tqdm):  # type: ignore[misc]  # tqdm has no types
    """A bar without a thread of its own and without a lock between processes."""

    monitor_interval = 0
    _lock = threading.RLock()


class _Overwriting:
    """Shows the progress in the last line of a terminal. The next event takes its place."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._bar: _Bar | None = None

    def progress(self, now: Progress) -> None:
        """Show the progress in place."""
        if self._bar is None:
            self._bar = _Bar(
                total=now.total_s, file=self._stream, bar_format="{bar:12} {desc}", leave=False, dynamic_ncols=True
            )
        self._bar.n = min(now.elapsed_s, now.total_s)
        self._bar.set_description_str(printable(str(now)))

    def line(self, text: str) -> None:
        """Remove the progress and write a line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self._stream.write(f"{text}\n")
        self._stream.flush()


def _is_due(progress: Progress, written: Progress) -> bool:
    since_s = progress.elapsed_s - written.elapsed_s
    return progress.phase != written.phase or not 0 <= since_s < _EVERY_S


def waiting(target: str) -> Event:
    """Return the first event of a run: what it waits for."""
    return Event(
        at_s=0.0, kind="wait", text=f"waiting for the {target} mesh and its services to become ready", fields={}
    )


def noting(changes: list[str], tell: Notify) -> Notify:
    """Return ``tell``, which also adds to ``changes`` what was reverted, for the message after Ctrl-C."""

    def noted(what: Event | Progress | Analysis) -> None:
        if isinstance(what, Event) and what.kind == "rollback" and "seconds" in what.fields:
            changes.append(what.text)
        tell(what)

    return noted


def reverted(changes: Sequence[str]) -> str:
    """Return the lines that say after Ctrl-C what was reverted."""
    if not changes:
        return "no change had to be reverted"
    return "these changes were reverted:\n" + "\n".join(f"  {text}" for text in changes)


def silent(what: Event | Progress | Analysis) -> None:
    """Write nothing."""


def within(manager: Callable[[], AbstractContextManager[None]], tell: Notify) -> Notify:
    """Return ``tell`` inside a context, for example one in which pytest does not capture output."""

    def told(what: Event | Progress | Analysis) -> None:
        with manager():
            tell(what)

    return told
