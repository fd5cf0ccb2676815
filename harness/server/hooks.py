"""The webhooks: events of GitHub and of registries that start releases.

An event is checked (signature or token, size, time), then written to disk, then acknowledged. An event that is sent
again counts once. What an event says only ever fills words of ``harness release``; no shell sees them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from harness.model.json import JsonObject, JsonValue
from harness.model.serve import ServeSettings
from harness.server.jobs import Added, Answer, Jobs
from harness.server.limited_body import limited_body
from harness.server.payloads import Wanted, pushes, wanted_images, wanted_of_github
from harness.server.security import bearer, signature_matches, token_matches


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Takes events. environment: where the secrets are that ``settings`` names."""

    settings: ServeSettings
    environment: Mapping[str, str]
    jobs: Jobs

    def routes(self) -> list[Route]:
        """Return the routes of this part of the application."""
        return [
            Route("/hooks/github", self.github, methods=["POST"]),
            Route("/hooks/registry", self.registry, methods=["POST"]),
            Route("/hooks/registry/{token}", self.registry, methods=["POST"]),
        ]

    async def github(self, request: Request) -> Response:
        """Take an event of GitHub. It must carry the signature of our secret."""
        body = await limited_body(request)
        secret = self._secret(self.settings.github_secret, "github-secret")
        if not signature_matches(body, request.headers.get("x-hub-signature-256"), secret):
            raise HTTPException(401, "expected the header X-Hub-Signature-256 with the signature of our secret")
        event = request.headers.get("x-github-event", "")
        wanted = wanted_of_github(event, _parsed(body), self.settings)
        return await run_in_threadpool(self._start, wanted, f"github {event}".encode() + body)

    async def registry(self, request: Request) -> Response:
        """Take an event of a registry. Docker Hub sends no headers of ours, so its URL carries the token."""
        body = await limited_body(request)
        token = self._secret(self.settings.registry_token, "registry-token")
        given = request.path_params.get("token") or bearer(request.headers.get("authorization"))
        if not token_matches(given, token):
            raise HTTPException(401, "expected our token in the header Authorization, or at the end of the URL")
        return await run_in_threadpool(
            self._start, wanted_images(pushes(_parsed(body)), self.settings), b"registry " + body
        )

    def _secret(self, name: str, key: str) -> str:
        secret = self.environment.get(name, "") if name else ""
        if not secret:
            raise HTTPException(403, f"these events are turned off: serve.{key} names no variable that is set")
        return secret

    def _start(self, wanted: Iterable[Wanted], event: bytes) -> Response:
        added = [self._add(one, f"{hashlib.sha256(event).hexdigest()}-{number}") for number, one in enumerate(wanted)]
        if any(one.answer is Answer.FULL for one in added):
            raise HTTPException(503, "too many jobs wait; send the event again later", {"Retry-After": "60"})
        jobs: list[JsonValue] = [{"answer": one.answer.value, "job": one.job.id if one.job else None} for one in added]
        document: JsonObject = (
            {"jobs": jobs} if added else {"jobs": [], "why": "no rule of serve: in harness.yaml fits"}
        )
        return JSONResponse(document, status_code=202 if added else 200)

    def _add(self, one: Wanted, event: str) -> Added:
        words = ("release", "--no-wait", "--image", f"{one.service}={one.image}" if one.service else one.image)
        facts = {"repository": one.repository, "sha": one.sha, "number": str(one.number or "")}
        return self.jobs.add(
            kind="release",
            subject=one.image,
            words=words,
            same=one.same,
            event=event,
            settle_s=self.settings.settle_s,
            facts={key: value for key, value in facts.items() if value},
        )


def _parsed(body: bytes) -> JsonValue:
    try:
        document: JsonValue = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, "expected a body that is JSON") from error
    return document
