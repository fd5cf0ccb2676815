"""``harness diff``: two recorded runs side by side."""

from __future__ import annotations

import argparse
import json
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness import bundle
from harness.cli.options import add_runs_folder, runs_folder
from harness.cli.output import clean_print as print
from harness.errors import RecordError, UsageError
from harness.history.retention import is_thinned
from harness.model import formatting
from harness.model.json import JsonObject, JsonValue
from harness.report.diff import Difference, Pair, Side, difference, side
from harness.report.diff_page import render
from harness.run_folder import find_run
from harness.summary import Judged

HELP = (
    "Compare two recorded runs, or two scenarios of them: verdicts, versions, configuration, objectives and latencies. "
    "Scenarios are paired by their names. Returns 0 whatever the verdicts are."
)
EXAMPLES = """\
  harness diff reports/20261122-0200-77aa reports/20261123-0200-a1f3
  harness diff reports/20261122-0200-77aa latest --html diff.html --open
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("a", metavar="A", help="folder of a recorded run or of one of its scenarios, or latest")
    parser.add_argument("b", metavar="B", help="the run to compare it with")
    add_runs_folder(parser)
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the comparison as a page")
    parser.add_argument("--open", action="store_true", help="open the page in the browser; needs --html")
    parser.add_argument("--json", action="store_true", help="print the comparison as JSON")


def run(args: argparse.Namespace) -> int:
    """Print the comparison."""
    if args.open and args.html is None:
        raise UsageError("--open: expected --html FILE too, which says where to write the page")
    out = runs_folder(args)
    left, right = _sides("A", args.a, out), _sides("B", args.b, out)
    found, alone = _paired(left, right)
    if args.json:
        print(json.dumps(_document(args, found, alone), indent=1, ensure_ascii=False))
    else:
        _print(found, alone)
    if args.html is not None:
        with bundle.recording(args.html):
            bundle.write_atomically(args.html, render(found, title=(args.a, args.b), alone=alone).encode())
        if not args.json:
            print(f"page     {args.html}")
        if args.open:
            webbrowser.open(args.html.absolute().as_uri())
    return 0


def _sides(label: str, text: str, out: Path) -> dict[str, Side]:
    """Return the scenarios of a run by their names. Raises RecordError for a run without any."""
    found = find_run(text, out)
    if not found.bundles:
        raise RecordError(f"{found.folder}: expected recorded scenarios, found none")
    sides = [_side(label, folder) for folder in found.bundles]
    return {one.summary.test: one for one in sides}


def _side(label: str, folder: Path) -> Side:
    """Read a bundle; where its samples were removed to save space, without them."""
    record = bundle.read_outline(folder) if is_thinned(folder) else bundle.read_bundle(folder)
    return side(label, str(folder), record, bundle.read_analysis(folder))


def _paired(left: Mapping[str, Side], right: Mapping[str, Side]) -> tuple[list[Difference], list[tuple[str, str]]]:
    if len(left) == len(right) == 1:
        return [difference(*left.values(), *right.values())], []
    found = [difference(left[name], right[name]) for name in left if name in right]
    alone = [("A", name) for name in left if name not in right] + [("B", name) for name in right if name not in left]
    return found, alone


def _print(found: Sequence[Difference], alone: Sequence[tuple[str, str]]) -> None:
    for one in found:
        print(one.title)
        for single in one.sides:
            verdict = f"{single.analysis.verdict.upper()}  score {formatting.points(single.analysis.score)}"
            print(f"  {single.label}  {verdict}  {single.name}\n     {single.analysis.reason}")
        _rows("objective", [(pair.key, _cell(pair.left), _cell(pair.right)) for pair in one.objectives])
        _rows("version", _texts(one.versions))
        _rows("configuration", _texts(one.configuration))
        _rows(
            "latency",
            [
                (f"{row.arm} {row.quantile} in {row.phase}", row.left, f"{row.right} ({row.difference})")
                for row in one.latencies
            ],
        )
        print("")
    for label, name in alone:
        print(f"only {label} has {name}")


def _texts(pairs: Sequence[Pair]) -> list[tuple[str, str, str]]:
    return [(pair.name, pair.left or "-", pair.right or "-") for pair in pairs]


def _rows(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    if not rows:
        print(f"  {title}: no difference" if title != "latency" else "  latency: no samples in common")
        return
    cut = [tuple(formatting.printable(cell)[:60] for cell in row) for row in [(title, "A", "B"), *rows]]
    widths = [max(map(len, column)) for column in zip(*cut, strict=True)]
    for row in cut:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _cell(judged: Judged | None) -> str:
    return "not judged" if judged is None else f"{judged.shown} {judged.verdict}"


def _document(args: argparse.Namespace, found: Sequence[Difference], alone: Sequence[tuple[str, str]]) -> JsonObject:
    return {
        "schema": "harness.diff/1",
        "a": args.a,
        "b": args.b,
        "scenarios": [_scenario(one) for one in found],
        "alone": [{"side": label, "scenario": name} for label, name in alone],
    }


def _scenario(one: Difference) -> JsonObject:
    left, right = one.sides
    objectives: list[JsonValue] = [
        {"objective": pair.key, "a": _number(pair.left), "b": _number(pair.right), "changed": pair.changed}
        for pair in one.objectives
    ]
    return {
        "scenario": left.summary.test,
        "a": {"folder": left.name, "verdict": str(left.analysis.verdict), "score": left.analysis.score},
        "b": {"folder": right.name, "verdict": str(right.analysis.verdict), "score": right.analysis.score},
        "objectives": objectives,
        "versions": [{"name": pair.name, "a": pair.left, "b": pair.right} for pair in one.versions],
        "configuration": [{"name": pair.name, "a": pair.left, "b": pair.right} for pair in one.configuration],
        "latencies": [
            {
                "phase": row.phase,
                "arm": row.arm,
                "quantile": row.quantile,
                "a": row.left,
                "b": row.right,
                "difference": row.difference,
            }
            for row in one.latencies
        ],
    }


def _number(judged: Judged | None) -> JsonObject | None:
    if judged is None:
        return None
    return {
        "verdict": judged.verdict, "difference": judged.difference, "low": judged.low, "high": judged.high,
        "relative": judged.relative, "unit": judged.unit,
    }  # fmt: skip
