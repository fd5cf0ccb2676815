"""A process that outlives this one: it hears lines from us, and notices when we are gone, however we went.

It has a session of its own, so that neither Ctrl-C nor a closed terminal reaches it.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

DONE = "done"
_END_WITHIN_S = 10.0


class Detached:
    """A Python script that reads our lines from its standard input; an end of input without ``done`` says that we died."""

    def __init__(self, script: Path, *, log: Path) -> None:
        """Start it. log: takes what it says. It gets our environment."""
        read_end, self._line = os.pipe()
        try:
            with log.open("a", encoding="utf-8") as said:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", str(script)],
                    stdin=read_end,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                )
        finally:
            os.close(read_end)

    def tell(self, line: str) -> bool:
        """Send a line; False when nobody is there to hear it any more."""
        try:
            os.write(self._line, f"{line}\n".encode())
        except OSError:
            return False
        return self._process.poll() is None

    def end(self) -> None:
        """Tell it that all is well, and wait until it has gone."""
        self.tell(DONE)
        with contextlib.suppress(OSError):
            os.close(self._line)
        try:
            self._process.wait(_END_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
