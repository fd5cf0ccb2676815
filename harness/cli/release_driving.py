"""Drive a release from the command line: find it, lock it, run it, and undo it on Ctrl-C."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from harness.cli.output import clean_print as print
from harness.cli.release_words import held_lines
from harness.clients.processes.signals import deferred_interrupts
from harness.config import Config, read_config
from harness.errors import HarnessError, UsageError
from harness.model.release import Outcome, Phase, ReleaseRecord, ReleaseState
from harness.release.assembly import opened
from harness.release.driver import Driver
from harness.release.machine import Ended, Event
from harness.release.store import Store, find, locked

INTERRUPTED = 130


def configured(args: argparse.Namespace) -> Config:
    """Return the configuration that the command names."""
    return read_config(args.config.absolute())


def found(args: argparse.Namespace) -> tuple[Config, Store]:
    """Return the configuration and the release that the command means: the named one, else the newest."""
    config = configured(args)
    return config, find(config.out, args.release, args.service or config.service)


def drive(
    args: argparse.Namespace,
    store: Store,
    *,
    until: Callable[[ReleaseState], bool] = lambda _: False,
    event: Event | None = None,
    is_locked: bool = False,
) -> ReleaseRecord:
    """Run a release until it is over or ``until`` is true, and return the record.

    event: taken first, if there is one. is_locked: the caller holds the lock. On Ctrl-C the release is undone; a hold
    stays, because it is safe. If an operation fails for good, the message says how to go on.
    """
    config, plan = configured(args), store.load().plan
    if not is_locked:
        with locked(config.out, plan.services):
            return drive(args, store, until=until, event=event, is_locked=True)
    with opened(config, store, tell=tell) as parts:
        driver = Driver(store, parts)
        if event is not None:
            driver.feed(event)
        try:
            return driver.run(lambda state: _told(driver.record, state, until, config.file))
        except KeyboardInterrupt:
            return _interrupted(driver)
        except HarnessError as error:
            if isinstance(error, UsageError):
                raise
            tell(f"release {store.folder.name} stopped in the phase {driver.record.state.phase.value}")
            tell("when the cause is gone: harness release resume, or take it back with: harness release abort")
            raise


def _told(record: ReleaseRecord, state: ReleaseState, until: Callable[[ReleaseState], bool], config: Path) -> bool:
    """Say what to do about a hold when it begins."""
    if state.phase is Phase.HELD:
        for line in held_lines(record, config):
            tell(line)
    return until(state)


def _interrupted(driver: Driver) -> ReleaseRecord:
    state = driver.record.state
    if state.phase is Phase.HELD:
        tell("interrupted; the hold stays: no user gets the new build, and it ends in time")
        return driver.record
    with deferred_interrupts():
        if state.phase not in (Phase.RETURN, Phase.REMOVE, Phase.UNROUTE):
            tell("interrupted; taking the release back")
            driver.feed(Ended(outcome=Outcome.ABORTED, reason="interrupted", exit_code=INTERRUPTED))
        return driver.run()


def tell(text: str) -> None:
    """Tell a person what the release does."""
    print(f"release: {text}", file=sys.stderr, flush=True)
