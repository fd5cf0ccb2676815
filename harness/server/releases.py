"""Look after releases for the server: note what a person decided, and find those that need a process again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from harness.errors import RecordError, UsageError
from harness.model.release import ALIVE_WITHIN_S, Decision, DecisionKind, Phase, ReleaseRecord
from harness.release.store import RELEASES, Store, read_release


def releases(out: Path) -> Iterator[tuple[Path, ReleaseRecord]]:
    """Yield every release that can be read, with its folder. Others are left out: pages show what is there."""
    folder = out / RELEASES
    for path in sorted(folder.iterdir() if folder.is_dir() else ()):
        if path.is_dir() and not path.is_symlink():
            try:
                record = read_release(path)
            except RecordError:
                continue
            if record.id == path.name:
                yield path, record


def decide(folder: Path, *, approved: bool, by: str, reason: str) -> None:
    """Note what a person decided about the hold of a release. Raises UsageError if it is not held, or was decided."""
    store = Store(folder)
    state, now = store.load().state, time.time()
    if state.phase is not Phase.HELD:
        raise UsageError(f"{folder.name}: expected a release that is held, found the phase {state.phase.value}")
    if now > state.expires_s:
        raise UsageError(f"{folder.name}: its hold ended {now - state.expires_s:.0f} s ago: it is rejected")
    kind = DecisionKind.APPROVE if approved else DecisionKind.REJECT
    store.decide(state.hold, Decision(kind=kind, by=by, reason=reason, at_s=now))


def left_holds(out: Path, *, now_s: float) -> Iterator[tuple[str, int]]:
    """Yield the id and the number of the hold of every release whose hold is over, but that no process goes on with.

    A hold is over when a person decided or its time is up. now_s: epoch seconds.
    """
    for folder, record in releases(out):
        state = record.state
        if state.phase is Phase.HELD and now_s - record.seen_s > ALIVE_WITHIN_S:
            decided = Store(folder).decision(state.hold) is not None
            if decided or now_s > state.expires_s:
                yield record.id, state.hold


def unfinished(out: Path, build: str, *, since_s: float) -> str | None:
    """Return the id of the newest release of a build that began after ``since_s`` and is not over."""
    found = [
        record
        for _, record in releases(out)
        if record.started_s >= since_s
        and not record.state.over
        and any(one.name == build for one in record.plan.builds)
    ]
    return max(found, key=lambda record: record.started_s).id if found else None
