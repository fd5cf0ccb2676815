"""An objective: a service level indicator with what is still acceptable.

The text of an objective, read by ``parse_objective``::

    objective  = indicator [labels] ( compare condition [ "or" difference ] [ "and" compare limit ]
                                    | "within" ["±"] number unit )
    indicator  = "error_rate" | "latency_p50" ... "latency_p99.9" | "throughput" | "split"
               | "recovery_time" | "gauge:" name | "interaction(" indicator ")"
    labels     = "{" key "=" value { "," key "=" value } "}"        keys: endpoint, phase
    compare    = "<" | "<=" | ">" | ">="
    condition  = difference | limit
    difference = ("+" | "-") number ("%" | "pp" | "us" | "ms" | "s" | "m" | nothing for gauges)
    limit      = number (the indicator's unit)

A sign means "against the baseline", no sign means "the canary itself". ``+0%`` fails any harm that is
shown, and passes only what is shown to be better. With ``or`` the wider of a
relative and an absolute difference is tolerated; ``and`` adds a limit for the canary itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.errors import ObjectiveError


class SliKind(StrEnum):
    """How an indicator is computed, which decides the test that fits it."""

    ERROR_RATE = "error_rate"
    LATENCY = "latency"
    THROUGHPUT = "throughput"
    SPLIT = "split"
    GAUGE = "gauge"
    RECOVERY = "recovery_time"


class Direction(StrEnum):
    """Which way is worse."""

    INCREASE = "increase"
    DECREASE = "decrease"
    EITHER = "either"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """One indicator and its limits. Build one from text with ``parse_objective``.

    text: as the user wrote it, e.g. ``latency_p99 < +10%``.
    name: the indicator, e.g. ``latency_p99``, ``error_rate``, ``gauge:cpu``, ``interaction(error_rate)``.
    quantile: in (0, 1), for latencies only.
    relative: tolerated difference to the baseline as a share of it (0.1 is +10 %), or None.
    absolute: tolerated difference to the baseline in the indicator's unit (seconds, ratio), or None.
    When both are given, the wider one counts; both are sizes (never negative), ``direction`` has the sign.
    limit: value the canary itself must not pass, in the indicator's unit, or None.
    labels: restrict the samples, e.g. ``{"endpoint": "/checkout"}`` or ``{"phase": "fault"}``.
    interaction: judge how much more the canary suffers from a fault than the baseline does.
    muted: reported, never decides.
    """

    text: str
    name: str
    kind: SliKind
    quantile: float | None = None
    direction: Direction = Direction.INCREASE
    relative: float | None = None
    absolute: float | None = None
    limit: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    interaction: bool = False
    weight: float = 1.0
    group: str = "default"
    critical: bool = False
    muted: bool = False

    def __str__(self) -> str:
        return self.text


DEFAULT_OBJECTIVES = ("error_rate < +0.5pp", "latency_p50 < +10%", "latency_p90 < +10%", "latency_p99 < +25%")
LABELS = ("endpoint", "phase")
KNOWN_INDICATORS = (
    "error_rate", "latency_p50 to latency_p99.9", "throughput", "split", "recovery_time",
    "gauge:NAME", "interaction(error_rate)", "interaction(latency_p99)",
)  # fmt: skip
_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_WORSE = {
    SliKind.THROUGHPUT: (Direction.DECREASE,),
    SliKind.SPLIT: (Direction.EITHER,),
    SliKind.GAUGE: (Direction.INCREASE, Direction.DECREASE, Direction.EITHER),
}
_SENSELESS = 1e9
_UNITS = {
    SliKind.ERROR_RATE: ("%", "pp"),
    SliKind.LATENCY: ("%", *_SECONDS),
    SliKind.THROUGHPUT: ("%", "rps"),
    SliKind.SPLIT: ("pp",),
    SliKind.GAUGE: ("%", ""),
    SliKind.RECOVERY: ("%", *_SECONDS),
}


def default_objectives() -> tuple[Objective, ...]:
    """What is judged when a scenario names no objectives."""
    return tuple(parse_objective(text) for text in DEFAULT_OBJECTIVES)


def parse_objective(
    text: str, *, weight: float = 1.0, group: str = "default", critical: bool = False, muted: bool = False
) -> Objective:
    """The objective that ``text`` describes, in the grammar at the top of this module.

    weight: its part of the score beside the other objectives, above zero. Raises ObjectiveError, with the text and a
    caret under the first character that is wrong, for anything else than a sensible objective.
    """
    if not isinstance(text, str):
        raise ObjectiveError(f"objective: expected a text such as 'latency_p99 < +10%', found {text!r}")
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < float("inf"):
        raise ObjectiveError(f"objective {text!r}: expected a weight above zero, found {weight!r}")
    reader = _Reader(text)
    indicator = reader.indicator()
    labels = reader.labels()
    limits = reader.limits(indicator)
    reader.end()
    return Objective(
        text=text.strip(),
        name=indicator.name,
        kind=indicator.kind,
        quantile=indicator.quantile,
        direction=limits.direction,
        relative=limits.relative,
        absolute=limits.absolute,
        limit=limits.limit,
        labels=labels,
        interaction=indicator.interaction,
        weight=float(weight),
        group=group,
        critical=critical,
        muted=muted,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Indicator:
    name: str
    kind: SliKind
    quantile: float | None = None
    interaction: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Limits:
    direction: Direction
    relative: float | None = None
    absolute: float | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    """``sign`` is +, - or empty; ``value`` is a size in the base unit (seconds, ratio, requests per second)."""

    at: int
    sign: str
    value: float
    unit: str

    @property
    def relative(self) -> bool:
        """A signed percentage is a share of the baseline; an unsigned one is a ratio."""
        return self.unit == "%" and self.sign != ""


class _Reader:
    """Reads one objective from left to right; every error knows its character."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def wrong(self, message: str, at: int | None = None) -> ObjectiveError:
        place = self.at if at is None else at
        shown = re.sub(r"\s", " ", self.text)
        return ObjectiveError(f"objective: {message}\n  {shown}\n  {' ' * place}^")

    def found(self) -> str:
        rest = self.text[self.at :].split()
        return repr(rest[0]) if rest else "the end"

    def take(self, pattern: str) -> str | None:
        """The text that ``pattern`` matches here, after spaces; None and no move when it does not."""
        self.at += len(self.text[self.at :]) - len(self.text[self.at :].lstrip())
        match = re.compile(pattern).match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match.group()

    def indicator(self) -> _Indicator:
        interaction = self.take(r"interaction\s*\(") is not None
        start = self.at + len(self.text[self.at :]) - len(self.text[self.at :].lstrip())
        word = self.take(r"gauge:[A-Za-z_][\w:.\-/]*|[A-Za-z_][\w.]*")
        if word is None:
            raise self.wrong(f"expected an indicator ({', '.join(KNOWN_INDICATORS)}), found {self.found()}")
        indicator = self._known(word, start)
        if not interaction:
            return indicator
        if indicator.kind not in {SliKind.ERROR_RATE, SliKind.LATENCY}:
            raise self.wrong(f"expected error_rate or a latency inside interaction(...), found {word!r}", start)
        if self.take(r"\)") is None:
            raise self.wrong(f"expected ')' after interaction({word}, found {self.found()}")
        return _Indicator(
            name=f"interaction({indicator.name})", kind=indicator.kind, quantile=indicator.quantile, interaction=True
        )

    def _known(self, word: str, start: int) -> _Indicator:
        if word.startswith("gauge:"):
            return _Indicator(name=word, kind=SliKind.GAUGE)
        quantile = re.fullmatch(r"latency_p(\d{2}(?:\.\d+)?)", word)
        if quantile and 50 <= float(quantile.group(1)) <= 99.9:
            return _Indicator(name=word, kind=SliKind.LATENCY, quantile=round(float(quantile.group(1)) / 100, 12))
        if re.fullmatch(r"latency_p[\d.]+", word):
            raise self.wrong(f"expected a quantile from latency_p50 to latency_p99.9, found {word!r}", start)
        for kind in (SliKind.ERROR_RATE, SliKind.THROUGHPUT, SliKind.SPLIT, SliKind.RECOVERY):
            if word == kind.value:
                return _Indicator(name=word, kind=kind)
        raise self.wrong(f"unknown indicator {word!r}; known: {', '.join(KNOWN_INDICATORS)}", start)

    def labels(self) -> dict[str, str]:
        labels: dict[str, str] = {}
        if self.take(r"\{") is None:
            return labels
        while True:
            key = self.take(r"[A-Za-z_]\w*")
            if key is None:
                raise self.wrong(f"expected a label ({', '.join(LABELS)}), found {self.found()}")
            if key not in LABELS or key in labels:
                problem = "label given twice" if key in labels else "unknown label"
                raise self.wrong(f"{problem}: {key!r}; known: {', '.join(LABELS)}", self.at - len(key))
            if self.take(r"=") is None:
                raise self.wrong(f"expected '=' after the label {key!r}, found {self.found()}")
            value = self.take(r'"[^"]*"|[^,}"]+')
            if value is None or not value.strip('" '):
                raise self.wrong(f"expected a value for the label {key!r}, found {self.found()}")
            labels[key] = value.strip('"') if value.startswith('"') else value.strip()
            separator = self.take(r"[,}]")
            if separator is None:
                raise self.wrong(f"expected ',' or '}}' after the label {key!r}, found {self.found()}")
            if separator == "}":
                return labels

    def limits(self, indicator: _Indicator) -> _Limits:
        if self.take(r"within\b") is not None:
            return self._within(indicator)
        compare = self._compare(indicator)
        direction = compare if indicator.kind is not SliKind.SPLIT else Direction.EITHER
        first = self._number(indicator, direction)
        if not first.sign and indicator.kind is not SliKind.SPLIT:
            return _Limits(direction=direction, limit=self._limit(indicator, first))
        numbers = [first]
        if self.take(r"or\b") is not None:
            self.take(r"[<>]=?")
            numbers.append(self._second(indicator, direction, first))
        limit = None
        if self.take(r"and\b") is not None:
            limit = self._own_limit(indicator, direction)
        return self._differences(direction, numbers, limit)

    def _within(self, indicator: _Indicator) -> _Limits:
        if Direction.EITHER not in _WORSE.get(indicator.kind, ()):
            raise self.wrong(
                f"'within' is for split and gauges; {indicator.name} is worse in one direction only", self.at - 6
            )
        self.take(r"±|\+/-")
        number = self._number(indicator, Direction.EITHER)
        plus = _Number(at=number.at, sign="+", value=number.value, unit=number.unit)
        return self._differences(Direction.EITHER, [plus], None)

    def _compare(self, indicator: _Indicator) -> Direction:
        operator = self.take(r"[<>]=?")
        if operator is None:
            raise self.wrong(f"expected '<', '>' or a label list after {indicator.name!r}, found {self.found()}")
        direction = Direction.INCREASE if operator.startswith("<") else Direction.DECREASE
        allowed = _WORSE.get(indicator.kind, (Direction.INCREASE,))
        if direction not in allowed and indicator.kind is not SliKind.SPLIT:
            right = "<" if direction is Direction.DECREASE else ">"
            raise self.wrong(f"{indicator.name} needs {right!r} here, found {operator!r}", self.at - len(operator))
        return direction

    def _number(self, indicator: _Indicator, direction: Direction) -> _Number:
        self.take("")
        at = self.at
        sign = self.take(r"[+-]") or ""
        digits = self.take(r"\d+(?:\.\d+)?|\.\d+")
        if digits is None:
            raise self.wrong(f"expected a number such as {_example(indicator.kind)}, found {self.found()}")
        unit_at = self.at
        unit = self.take(r"%|(?!or\b|and\b)[A-Za-zµ]+") or ""
        if unit not in _UNITS[indicator.kind]:
            known = ", ".join(unit or "none" for unit in _UNITS[indicator.kind])
            raise self.wrong(f"expected a unit for {indicator.name} ({known}), found {unit or 'none'}", unit_at)
        wrong_sign = "-" if direction is Direction.INCREASE else "+"
        if sign == wrong_sign and direction is not Direction.EITHER:
            raise self.wrong(f"expected a tolerance in the worse direction, such as {_example(indicator.kind)}", at)
        value = float(digits) * (_SECONDS.get(unit, 1.0) if unit not in {"%", "pp"} else 0.01)
        if not value < _SENSELESS:
            raise self.wrong("expected a number that can be exceeded, found one beyond all measure", unit_at)
        return _Number(at=at, sign=sign, value=value, unit=unit)

    def _second(self, indicator: _Indicator, direction: Direction, first: _Number) -> _Number:
        second = self._number(indicator, direction)
        if not second.sign or second.relative == first.relative:
            raise self.wrong(
                "expected one relative and one absolute difference around 'or', such as +10% or +5ms", second.at
            )
        return second

    def _own_limit(self, indicator: _Indicator, direction: Direction) -> float:
        operator = self.take(r"[<>]=?")
        expected = "<" if direction is Direction.INCREASE else ">"
        if operator is None or not operator.startswith(expected):
            raise self.wrong(f"expected {expected!r} and a limit after 'and', found {operator or self.found()}")
        number = self._number(indicator, direction)
        if number.sign:
            raise self.wrong(
                "expected a limit without a sign after 'and'; a second difference goes after 'or'", number.at
            )
        return self._limit(indicator, number)

    def _limit(self, indicator: _Indicator, number: _Number) -> float:
        if indicator.interaction:
            raise self.wrong("an interaction is a difference and needs a sign, such as +10%", number.at)
        if number.unit == "pp" or (number.unit == "%" and indicator.kind is not SliKind.ERROR_RATE):
            raise self.wrong(
                f"a difference to the baseline needs a sign, such as {_example(indicator.kind)}", number.at
            )
        if indicator.kind is SliKind.ERROR_RATE and not 0 < number.value < 1:
            raise self.wrong("expected a limit between 0% and 100%", number.at)
        if indicator.kind is not SliKind.GAUGE and not number.value > 0:
            raise self.wrong(f"expected a limit above 0: nothing is below it, found {number.value:g}", number.at)
        return number.value

    def _differences(self, direction: Direction, numbers: list[_Number], limit: float | None) -> _Limits:
        relative = next((number for number in numbers if number.unit == "%"), None)
        absolute = next((number for number in numbers if number.unit != "%"), None)
        if relative is not None and direction is not Direction.INCREASE and relative.value >= 1:
            raise self.wrong("nothing can fall by 100% or more; expected a smaller tolerance", relative.at)
        if absolute is not None and absolute.unit == "pp" and absolute.value >= 1:
            raise self.wrong("a ratio cannot change by 100pp or more; expected a smaller tolerance", absolute.at)
        return _Limits(
            direction=direction,
            relative=relative.value if relative else None,
            absolute=absolute.value if absolute else None,
            limit=limit,
        )

    def end(self) -> None:
        self.take("")
        if self.at < len(self.text):
            raise self.wrong(f"expected the end, 'or' or 'and', found {self.found()}")


def _example(kind: SliKind) -> str:
    return {
        SliKind.ERROR_RATE: "+0.5pp",
        SliKind.LATENCY: "+10% or +5ms",
        SliKind.THROUGHPUT: "-5%",
        SliKind.SPLIT: "2pp",
        SliKind.GAUGE: "+20%",
        SliKind.RECOVERY: "+2s or 5s",
    }[kind]
