"""The ``indicators`` section: a project's own indicators of the server side, as templates of PromQL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import AfterValidator

from harness.config.section import Section
from harness.config.values import Text, expected, one_of, refused
from harness.errors import ObjectiveError
from harness.judge.objectives import parse_objective
from harness.metrics.promql import unknown_placeholder
from harness.model.config import Config
from harness.model.indicator import Direction
from harness.model.objective import Objective
from harness.model.server_indicator import Kind, ServerIndicator

_KindName = Literal["ratio", "histogram", "gauge", "rate"]
KindName: TypeAlias = Annotated[_KindName, one_of(*get_args(_KindName))]
_DirectionName = Literal["increase", "decrease", "either"]
DirectionName: TypeAlias = Annotated[_DirectionName, one_of(*get_args(_DirectionName))]
_APART = ("{version}", "{arm}", "{workload}")
_COUNTER = re.compile(r"\b([a-zA-Z_:][\w:]*_(?:total|count|sum|bucket))\b")
_FUNCTIONS = re.compile(
    r"\b(rate|irate|increase|delta|idelta|deriv|resets|changes|histogram_\w+|timestamp|\w+_over_time)\s*\("
)


def checked_template(query: str) -> str:
    """Return a template. Raises an error for an unknown placeholder, and for one that does not tell the arms apart."""
    wrong = unknown_placeholder(query)
    if wrong:
        raise refused(wrong)
    if not any(word in query for word in _APART):
        raise expected("PromQL with {version}, {workload} or {arm} in it, to tell the arms apart")
    return query


def counter_in(query: str) -> str:
    """Return the name of a counter that a query reads as if it were a gauge; empty if there is none."""
    found = _COUNTER.search(query)
    return found[1] if found and not _FUNCTIONS.search(query) else ""


Template: TypeAlias = Annotated[Text, AfterValidator(checked_template)]


class IndicatorKeys(Section):
    """An own indicator of the server side."""

    kind: KindName
    """What the query gives: the counter of events of a ratio, a histogram, a gauge, or a counter as a rate."""

    query: Template
    """PromQL. {namespace}, {service}, {workload}, {version}, {arm} and {window} are replaced by those of the arm.
    Counters are given as they are, without rate(), summed by pod or instance."""

    of: Template | None = None
    """For a ratio: PromQL of the counter of everything, summed by the same labels."""

    unit: Text | None = None
    """The unit of its values. A histogram is in s or ms."""

    direction: DirectionName = "increase"
    """The direction in which it gets worse: increase, decrease or either."""

    tolerance: Text | None = None
    """What is tolerated, such as +10% or +0.5pp. Default: none, and objectives name it."""


def indicators_of(keys: Mapping[str, IndicatorKeys]) -> tuple[ServerIndicator, ...]:
    """Return every indicator of the section in the order of the file."""
    return tuple(
        ServerIndicator(
            name=name,
            kind=Kind(one.kind),
            meaning="own indicator of harness.yaml",
            unit="ratio" if one.kind == "ratio" else "s" if one.kind == "histogram" else one.unit or "",
            worse=(Direction(one.direction),),
            query=one.query,
            of_query=one.of or "",
            scale=1e-3 if one.kind == "histogram" and one.unit == "ms" else 1.0,
        )
        for name, one in keys.items()
    )


def check_indicators(config: Config, keys: Mapping[str, IndicatorKeys]) -> None:
    """Raise ConfigError for an indicator whose keys contradict each other."""
    for name, one in keys.items():
        if (one.kind == "ratio") != (one.of is not None):
            wanted = "of, the counter of everything, for a ratio" if one.kind == "ratio" else "of for a ratio only"
            raise config.error(f"indicators.{name}", f"expected {wanted}, found kind {one.kind}")
        counter = counter_in(one.query) if one.kind == "gauge" else ""
        if counter:
            raise config.error(
                f"indicators.{name}.query",
                f"expected a gauge, found the counter {counter}: choose kind: rate, "
                "or put rate(...[{window}]) around it",
            )


def tolerated(config: Config, keys: Mapping[str, IndicatorKeys]) -> tuple[Objective, ...]:
    """Return the objectives that the tolerances of indicators stand for. Raises ConfigError for one that is none."""
    found = []
    for name, one in keys.items():
        if one.tolerance is None:
            continue
        prefix = {"ratio": "ratio", "histogram": "histogram_p99"}.get(one.kind, "gauge")
        compare = {"increase": "<", "decrease": ">"}.get(one.direction, "within")
        amount = one.tolerance.lstrip("+-") if compare == "within" else one.tolerance
        try:
            found.append(parse_objective(f"{prefix}:{name} {compare} {amount}"))
        except ObjectiveError as error:
            raise config.error(f"indicators.{name}.tolerance", str(error)) from error
    return tuple(found)
