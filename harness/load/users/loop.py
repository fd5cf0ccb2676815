"""libcurl's multi interface on gevent's event loop: greenlets wait, libcurl works, no thread is involved.

libcurl says which sockets it waits for and when it wants to be called again; both become watchers of
the loop. One such loop serves all users of a process, and with it one pool of connections.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import pycurl
from gevent import getcurrent
from gevent.hub import get_hub

_WATCHED = {pycurl.POLL_IN: 1, pycurl.POLL_OUT: 2, pycurl.POLL_INOUT: 3}
_READ, _WRITE, _BOTH = 1, 2, 3
_BEAT_S, _LONG_MS = 0.05, 100
"""libcurl moves its timer with every request although it hardly ever runs out: what takes long may end a beat late."""


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
        self._idle: set[int] = set()
        self._beat = self._loop.timer(_BEAT_S, _BEAT_S, ref=False)
        self._beat.start(self._on_beat)
        self._waiting: dict[Any, Any] = {}
        self._adding = False

    def perform(self, handle: Any) -> tuple[int, str, float]:
        """Send what the handle holds and wait for the end: libcurl's error number (0: none), text, and when it was.

        The time is ``time.perf_counter``'s, before this greenlet had its turn.
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
        except BaseException:
            waiting.pop(handle, None)
            raise
        finally:
            multi.remove_handle(handle)
        return result

    def on_new_socket(self, fd: int, purpose: int) -> int:  # noqa: ARG002 - libcurl's signature
        """For SOCKOPTFUNCTION of every handle: the descriptor is another socket now, so its watcher is none any more."""
        watcher = self._watchers.pop(fd, None)
        self._idle.discard(fd)
        if watcher is not None:
            watcher.stop()
            watcher.close()
        return 0  # SOCKOPT_OK

    def _on_socket(self, what: int, fd: int, *_: Any) -> None:
        watcher = self._watchers.get(fd)
        if what == pycurl.POLL_REMOVE:
            self._idle.add(fd)  # its watcher runs on: the next request wants the same, and a change is a system call
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
        """A handle that is being added wants what perform does next; long waits end with the beat."""
        if 0 <= timeout_ms < _LONG_MS and not self._adding:
            timer = self._loop.timer(timeout_ms * 1e-3)
            timer.start(self._on_timeout, timer)

    def _on_timeout(self, timer: Any) -> None:
        timer.close()
        self._on_beat()

    def _on_beat(self) -> None:
        if self._waiting:
            self._act(pycurl.SOCKET_TIMEOUT, 0)
            self._collect()

    def _on_ready(self, ready: int, fd: int) -> None:
        if fd in self._idle:  # the other side ended a kept connection; libcurl sees that when it wants to use it
            self._watchers[fd].stop()
            return
        self._act(fd, (pycurl.CSELECT_IN if ready & _READ else 0) | (pycurl.CSELECT_OUT if ready & _WRITE else 0))
        self._collect()

    def _collect(self) -> None:
        """Wake the greenlets whose transfers have ended; runs in the loop, so each runs until it waits again."""
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
