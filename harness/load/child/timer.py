"""Sleep until a given time with a timerfd. gevent.sleep wakes up to 1 ms late, because libev rounds to milliseconds."""

from __future__ import annotations

import ctypes
import os
import sys
import time

import gevent
from gevent.hub import get_hub

_CLOCK_MONOTONIC, _TFD_NONBLOCK, _TFD_CLOEXEC, _TFD_TIMER_ABSTIME, _READ = 1, 0o4000, 0o2000000, 1, 1


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", ctypes.c_long * 2), ("value", ctypes.c_long * 2))


class Timer:
    """Wakes one greenlet at given times of ``time.perf_counter`` (the monotonic clock).

    On Linux, the event loop watches a timerfd. Elsewhere, gevent.sleep is used, which is accurate to about 1 ms.
    """

    def __init__(self) -> None:
        self._hub = get_hub()
        self._loop = self._hub.loop
        self._fd = -1
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._fd = self._libc.timerfd_create(_CLOCK_MONOTONIC, _TFD_NONBLOCK | _TFD_CLOEXEC)
        if self._fd >= 0:
            self._watcher = self._hub.loop.io(self._fd, _READ)
            self._spec = _Itimerspec()

    def run_ready_events(self) -> None:
        """Let the loop handle every ready event, including answers that have arrived (gevent.sleep(0) skips those)."""
        self._hub.wait(self._loop.timer(0))

    def sleep_until(self, instant: float) -> None:
        """Let other greenlets run until ``instant``. Returns immediately, without a switch, if it has passed."""
        left = instant - time.perf_counter()
        if left <= 0:
            return
        if self._fd < 0:
            self._hub.loop.update_now()
            gevent.sleep(left)
            return
        seconds = int(instant)
        self._spec.value[0], self._spec.value[1] = seconds, int((instant - seconds) * 1e9)
        self._libc.timerfd_settime(self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(self._spec), None)
        self._hub.wait(self._watcher)
        os.read(self._fd, 8)
