"""Adapters: Argo Rollouts and Flagger start a gate and ask for its verdict, and Kayenta asks our judge.

The contracts are read from the sources of the other side: argo-rollouts ``metricproviders/webmetric/webmetric.go``,
flagger ``pkg/controller/webhook.go`` and ``scheduler_hooks.go``, kayenta ``RemoteJudge.java`` and
``CanaryJudgeResult.java``. A gate is started once for each revision, however often it is
asked for, and survives a restart.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from harness.errors import JudgeInputError
from harness.judge.kayenta import Judgement, Thresholds, judge_pairs, parse_config, parse_pairs
from harness.judge.kayenta.score import GroupScore
from harness.model.json import JsonObject, JsonValue
from harness.model.serve import ServeSettings
from harness.server.gates import GateAnswer, answer
from harness.server.jobs import Answer, Job, Jobs
from harness.server.limited_body import limited_body
from harness.server.security import bearer, token_matches

_MOST_PAIRS_BYTES = 32 * 2**20
_PAIRS_WITHIN_S = 60.0
_MOST_KEY = 200
_WAITS = {"confirm-rollout", "confirm-traffic-increase", "confirm-promotion"}
_GOES_ON = {"pre-rollout", "rollout"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """Answers other tools. environment: where the token is that ``settings`` names."""

    settings: ServeSettings
    environment: Mapping[str, str]
    jobs: Jobs

    def routes(self) -> list[Route]:
        """Return the routes of this part of the application."""
        return [
            Route("/adapters/argo/{gate}", self.argo, methods=["GET", "POST"]),
            Route("/adapters/flagger/{hook}", self.flagger, methods=["POST"]),
            Route("/adapters/kayenta/judge", self.kayenta, methods=["POST"]),
            Route("/adapters/kayenta/{token}/judge", self.kayenta, methods=["POST"]),
        ]

    async def argo(self, request: Request) -> Response:
        """Start the gate of a revision, or tell its verdict.

        While it runs the answer is 503, which Argo counts as an error and asks again; then it is JSON with ``verdict``.
        Neither pass nor fail makes the measurement inconclusive, and the rollout pauses.
        """
        body = await limited_body(request)
        self._check(bearer(request.headers.get("authorization")))
        key = request.query_params.get("key") or str(_mapping(body).get("key", "") if body else "")
        found = await run_in_threadpool(self._gate, request.path_params["gate"], key)
        if found.state != "done":
            return PlainTextResponse(f"{found.reason}\n", 503, {"Retry-After": "10"})
        return JSONResponse({"verdict": found.verdict, "score": found.score, "reason": found.reason, "job": found.job})

    async def flagger(self, request: Request) -> Response:
        """Answer a webhook of a Flagger canary. Its metadata name the gate and carry the token.

        rollout: starts the gate; 200 while it runs and unless it failed. confirm-*: 200 once the gate passed or a
        person approved; until then Flagger waits. rollback: 200 if the gate failed or a person rejected it.
        """
        body = _mapping(await limited_body(request))
        metadata = body.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        self._check(bearer(request.headers.get("authorization")) or str(metadata.get("token", "")))
        hook = request.path_params["hook"]
        name, namespace, checksum = (str(body.get(key, "")) for key in ("name", "namespace", "checksum"))
        if not (name and namespace and checksum):
            raise HTTPException(400, "expected name, namespace and checksum, as Flagger sends them")
        gate, key = str(metadata.get("gate", name)), f"{namespace}/{name}@{checksum}"
        if hook == "rollback":
            known = self.jobs.find("gate", _same(gate, key))
            rejected = known is not None and answer(known).verdict == "fail"
            return PlainTextResponse(
                "roll back\n" if rejected else "no reason to roll back\n", 200 if rejected else 409
            )
        if hook not in _WAITS | _GOES_ON:
            raise HTTPException(404, f"expected one of {', '.join(sorted(_WAITS | _GOES_ON))}, rollback; found {hook}")
        found = await run_in_threadpool(self._gate, gate, key)
        good = found.verdict == "pass" if hook in _WAITS else found.verdict != "fail"
        return PlainTextResponse(f"{found.verdict or found.state}: {found.reason}\n", 200 if good else 412)

    async def kayenta(self, request: Request) -> Response:
        """Judge metric pairs by Kayenta's rules, as its remote judge."""
        self._check(request.path_params.get("token") or bearer(request.headers.get("authorization")))
        body = await limited_body(request, most_bytes=_MOST_PAIRS_BYTES, most_s=_PAIRS_WITHIN_S)
        try:
            return JSONResponse(await run_in_threadpool(remote_judgement, body))
        except JudgeInputError as error:
            raise HTTPException(400, str(error)) from error

    def _check(self, token: str | None) -> None:
        name = self.settings.adapter_token
        expected = self.environment.get(name, "") if name else ""
        if not expected:
            raise HTTPException(403, "adapters are turned off: serve.adapter-token names no variable that is set")
        if not token_matches(token, expected):
            raise HTTPException(401, "expected our token")

    def _gate(self, gate: str, key: str) -> GateAnswer:
        scenarios = self.settings.gates.get(gate)
        if scenarios is None:
            known = ", ".join(self.settings.gates) or "none"
            raise HTTPException(404, f"expected one of the gates of serve.gates in harness.yaml ({known})")
        if not key or len(key) > _MOST_KEY or not key.isprintable():
            raise HTTPException(400, "expected a key that tells revisions apart, such as the hash of the pod template")
        job = self.jobs.find("gate", _same(gate, key)) or self._start(gate, key, scenarios)
        return answer(job)

    def _start(self, gate: str, key: str, scenarios: tuple[str, ...]) -> Job:
        added = self.jobs.add(
            kind="gate",
            subject=gate,
            words=("run", *scenarios),
            same=_same(gate, key),
            facts={"key": key},
        )
        if added.job is None:
            status = 503 if added.answer is Answer.FULL else 409
            raise HTTPException(status, added.answer.value, {"Retry-After": "60"})
        return added.job


