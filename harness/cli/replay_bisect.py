"""``harness replay --bisect``: find the commit that made a recorded run fail."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from pathlib import Path

from harness.cli.output import clean_print as print
from harness.cli.replay_once import replay_once
from harness.config import Config
from harness.errors import UsageError
from harness.model.verdict import Verdict
from harness.replay.asked import Asked
from harness.replay.bisecting import Mark, canary_from, first_bad, parse_range
from harness.replay.comparing import Answer, Comparison, harm_excluded
from harness.replay.staging import Options, by_what_failed, staged
from harness.report.facts import from_here

_ATTEMPTS = 2


def bisect(args: argparse.Namespace, asked: Asked, config: Config, options: Options) -> int:
    """Find the first bad commit, print it and return 0.

    A replay that decides nothing is repeated once; then its commit is skipped.
    """
    revisions, build = parse_range(args.bisect), shlex.split(args.build)
    if asked.analysis.verdict is not Verdict.FAIL:
        raise UsageError(f"--bisect: expected a run that failed, found one with the verdict {asked.analysis.verdict}")
    config = replace(config, service=asked.record.plan.service)
    version = asked.canary if asked.canary in config.services[config.service].versions else config.canary

    def test(folder: Path, commit: str) -> Mark:
        stage = by_what_failed(staged(asked, canary_from(config, version, folder), options))
        for _ in range(_ATTEMPTS):
            print(f"testing  {commit[:12]}", flush=True)
            comparison = replay_once(args, stage, quiet=True)
            print(f"tested   {commit[:12]} {comparison.answer}: {comparison.why}")
            print(f"report   {from_here(comparison.difference.sides[1].name)}", flush=True)
            mark = mark_of(comparison)
            if mark is not Mark.SKIP:
                return mark
        return Mark.SKIP

    found = first_bad(config.root, revisions, build=build, test=test, tell=lambda line: print(f"bisect   {line}"))
    print(f"culprit  {found.commit} {found.subject}")
    print(f"         the first bad commit of {args.bisect}, found with {found.tests} replays")
    print(f"next     git show {found.commit[:12]}")
    return 0


def mark_of(comparison: Comparison) -> Mark:
    """Return what git bisect is told: bad is the same failure, good is a pass or that such harm is excluded."""
    if comparison.answer is Answer.REPRODUCED:
        return Mark.BAD
    then, now = (one.analysis for one in comparison.difference.sides)
    excluded = now.verdict is Verdict.PASS or harm_excluded(then, now)
    return Mark.GOOD if comparison.answer is Answer.NOT_REPRODUCED and excluded else Mark.SKIP
