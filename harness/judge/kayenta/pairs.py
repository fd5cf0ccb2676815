"""Read the metric pairs that Kayenta archives: one series of each side for a metric and its tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.judge.kayenta.fields import Fields, as_number, parse_document, rejection
from harness.model.json import JsonValue

_PAIR = (
    "name", "id", "tags", "values", "scopes", "attributes",
    "startTimeMillis", "startTimeIso", "endTimeMillis", "endTimeIso", "stepMillis",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """One metric's points of both sides, shapes (n,) and (m,), with NaN for gaps; the sides are not aligned in time.

    control_start_s, experiment_start_s: the time of the first point in seconds since the epoch. step_s: seconds between
    points. All three are None if the archive does not contain them.
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
    """Pairs in their order, and warnings about fields that Kayenta does not read."""

    pairs: tuple[Pair, ...]
    warnings: tuple[str, ...] = ()


def parse_pairs(text: str, *, file: str = "metric pairs") -> PairList:
    """Return the pairs in ``text``, in which NaN may be written with or without quotes; see ``read_pairs``."""
    return read_pairs(parse_document(text, file=file, not_a_number=True))


def read_pairs(document: JsonValue) -> PairList:
    """Return the pairs of a parsed list. Raises JudgeInputError, with the field's path, for what Kayenta rejects."""
    if not isinstance(document, list):
        raise rejection("pairs", "a list of {name, tags, values: {control, experiment}}", document)
    objects = [Fields.of(value, f"pairs[{index}]") for index, value in enumerate(document)]
    unknown = [warning for fields in objects for warning in fields.unknown(_PAIR)]
    return PairList(pairs=tuple(_pair(fields) for fields in objects), warnings=tuple(unknown))


def _pair(fields: Fields) -> Pair:
    name, values = fields.text("name"), fields.child("values")
    if name is None:
        raise rejection(fields.at("name"), "the name of a metric", None)
    if values is None:
        raise rejection(fields.at("values"), "an object with control and experiment", None)
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
        raise rejection(values.at(side), "a list of numbers (an empty one where there is no data)", None)
    path = values.at(side)
    return np.array([as_number(point, f"{path}[{index}]") for index, point in enumerate(points)], dtype=np.float64)


def _seconds(fields: Fields, key: str) -> float | None:
    value = fields.number(key)
    return None if value is None else value / 1000
