"""An objective: an indicator and what is still acceptable.

The text of an objective, read by ``parse_objective``::

    objective  = indicator [labels] ( compare condition [ "or" difference ] [ "and" compare limit ]
                                    | "within" ["±"] number unit )
    indicator  = name [ ":" argument ] | "interaction(" name ")"          names: harness.judge.indicators
    labels     = "{" key "=" value { "," key "=" value } "}"        keys: endpoint, phase, those of the indicator
    compare    = "<" | "<=" | ">" | ">="
    condition  = difference | limit
    difference = ("+" | "-") number ("%" | "pp" | "us" | "ms" | "s" | "m" | "rps" | nothing for readings)
    limit      = number (the indicator's unit)

A number with a sign is compared with the baseline, one without a sign with the canary itself. ``+0%`` fails every harm
that is proven, and passes only what is shown to be better. With ``or`` the wider one of a relative and an absolute
difference is tolerated; ``and`` adds a limit for the canary itself.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.errors import ObjectiveError
from harness.model.indicator import Direction, IndicatorSpec, Source
from harness.model.units import Unit
from harness.printable import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """An indicator and its limits. ``harness.judge.objectives.parse_objective`` reads one from text.

    text: as the user wrote it, e.g. ``latency_p99 < +10%``.
    name: of the indicator, e.g. ``latency_p99``, ``error_rate``, ``gauge:cpu``, ``interaction(error_rate)``.
    kind: what measures it, e.g. ``latency`` (``harness.model.indicator.IndicatorSpec.kind``).
    quantile: in (0, 1), for latencies only.
    relative: tolerated difference from the baseline as a share of it (0.1 is +10 %), or None.
    absolute: tolerated difference from the baseline in the indicator's unit (seconds, ratio), or None.
    If both are given, the wider one counts; both are sizes (never negative), ``direction`` has the sign.
    limit: the value that the canary itself must not pass, in the indicator's unit, or None.
    labels: restrict the samples, e.g. ``{"endpoint": "/checkout"}`` or ``{"phase": "fault"}``.
    interaction: whether to judge how much more the canary suffers from a fault than the baseline does.
    muted: whether it is reported only and decides nothing.
    """

    text: str
    name: str
    kind: str
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

    @property
    def argument(self) -> str:
        """The part of the indicator's name after the colon: ``cpu`` in ``gauge:cpu``; empty without a colon."""
        return self.name.partition(":")[2]

    @property
    def plain_name(self) -> str:
        """The indicator's name without ``interaction(...)`` around it."""
        return self.name.removeprefix(_INTERACTION).removesuffix(")") if self.interaction else self.name

    @property
    def tolerates(self) -> bool:
        """Whether a difference from the baseline is tolerated, and so judged; otherwise the limit alone is."""
        return self.relative is not None or self.absolute is not None


LABELS = ("endpoint", "phase")
_INTERACTION = "interaction("
_SECONDS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_LARGEST = 1e9


