"""``harness judge --kayenta``: judge metric pairs by Kayenta's rules."""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import replace
from pathlib import Path

from harness.cli.output import clean_print as print
from harness.errors import JudgeInputError
from harness.judge.kayenta import (
    CanaryConfig,
    Judgement,
    PairList,
    Schedule,
    Thresholds,
    judge_pairs,
    judge_windows,
    parse_config,
    parse_pairs,
)
from harness.judge.kayenta.printed import as_json, as_table, course_as_json, course_as_table
from harness.model.units import LONGEST_S

OPTIONS = ("metrics", "pass_threshold", "marginal_threshold", "interval", "lookback", "step")
"""The options that only ``--kayenta`` uses, by their names in argparse."""
EXIT_CODES = {"Pass": 0, "Fail": 1, "Marginal": 10}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that ``--kayenta`` uses. ``--json`` belongs to the judge command."""
    group = parser.add_argument_group(
        "Kayenta",
        "judge metric pairs exactly as Kayenta's NetflixACAJudge-v1.0 does, with warnings where its answer misleads",
    )
    group.add_argument(
        "--kayenta", metavar="CONFIG", type=Path, help="canary configuration or canary request, as JSON or YAML"
    )
    group.add_argument("--metrics", metavar="PAIRS", type=Path, help="metric pairs, as Kayenta archives them")
    group.add_argument("--pass", dest="pass_threshold", metavar="SCORE", type=float, help="lowest score of a pass")
    group.add_argument(
        "--marginal", dest="marginal_threshold", metavar="SCORE", type=float, help="lowest score of a marginal verdict"
    )
    group.add_argument("--interval", metavar="MINUTES", type=int, help="judge growing windows, one after each interval")
    group.add_argument("--lookback", metavar="MINUTES", type=int, help="judge sliding windows of this length instead")
    group.add_argument(
        "--step", metavar="SECONDS", type=_seconds, help="seconds between two points, if the pairs do not say"
    )


def _seconds(text: str) -> float:
    """Return the argument of ``--step``. argparse turns the ArgumentTypeError into wrong usage."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"expected seconds above 0 and up to {LONGEST_S}, found {text!r}")
    return seconds


def run(args: argparse.Namespace) -> int:
    """Judge, print, and return 0 for Pass, 1 for Fail, 10 for Marginal."""
    if args.metrics is None:
        raise JudgeInputError("--metrics: expected the file of metric pairs that --kayenta judges, found none")
    config = parse_config(_text(args.kayenta), file=str(args.kayenta))
    pairs = parse_pairs(_text(args.metrics), file=str(args.metrics))
    config = replace(config, warnings=(*config.warnings, *pairs.warnings))
    thresholds = _thresholds(args, config)
    if args.interval is not None or args.lookback is not None:
        return _judge_windows(args, config, pairs, thresholds)
    judgement = judge_pairs(config, pairs.pairs, thresholds)
    print(_json(as_json(judgement)) if args.json else as_table(judgement, config, thresholds))
    _warn(args, judgement)
    return EXIT_CODES[judgement.classification]


def _judge_windows(args: argparse.Namespace, config: CanaryConfig, pairs: PairList, thresholds: Thresholds) -> int:
    stepped = [replace(pair, step_s=args.step or pair.step_s) for pair in pairs.pairs]
    schedule = config.schedule or Schedule()
    lengths_min = [max(pair.control.size, pair.experiment.size) * (pair.step_s or 0.0) / 60 for pair in stepped]
    if schedule.end_min is None and schedule.lifetime_min is None:
        schedule = replace(schedule, lifetime_min=int(max(lengths_min, default=0.0)))
    schedule = replace(
        schedule,
        interval_min=schedule.interval_min if args.interval is None else args.interval,
        lookback_min=schedule.lookback_min if args.lookback is None else args.lookback,
    )
    course = judge_windows(config, stepped, thresholds, schedule)
    print(_json(course_as_json(course)) if args.json else course_as_table(course, config, thresholds))
    _warn(args, course.judgements[-1])
    return 0 if course.passed else EXIT_CODES["Fail"]


def _warn(args: argparse.Namespace, judgement: Judgement) -> None:
    """Print warnings for people next to JSON for machines. The table has them already."""
    for warning in judgement.warnings if args.json else ():
        print(f"warning: {warning}", file=sys.stderr)


def _thresholds(args: argparse.Namespace, config: CanaryConfig) -> Thresholds:
    """Take the thresholds from the command line or the canary request, but never from the configuration itself."""
    given = config.thresholds
    passing = given.pass_score if args.pass_threshold is None and given else args.pass_threshold
    marginal = given.marginal_score if args.marginal_threshold is None and given else args.marginal_threshold
    for name, value in (("--pass", passing), ("--marginal", marginal)):
        if value is None or not math.isfinite(value):
            old = config.legacy_thresholds
            hint = (
                f" (its scoreThresholds, which Kayenta ignores, say {old.pass_score:g} and {old.marginal_score:g})"
                if old
                else ""
            )
            raise JudgeInputError(f"{name}: expected a score, found {value}; such as --pass 95 --marginal 75{hint}")
    return Thresholds(pass_score=passing, marginal_score=marginal)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise JudgeInputError(f"{path}: expected a readable text file: {error}") from error


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
