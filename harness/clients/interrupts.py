"""Ctrl-C kept waiting while something must be finished."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_KEPT = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def interrupts_kept_waiting() -> Iterator[None]:
    """Inside, Ctrl-C, SIGTERM and SIGHUP are remembered; on leaving, the last one gets its usual handler.

    What the block raises itself takes precedence. In another thread than the main one this does
    nothing, because Python raises KeyboardInterrupt in the main thread only.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        seen.append(number)

    before = {number: signal.signal(number, remember) for number in _KEPT}
    try:
        yield
    finally:
        for number, handler in before.items():
            # None: set by no Python code, which cannot set it again either.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
    if seen:
        signal.raise_signal(seen[-1])
