"""``harness release``: bring a new build to the users step by step, and promote, hold or reject it."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from pydantic_core import to_jsonable_python

from harness.cli.options import HelpFormatter
from harness.cli.output import clean_print as print
from harness.cli.release_decisions import abort, approve, reject, rollback
from harness.cli.release_driving import configured, drive, found
from harness.cli.release_words import ended_in_words, exit_code, plan_lines, status_lines
from harness.config import Config
from harness.errors import UsageError
from harness.mesh.cluster.connection import made_by
from harness.model.release import Build, BuildKind, Outcome, Phase, ReleaseRecord, ReleaseState
from harness.release.assembly import planned
from harness.release.stage_host import end_stage, stage_folder, started_stage
from harness.release.store import PAGE, Store, create, locked

HELP = (
    "Deploy a new build next to the running one, send it more users step by step, let scenarios and observation decide "
    "each step, and promote, hold or reject it. Users return to the running build before the new one is removed. The "
    "section release of harness.yaml has the steps. On this machine, builds are versions of harness.yaml or Git "
    "revisions."
)
EXAMPLES = """\
  harness release --image shop/reviews:1.4             all steps, on the cluster
  harness release --version v3                         all steps, on this machine
  harness release --version v3 --plan                  only say what would be done
  harness release --image reviews=shop/reviews:1.4 --image ratings=shop/ratings:2.0
  harness release approve --by ann --reason 'known, ticket 17'
"""
_BEFORE_STEPS = (Phase.EXAMINE, Phase.PIN, Phase.DEPLOY)
_CHECKS = (Phase.GATE, Phase.OBSERVE)
_ENDS = (Phase.SWITCH, Phase.PROMOTE, Phase.RETURN, Phase.REMOVE, Phase.UNROUTE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options and the steps."""
    _add_common(parser, suppress=False)
    _add_builds(parser, suppress=False)
    parser.set_defaults(step=_all)
    steps = parser.add_subparsers(title="steps", metavar="STEP", help="one step of a release alone (default: all)")
    for name, (run_step, summary, example, add) in _STEPS.items():
        step = steps.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=f"examples:\n  {example}",
            formatter_class=HelpFormatter,
            allow_abbrev=False,
        )
        _add_common(step, suppress=True)
        add(step)
        step.set_defaults(step=run_step)


def run(args: argparse.Namespace) -> int:
    """Do the step, or all of them, and return the exit code."""
    step: Callable[[argparse.Namespace], int] = args.step
    return step(args)


def _add_common(parser: argparse.ArgumentParser, *, suppress: bool) -> None:
    """Add the options of every step. suppress: the parser of ``harness release`` itself has the defaults."""
    given = argparse.SUPPRESS
    config = given if suppress else Path("harness.yaml")
    parser.add_argument("--config", type=Path, default=config, metavar="FILE", help="configuration file")
    parser.add_argument(
        "--release", metavar="ID", default=given if suppress else None, help="a release (default: the newest)"
    )
    parser.add_argument(
        "--service", default=given if suppress else None, help="the service (default: that of the configuration)"
    )
    parser.add_argument(
        "--plan", action="store_true", default=given if suppress else False, help="only say what would be done"
    )
    parser.add_argument(
        "--no-wait",
        action="store_true",
        default=given if suppress else False,
        help="end with the exit code of the verdict when the release is held, instead of waiting for a person",
    )


def _add_builds(parser: argparse.ArgumentParser, *, suppress: bool = True) -> None:
    default = argparse.SUPPRESS if suppress else None
    for option, meaning in (
        ("--image", "the image to release on the cluster; SERVICE=IMAGE for several services"),
        ("--version", "the version of harness.yaml to release on this machine; SERVICE=VERSION for several"),
        ("--revision", "the Git revision to build and release on this machine; SERVICE=REVISION for several"),
    ):
        parser.add_argument(option, action="append", default=default, metavar="NAME", help=meaning)


