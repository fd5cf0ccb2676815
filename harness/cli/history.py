"""``harness history``: many runs as static pages, the changes between them, and the upkeep of their folders."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from harness.cli.output import clean_print as print
from harness.errors import UsageError
from harness.history import index
from harness.history.changes import Notice, notices
from harness.history.index import History
from harness.history.retention import thin
from harness.history.runs import require_run, updated
from harness.history.searches import Search, by_subject
from harness.history.telling import Channel, comment, mail, tell, webhook
from harness.history.trends import ScenarioTrend, scenario_trends
from harness.history.trust import Trust, trust_of
from harness.model.formatting import counted
from harness.model.json import JsonObject
from harness.model.samples import ARMS
from harness.report.history.markdown import render
from harness.report.history.site import write_site

HELP = (
    "Build static pages from many recorded runs: a heatmap, trends with changes of level, flaky scenarios, time and "
    "cost. The folder may be a local one or one that CI artifacts are copied to. An index file keeps what was read, so "
    "runs stay in the history after their folders are gone. Returns 0, also if scenarios fail."
)
EXAMPLES = """\
  harness history reports/ --out site/
  harness history reports/ --ignore 20261123-0942-a1f3 --reason "the database was being migrated"
  harness history reports/ --keep-samples 30         remove samples and logs of runs older than 30 days
  harness history reports/ --webhook env:HARNESS_WEBHOOK --comment comment.md
