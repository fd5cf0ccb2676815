"""Format a judgement as JSON with Kayenta's own labels, or as a table for people."""

from __future__ import annotations

import math
from collections.abc import Iterable

from harness.judge.kayenta.classify import Result
from harness.judge.kayenta.config import JUDGE, CanaryConfig, Thresholds
from harness.judge.kayenta.reference import Course, Judgement
from harness.judge.kayenta.score import group_weight
from harness.model.json import JsonObject


def as_json(judgement: Judgement) -> JsonObject:
    """Return the judgement as JSON; NaN and infinities become strings, as in Kayenta's files."""
    return {
        "score": _number(judgement.score.total),
        "classification": judgement.classification,
        "reason": judgement.score.reason,
        "groups": {name: group.score for name, group in judgement.groups.items()},
        "results": [_result(result) for result in judgement.results],
        "warnings": list(judgement.warnings),
    }


def course_as_json(course: Course) -> JsonObject:
    """Return the last judgement as JSON, with all windows and the final decision."""
    return as_json(course.judgements[-1]) | {
        "passed": course.passed,
        "message": course.message,
        "intervals": [
            {
                "start_min": window.start_min,
                "end_min": window.end_min,
                "score": _number(judgement.score.total),
                "classification": judgement.classification,
            }
            for window, judgement in zip(course.windows, course.judgements, strict=True)
        ],
    }


def as_table(judgement: Judgement, config: CanaryConfig, thresholds: Thresholds) -> str:
    """Return the judgement as text for a terminal: verdict, groups, metrics and warnings."""
    head = (
        f"{judgement.classification}, score {judgement.score.total:.2f} "
        f"(pass from {thresholds.pass_score:g}, marginal from {thresholds.marginal_score:g}; {JUDGE})"
    )
    weights = config.group_weights or {}
    groups = [
        (
            name,
            f"{group_weight(name, judgement.groups, weights):g} %",
            f"{group.score:.2f}" if group.has_data else "no data",
        )
        for name, group in judgement.groups.items()
    ]
    parts = [
        "\n".join(filter(None, (head, judgement.score.reason))),
        _table(("group", "weight", "score"), groups),
        _table(("metric", "class", "change", "shift with 98 % interval", "reason"), map(_row, judgement.results)),
        "\n".join(["warnings:", *(f"  - {text}" for text in judgement.warnings)]) if judgement.warnings else "",
    ]
    return "\n\n".join(filter(None, parts))


def course_as_table(course: Course, config: CanaryConfig, thresholds: Thresholds) -> str:
    """Return all windows with their scores, then the last judgement, as text for a terminal."""
    rows = [
        (f"{window.start_min:g} to {window.end_min:g} min", judgement.classification, f"{judgement.score.total:.2f}")
        for window, judgement in zip(course.windows, course.judgements, strict=True)
    ]
    windows = _table(("window", "class", "score"), rows)
    return f"{course.message}\n\n{windows}\n\n{as_table(course.judgements[-1], config, thresholds)}"


def _result(result: Result) -> JsonObject:
    found = result.found
    return {
        "name": result.name,
        "tags": dict(result.tags),
        "classification": found.label.value,
        "critical": found.critical,
        "reason": found.reason,
        "ratio": None if found.ratio is None else _number(found.ratio),
        "interval": None if found.interval is None else [_number(found.interval.low), _number(found.interval.high)],
    }


def _row(result: Result) -> tuple[str, ...]:
    found, interval = result.found, result.found.interval
    tags = ", ".join(f"{key}={value}" for key, value in sorted(result.tags.items()))
    marks = [mark for mark, is_set in (("critical", found.critical), ("muted", result.muted)) if is_set]
    ratio = math.nan if found.ratio is None else found.ratio
    return (
        result.name + (f"{{{tags}}}" if tags else ""),
        " ".join((found.label.value, *(f"({mark})" for mark in marks))),
        "no value" if math.isnan(ratio) else f"{ratio - 1:+.1%}",
        "" if interval is None else f"{interval.estimate:.4g} ({interval.low:.4g} to {interval.high:.4g})",
        found.reason or "",
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, *rows]
    if len(lines) == 1:
        return ""
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "\n".join(line.rstrip() for line in padded)


def _number(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"
