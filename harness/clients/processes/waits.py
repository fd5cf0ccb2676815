"""Read for how long processes have waited for a CPU: Linux counts it for each thread (``schedstat``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import psutil

PROC = Path("/proc")


def waited_s(pid: int, proc: Path = PROC) -> float | None:
    """Return for how many seconds the threads of a process and of its children were ready to run and had no CPU.

    Only threads that are alive count. None where nothing is known: the process has ended, or the system does not count.
    """
    try:
        tree = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return None
    threads = [times for one in tree for times in _threads(proc / str(one) / "task")]
    return sum(waited for _, waited in threads) if any(ran for ran, _ in threads) else None


def waits_s(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the waits of processes by name, without those of which nothing is known."""
    return {name: seconds for name, pid in pids.items() if (seconds := waited_s(pid)) is not None}


def _threads(tasks: Path) -> Iterator[tuple[float, float]]:
    """Yield for how long each thread of a process ran and waited, in seconds."""
    for file in tasks.glob("*/schedstat"):
        try:
            ran, waited, _ = file.read_text().split()
        except (OSError, ValueError):  # the thread has just ended, or the system counts something else
            continue
        yield int(ran) / 1e9, int(waited) / 1e9
