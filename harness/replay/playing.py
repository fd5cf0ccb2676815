"""Decide what a stand-in answers: status, body and the time that it takes, by phase and arm."""

from __future__ import annotations

import json
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from urllib.parse import unquote

from harness.model.operations import operation_of
from harness.model.stand_in import Body
from harness.replay.sampling import BinSampler, StatusSampler, uniforms
from harness.replay.script import Answers, Correction, Script, StandIn

ASKED_HERE, DELAYED_HERE, FAILED_HERE = "while a fault was here", "delayed here", "answered with an error here"
"""The names under which requests are counted that came while a fault at the service lasted, and that it hit."""
_NO_BODY = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, and how long after the request it is due. forwarded: the real workload answers instead."""

    head: bytes = b""
    body: bytes = b""
    wait_s: float = 0.0
    forwarded: bool = False


def reply(status: int, body: bytes, *, content_type: str = "application/json", wait_s: float = 0.0) -> Reply:
    """Return an answer as HTTP/1.1."""
    body = b"" if status in _NO_BODY else body
    length = "" if status in _NO_BODY else f"content-length: {len(body)}\r\n"
    head = f"HTTP/1.1 {status} stand-in\r\ncontent-type: {content_type}\r\n{length}\r\n"
    return Reply(head.encode("latin-1"), body, wait_s)


class Player:
    """Plays all stand-ins of one script."""

    def __init__(self, script: Script) -> None:
        """Begin without a phase, in which the answers of the first recorded phase are given."""
        self._script, self._phase = script, ""
        self._off_ms: dict[str, Correction] = {one.name: ((0.0, script.overhead_ms),) for one in script.stand_ins}
        self._counts: dict[str, Counter[str]] = {one.name: Counter() for one in script.stand_ins}

    def controlled(self, method: str, path: str, _: dict[str, str]) -> Reply:
        """Answer on the control port."""
        path = unquote(path)
        if method == "POST" and path.startswith("/phase/"):
            self._phase = path.removeprefix("/phase/")
            return reply(200, b"{}")
        if method == "POST" and path.startswith("/overhead/"):
            *_name, name, text = path.split("/")
            pairs = (pair.split(":") for pair in text.split(","))
            self._off_ms[name] = tuple((float(latency), float(off)) for latency, off in pairs)
            return reply(200, b"{}")
        if path == "/counts":
            counts = {name: dict(count) for name, count in self._counts.items()}
            return reply(200, json.dumps({"cpu_s": time.process_time(), "counts": counts}).encode())
        return reply(404, b"{}")

    def answering(self, one: StandIn) -> Callable[[str, str, dict[str, str]], Reply]:
        """Return what answers the requests of one workload."""
        voices = _Voices(one, self._script.seed)
        count = self._counts[one.name]

        def answer(method: str, path: str, headers: dict[str, str]) -> Reply:
            plain = path.partition("?")[0]
            if plain == one.health and method == "GET":
                return Reply(forwarded=True) if one.forward else reply(200, b'{"status": "healthy"}')
            arm = arm_of(headers)
            count["requests"] += 1
            count[f"arm {arm or 'unknown'}"] += 1
            late_s, error = voices.trouble(self._phase)
            seen = (voices.troubled(self._phase), late_s > 0, error > 0)
            for name, is_so in zip((ASKED_HERE, DELAYED_HERE, FAILED_HERE), seen, strict=True):
                count[name] += is_so
            if error:
                return reply(error, b"{}", wait_s=late_s)
            if one.forward:
                return Reply(wait_s=late_s, forwarded=True)
            status, body, content_type, latency_ms = voices.answer(self._phase, arm, method, plain)
            wait_ms = max(latency_ms - taken_off(self._off_ms[one.name], latency_ms), 0.0)
            return reply(status, body, content_type=content_type, wait_s=wait_ms / 1000 + late_s)

        return answer


def taken_off(correction: Correction, latency_ms: float) -> float:
    """Return what to take off an answer that should take so long, in milliseconds."""
    place = bisect_left(correction, (latency_ms, 0.0))
    if place in (0, len(correction)):
        return correction[min(place, len(correction) - 1)][1]
    (before, first), (after, last) = correction[place - 1 : place + 1]
    return first + (last - first) * (latency_ms - before) / (after - before)


def arm_of(headers: dict[str, str]) -> str:
    """Return the arm in the baggage of a request; empty if the caller did not forward it."""
    for member in headers.get("baggage", "").split(","):
        name, _, value = member.strip().partition("=")
        if name == "harness.arm":
            return value.partition(";")[0].strip()
    return ""


class _Voice:
    """Draws the answers of one arm in one phase."""

    def __init__(self, answers: Answers, random: Random) -> None:
        self._latency = BinSampler(answers.latency_ms, random)
        self._status = StatusSampler(answers.statuses, random)
        self._size = BinSampler(answers.size_bytes, random) if answers.size_bytes else None

    def draw(self) -> tuple[int, float, int]:
        """Return a status, milliseconds, and the size of a body."""
        size = 2 if self._size is None else int(self._size.draw())
        return self._status.draw(), self._latency.draw(), size


class _Voices:
    def __init__(self, one: StandIn, seed: int) -> None:
        self._one = one
        self._voices = {
            (answers.phase, answers.arm, answers.operation): _Voice(
                answers,
                _random(seed, one.name, answers.phase, answers.arm, *filter(None, [answers.operation])),
            )
            for answers in one.answers
        }
        self._recorded: dict[tuple[str | int, ...], list[Body]] = defaultdict(list)
        for body in one.recorded:
            self._recorded[body.method, body.path, body.status].append(body)
            self._recorded[operation_of(body.method, body.path), body.status].append(body)
        self._troubles = [
            (trouble, uniforms(_random(seed, one.name, "trouble", str(number))))
            for number, trouble in enumerate(one.troubles)
        ]

    def troubled(self, phase: str) -> bool:
        """Return whether a fault here lasts."""
        return any(trouble.phase == phase for trouble, _ in self._troubles)

    def trouble(self, phase: str) -> tuple[float, int]:
        """Return for how long the next request waits because of a fault here, and with which error it is answered."""
        hits = [one for one, draws in self._troubles if one.phase == phase and next(draws) < one.share]
        return sum(one.delay_s for one in hits), max((one.status for one in hits), default=0)

    def answer(self, phase: str, arm: str, method: str, path: str) -> tuple[int, bytes, str, float]:
        """Return the status, body, content type and milliseconds of the next answer."""
        status, latency_ms, size = self._voice(phase, arm, operation_of(method, path)).draw()
        body = self._body(method, path, status)
        if body is not None:
            return status, body.text.encode(), body.content_type, latency_ms
        return status, b"{}".ljust(size), "application/json", latency_ms

    def _body(self, method: str, path: str, status: int) -> Body | None:
        """Return the first body that fits, else a recorded one for the path, else one for its operation, in turn."""
        body = next((one for one in self._one.bodies if _fits(one, method, path, status)), None)
        if body is not None:
            return body
        bodies = self._recorded.get((method, path, status)) or self._recorded.get(
            (operation_of(method, path), status), []
        )
        if bodies:
            bodies.append(bodies.pop(0))
        return bodies[-1] if bodies else None

    def _voice(self, phase: str, arm: str, operation: str) -> _Voice:
        """Return what comes closest: the operation matters more than the phase, and the phase more than the arm."""
        return next(
            self._voices[of_phase, of_arm, of_operation]
            for of_operation in (operation, "")
            for of_phase in (phase, "")
            for of_arm in (arm, "")
            if (of_phase, of_arm, of_operation) in self._voices
        )


def _random(seed: int, *names: str) -> Random:
    return Random(f"{seed} {' '.join(names)}")  # noqa: S311 - not for security


def _fits(body: Body, method: str, path: str, status: int) -> bool:
    if body.method != method or body.status != status:
        return False
    return path.startswith(body.path[:-1]) if body.path.endswith("*") else path == body.path
