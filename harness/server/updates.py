"""Tell open pages that something changed: one watcher for all of them, which rests while nobody looks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from starlette.concurrency import run_in_threadpool

_EVERY_S = 1.0
_KEEP_ALIVE_S = 15.0


class Updates:
    """A version that grows with each change, and the pages that wait for the next one."""

    def __init__(self, fingerprint: Callable[[], int], *, most_viewers: int = 200) -> None:
        """fingerprint: a number that changes with what is shown; it is computed on a thread, once a second."""
        self._fingerprint, self._most = fingerprint, most_viewers
        self._changed = asyncio.Condition()
        self._viewers = 0
        self._watch: asyncio.Task[None] | None = None
        self.version = 0
        self._ended = False

    @property
    def full(self) -> bool:
        """Whether no further page may wait."""
        return self._viewers >= self._most

    @property
    def watched(self) -> bool:
        """Whether ``version`` follows what is shown: it does while a page waits."""
        return self._viewers > 0

    async def stream(self) -> AsyncIterator[bytes]:
        """Yield server-sent events: the version now and after each change, and a comment now and then."""
        with self._viewing():
            seen = -1
            while not self._ended:
                if seen != self.version:
                    seen = self.version
                    yield f"event: changed\ndata: {seen}\n\n".encode()
                try:
                    async with asyncio.timeout(_KEEP_ALIVE_S), self._changed:
                        await self._changed.wait_for(partial(self._is_news, seen))
                except TimeoutError:
                    yield b": still here\n\n"

    def _is_news(self, seen: int) -> bool:
        return self._ended or self.version != seen

    async def end(self) -> None:
        """Let every page go, so that the server can stop."""
        self._ended = True
        async with self._changed:
            self._changed.notify_all()
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch

    @contextmanager
    def _viewing(self) -> Iterator[None]:
        self._viewers += 1
        if self._watch is None or self._watch.done():
            self._watch = asyncio.create_task(self._look())
        try:
            yield
        finally:
            self._viewers -= 1

    async def _look(self) -> None:
        last = None
        while self._viewers > 0 and not self._ended:
            now = await run_in_threadpool(self._fingerprint)
            if now != last:
                last = now
                self.version += 1
                async with self._changed:
                    self._changed.notify_all()
            await asyncio.sleep(_EVERY_S)


def file_state(path: Path) -> tuple[int, int]:
    """Return what changes when a file changes; zeros if it does not exist."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
