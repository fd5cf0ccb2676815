"""The ``harness`` command: one module for each subcommand.

A command module has HELP, EXAMPLES, ``add_arguments(parser)`` and ``run(args)``, which returns the exit code. All help
is laid out here. Only the module of the requested command is imported, so that ``harness --help`` starts quickly.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import MappingProxyType

from harness import __version__
from harness.cli.options import HelpFormatter
from harness.cli.output import clean_print as print
from harness.clients.processes.parent import claim
from harness.clients.processes.signals import signals_as_interrupts
from harness.errors import HarnessError
from harness.model.exit_codes import INTERRUPTED

COMMANDS = MappingProxyType(
    {
        "init": "write harness.yaml, a scenario, a load profile and a CI file for your service",
        "demo": "judge a canary of the demo application while a fault is injected",
        "doctor": "check that everything the harness needs is installed and works",
        "up": "run the mesh of harness.yaml on this machine until Ctrl-C",
        "config": "print the keys of harness.yaml or its JSON Schema, or check the file",
        "run": "run scenarios with pytest and decide by their verdicts",
        "release": "bring a new build to the users step by step; promote, hold or reject it",
        "load": "send the load of one profile to a URL and record every request",
        "judge": "judge a recorded run again, two files of requests, or Kayenta's metric pairs",
        "calibrate": "learn the noise of this environment from runs of equal builds",
        "indicators": "list the indicators that objectives can name, with their units and queries",
        "explore": "find the smallest fault that each arm does not withstand",
        "suite": "list the faults worth trying for what a service calls, the riskiest first",
        "observe": "judge what real users do, again and again, from Prometheus alone",
        "import": "turn another tool's configuration into objectives",
        "plan": "show what a run would change in a cluster, with reads and dry runs only",
        "inject": "inject one fault by hand and undo it after its time or on Ctrl-C",
        "faults": "list what is injected in a cluster now: by which run, and until when",
        "restore": "undo what dead runs left in a cluster",
        "reaper": "undo what dead runs leave in a cluster, again and again",
        "serve": "show runs and releases as web pages; take webhooks and answer other tools",
        "completion": "print a script that completes commands and options in a shell",
        "runs": "list recorded runs with their verdicts, unfinished ones included",
        "history": "build pages from many runs: heatmap, trends, changes, flaky scenarios",
        "diff": "compare two recorded runs: versions, configuration, objectives, latencies",
        "replay": "repeat a recorded run on this machine, with your own build as the canary",
        "bundle": "pack a recorded run into one file, or unpack such a file",
        "show": "print the analysis of a recorded run, or open its report",
    }
)

EXIT_CODES = """\
exit codes:
  0   pass                            10  marginal
  1   fail                            11  inconclusive
  2   wrong usage or configuration    12  no verdict: the harness or its environment is in trouble
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. An error of the harness becomes a message on standard error."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        claim(os.environ)
        args = _parser(arguments).parse_args(arguments)
        with signals_as_interrupts():
            code: int = args.run(args)
    except HarnessError as error:
        print(f"harness: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("harness: interrupted; everything that was started has been ended", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except OSError as error:
        print(f"harness: {error}", file=sys.stderr)
        return HarnessError.exit_code
    except Exception:  # noqa: BLE001 - Python's exit code 1 would say that the canary is worse
        print(traceback.format_exc(), file=sys.stderr)
        print("harness: a bug in the harness, and no verdict; please report it with the lines above", file=sys.stderr)
        return HarnessError.exit_code
    return code


def _parser(arguments: Sequence[str], *, lazy: bool = True) -> argparse.ArgumentParser:
    """Return the parser of ``harness``, with options for the command that ``arguments`` name."""
    parser = argparse.ArgumentParser(
        prog="harness",
        description="Chaos and canary analysis for services on Kubernetes and Istio.",
        epilog=EXIT_CODES,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"harness {__version__}", help="print the version and exit"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    asked = next((word for word in arguments if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        if name == asked or not lazy:
            _add_command(commands, name, summary)
        else:
            commands.add_parser(name, help=summary, add_help=False)
    return parser


def full_parser() -> argparse.ArgumentParser:
    """Return the parser of ``harness`` with the options of every command; this imports all of them."""
    return _parser((), lazy=False)


def _add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
) -> None:
    module = import_module(f"harness.cli.{name}{'_' if name == 'import' else ''}")
    command = commands.add_parser(
        name,
        help=summary,
        description=module.HELP,
        epilog=f"examples:\n{module.EXAMPLES.rstrip()}\n\n{EXIT_CODES}",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(command)
    command.set_defaults(run=module.run)
