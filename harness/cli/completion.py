"""``harness completion``: print a script that lets a shell complete commands, options and their values."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import shtab

SHELLS = ("bash", "zsh", "tcsh", "fish")

HELP = (
    "Print a script with which a shell completes commands, options and their values. It is made from the options of "
    "this version, so print it again after an update."
)
EXAMPLES = """\
  harness completion bash > ~/.local/share/bash-completion/completions/harness
  harness completion zsh > ~/.zfunc/_harness        with fpath=(~/.zfunc $fpath) before compinit in ~/.zshrc
  harness completion fish > ~/.config/fish/completions/harness.fish
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("shell", choices=SHELLS, help="shell that the script is for")


def run(args: argparse.Namespace) -> int:
    """Print the script and return 0."""
    from harness.cli import full_parser

    parser = full_parser()
    _complete_paths(parser)
    sys.stdout.write(shtab.complete(parser, shell=args.shell) + "\n")
    return 0


def _complete_paths(parser: argparse.ArgumentParser) -> None:
    """Let every option that takes a path complete files or, if it is a folder, folders."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other list of them
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001 - as above
            for command in set(action.choices.values()):
                _complete_paths(command)
        elif action.type is Path:
            kind = shtab.DIRECTORY if action.metavar == "FOLDER" else shtab.FILE
            vars(action)["complete"] = kind  # shtab reads it; argparse does not declare it
