"""Run libcurl's multi interface on gevent's event loop: greenlets wait while libcurl works, without threads.

libcurl tells us which sockets it waits for and when to call it again; we turn both into watchers of the event loop. One
CurlLoop, and therefore one connection pool, serves all users of a process. Neither pycurl nor gevent has types, so
handles, greenlets and watchers are Any here.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import pycurl
from gevent import getcurrent
from gevent.hub import get_hub

_WATCHED = {pycurl.POLL_IN: 1, pycurl.POLL_OUT: 2, pycurl.POLL_INOUT: 3}
_READ, _WRITE, _BOTH = 1, 2, 3
_TICK_S, _LONG_MS = 0.05, 100
"""libcurl moves its timer with every request, but it rarely expires. Long timeouts may therefore expire a tick late."""


class CurlLoop:
    """Runs curl easy handles. Create one per process, after Locust has forked."""

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
        self._idle: set[int] = set()
        self._tick = self._loop.timer(_TICK_S, _TICK_S, ref=False)
        self._tick.start(self._on_tick)
        self._waiting: dict[Any, Any] = {}
        self._adding = False

    def perform(self, handle: Any) -> tuple[int, str, float]:
        """Perform the handle's request. Returns libcurl's error number (0: success), its text, and the end time.

        The end time is that of ``time.perf_counter`` when the transfer ended, before this greenlet was resumed.
        """
        waiting, multi = self._waiting, self._multi
        waiting[handle] = getcurrent()
        self._adding = True
        multi.add_handle(handle)
        self._adding = False
        try:
            _, running = self._act(pycurl.SOCKET_TIMEOUT, 0)
            if running < len(waiting):
                self._loop.run_callback(self._collect)
            result: tuple[int, str, float] = self._hub.switch()
        except BaseException:  # also when gevent ends the greenlet (GreenletExit)
            waiting.pop(handle, None)
            raise
        finally:
            multi.remove_handle(handle)
        return result

    def on_new_socket(self, fd: int, purpose: int) -> int:  # noqa: ARG002 - libcurl's signature
        """Discard the descriptor's old watcher, because it belongs to a new socket now. Set as SOCKOPTFUNCTION."""
        watcher = self._watchers.pop(fd, None)
        self._idle.discard(fd)
        if watcher is not None:
            watcher.stop()
            watcher.close()
        return 0  # SOCKOPT_OK

    def _on_socket(self, what: int, fd: int, *_: object) -> None:
        watcher = self._watchers.get(fd)
        if what == pycurl.POLL_REMOVE:
            self._idle.add(
                fd
            )  # keep its watcher: the next request needs the same one, and a change costs a system call
            return
        self._idle.discard(fd)
        events = _WATCHED[what]
        if watcher is None:
            watcher = self._watchers[fd] = self._loop.io(fd, events)
        elif watcher.active:
            if watcher.events & _BOTH == events:
                return
            watcher.stop()
        watcher.events = events
        watcher.start(self._on_ready, fd, pass_events=True)

    def _on_timer(self, timeout_ms: int) -> None:
        """Start libcurl's timer, unless ``perform`` calls libcurl next anyway or the next tick is early enough."""
        if 0 <= timeout_ms < _LONG_MS and not self._adding:
            timer = self._loop.timer(timeout_ms * 1e-3)
            timer.start(self._on_timeout, timer)

    def _on_timeout(self, timer: Any) -> None:
        timer.close()
        self._on_tick()

    def _on_tick(self) -> None:
        if self._waiting:
            self._act(pycurl.SOCKET_TIMEOUT, 0)
            self._collect()

    def _on_ready(self, ready: int, fd: int) -> None:
        if fd in self._idle:  # the server closed a kept-alive connection; libcurl notices when it reuses it
            self._watchers[fd].stop()
            return
        self._act(fd, (pycurl.CSELECT_IN if ready & _READ else 0) | (pycurl.CSELECT_OUT if ready & _WRITE else 0))
        self._collect()

    def _collect(self) -> None:
        """Resume the greenlets whose transfers have ended. This runs in the loop, so each runs until it waits again."""
        left, waiting = 1, self._waiting
        while left:
            left, done, failed = self._multi.info_read()
            ended_at = perf_counter()
            for handle in done:
                if (greenlet := waiting.pop(handle, None)) is not None:
                    greenlet.switch((0, "", ended_at))
            for handle, number, text in failed:
                if (greenlet := waiting.pop(handle, None)) is not None:
                    greenlet.switch((number, text, ended_at))
