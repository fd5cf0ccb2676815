"""``harness indicators``: every indicator that objectives can name, with its meaning, its unit and its queries."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.cli.options import add_config
from harness.cli.output import clean_print as print

if TYPE_CHECKING:
    from harness.model.server_indicator import ServerIndicator

HELP = (
    "List every indicator that objectives can name, with its unit: those of the load generator's samples, and those of "
    "the server side with their meaning and the query that is sent."
)
EXAMPLES = """\
  harness indicators
  harness indicators --config shop/harness.yaml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_config(parser)


def run(args: argparse.Namespace) -> int:
    """Print a paragraph for each indicator; the placeholders are filled in if there is a configuration."""
    from harness.config import read_config
    from harness.judge.indicators import BUILT_IN
    from harness.metrics.promql import summed
    from harness.metrics.server_side import arm_words
    from harness.model.indicator import Source
    from harness.model.server_table import SERVER_INDICATORS

    known = {"namespace": "{namespace}", "service": "{service}", "workload": "{workload}", "version": "{version}"}
    words: Mapping[str, str] = known
    own: tuple[ServerIndicator, ...] = ()
    if args.config.is_file():
        config = read_config(args.config)
        words, own = dict(arm_words(config)["canary"]), config.indicators
    print("From the load generator's samples:")
    for one in BUILT_IN:
        if one.spec.source is not Source.SERIES:
            print(f"  {one.spec.names}, in {one.spec.unit or 'one'}, such as {one.spec.example}")
    print("\nFrom the server side, of the canary:")
    for indicator in (*SERVER_INDICATORS, *own):
        labels = f"{{{', '.join(indicator.labels)}}}" if indicator.labels else ""
        print(f"  {indicator.name}{labels}: {indicator.meaning} ({indicator.kind}, {indicator.unit or 'a number'})")
        for name, which, template in (
            ("", indicator.events, indicator.query),
            ("of ", indicator.of, indicator.of_query),
        ):
            if which is not None:
                print(f"      {name}{summed(which, words)}")
            elif template:
                print(f"      {name}{template}")
    return 0