"""
_DAY_S = 86_400.0
_SHOWN = 10


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path("reports"), help="folder of recorded runs (default: reports)"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="folder for the pages (default: history/ in the folder of runs)"
    )
    parser.add_argument(
        "--index", type=Path, metavar="FILE", help=f"the index (default: {index.NAME} in the folder of runs)"
    )
    parser.add_argument(
        "--runs-url", default="", metavar="URL", help="where the folder of runs is published, for links to the runs"
    )
    parser.add_argument("--json", action="store_true", help="print scenarios and changes as JSON")
    kept = parser.add_argument_group("upkeep")
    kept.add_argument("--ignore", metavar="RUN", help="do not count this run in changes and flakiness; needs --reason")
    kept.add_argument("--reason", default="", metavar="TEXT", help="why the run does not count")
    kept.add_argument("--regard", metavar="RUN", help="count an ignored run again")
    kept.add_argument(
        "--keep-samples", type=int, metavar="DAYS",
        help="remove samples and logs of finished runs that are older; their analyses and reports stay",
    )  # fmt: skip
    told = parser.add_argument_group(
        "notices", "tell of new failures, recoveries and changes of level, once for each way"
    )
    told.add_argument(
        "--webhook",
        metavar="URL",
        help="post changes as JSON; env:NAME reads the address from the environment, which keeps it secret",
    )
    told.add_argument("--mail-to", metavar="ADDRESSES", help="send changes by e-mail; needs --smtp and --mail-from")
    told.add_argument("--mail-from", metavar="ADDRESS", help="the sender of the e-mail")
    told.add_argument("--smtp", metavar="HOST[:PORT]", help="the mail server")
    told.add_argument(
        "--comment", type=Path, metavar="FILE", help="write changes as Markdown, for a comment on a pull request"
    )


def run(args: argparse.Namespace) -> int:
    """Update the index, build the pages and tell of changes."""
    path = args.index or args.folder / index.NAME
    channels = _channels(args)
    history = _kept(args, updated(args.folder, path), path)
    trends = scenario_trends(history)
    found = notices(history, trends)
    out = args.out or args.folder / "history"
    page = write_site(history, trends, found, out, runs=args.folder, runs_url=args.runs_url)
    if args.keep_samples is not None:
        removed = thin(args.folder, history.runs, before_s=time.time() - args.keep_samples * _DAY_S)
        if not args.json:
            freed_mb = sum(one.freed for one in removed) / 1e6
            print(f"removed samples of {counted(len(removed), 'bundle')}, {freed_mb:.1f} MB")
    told = tell(path, history, found, channels)
    if args.json:
        print(json.dumps(_document(history, trends, found, page), indent=1, ensure_ascii=False))
    else:
        _print(history, trends, found, page)
        for name, number in told.items():
            print(f"told {name.partition(':')[0]} of {counted(number, 'change')}")
    return 0


def _kept(args: argparse.Namespace, history: History, path: Path) -> History:
    """Ignore or regard a run as asked, and return the history after that."""
    if bool(args.ignore) != bool(args.reason):
        raise UsageError(
            "history: expected --ignore and --reason together, because people will ask why a run does not count"
        )
    if args.keep_samples is not None and args.keep_samples < 1:
        raise UsageError(f"--keep-samples: expected at least 1 day, found {args.keep_samples}")
    if args.ignore:
        index.ignore(path, require_run(history, args.ignore), args.reason)
    if args.regard:
        index.ignore(path, require_run(history, args.regard), "")
    return index.read(path) if args.ignore or args.regard else history


def _channels(args: argparse.Namespace) -> list[Channel]:
    channels = []
    if args.webhook:
        channels.append(webhook(_address(args.webhook), name="webhook"))
    if args.mail_to or args.mail_from or args.smtp:
        if not (args.mail_to and args.mail_from and args.smtp):
            raise UsageError("history: expected --mail-to, --mail-from and --smtp together")
        channels.append(mail(args.smtp, sender=args.mail_from, recipients=args.mail_to))
    if args.comment:
        channels.append(comment(args.comment, render))
    return channels


def _address(text: str) -> str:
    if not text.startswith("env:"):
        return text
    name = text.removeprefix("env:")
    found = os.environ.get(name, "")
    if not found:
        raise UsageError(f"--webhook {text}: expected the address in the environment variable {name}, found none")
    return found


def _print(history: History, trends: Sequence[ScenarioTrend], found: Sequence[Notice], page: Path) -> None:
    flaky = [trend.name for trend in trends if trend.flaky]
    runs, scenarios = counted(len(history.runs), "run"), counted(len(trends), "scenario")
    print(f"{runs} of {scenarios}; {len(history.ignored)} ignored, {len(flaky)} flaky")
    for own in by_subject(history.searches)[:_SHOWN]:
        newest = own[-1]
        points = ", ".join(f"{arm} {newest.said(arm)}" for arm in ARMS)
        print(f"  {newest.service} under {newest.fault}: {points}")
    for name in flaky[:_SHOWN]:
        print(f"  flaky  {name}")
    for trend in trends:
        for doubt in trust_of(trend).doubts:
            print(f"  advisory  {trend.name}: {doubt}")
    for notice in found[:_SHOWN]:
        print(f"  {notice.run}  {notice.text[:300]}")
    if len(found) > _SHOWN:
        print(f"  and {len(found) - _SHOWN} older changes")
    print(f"pages    {page}")


def _ledger(trust: Trust) -> JsonObject:
    return {
        "tested": trust.tested,
        "advisory": trust.advisory,
        "equal_runs": trust.equal,
        "false_alarms": trust.false_alarms,
        "controls": trust.controls,
        "missed": trust.missed,
        "minutes": round(trust.seconds / 60, 1),
    }


def _document(history: History, trends: Sequence[ScenarioTrend], found: Sequence[Notice], page: Path) -> JsonObject:
    return {
        "schema": "harness.history/1",
        "page": str(page),
        "runs": len(history.runs),
        "ignored": {run: one.reason for run, one in history.ignored.items()},
        "scenarios": [
            {
                "name": trend.name,
                "verdict": trend.points[-1].summary.verdict,
                "runs": len(trend.points),
                "flips": trend.flips,
                "flaky": trend.flaky,
                "median_duration_s": trend.duration_s,
                "requests": trend.requests,
                "trust": _ledger(trust_of(trend)),
            }
            for trend in trends
        ],
        "breaking_points": [_searched(one) for one in history.searches],
        "changes": [
            {"kind": one.kind, "scenario": one.scenario, "run": one.run, "text": one.text, "worse": one.worse}
            for one in found
        ],
    }


def _searched(one: Search) -> JsonObject:
    return {
        "service": one.service,
        "fault": one.fault,
        "target": one.target,
        "objectives": list(one.objectives),
        "searched": one.searched,
        "started": one.started,
        "unproven": one.unproven,
        "arms": {
            arm: {"withstood": point.withstood, "broke": point.broke, "estimate": point.estimate}
            for arm in ARMS
            for point in [one.point(arm)]
        },
    }
