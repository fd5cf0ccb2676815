"""The metric pairs that Kayenta archives: one series of each side for a metric and its tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.judge.kayenta.fields import Fields, as_number, parse_document, refuse
from harness.model.json import Json

_PAIR = (
    "name", "id", "tags", "values", "scopes", "attributes",
    "startTimeMillis", "startTimeIso", "endTimeMillis", "endTimeIso", "stepMillis",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One metric's points of both sides, shapes (n,) and (m,), NaN for gaps, not aligned in time.

    control_start_s, experiment_start_s: epoch seconds of the first point; step_s: seconds between
    points; None where the archive does not say.
    """

    name: str
    control: NDArray[np.float64]
    experiment: NDArray[np.float64]
    tags: Mapping[str, str] = field(default_factory=dict)
    control_start_s: float | None = None
    experiment_start_s: float | None = None
    step_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairList:
    """Pairs in their order, and what in them nothing reads."""

    pairs: tuple[Pair, ...]
    warnings: tuple[str, ...] = ()


def parse_pairs(text: str, *, file: str = "metric pairs") -> PairList:
    """The pairs in ``text``; NaN may stand bare or as text."""
    return read_pairs(parse_document(text, file=file, not_a_number=True))


def read_pairs(document: Json) -> PairList:
    """The pairs of a parsed list. Raises JudgeInputError, naming the field, for what Kayenta refuses."""
    if not isinstance(document, list):
        raise refuse("pairs", "a list of {name, tags, values: {control, experiment}}", document)
    objects = [Fields.of(value, f"pairs[{index}]") for index, value in enumerate(document)]
    unknown = [warning for fields in objects for warning in fields.unknown(_PAIR)]
    return PairList(pairs=tuple(_pair(fields) for fields in objects), warnings=tuple(unknown))


def _pair(fields: Fields) -> Pair:
    name, values = fields.text("name"), fields.child("values")
    if name is None:
        raise refuse(fields.at("name"), "the name of a metric", None)
    if values is None:
        raise refuse(fields.at("values"), "an object with control and experiment", None)
    scopes = fields.child("scopes") or Fields({}, fields.at("scopes"))
    control, experiment = scopes.child("control") or fields, scopes.child("experiment") or fields
    return Pair(
        name=name,
        tags=fields.text_map("tags"),
        control=_points(values, "control"),
        experiment=_points(values, "experiment"),
        control_start_s=_seconds(control, "startTimeMillis"),
        experiment_start_s=_seconds(experiment, "startTimeMillis"),
        step_s=_seconds(experiment, "stepMillis"),
    )


def _points(values: Fields, side: str) -> NDArray[np.float64]:
    points = values.entries(side)
    if points is None:
        raise refuse(values.at(side), "a list of numbers (an empty one where there is no data)", None)
    path = values.at(side)
    return np.array([as_number(point, f"{path}[{index}]") for index, point in enumerate(points)], dtype=np.float64)


def _seconds(fields: Fields, key: str) -> float | None:
    value = fields.number(key)
    return None if value is None else value / 1000
