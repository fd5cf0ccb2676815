"""Our judge as Kayenta's remote judge: the request of ``RemoteJudgeRequest.java``, the answer of ``CanaryJudgeResult.java``."""

import json

import pytest

from harness.errors import JudgeInputError
from harness.server.adapters import remote_judgement

CONFIG = {
    "name": "reviews",
    "configVersion": "1",
    "judge": {"name": "RemoteJudge-v1.0", "judgeConfigurations": {}},
    "metrics": [
        {
            "name": "errors",
            "query": {"type": "prometheus"},
            "groups": ["service"],
            "analysisConfigurations": {"canary": {"direction": "increase", "critical": True}},
            "scopeName": "default",
        }
    ],
    "classifier": {"groupWeights": {"service": 100.0}},
}


def request(control, experiment, **changed):
    """A request as Kayenta sends it."""
    pair = {
        "name": "errors",
        "id": "7f",
        "tags": {"pod": "a"},
        "values": {"control": control, "experiment": experiment},
        "scopes": {
            "control": {"startTimeMillis": 0, "stepMillis": 60000},
            "experiment": {"startTimeMillis": 0, "stepMillis": 60000},
        },
    }
    whole = {"canaryConfig": CONFIG, "scoreThresholds": {"pass": 95.0, "marginal": 75.0}, "metricSetPairList": [pair]}
    return json.dumps(whole | changed).encode()


def test_a_worse_canary_fails_with_every_field_that_kayenta_reads():
    """Fields that Java marks as not null are there, and the pair is found again by its id."""
    found = remote_judgement(request([1.0, 1.1, 0.9, 1.0, 1.2] * 10, [9.0, 9.5, 9.1, 8.7, 9.9] * 10))
    (result,) = found["results"]
    assert ("errors", "7f", {"pod": "a"}, "High", True, False) == tuple(
        result[key] for key in ("name", "id", "tags", "classification", "critical", "muted")
    )
    assert {"stats"} == set(result["experimentMetadata"]) == set(result["controlMetadata"])
    assert {"min", "max", "mean", "std", "count"} == set(result["controlMetadata"]["stats"])
    assert pytest.approx(9.24 / 1.04, rel=0.01) == result["resultMetadata"]["ratio"]
    assert [{"name": "service", "score": 0.0, "classification": "", "classificationReason": ""}] == found["groupScores"]
    assert (0.0, "Fail") == (found["score"]["score"], found["score"]["classification"])


def test_an_equal_canary_passes():
    """No reason is still a text, because Kayenta's field is not null."""
    found = remote_judgement(request([1.0, 1.1, 0.9] * 10, [1.0, 1.1, 0.9] * 10))
    assert {"score": 100.0, "classification": "Pass", "classificationReason": ""} == found["score"]


def test_a_metric_without_data_is_told_as_kayenta_tells_it():
    """Not-a-number travels as a text, as Jackson writes it."""
    found = remote_judgement(request(["NaN", "NaN"], ["NaN", "NaN"]))
    json.loads(json.dumps(found), parse_constant=pytest.fail)
    assert found["results"][0]["classification"].startswith("Nodata")


@pytest.mark.parametrize(
    "body",
    [b"{}", request([1.0], [1.0], scoreThresholds=None), request([1.0], [1.0], scoreThresholds={"pass": True, "marginal": 1}),
     request([1.0], [1.0], metricSetPairList={}), request([1.0], [1.0], canaryConfig=[])],
)  # fmt: skip
def test_a_broken_request_is_refused_with_its_field(body):
    """The other side is told what is wrong."""
    with pytest.raises(JudgeInputError):
        remote_judgement(body)
