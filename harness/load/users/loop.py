"""libcurl's multi interface on gevent's event loop: greenlets wait, libcurl works, no thread is involved.

libcurl says which sockets it waits for and when it wants to be called again; both become watchers of
the loop. It moves its timer with every request although it hardly ever runs out, so a running
timer is left alone unless it would be too late. One such loop serves all users of a process, and
with it one pool of connections.
"""

from __future__ import annotations

import time
from typing import Any

import pycurl
from gevent import getcurrent
from gevent.hub import get_hub

_WATCHED = {pycurl.POLL_IN: 1, pycurl.POLL_OUT: 2, pycurl.POLL_INOUT: 3}
_READ, _WRITE = 1, 2


class CurlLoop:
    """Runs easy handles. Make one per process, after Locust has forked."""

    def __init__(self) -> None:
        self._hub = get_hub()
        self._loop = self._hub.loop
        self._multi = pycurl.CurlMulti()
        self._act = self._multi.socket_action
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_MAXCONNECTS, 10_000)
        self._watchers: dict[int, Any] = {}
        self._timer: Any = None
        self._timer_at = self._wanted_at = float("inf")
        self._waiting: dict[Any, Any] = {}
        self._adding = False

    def perform(self, handle: Any) -> tuple[int, str]:
        """Send what the handle holds and wait for the end: libcurl's error number (0: none) and text."""
        waiting, multi = self._waiting, self._multi
        waiting[handle] = getcurrent()
        self._adding = True
        multi.add_handle(handle)
        self._adding = False
        try:
            _, running = self._act(pycurl.SOCKET_TIMEOUT, 0)
            if running < len(waiting):
                self._loop.run_callback(self._collect)
            result: tuple[int, str] = self._hub.switch()
        finally:
            waiting.pop(handle, None)
            multi.remove_handle(handle)
        return result

    def _on_socket(self, what: int, fd: int, *_: Any) -> None:
        watcher = self._watchers.get(fd)
        if what == pycurl.POLL_REMOVE:
            if watcher is not None:
                watcher.stop()
            return
        if watcher is None:
            watcher = self._watchers[fd] = self._loop.io(fd, _WATCHED[what])
        else:
            watcher.stop()
            watcher.events = _WATCHED[what]  # also tells libev that the descriptor may be another socket now
        watcher.start(self._on_ready, fd, pass_events=True)

    def _on_timer(self, timeout_ms: int) -> None:
        if timeout_ms < 0 or self._adding:  # a handle that is being added wants what perform does next
            self._wanted_at = float("inf")
            return
        self._wanted_at = time.monotonic() + timeout_ms * 1e-3
        if self._wanted_at < self._timer_at:
            self._set_timer(self._wanted_at)

    def _set_timer(self, at: float) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
        self._loop.update_now()
        self._timer_at = at
        self._timer = self._loop.timer(max(0.0, at - time.monotonic()))
        self._timer.start(self._on_timeout)

    def _on_timeout(self) -> None:
        self._timer_at = float("inf")
        if self._wanted_at > time.monotonic():
            if self._wanted_at < float("inf"):
                self._set_timer(self._wanted_at)
            return
        self._wanted_at = float("inf")
        self._act(pycurl.SOCKET_TIMEOUT, 0)
        self._collect()

    def _on_ready(self, ready: int, fd: int) -> None:
        self._act(fd, (pycurl.CSELECT_IN if ready & _READ else 0) | (pycurl.CSELECT_OUT if ready & _WRITE else 0))
        self._collect()

    def _collect(self) -> None:
        """Wake the greenlets whose transfers have ended; runs in the loop, so each runs until it waits again."""
        left = 1
        while left:
            left, done, failed = self._multi.info_read()
            for handle in done:
                self._wake(handle, (0, ""))
            for handle, number, text in failed:
                self._wake(handle, (number, text))

    def _wake(self, handle: Any, result: tuple[int, str]) -> None:
        greenlet = self._waiting.pop(handle, None)
        if greenlet is not None:
            greenlet.switch(result)
