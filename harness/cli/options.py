"""Options that several commands have, and how help is laid out: the same words and the same defaults everywhere."""

from __future__ import annotations

import argparse
import os
import textwrap
from pathlib import Path

from harness.mesh.targets import TARGETS


class HelpFormatter(argparse.HelpFormatter):
    """Wrap prose, keep indented lines such as examples as they are, and add the default of each option."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines = (
            f"{indent}{line}"
            if line.startswith(" ")
            else textwrap.fill(line, width, initial_indent=indent, subsequent_indent=indent)
            for line in text.splitlines()
        )
        return "\n".join(lines)

    def _get_help_string(self, action: argparse.Action) -> str | None:
        shown = action.default not in (None, False, "", argparse.SUPPRESS) and action.default != []
        if action.help is None or "(default" in action.help or not shown:
            return action.help
        text = " ".join(map(str, action.default)) if isinstance(action.default, list) else str(action.default)
        return f"{action.help} (default: {text.replace('%', '%%')})"


DEFAULT_CONFIG = Path("harness.yaml")


def add_config(parser: argparse.ArgumentParser) -> None:
    """Add ``--config``: the configuration file."""
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, metavar="FILE", help="configuration file")


def add_runs_folder(parser: argparse.ArgumentParser) -> None:
    """Add ``--out``: where runs are recorded, and where ``latest`` looks for them; see ``runs_folder``."""
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="folder of recorded runs (default: the configuration's out, else reports)",
    )


def runs_folder(args: argparse.Namespace) -> Path:
    """Return the folder of ``--out``, else that of the configuration, else that of a configuration without the key."""
    if args.out is not None:
        return Path(args.out)
    file = getattr(args, "config", None) or DEFAULT_CONFIG
    if file == DEFAULT_CONFIG and not file.exists():
        return Path("reports")
    from harness.config import read_config

    out = read_config(file).out
    return Path(os.path.relpath(out)) if out.is_relative_to(Path.cwd()) else out


def add_target(parser: argparse.ArgumentParser) -> None:
    """Add ``--target``: where the service runs. Without it, harness.yaml says so; see ``wiring.target``."""
    parser.add_argument(
        "--target", choices=TARGETS, help="where the service runs (default: the configuration's target, else local)"
    )


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add ``--seed``, which makes the random choices of the load generator repeatable."""
    parser.add_argument(
        "--seed",
        type=int,
        help="seed of arrival times and of the load profile's random choices, but not of latencies and Envoy's "
        "choices "
        "(default: a new one for each run)",
    )
