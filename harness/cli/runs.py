"""``harness runs``: list the recorded runs."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path

from harness import bundle
from harness.cli.options import add_runs_folder, runs_folder
from harness.cli.output import clean_print as print
from harness.cli.recorded import counted
from harness.errors import RecordError
from harness.model import formatting
from harness.model.json import JsonObject
from harness.model.verdict import Verdict
from harness.run_folder import RecordedRun, all_runs, worst_code

HELP = "List the recorded runs, oldest first: time, scenarios, verdicts and the worst of them. Returns 0."
EXAMPLES = """\
  harness runs
  harness runs --json
"""
_WORDS = {verdict.exit_code: verdict.value for verdict in Verdict}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    add_runs_folder(parser)
    parser.add_argument("--json", action="store_true", help="print the list as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the list."""
    folder = runs_folder(args)
    listed = [_listed(one) for one in all_runs(folder)]
    if args.json:
        print(json.dumps({"schema": "harness.runs/1", "runs": listed}, indent=1, ensure_ascii=False))
    elif not listed:
        print(f"{folder}: no runs")
    else:
        rows = [("started (UTC)", "run", "scenarios", "worst", "verdicts"), *map(_row, listed)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def _listed(run: RecordedRun) -> JsonObject:
    scenarios: list[JsonObject] = [_scenario(folder) for folder in run.bundles]
    codes = [Verdict(str(one["verdict"])).exit_code if one["verdict"] else 12 for one in scenarios]
    if run.trouble:
        codes.append(12)
    elif run.exit_code is not None:
        codes.append(run.exit_code)
    return {
        "run": str(run.folder),
        "started": datetime.fromtimestamp(run.started_s, UTC).isoformat(timespec="seconds"),
        "finished": run.finished,
        "exit_code": run.exit_code,
        "worst": "running" if run.under_way else _WORDS.get(worst_code(codes), "trouble"),
        "trouble": run.trouble,
        "scenarios": [*scenarios],
    }


def _scenario(folder: Path) -> JsonObject:
    try:
        return {"folder": str(folder), "verdict": str(bundle.read_analysis(folder).verdict), "trouble": ""}
    except RecordError as error:
        return {"folder": str(folder), "verdict": None, "trouble": str(error)}


def _row(listed: JsonObject) -> tuple[str, ...]:
    scenarios = [one for one in _list(listed["scenarios"]) if isinstance(one, dict)]
    verdicts = counted(Verdict(str(one["verdict"])) for one in scenarios if one["verdict"])
    unreadable = sum(not one["verdict"] for one in scenarios)
    notes = [verdicts] if verdicts else []
    notes += [f"{unreadable} without a verdict that can be read"] if unreadable else []
    notes += [] if listed["finished"] or listed["worst"] == "running" else ["unfinished"]
    started = str(listed["started"]).replace("T", " ").removesuffix("+00:00")
    name = formatting.printable(Path(str(listed["run"])).name)
    return started, name, str(len(scenarios)), str(listed["worst"]), ", ".join(notes)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
