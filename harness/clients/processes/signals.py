"""Signal handling: turn termination signals into KeyboardInterrupt, and defer them while something must be finished."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_TERMINATION = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def signals_as_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt in the main thread on SIGINT, SIGTERM and SIGHUP, so that every change is reverted.

    This includes SIGINT, because a shell that starts us in the background makes us ignore it. Outside the main thread
    the context manager does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _interrupt) for number in _TERMINATION}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def deferred_interrupts() -> Iterator[None]:
    """Hold back SIGINT, SIGTERM and SIGHUP inside the block; on exit, pass the last one to its usual handler.

    An exception that the block raises takes precedence. Outside the main thread the context manager does nothing,
    because Python raises KeyboardInterrupt only in the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        seen.append(number)

    before = {number: signal.signal(number, remember) for number in _TERMINATION}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None means that the handler was not installed from Python, and Python cannot install it again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    if seen:
        signal.raise_signal(seen[-1])


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
