"""The ``harness`` command: one module a subcommand.

A command module has HELP, EXAMPLES, ``add_arguments(parser)`` and ``run(args) -> exit code``. Only the
module of the command that was asked for is imported, so that ``harness --help`` stays quick.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import MappingProxyType

from harness.clients.processes.signals import signals_as_interrupts
from harness.errors import HarnessError

COMMANDS = MappingProxyType(
    {
        "demo": "judge a canary of the demo application under an injected fault",
        "doctor": "check that everything the harness needs is here and works",
        "up": "bring the mesh of harness.yaml up until Ctrl-C",
        "config": "print the keys of harness.yaml or its JSON Schema, or check the file",
        "run": "run scenarios (pytest) and decide by their verdicts",
        "load": "send the load of one profile to a URL and record every request",
        "judge": "decide again from a recorded run, two files of requests, or Kayenta's metric pairs",
        "calibrate": "learn the noise of this environment from runs of equal builds",
        "import": "turn another tool's configuration into objectives",
        "plan": "say what a run would change in a cluster, with reads and dry runs alone",
        "inject": "inject one fault by hand, undone after its time or on Ctrl-C",
        "faults": "list what is injected in a cluster now: by whom, until when",
        "restore": "undo what dead runs left in a cluster",
        "reaper": "undo what dead runs leave in a cluster, again and again",
        "show": "open or print the report of a recorded run",
    }
)

EXIT_CODES = """\
exit codes:
  0 pass   1 fail   2 wrong usage   10 marginal   11 inconclusive   12 no verdict: the harness or its environment is in trouble
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; errors of ours become a message on standard error and their exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        args = _parser(arguments).parse_args(arguments)
        with signals_as_interrupts():
            code: int = args.run(args)
    except HarnessError as error:
        print(f"harness: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("harness: interrupted; everything that was started has been ended", file=sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    except OSError as error:
        print(f"harness: {error}", file=sys.stderr)
        return HarnessError.exit_code
    except Exception:  # noqa: BLE001 - exit code 1 says "the canary is worse", which a mistake of ours must never say
        traceback.print_exc()
        print(
            "harness: a mistake of the harness, and no verdict; please report it with the lines above", file=sys.stderr
        )
        return HarnessError.exit_code
    return code


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="harness",
        description="Chaos and canary analysis for services on Kubernetes and Istio.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    asked = next((word for word in arguments if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        if name != asked:
            commands.add_parser(name, help=summary, add_help=False)
            continue
        module = import_module(f"harness.cli.{name.replace('-', '_')}{'_' if name == 'import' else ''}")
        command = commands.add_parser(
            name,
            help=summary,
            description=module.HELP,
            epilog=f"examples:\n{module.EXAMPLES.rstrip()}\n\n{EXIT_CODES}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