def _add_decision(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--by", required=True, metavar="NAME", help="who decides; recorded and shown")
    parser.add_argument("--reason", required=True, metavar="TEXT", help="why; recorded and shown")


def _add_nothing(_: argparse.ArgumentParser) -> None:
    """Add no more options."""


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the record as JSON")


def _builds(args: argparse.Namespace, config: Config) -> tuple[tuple[Build, ...], str]:
    """Return the builds that the options name, and the target that their kind implies. Raises UsageError."""
    given = [
        (kind, text)
        for kind, texts in (
            (BuildKind.IMAGE, args.image),
            (BuildKind.VERSION, args.version),
            (BuildKind.REVISION, args.revision),
        )
        for text in texts or ()
    ]
    if not given:
        raise UsageError("expected a build to release (--image, --version or --revision), found none")
    targets = {"cluster" if kind is BuildKind.IMAGE else "stage" for kind, _ in given}
    if len(targets) > 1:
        raise UsageError("expected images, or versions and revisions, found both: images are released on a cluster")
    builds = tuple(Build(service=service, kind=kind, name=name) for kind, service, name in _named(given, config))
    return builds, targets.pop()


def _named(given: list[tuple[BuildKind, str]], config: Config) -> Iterator[tuple[BuildKind, str, str]]:
    for kind, text in given:
        service, equals, name = text.partition("=")
        found = (service, name) if equals and service in config.services else (config.service, text)
        if not found[1].strip():
            raise UsageError(f"expected the name of a build, found {text!r}")
        yield kind, *found


def _begun(args: argparse.Namespace) -> Iterator[Store]:
    """Create a release and hold its lock, or say only what it would do."""
    config = configured(args)
    builds, target = _builds(args, config)
    plan = planned(config, builds, target=target)
    if args.plan:
        for line in plan_lines(plan):
            print(line)
        return
    with locked(config.out, plan.services):
        yield create(config.out, plan, by=made_by())


def _all(args: argparse.Namespace) -> int:
    """Do all steps of a new release."""
    return _begin(args, until=partial(_waits, args))


def _deploy(args: argparse.Namespace) -> int:
    """Do only what comes before the first step."""
    return _begin(args, until=lambda _, state: state.phase not in _BEFORE_STEPS)


def _begin(args: argparse.Namespace, until: Callable[[Store, ReleaseState], bool]) -> int:
    for store in _begun(args):
        return _told(store, drive(args, store, until=partial(until, store), is_locked=True))
    return 0


def _shift(args: argparse.Namespace) -> int:
    """Give the new build the users of its current step."""
    return _one(args, Phase.SHIFT, done=_CHECKS, until=lambda _, state: state.phase is not Phase.SHIFT)


def _gate(args: argparse.Namespace) -> int:
    """Check the current step, and hold or reject the build by the verdict."""

    def until(store: Store, state: ReleaseState) -> bool:
        return state.phase in (Phase.SHIFT, Phase.SWITCH) or _waits(args, store, state)

    return _one(args, *_CHECKS, done=(), until=until)


def _promote(args: argparse.Namespace) -> int:
    """Make the new build the stable one, once every step has passed."""
    return _one(args, *_ENDS, done=(), until=lambda _, state: state.over)


def _resume(args: argparse.Namespace) -> int:
    """Go on with a release that was interrupted, killed or approved."""
    _, store = found(args)
    if args.plan:
        print(f"would go on with {store.folder.name} from the phase {store.load().state.phase.value}")
        return 0
    return _told(store, drive(args, store, until=partial(_waits, args, store)))


def _status(args: argparse.Namespace) -> int:
    """Print how a release stands."""
    _, store = found(args)
    record = store.load()
    if args.json:
        print(json.dumps({"schema": "harness.release/1", **to_jsonable_python(record)}, indent=1))
    else:
        for line in status_lines(record, args.config.absolute()):
            print(line)
        print(f"page     {store.folder / PAGE}")
    return exit_code(record)


def _one(
    args: argparse.Namespace, *phases: Phase, done: tuple[Phase, ...], until: Callable[[Store, ReleaseState], bool]
) -> int:
    """Do one step of a release that is at it. done: phases in which it has been done already."""
    _, store = found(args)
    record = store.load()
    state = record.state
    promoted = state.over and state.outcome is Outcome.PROMOTED and Phase.SWITCH in phases
    if state.phase in done or promoted:
        print(f"done already: {record.id} is in the phase {state.phase.value}")
        return 0
    if state.phase not in phases:
        raise UsageError(
            f"{record.id}: expected a release in the phase {' or '.join(phase.value for phase in phases)}, found "
            f"{state.phase.value}; see harness release status"
        )
    if args.plan:
        print(f"would go on with {record.id} from the phase {state.phase.value}, step {state.step + 1}")
        return 0
    return _told(store, drive(args, store, until=partial(until, store)))


def _waits(args: argparse.Namespace, store: Store, state: ReleaseState) -> bool:
    """Return whether to stop at a hold that nobody has decided about, instead of waiting for a person."""
    undecided = state.phase is Phase.HELD and store.decision(state.hold) is None and time.time() <= state.expires_s
    return bool(args.no_wait) and undecided


def _told(store: Store, record: ReleaseRecord) -> int:
    print(ended_in_words(record))
    print(f"page     {store.folder / PAGE}")
    if not record.state.over and record.state.phase is not Phase.HELD:
        print(f"next     harness release status --release {record.id}")
    return exit_code(record)


def _up(args: argparse.Namespace) -> int:
    """Start the stage of this machine."""
    config = configured(args)
    if args.plan:
        print(f"would start the services of {config.file.name} behind a proxy, in the background")
        return 0
    address, new = started_stage(config)
    print(f"the stage {'has started' if new else 'runs already'}: {address}; logs in {stage_folder(config)}")
    return 0


def _down(args: argparse.Namespace) -> int:
    """End the stage of this machine."""
    config = configured(args)
    if args.plan:
        print("would end the stage with all its services")
        return 0
    with locked(config.out, tuple(config.services)):
        print("the stage has ended" if end_stage(stage_folder(config)) else "no stage runs")
    return 0


_Add = Callable[[argparse.ArgumentParser], None]
_STEPS: dict[str, tuple[Callable[[argparse.Namespace], int], str, str, _Add]] = {
    "deploy": (
        _deploy,
        "start the new build and a fresh copy of the running one, and wait until both are ready",
        "harness release deploy --image shop/reviews:1.4",
        _add_builds,
    ),
    "shift": (_shift, "give the new build the users of its current step", "harness release shift", _add_nothing),
    "gate": (
        _gate,
        "check the current step; 0 pass, 1 rejected, 10 or 11 held (see --no-wait), 12 no verdict",
        "harness release gate --no-wait",
        _add_nothing,
    ),
    "promote": (
        _promote,
        "make the new build the stable one, once every step has passed",
        "harness release promote",
        _add_nothing,
    ),
    "reject": (
        reject,
        "take the new build out: users first, then the processes",
        "harness release reject --by ann --reason 'slow search'",
        _add_decision,
    ),
    "approve": (
        approve,
        "approve the build of a release that is held",
        "harness release approve --by ann --reason 'known, ticket 17'",
        _add_decision,
    ),
    "status": (
        _status,
        "print how a release stands; the exit code is that of its outcome or of its hold",
        "harness release status --json",
        _add_json,
    ),
    "resume": (
        _resume,
        "go on with a release that was interrupted, killed or approved",
        "harness release resume",
        _add_nothing,
    ),
    "abort": (
        abort,
        "undo a release in any phase: all users go to the stable build",
        "harness release abort --by ann --reason 'wrong image'",
        _add_decision,
    ),
    "rollback": (
        rollback,
        "take back the switch of a blue-green release at once",
        "harness release rollback --by ann --reason 'errors in search'",
        _add_decision,
    ),
    "up": (_up, "start the services of harness.yaml as the stage of this machine", "harness release up", _add_nothing),
    "down": (_down, "end the stage of this machine", "harness release down", _add_nothing),
}
