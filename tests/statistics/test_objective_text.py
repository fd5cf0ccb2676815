"""Parsing objectives: which texts are valid, and where the caret points in the error for the others."""

import pytest

from harness.errors import ObjectiveError
from harness.judge.objectives import default_objectives, parse_objective
from harness.model.indicator import Direction


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("latency_p99 < +10%", {"kind": "latency", "quantile": 0.99, "relative": 0.1}),
        ("latency_p99.9<+10%", {"quantile": 0.999, "relative": 0.1, "absolute": None, "limit": None}),
        ("latency_p99 < +0%", {"relative": 0.0}),
        ("latency_p50 <= +5ms", {"quantile": 0.5, "absolute": 0.005, "relative": None}),
        ("latency_p99 < 500ms", {"limit": 0.5, "relative": None, "absolute": None}),
        ("latency_p99 < +10% or +5ms and < 1.5s", {"relative": 0.1, "absolute": 0.005, "limit": 1.5}),
        ("error_rate < +0.5pp", {"kind": "error_rate", "absolute": 0.005, "name": "error_rate"}),
        ("error_rate < +50%", {"relative": 0.5, "absolute": None}),
        ("error_rate < 1%", {"limit": 0.01}),
        ("error_rate{endpoint=/checkout} < +0.5pp", {"labels": {"endpoint": "/checkout"}}),
        ('error_rate{endpoint="GET /a,b", phase=fault} < 1%', {"labels": {"endpoint": "GET /a,b", "phase": "fault"}}),
        ("throughput > -5%", {"direction": Direction.DECREASE, "relative": 0.05}),
        ("split < 2pp", {"direction": Direction.EITHER, "absolute": 0.02}),
        ("split within 2pp", {"direction": Direction.EITHER, "absolute": 0.02}),
        ("gauge:cpu < +20%", {"kind": "gauge", "name": "gauge:cpu", "relative": 0.2}),
        ("gauge:memory within ±10%", {"direction": Direction.EITHER, "relative": 0.1}),
        ("gauge:queue < +5 or +20%", {"absolute": 5.0, "relative": 0.2}),
        ("gauge:queue < 100", {"limit": 100.0}),
        ("recovery_time < 5s", {"kind": "recovery_time", "limit": 5.0}),
        ("recovery_time < +2s", {"absolute": 2.0}),
        (
            "interaction(latency_p99) < +10%",
            {"interaction": True, "quantile": 0.99, "name": "interaction(latency_p99)"},
        ),
        ("  interaction( error_rate ) < +1pp ", {"interaction": True, "absolute": 0.01}),
    ],
)
def test_valid_objectives_are_parsed(text, expected):
    """Every form of the grammar is parsed into the values that it states, in seconds and ratios."""
    objective = parse_objective(text)
    assert expected == {name: getattr(objective, name) for name in expected}


@pytest.mark.parametrize(
    ("text", "caret", "words"),
    [
        ("", 0, "expected an indicator"),
        ("latency_p99 < 10%", 14, "needs a sign"),
        ("latency_p99 < +10", 17, "expected a unit"),
        ("latency_p99 < +10parsec", 17, "found parsec"),
        ("latency_p99 < -10%", 14, "worse direction"),
        ("latency_p99 > +10%", 12, "needs '<'"),
        ("latency_p99 < +10% please", 19, "found 'please'"),
        ("latency_p99", 11, "expected '<'"),
        ("latency_p100 < +10%", 0, "latency_p50 to latency_p99.9"),
        ("latency_p99 = +10%", 12, "expected '<'"),
        ("letancy_p99 < +10%", 0, "unknown indicator 'letancy_p99'; known: error_rate"),
        ("error_rate < +100pp", 13, "100pp"),
        ("error_rate < 150%", 13, "between 0% and 100%"),
        ("error_rate < 1pp", 13, "needs a sign"),
        ("error_rate < +5ms", 15, "expected a unit"),
        ("error_rate{endpoint=/a < +1pp", 29, "expected ',' or '}'"),
        ("error_rate{colour=red} < +1pp", 11, "unknown label: 'colour'; known: endpoint, phase"),
        ("error_rate{endpoint=} < +1pp", 20, "expected a value"),
        ("throughput < +5%", 11, "needs '>'"),
        ("throughput > -100%", 13, "100%"),
        ("latency_p99 < +10% or +20%", 22, "one relative and one absolute"),
        ("latency_p99 < +10% and < +5ms", 25, "without a sign"),
        ("interaction(throughput) > -5%", 12, "error_rate or latency_p50"),
        ("interaction(latency_p99) < 10ms", 27, "needs a sign"),
        ("error_rate within 1pp", 11, "'within'"),
    ],
)
def test_the_caret_points_at_the_mistake(text, caret, words):
    """An invalid text is an error with a caret under the first wrong character."""
    with pytest.raises(ObjectiveError) as caught:
        parse_objective(text)
    message, shown, pointer = str(caught.value).split("\n")
    assert words in message
    assert (text, caret) == (shown[2:], pointer.index("^") - 2)


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf"), True, "2"])
def test_a_weight_must_be_above_zero(weight):
    """A weight that is not a number above zero is an error."""
    with pytest.raises(ObjectiveError, match="weight"):
        parse_objective("error_rate < +1pp", weight=weight)


def test_the_defaults_are_valid():
    """The objectives of a scenario that names none are four, and none is critical or muted."""
    assert [objective.critical or objective.muted for objective in default_objectives()] == [False] * 4
