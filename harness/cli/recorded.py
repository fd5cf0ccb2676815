"""Read recorded runs for ``judge``, ``show`` and ``runs``, and find the verdict of a run of several scenarios."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence

from harness.cli.output import clean_print as print
from harness.model import formatting
from harness.model.verdict import Verdict
from harness.run_folder import RecordedRun, worst_code


def counted(verdicts: Iterable[Verdict]) -> str:
    """Return how often each verdict was given, the worst first, such as ``2 fail, 1 pass``."""
    counts = Counter(verdicts)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in formatting.WORST_FIRST if counts[verdict])


def told_code(run: RecordedRun, verdicts: Sequence[Verdict], *, quiet: bool = False) -> int:
    """Print what the verdicts of all scenarios are, and why some have none. Return the exit code that decides.

    quiet: print the reasons only, on standard error, because standard output carries JSON.
    """
    if len(run.bundles) > 1 and not quiet:
        print(f"{len(run.bundles)} scenarios: {counted(verdicts)}")
    if run.trouble:
        print(f"harness: {formatting.printable(run.trouble)}", file=sys.stderr)
    if run.under_way:
        print(f"harness: {formatting.printable(str(run.folder))}: the run is under way", file=sys.stderr)
    codes = [verdict.exit_code for verdict in verdicts]
    return worst_code([*codes, *([12] if run.trouble or run.under_way else [])])
