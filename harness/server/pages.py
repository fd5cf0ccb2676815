"""The pages: releases, runs, jobs, the run that is under way, and what a token allows to do with them.

Pages are read-only without the token. A report is shown in a sandbox, because a bundle may come from anywhere.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from harness import bundle
from harness.errors import UsageError
from harness.live_state import LIVE, STALE_AFTER_S
from harness.model.release import ALIVE_WITHIN_S, Outcome, Phase, ReleaseState
from harness.release.gates import GATE_LOG
from harness.release.store import PAGE
from harness.report.release_page import users_of
from harness.run_folder import RUN
from harness.server.catalog import Catalog, Run
from harness.server.jobs import Approval, Jobs
from harness.server.limited_body import limited_body
from harness.server.places import Places, logs, service_log_ends, tail
from harness.server.releases import decide
from harness.server.rendering import render, script, style
from harness.server.security import bearer, token_matches
from harness.server.updates import Updates, file_state

_PER_PAGE = 50
_MOST_WORDS = 500
_MOST_RENDERED = 50
_MOST_JOBS = 500
_REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'"
)
_JUDGE_WITHIN_S = 300.0


@dataclass(frozen=True)
class Pages:
    """Shows what is recorded. token: what allows changes; empty for pages that are read-only."""

    out: Path
    jobs: Jobs
    token: str
    service: str

    @cached_property
    def places(self) -> Places:
        """What URLs name."""
        return Places(catalog=Catalog(self.out), jobs=self.jobs)

    @cached_property
    def updates(self) -> Updates:
        """What tells open pages about changes."""
        return Updates(self._fingerprint)

    @cached_property
    def _rendered(self) -> dict[tuple[str, str], tuple[int, str]]:
        """Pages by address, with the version that they show."""
        return {}

    @cached_property
    def _one_at_a_time(self) -> asyncio.Lock:
        return asyncio.Lock()

    def routes(self) -> list[Route]:
        """Return the routes of this part of the application."""
        runs = ("", "/releases/{release}/gates/{gate}", "/jobs/{job}")
        found = [
            Route("/", self.index),
            Route("/live.css", _asset(style, "text/css")),
            Route("/live.js", _asset(script, "text/javascript")),
            Route("/events", self.events),
            Route("/jobs", self.job_list),
            Route("/jobs/{job}", self.job),
            Route("/jobs/{job}/log", self.job_log),
            Route("/jobs/{job}/decision", self.decide_job, methods=["POST"]),
            Route("/releases/{release}", self.release),
            Route("/releases/{release}/page", self.release_page),
            Route("/releases/{release}/gates/{gate}/log", self.gate_log),
            Route("/releases/{release}/decision", self.decide_release, methods=["POST"]),
        ]
        for place in runs:
            start = place if place.startswith("/releases") else f"{place}/runs"
            found += [
                Route(f"{start}/{{run}}", self.run),
                Route(f"{start}/{{run}}/{{scenario}}/report", self.report),
                Route(f"{start}/{{run}}/{{scenario}}/logs/{{number:int}}", self.log),
                Route(f"{start}/{{run}}/{{scenario}}/judge", self.judge, methods=["POST"]),
            ]
        return found

    async def index(self, request: Request) -> Response:
        """List releases and runs, with a search and a filter."""
        words, state = request.query_params.get("q", "")[:_MOST_WORDS], request.query_params.get("state", "")
        first = _whole(request.query_params.get("from", "0"))

        def rendered() -> str:
            catalog = self.places.catalog
            runs = [run for run in catalog.runs() if _fits(run, words, state)]
            shown = runs[first : first + _PER_PAGE]
            releases = [one for one in catalog.releases() if words.lower() in one.id.lower()] if not first else []
            return render(
                "index.html", page=self._page(request, _state_of(shown)), runs=shown, releases=releases[:20],
                words=words, state_wanted=state, first=first, total=len(runs), per_page=_PER_PAGE,
            )  # fmt: skip

        return await self._answer(request, rendered)

    async def run(self, request: Request) -> Response:
        """Show a run: its scenarios, and the one that is under way."""

        def rendered() -> str:
            url, run = self.places.run(request)
            now = time.time()
            return render(
                "run.html", page=self._page(request, run.state), run=run, url=url, now=now, stale_after=STALE_AFTER_S,
                logs={
                    one.name: [path.relative_to(one.folder).as_posix() for path in logs(one.folder)]
                    for one in run.scenarios
                },
                tails={one.name: service_log_ends(one.folder) for one in run.scenarios if one.live},
            )  # fmt: skip

        return await self._answer(request, rendered)

    async def report(self, request: Request) -> Response:
        """Show a report in a sandbox: its scripts run, but they cannot reach these pages."""
        _, scenario = await run_in_threadpool(self.places.scenario, request)
        file = scenario.folder / bundle.REPORT
        if not file.is_file() or file.is_symlink():
            raise HTTPException(404, "this scenario has no report")
        content = await run_in_threadpool(file.read_bytes)
        return HTMLResponse(content, headers={"Content-Security-Policy": _REPORT_POLICY})

    async def log(self, request: Request) -> Response:
        """Show the end of a log of a scenario, by its number in the list."""

        def found() -> str:
            _, scenario = self.places.scenario(request)
            known, number = logs(scenario.folder), request.path_params["number"]
            if number >= len(known):
                raise HTTPException(404, "no such log")
            return tail(known[number])

        return PlainTextResponse(await run_in_threadpool(found))

    async def judge(self, request: Request) -> Response:
        """Judge a bundle again, in a process of its own."""
        self._require_token(request)
        _, scenario = await run_in_threadpool(self.places.scenario, request)
        async with self._one_at_a_time:
            command = [sys.executable, "-m", "harness", "judge", str(scenario.folder)]
            process = await asyncio.create_subprocess_exec(
                *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            try:
                output, _ = await asyncio.wait_for(process.communicate(), _JUDGE_WITHIN_S)
            except TimeoutError:
                process.kill()
                await process.wait()
                raise HTTPException(504, f"expected a verdict within {_JUDGE_WITHIN_S:g} s") from None
        return JSONResponse({"exit_code": process.returncode, "output": output.decode("utf-8", "replace")[-20_000:]})

    async def job_list(self, request: Request) -> Response:
        """List the jobs."""
        return await self._answer(
            request,
            lambda: render("jobs.html", page=self._page(request, "trouble"), jobs=self.jobs.all()[:_MOST_WORDS]),
        )

    async def job(self, request: Request) -> Response:
        """Show a job."""

        def rendered() -> str:
            job = self.places.job(request)
            runs = self.places.catalog.runs(self.jobs.runs(job))
            log = self.jobs.log(job)
            text = tail(log) if log.is_file() else ""
            return render("job.html", page=self._page(request, _state_of(runs)), job=job, runs=runs, log=text)

        return await self._answer(request, rendered)

    async def job_log(self, request: Request) -> Response:
        """Show the end of what a job printed."""
        log = self.jobs.log(await run_in_threadpool(self.places.job, request))
        return PlainTextResponse(await run_in_threadpool(tail, log) if log.is_file() else "")

    async def decide_job(self, request: Request) -> Response:
        """Approve or reject a gate that neither passed nor failed."""
        self._require_token(request)
        job, approval = await run_in_threadpool(self.places.job, request), await _decision(request)
        if await run_in_threadpool(self.jobs.decide, job, approval) is None:
            raise HTTPException(409, "there is nothing to decide about this job, or it was decided before")
        return JSONResponse({"decided": True})

    async def release(self, request: Request) -> Response:
        """Show a release: its steps, and its hold."""

        def rendered() -> str:
            folder, record = self.places.release(request)
            gates = {path.name: self.places.catalog.runs(path) for path in sorted((folder / "gates").glob("*"))}
            held = record.state.phase is Phase.HELD
            return render(
                "release.html", page=self._page(request, _release_state(record.state)), record=record,
                users=users_of(record), gates=gates, held=held, has_page=(folder / PAGE).is_file(), now=time.time(),
                alive_within=ALIVE_WITHIN_S,
            )  # fmt: skip

        return await self._answer(request, rendered)

    async def release_page(self, request: Request) -> Response:
        """Show the release's own page in a sandbox."""
        folder, _ = await run_in_threadpool(self.places.release, request)
        file = folder / PAGE
        if not file.is_file() or file.is_symlink():
            raise HTTPException(404, "this release has no page")
        content = await run_in_threadpool(file.read_bytes)
        return HTMLResponse(content, headers={"Content-Security-Policy": _REPORT_POLICY})

    async def gate_log(self, request: Request) -> Response:
        """Show the end of what the gate of a step printed."""
        _, folder = await run_in_threadpool(self.places.runs_folder, request)
        log = folder / GATE_LOG
        if not log.is_file() or log.is_symlink():
            raise HTTPException(404, "this gate has no log")
        return PlainTextResponse(await run_in_threadpool(tail, log))

    async def decide_release(self, request: Request) -> Response:
        """Approve or reject the hold of a release. The worker resumes it, unless a process waits for the decision."""
        self._require_token(request)
        folder, _ = await run_in_threadpool(self.places.release, request)
        given = await _decision(request)
        try:
            await run_in_threadpool(decide, folder, approved=given.approved, by=given.by, reason=given.reason)
        except UsageError as error:
            raise HTTPException(409, str(error)) from error
        return JSONResponse({"decided": True})

    async def events(self, _: Request) -> Response:
        """Tell a page about changes, as server-sent events."""
        if self.updates.full:
            raise HTTPException(503, "too many open pages")
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self.updates.stream(), media_type="text/event-stream", headers=headers)

    def _page(self, request: Request, state: str) -> Mapping[str, object]:
        return {
            "fragment": request.headers.get("x-fragment") == "1",
            "state": state,
            "service": self.service,
            "writable": bool(self.token),
        }

    async def _answer(self, request: Request, rendered: Callable[[], str]) -> Response:
        """Render on a thread; one page at a time, so that many viewers cannot take the CPU from a run.

        While pages are open, what all of them show is rendered once for each change.
        """
        key, version = (str(request.url), request.headers.get("x-fragment", "")), self.updates.version
        async with self._one_at_a_time:
            known = self._rendered.get(key)
            if known is None or known[0] != version or not self.updates.watched:
                if len(self._rendered) >= _MOST_RENDERED:
                    self._rendered.clear()
                known = self._rendered[key] = version, await run_in_threadpool(rendered)
            return HTMLResponse(known[1])

    def _require_token(self, request: Request) -> None:
        if not self.token:
            raise HTTPException(403, "the pages are read-only: serve.page-token names no variable that is set")
        if not token_matches(bearer(request.headers.get("authorization")), self.token):
            raise HTTPException(401, "expected the token of the pages")

    def _fingerprint(self) -> int:
        """Return a number that changes with what any page shows, and now and then, because a run may be stale."""
        seen: list[object] = [int(time.time() / STALE_AFTER_S)]
        for run in self.out.iterdir() if self.out.is_dir() else ():
            mark = file_state(run / RUN)
            seen.append((run.name, mark))
            if mark != (0, 0) and time.time() - mark[0] / 1e9 < 86_400:
                seen += [(path.name, file_state(path)) for path in run.glob(f"*/{LIVE}")]
                seen += [(path.name, file_state(path)) for path in run.glob(f"*/{bundle.ANALYSIS}")]
        for folder in (self.out / "releases").glob("*"):
            seen.append((folder.name, file_state(folder / "release.json")))
        seen += [(job.id, job.state, job.approval) for job in self.jobs.all()]
        return hash(tuple(sorted(map(repr, seen))))


