"""Read what processes use, and write it under the names that cAdvisor uses for containers in Kubernetes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process and its children use: CPU in seconds since the start, resident bytes, descriptors, threads."""

    cpu_s: float
    resident_bytes: int
    descriptors: int
    threads: int


def usage(pid: int) -> Usage | None:
    """Return what a process tree uses; None if the process has ended."""
    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return None
    found = [one for one in map(_own, tree) if one is not None]
    if not found:
        return None
    return Usage(
        cpu_s=sum(one.cpu_s for one in found),
        resident_bytes=sum(one.resident_bytes for one in found),
        descriptors=sum(one.descriptors for one in found),
        threads=sum(one.threads for one in found),
    )


def _own(process: psutil.Process) -> Usage | None:
    try:
        with process.oneshot():
            times = process.cpu_times()
            return Usage(
                cpu_s=times.user + times.system,
                resident_bytes=process.memory_info().rss,
                descriptors=process.num_fds(),
                threads=process.num_threads(),
            )
    except psutil.Error:
        return None


def page(pids: Mapping[str, int], *, namespace: str) -> str:
    """Return the gauges of processes in Prometheus's text format. pids: by the name of the workload."""
    rows = {name: used for name, pid in pids.items() if (used := usage(pid)) is not None}
    return "\n".join(_lines(rows, namespace)) + "\n"


def _lines(rows: Mapping[str, Usage], namespace: str) -> Iterator[str]:
    metrics: tuple[tuple[str, str, Callable[[Usage], float]], ...] = (
        ("container_cpu_usage_seconds_total", "counter", lambda one: one.cpu_s),
        ("container_memory_working_set_bytes", "gauge", lambda one: one.resident_bytes),
        ("container_file_descriptors", "gauge", lambda one: one.descriptors),
        ("container_threads", "gauge", lambda one: one.threads),
    )
    for metric, kind, value in metrics:
        yield f"# TYPE {metric} {kind}"
        for name, used in rows.items():
            yield f'{metric}{{namespace="{namespace}",pod="{name}",container="{name}"}} {value(used)!r}'
