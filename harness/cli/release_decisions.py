"""The decisions of people about a release: approve, reject, abort, rollback."""

from __future__ import annotations

import argparse
import time
from contextlib import suppress

from harness.cli.output import clean_print as print
from harness.cli.release_driving import drive, found
from harness.cli.release_words import exit_code, status_lines
from harness.errors import UsageError
from harness.model.release import Decision, DecisionKind, Phase, ReleaseRecord
from harness.release.driver import ended_by
from harness.release.machine import can_roll_back
from harness.release.store import Store, locked

_WAIT_S, _POLL_S = 600.0, 0.2


def approve(args: argparse.Namespace) -> int:
    """Approve the build of a hold, and return 0; the process that waits goes on, or ``resume`` does."""
    _, store = found(args)
    record = store.load()
    if args.plan:
        print(f"would approve {record.id}; it goes on with the next step")
        return 0
    store.decide(record.state.hold, _about_hold(record, _decision(args, DecisionKind.APPROVE)))
    print(f"approved {record.id}; a process that waits for it goes on now, else: harness release resume")
    return 0


def reject(args: argparse.Namespace) -> int:
    """Take the new build out, because a person says so, and return 0 when that is done."""
    return _end(args, DecisionKind.REJECT)


def abort(args: argparse.Namespace) -> int:
    """Undo a release in any phase, and return 0 when all users are on the stable build."""
    return _end(args, DecisionKind.ABORT)


def rollback(args: argparse.Namespace) -> int:
    """Take back the switch of a blue-green release at once, and return 0 when that is done."""
    return _end(args, DecisionKind.ROLL_BACK)


def _end(args: argparse.Namespace, kind: DecisionKind) -> int:
    _, store = found(args)
    record = store.load()
    decision = _decision(args, kind)
    if record.state.over:
        print(f"{record.id} is over already: {record.state.outcome.value if record.state.outcome else 'ended'}")
        return 0 if record.state.outcome is not None and record.state.outcome.value != "promoted" else 2
    if kind is DecisionKind.ROLL_BACK and not can_roll_back(record.state, record.plan.settings):
        raise UsageError(
            f"{record.id}: expected a blue-green release after its switch and before its promotion, found the phase "
            f"{record.state.phase.value} of a {record.plan.settings.strategy.value} release; "
            "harness release abort ends any"
        )
    if args.plan:
        print(f"would {kind.value} {record.id}: users to the stable build, then both arms are removed")
        return 0
    if kind is DecisionKind.REJECT and record.state.phase is Phase.HELD:
        store.decide(record.state.hold, _about_hold(record, decision))
    else:
        store.ask_to_end(decision)
    ended = _ended_by_other(store) or _ended_here(args, store, decision)
    for line in status_lines(ended, args.config.absolute()):
        print(line)
    return 0 if ended.state.over else exit_code(ended)


def _ended_by_other(store: Store) -> ReleaseRecord | None:
    """Wait for the process that drives the release to end it; None if no process does."""
    give_up = time.monotonic() + _WAIT_S
    while time.monotonic() < give_up:
        record = store.load()
        if record.state.over:
            return record
        with suppress(UsageError), locked(store.folder.parent.parent, record.plan.services):
            return None
        time.sleep(_POLL_S)
    raise UsageError(f"{store.folder.name}: expected its process to end it within {_WAIT_S:g} s, it did not")


def _ended_here(args: argparse.Namespace, store: Store, decision: Decision) -> ReleaseRecord:
    return drive(args, store, event=None if store.load().state.over else ended_by(decision))


def _decision(args: argparse.Namespace, kind: DecisionKind) -> Decision:
    by, reason = args.by.strip(), args.reason.strip()
    if not by or not reason:
        raise UsageError("expected who decides and why (--by NAME --reason TEXT), found an empty text")
    return Decision(kind=kind, by=by, reason=reason, at_s=time.time())


def _about_hold(record: ReleaseRecord, decision: Decision) -> Decision:
    if record.state.phase is not Phase.HELD:
        raise UsageError(f"{record.id}: expected a release that is held, found the phase {record.state.phase.value}")
    if decision.at_s > record.state.expires_s:
        raise UsageError(
            f"{record.id}: its hold ended {decision.at_s - record.state.expires_s:.0f} s ago: it is rejected"
        )
    return decision