async def _decision(request: Request) -> Approval:
    try:
        given = json.loads(await limited_body(request, most_bytes=10_000))
        approved, by, reason = given["approved"], given["by"], given["reason"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise HTTPException(400, "expected JSON with approved, by and reason") from error
    good = isinstance(approved, bool) and all(
        isinstance(text, str) and text.strip() and len(text) <= _MOST_WORDS for text in (by, reason)
    )
    if not good:
        raise HTTPException(400, "expected approved as true or false, and a name and a reason that are not empty")
    return Approval(approved=approved, by=by.strip(), reason=reason.strip(), at_s=time.time())


def _asset(content: Callable[[], str], kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def asset(_: Request) -> Response:
        return Response(content(), media_type=kind)

    return asset


def _fits(run: Run, words: str, state: str) -> bool:
    text = " ".join([run.name, run.state, *(one.name for one in run.scenarios)]).lower()
    return all(word in text for word in words.lower().split()) and state in {"", run.state}


def _state_of(runs: Sequence[Run]) -> str:
    """Return the state that the favicon shows: that something runs, or how the newest run ended."""
    states = [run.state for run in runs]
    return "running" if "running" in states else next(iter(states), "trouble")


def _release_state(state: ReleaseState) -> str:
    if not state.over:
        return "marginal" if state.phase is Phase.HELD else "running"
    return "pass" if state.outcome is Outcome.PROMOTED else "fail"


def _whole(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 7 else 0
