"""``harness run``: run scenarios with pytest, whose exit code decides."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from harness.cli.options import add_runs_folder, add_seed, add_target
from harness.cli.output import clean_print as print
from harness.errors import HarnessError, UsageError
from harness.report import job_summary
from harness.session_end import child_environment, read_session_end

HELP = "Run scenarios with pytest and decide by their verdicts. Words after -- are passed to pytest unchanged."
EXAMPLES = """\
  harness run
  harness run scenarios/test_ratings_faults.py --target cluster
  harness run -- -k delay --junit-xml=verdicts.xml --html=reports/index.html --self-contained-html
"""


_USAGE_ERROR = 4
"""pytest's exit code for arguments that it does not accept."""
_PYTEST = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); sys.argv[0] = 'harness run'; "
    "import pytest; sys.exit(pytest.main(sys.argv[1:]))"
)
"""What the process of pytest runs, with the module path of this process as its first argument."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("scenarios", nargs="*", default=["scenarios"], help="files, folders or node ids of pytest")
    add_target(parser)
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="configuration file (default: the nearest harness.yaml here, above, or above the scenarios)",
    )
    add_runs_folder(parser)
    add_seed(parser)


def run(args: argparse.Namespace) -> int:
    """Run pytest and return the exit code of the verdicts. A session that judged nothing never returns 0."""
    words = ["-p", "harness", "--harness-require-verdicts=1"]
    given = {"target": args.target, "config": args.config, "out": args.out, "seed": args.seed}
    words += [f"--harness-{name}={value}" for name, value in given.items() if value is not None]
    return _run_pytest([*words, *args.scenarios])


def _run_pytest(words: list[str]) -> int:
    """Run pytest in a process of its own, so that a scenario that ends its process is noticed."""
    with TemporaryDirectory(prefix="harness-run-") as folder:
        note = Path(folder) / "end.json"
        command = [sys.executable, "-P", "-c", _PYTEST, json.dumps(sys.path), *words]
        status = _supervised(command, child_environment(note))
        end = read_session_end(note)
    if end is not None and end.code is not None:
        return end.code
    if status == _USAGE_ERROR:
        return _no_verdict("pytest did not accept its arguments, so no scenario ran", UsageError.exit_code)
    how = f"pytest's exit code {status}" if status >= 0 else f"killed by {signal.Signals(-status).name}"
    why = "the plugin of the harness is disabled" if end is None else "pytest ended before its session did"
    return _no_verdict(f"no verdict on the canary: {why} ({how})", HarnessError.exit_code)


def _supervised(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end and return its exit code; signals to this process are passed on to it."""
    process = subprocess.Popen(command, env=dict(environment))
    with _passed_on(process):
        return process.wait()


@contextmanager
def _passed_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGINT or not os.isatty(0):  # a terminal sends Ctrl-C to pytest too
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _no_verdict(why: str, code: int) -> int:
    print(f"harness: {why}", file=sys.stderr)
    kind = "usage" if code == UsageError.exit_code else "trouble"
    job_summary.write([], [("harness run", kind, why)], code=code, words=())
    return code
