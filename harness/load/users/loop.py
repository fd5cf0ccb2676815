"""libcurl's multi interface on gevent's event loop: greenlets wait, libcurl works, no thread is involved.

libcurl says which sockets it waits for and when it wants to be called again (its socket and timer
callbacks); both become watchers of the loop. One such loop serves all users of a process, and
with it one pool of connections.
"""

from __future__ import annotations

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
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._on_socket)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._on_timer)
        self._multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_MULTIPLEX)
        self._multi.setopt(pycurl.M_MAXCONNECTS, 10_000)
        self._sockets: dict[int, tuple[Any, int]] = {}
        self._timer: Any = None
        self._waiting: dict[Any, Any] = {}

    def perform(self, handle: Any) -> tuple[int, str]:
        """Send what the handle holds and wait for the end: libcurl's error number (0: none) and text."""
        waiting, multi, me = self._waiting, self._multi, getcurrent()
        waiting[handle] = me
        multi.add_handle(handle)
        try:
            multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
            self._loop.run_callback(self._collect)
            result: tuple[int, str] = self._hub.switch()
        finally:
            waiting.pop(handle, None)
            multi.remove_handle(handle)
        return result

    def _on_socket(self, what: int, fd: int, *_: Any) -> None:
        watched = self._sockets.get(fd)
        if what == pycurl.POLL_REMOVE:
            if watched is not None:
                watched[0].stop()
                watched[0].close()
                del self._sockets[fd]
            return
        events = _WATCHED[what]
        if watched is not None:
            if watched[1] == events:
                return
            watched[0].stop()
            watched[0].close()
        watcher = self._loop.io(fd, events)
        watcher.start(self._on_ready, fd, events, pass_events=True)
        self._sockets[fd] = (watcher, events)

    def _on_timer(self, timeout_ms: int) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None
        if timeout_ms >= 0:
            self._timer = self._loop.timer(timeout_ms / 1000)
            self._timer.start(self._on_timeout)

    def _on_timeout(self) -> None:
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._collect()

    def _on_ready(self, ready: int, fd: int, _: int) -> None:
        action = (pycurl.CSELECT_IN if ready & _READ else 0) | (pycurl.CSELECT_OUT if ready & _WRITE else 0)
        self._multi.socket_action(fd, action)
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
