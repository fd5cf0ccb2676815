"""The kinds of values in ``harness.yaml``: each checks what the file says and describes it in the JSON Schema.

A check that fails says what it expected, as one of two pydantic errors that ``harness.config.mistakes`` translates:
``expected`` (the value that was found is added there) and ``refused`` (a whole sentence).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, TypeAlias, cast

from annotated_types import Ge, GroupedMetadata, Le
from pydantic import (
    BeforeValidator,
    Field,
    PlainSerializer,
    Strict,
    StrictBool,
    StrictStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from harness.errors import UsageError
from harness.model.json import JsonObject
from harness.model.load import Arrivals
from harness.model.phase import format_length, parse_length
from harness.model.split import SplitBy
from harness.model.units import parse_duration, parse_percent


def refused(sentence: str) -> PydanticCustomError:
    """Return an error whose message is ``sentence``."""
    return PydanticCustomError("refused", "{sentence}", {"sentence": sentence})


def expected(what: str) -> PydanticCustomError:
    """Return an error that says ``expected {what}, found {the value}``."""
    return PydanticCustomError("expected", "expected {what}", {"what": what})


def expecting(what: str) -> WrapValidator:
    """Replace every error of the inner checks by one that says what was expected."""

    def check(value: object, inner: ValidatorFunctionWrapHandler) -> object:
        try:
            return inner(value)
        except ValidationError as error:
            raise expected(what) from error

    return WrapValidator(check)


def one_of(*names: str) -> WrapValidator:
    """Replace every error of the inner checks by one that lists the known names."""

    def check(value: object, inner: ValidatorFunctionWrapHandler) -> object:
        try:
            return inner(value)
        except ValidationError as error:
            raise PydanticCustomError("unknown_name", "unknown name", {"known": names}) from error

    return WrapValidator(check)


def _translated(parse: Callable[[str | float], float]) -> BeforeValidator:
    def check(value: object) -> float:
        try:
            return parse(cast("str | float", value))  # it refuses everything else
        except UsageError as error:
            raise refused(str(error)) from error

    return BeforeValidator(check)


def _length() -> WrapValidator:
    """Return a check that keeps a range, which pydantic's own check of a number would reduce to its longer end."""

    def check(value: object, inner: ValidatorFunctionWrapHandler) -> object:
        try:
            seconds = parse_length(value, "")  # type: ignore[arg-type]  # it refuses whatever is no text or number
        except UsageError as error:
            raise refused(str(error)) from error
        inner(float(seconds))
        return seconds

    return WrapValidator(check)


@dataclass(frozen=True, slots=True)
class Between(GroupedMetadata):
    """Metadata of a number from ``low`` to ``high``."""

    low: float
    high: float

    def __iter__(self) -> Iterator[object]:
        """Yield what pydantic reads: the limits, and the message for a value outside them."""
        yield from (Strict(), Ge(self.low), Le(self.high), expecting(f"a number from {self.low:g} to {self.high:g}"))


@dataclass(frozen=True, slots=True)
class Count(GroupedMetadata):
    """Metadata of a whole number from ``low`` to ``high``."""

    low: int
    high: int

    def __iter__(self) -> Iterator[object]:
        """Yield what pydantic reads: the limits, and the message for a value outside them."""
        yield from (Strict(), Ge(self.low), Le(self.high), expecting(f"a whole number from {self.low} to {self.high}"))


@dataclass(frozen=True, slots=True)
class Shaped(GroupedMetadata):
    """Metadata of a text that matches ``pattern`` from start to end. what: how messages describe such a text."""

    pattern: str
    what: str

    def __iter__(self) -> Iterator[object]:
        """Yield what pydantic reads: the pattern, and the message for a text that does not match."""
        yield from (Strict(), Field(pattern=f"^(?:{self.pattern})$"), expecting(self.what))


def _word(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise expected("a text (true and false in quotes)")
    return str(value)


PERCENT_FORMS: tuple[JsonObject, ...] = (
    {"type": "number", "minimum": 1, "maximum": 100},
    {"const": 0},
    {"type": "string", "pattern": r"^\s*(\d+(\.\d+)?\s*%|0*[1-9]\d*(\.\d+)?|0+(\.0+)?)\s*$"},
)
_DURATION_FORMS: tuple[JsonObject, ...] = (
    {"type": "number", "minimum": 0},
    {"type": "string", "pattern": r"^\s*((\d+(\.\d+)?|\.\d+)(us|µs|ms|s|m|h))+\s*$"},
)
_RANGE_FORM: JsonObject = {
    "type": "string",
    "pattern": r"^\s*((\d+(\.\d+)?|\.\d+)(us|µs|ms|s|m|h))+\s*\.\.\s*((\d+(\.\d+)?|\.\d+)(us|µs|ms|s|m|h))+\s*$",
}

Text: TypeAlias = Annotated[StrictStr, Field(pattern=r"\S"), expecting("a text")]
"""A text that is not empty."""

Word: TypeAlias = Annotated[str, BeforeValidator(_word), WithJsonSchema({"type": ["string", "number"]})]
"""A text; a number counts as the text that it is written as."""

Words: TypeAlias = Annotated[list[Word], Field(min_length=1)]
"""A list of texts with at least one item."""

Switch: TypeAlias = Annotated[StrictBool, expecting("true or false")]
"""True or false."""

Port: TypeAlias = Annotated[int, Strict(), Ge(1), Le(65535), expecting("a port from 1 to 65535")]
"""A TCP port."""

Duration: TypeAlias = Annotated[
    float,
    _translated(lambda value: parse_duration(value, "")),
    PlainSerializer(lambda seconds: f"{seconds:g}s", return_type=str),
    WithJsonSchema({"anyOf": [*_DURATION_FORMS]}),
]
"""Seconds, from ``250ms``, ``1m30s`` or a number of seconds."""

Length: TypeAlias = Annotated[
    float,
    _length(),
    PlainSerializer(format_length, return_type=str),
    WithJsonSchema({"anyOf": [*_DURATION_FORMS, _RANGE_FORM]}),
]
"""The seconds of a phase, as a duration or as a range such as ``10s..2m``."""

Percent: TypeAlias = Annotated[
    float,
    _translated(lambda value: parse_percent(value, "")),
    PlainSerializer(lambda ratio: f"{ratio * 100:g}%", return_type=str),
    WithJsonSchema({"anyOf": [*PERCENT_FORMS]}),
]
"""A ratio from 0 to 1, from a percentage such as ``20%`` or ``20``."""

ArrivalsName: TypeAlias = Annotated[Arrivals, one_of(*Arrivals)]
"""The name of a spacing of arrivals."""

SplitByName: TypeAlias = Annotated[SplitBy, one_of(*SplitBy)]
"""The name of a way to split requests."""