def remote_judgement(body: bytes) -> JsonObject:
    """Return Kayenta's ``CanaryJudgeResult`` for its ``RemoteJudgeRequest``. Raises JudgeInputError."""
    request = _mapping(body)
    missing = [key for key in ("canaryConfig", "scoreThresholds", "metricSetPairList") if key not in request]
    if missing:
        raise JudgeInputError(f"expected a RemoteJudgeRequest; it has no {', '.join(missing)}")
    thresholds = request["scoreThresholds"]
    passing, marginal = (_score(thresholds, key) for key in ("pass", "marginal"))
    config = parse_config(json.dumps(request["canaryConfig"]), file="canaryConfig")
    pairs = parse_pairs(json.dumps(request["metricSetPairList"]), file="metricSetPairList")
    judgement = judge_pairs(config, pairs.pairs, Thresholds(pass_score=passing, marginal_score=marginal))
    listed = request["metricSetPairList"]
    ids = [
        str(one.get("id", "")) if isinstance(one, dict) else "" for one in (listed if isinstance(listed, list) else [])
    ]
    return _as_kayenta(judgement, ids)


def _score(thresholds: JsonValue, key: str) -> float:
    value = thresholds.get(key) if isinstance(thresholds, dict) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise JudgeInputError(f"scoreThresholds.{key}: expected a number, found {value!r:.100}")
    return float(value)


def _as_kayenta(judgement: Judgement, ids: list[str]) -> JsonObject:
    results: list[JsonValue] = [
        {
            "name": result.name,
            "id": identity,
            "tags": dict(result.tags),
            "classification": result.found.label.value,
            **({"classificationReason": result.found.reason} if result.found.reason else {}),
            "groups": list(result.groups or ()),
            "experimentMetadata": {"stats": _statistics(result.experiment)},
            "controlMetadata": {"stats": _statistics(result.control)},
            "resultMetadata": {} if result.found.ratio is None else {"ratio": _number(result.found.ratio)},
            "critical": result.found.critical,
            "muted": result.muted,
        }
        for result, identity in zip(judgement.results, ids, strict=True)
    ]
    groups: list[JsonValue] = [_group(name, group) for name, group in judgement.groups.items()]
    score: JsonObject = {
        "score": _number(judgement.score.total),
        "classification": judgement.classification,
        "classificationReason": judgement.score.reason or "",
    }
    return {"judgeName": "canary-harness", "results": results, "groupScores": groups, "score": score}


def _group(name: str, group: GroupScore) -> JsonObject:
    return {"name": name, "score": _number(group.score), "classification": "", "classificationReason": ""}


def _statistics(found: object) -> JsonObject:
    return {key: _number(float(getattr(found, key))) for key in ("min", "max", "mean", "std", "count")}


def _number(value: float) -> JsonValue:
    """Return a number as Jackson reads it: NaN and infinities are texts in its JSON."""
    if math.isnan(value):
        return "NaN"
    return value if math.isfinite(value) else "Infinity" if value > 0 else "-Infinity"


def _same(gate: str, key: str) -> str:
    return f"{gate}:{key}"


def _mapping(body: bytes) -> JsonObject:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "expected a body that is JSON") from error
    if not isinstance(document, dict):
        raise HTTPException(400, "expected a JSON object")
    return document