def parse_objective(
    text: str,
    specs: Sequence[IndicatorSpec],
    *,
    weight: float = 1.0,
    group: str = "default",
    critical: bool = False,
    muted: bool = False,
) -> Objective:
    """Return the objective that ``text`` describes, in the grammar at the top of this module.

    specs: the indicators that it may name. weight: its part of the score relative to the other objectives, above zero.
    Raises ObjectiveError, with the text and a caret under the first wrong character, for anything but a sensible
    objective.
    """
    if not isinstance(text, str):
        raise ObjectiveError(f"objective: expected a text such as 'latency_p99 < +10%', found {shown(text)}")
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight <= _LARGEST:
        raise ObjectiveError(f"objective {shown(text)}: expected a weight above zero, found {shown(weight)}")
    reader = _Reader(text, specs)
    indicator = reader.indicator()
    labels = reader.labels(indicator.spec)
    limits = reader.limits(indicator)
    reader.end()
    return Objective(
        text=text.strip(),
        name=indicator.name,
        kind=indicator.spec.kind,
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
    spec: IndicatorSpec
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
    """A number in an objective: its sign (+, - or empty) and its size in the base unit (seconds, ratio, requests/s)."""

    at: int
    sign: str
    value: float
    unit: str

    @property
    def relative(self) -> bool:
        """Whether this is a share of the baseline: a percentage with a sign. Without a sign it is a ratio."""
        return self.unit == "%" and self.sign != ""


class _Reader:
    """Reads one objective from left to right; every error points at a character."""

    def __init__(self, text: str, specs: Sequence[IndicatorSpec]) -> None:
        self.text, self.specs, self.at = text, specs, 0

    def wrong(self, message: str, at: int | None = None) -> ObjectiveError:
        place = self.at if at is None else at
        shown = re.sub(r"\s", " ", self.text)
        return ObjectiveError(f"objective: {message}\n  {shown}\n  {' ' * place}^")

    def found(self) -> str:
        rest = self.text[self.at :].split()
        return repr(rest[0]) if rest else "the end"

    def take(self, pattern: str) -> str | None:
        """Return the text that ``pattern`` matches after spaces and move behind it, or return None."""
        self.at += len(self.text[self.at :]) - len(self.text[self.at :].lstrip())
        match = re.compile(pattern).match(self.text, self.at)
        if match is None:
            return None
        self.at = match.end()
        return match.group()

    def indicator(self) -> _Indicator:
        interaction = self.take(r"interaction\s*\(") is not None
        start = self.at + len(self.text[self.at :]) - len(self.text[self.at :].lstrip())
        word = self.take(r"[A-Za-z_][\w.]*(:[A-Za-z_][\w:.\-/]*)?")
        if word is None:
            raise self.wrong(f"expected an indicator ({self._known()}), found {self.found()}")
        indicator = self._named(word, start)
        if not interaction:
            return indicator
        if not indicator.spec.interaction:
            able = " or ".join(one.names for one in self.specs if one.interaction)
            raise self.wrong(f"expected {able} inside interaction(...), found {word!r}", start)
        if self.take(r"\)") is None:
            raise self.wrong(f"expected ')' after interaction({word}, found {self.found()}")
        return replace(indicator, name=f"{_INTERACTION}{indicator.name})", interaction=True)

    def _named(self, word: str, start: int) -> _Indicator:
        for spec in self.specs:
            match = re.fullmatch(spec.pattern, word)
            if match is not None:
                percent = match.groupdict().get("percent")
                quantile = None if percent is None else round(float(percent) / 100, 12)
                return _Indicator(name=word, spec=spec, quantile=quantile)
        raise self.wrong(f"unknown indicator {word!r}; known: {self._known()}", start)

    def _known(self) -> str:
        able = [f"interaction({one.names})" for one in self.specs if one.interaction]
        return ", ".join([*(one.names for one in self.specs), *able])

    def labels(self, spec: IndicatorSpec) -> dict[str, str]:
        labels: dict[str, str] = {}
        known = (*LABELS, *spec.labels)
        if self.take(r"\{") is None:
            return labels
        while True:
            key = self.take(r"[A-Za-z_]\w*")
            if key is None:
                raise self.wrong(f"expected a label ({', '.join(known)}), found {self.found()}")
            if key not in known or key in labels:
                problem = "label given twice" if key in labels else "unknown label"
                raise self.wrong(f"{problem}: {key!r}; known: {', '.join(known)}", self.at - len(key))
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
        direction = Direction.EITHER if indicator.spec.two_sided else compare
        first = self._number(indicator, direction)
        if not first.sign and not indicator.spec.two_sided:
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
        if Direction.EITHER not in indicator.spec.worse:
            able = " and ".join(one.names for one in self.specs if Direction.EITHER in one.worse)
            raise self.wrong(f"'within' is for {able}; {indicator.name} is worse in one direction only", self.at - 6)
        self.take(r"±|\+/-")
        number = self._number(indicator, Direction.EITHER)
        plus = _Number(at=number.at, sign="+", value=number.value, unit=number.unit)
        return self._differences(Direction.EITHER, [plus], None)

    def _compare(self, indicator: _Indicator) -> Direction:
        operator = self.take(r"[<>]=?")
        if operator is None:
            raise self.wrong(f"expected '<', '>' or a label list after {indicator.name!r}, found {self.found()}")
        direction = Direction.INCREASE if operator.startswith("<") else Direction.DECREASE
        if direction not in indicator.spec.worse and not indicator.spec.two_sided:
            right = "<" if direction is Direction.DECREASE else ">"
            raise self.wrong(f"{indicator.name} needs {right!r} here, found {operator!r}", self.at - len(operator))
        return direction

    def _number(self, indicator: _Indicator, direction: Direction) -> _Number:
        self.take("")
        at = self.at
        sign = self.take(r"[+-]") or ""
        digits = self.take(r"\d+(?:\.\d+)?|\.\d+")
        if digits is None:
            raise self.wrong(f"expected a number such as {indicator.spec.example}, found {self.found()}")
        unit_at = self.at
        unit = self.take(r"%|(?!or\b|and\b)[A-Za-zµ]+") or ""
        if unit not in indicator.spec.suffixes:
            known = ", ".join(unit or "none" for unit in indicator.spec.suffixes)
            raise self.wrong(f"expected a unit for {indicator.name} ({known}), found {unit or 'none'}", unit_at)
        wrong_sign = "-" if direction is Direction.INCREASE else "+"
        if sign == wrong_sign and direction is not Direction.EITHER:
            raise self.wrong(f"expected a tolerance in the worse direction, such as {indicator.spec.example}", at)
        value = float(digits) * (_SECONDS.get(unit, 1.0) if unit not in {"%", "pp"} else 0.01)
        if not value < _LARGEST:
            raise self.wrong("expected a number that can be exceeded, found one that is too large", unit_at)
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
        ratio = indicator.spec.unit is Unit.RATIO
        if number.unit == "pp" or (number.unit == "%" and not ratio):
            raise self.wrong(
                f"a difference from the baseline needs a sign, such as {indicator.spec.example}", number.at
            )
        if ratio and not 0 < number.value < 1:
            raise self.wrong("expected a limit between 0% and 100%", number.at)
        if indicator.spec.source is not Source.SERIES and not number.value > 0:
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
