"""Excerpts of the canary's logs around the worst moment of a run, read from the folder of the bundle."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from harness.model.record import Record
from harness.model.samples import CANARY
from harness.printable import printable
from harness.userinfo import without_userinfo

_BEFORE, _AFTER, _LAST = 15, 25, 40
_MOST_BYTES = 64 * 1024 * 1024
_LONGEST_LINE = 300
_STAMP = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """Lines of one log, none if it is empty. file: its path in the bundle. about: which lines. marked: the closest."""

    file: str
    about: str
    lines: tuple[str, ...]
    marked: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """The worst moment of the canary: seconds since the first due request, and what happened then."""

    at_s: float
    what: str


def worst_moment(record: Record) -> Moment | None:
    """Return the canary's first failed request of the phase with most failures, or else its slowest request."""
    samples = record.samples
    canary = samples.arm == CANARY
    for phase in sorted(record.phases, key=lambda phase: -_failures(record, phase.start_s, phase.end_s)):
        failed = canary & samples.failed & (samples.due_s >= phase.start_s) & (samples.due_s < phase.end_s)
        if failed.any():
            at_s = float(samples.due_s[failed].min())
            return Moment(at_s=at_s, what=f"the canary's first failed request in {phase.name}")
    finite = np.flatnonzero(canary & np.isfinite(samples.latency_s) & np.isfinite(samples.due_s))
    if not finite.size:
        return None
    slowest = int(finite[np.argmax(samples.latency_s[finite])])
    return Moment(at_s=float(samples.due_s[slowest]), what="the canary's slowest request")


def excerpts(record: Record, folder: Path, moment: Moment | None) -> tuple[Excerpt, ...]:
    """Return what the canary's log says around ``moment``; its last lines if the log has no times. Empty without a log.

    A log that cannot be read is left out: the report then has no section for it.
    """
    started_s = record.load.started_at if record.load else None
    found = (_excerpt(path, folder, moment, started_s) for path in _logs(record, folder))
    return tuple(one for one in found if one is not None)


def _failures(record: Record, start_s: float, end_s: float) -> int:
    samples = record.samples
    inside = (samples.due_s >= start_s) & (samples.due_s < end_s)
    return int((inside & samples.failed & (samples.arm == CANARY)).sum())


def _logs(record: Record, folder: Path) -> list[Path]:
    """Return the logs of the canary's workload: files that are named after the service and the canary's version."""
    version, logs = str(record.config.get("canary") or ""), folder / "logs" / "services"
    if not version or not logs.is_dir() or logs.is_symlink():
        return []
    name = f"{record.plan.service}-{version}"
    return [
        path for path in sorted(logs.glob("*.log")) if path.stem == name and path.is_file() and not path.is_symlink()
    ]


def _excerpt(path: Path, folder: Path, moment: Moment | None, started_s: float | None) -> Excerpt | None:
    try:
        size = path.stat().st_size
        if size == 0:
            return Excerpt(file=path.relative_to(folder).as_posix(), about="empty: the canary wrote nothing", lines=())
        if size > _MOST_BYTES:
            return None
        lines = list(_around(path, None if moment is None or started_s is None else started_s + moment.at_s))
    except OSError:
        return None
    marked = next((number for number, (_, hit) in enumerate(lines) if hit), -1)
    about = "its last lines, because the log has no times" if marked < 0 else f"around {moment.what}" if moment else ""
    shown = tuple(printable(without_userinfo(text))[:_LONGEST_LINE] for text, _ in lines)
    return Excerpt(file=path.relative_to(folder).as_posix(), about=about, lines=shown, marked=marked)


def _around(path: Path, at_s: float | None) -> Iterator[tuple[str, bool]]:
    """Yield the lines around a time, and whether a line is the first one at or after it; else the last lines."""
    recent: deque[str] = deque(maxlen=_LAST)
    before: deque[str] = deque(maxlen=_BEFORE)
    after: list[str] = []
    hit, timed = "", False
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            text = line.rstrip("\n")
            recent.append(text)
            if hit:
                if len(after) < _AFTER:
                    after.append(text)
                continue
            moment_s = _time_of(text)
            timed = timed or moment_s is not None
            if at_s is not None and moment_s is not None and moment_s >= at_s - 0.5:
                hit = text
            else:
                before.append(text)
    if hit:
        yield from ((text, False) for text in before)
        yield hit, True
        yield from ((text, False) for text in after)
    else:
        yield from ((text, timed and number == len(recent) - 1) for number, text in enumerate(recent))


def _time_of(line: str) -> float | None:
    """Return the time that a line begins with or contains, in epoch seconds; times without a zone are UTC."""
    match = _STAMP.search(line[:200])
    if match is None:
        return None
    try:
        moment = datetime.fromisoformat(match.group().replace(",", "."))
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
