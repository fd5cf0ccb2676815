"""What a search is kept as: ``explore.json``, with the format version that its readers ask for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import __version__
from harness.explore.exploration import Exploration, Tried
from harness.model.json import JsonObject, object_at, parse_json, text_at
from harness.model.samples import ARMS

FORMAT_VERSION = 1
FILE, PAGE = "explore.json", "explore.html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Night:
    """What one search found, for the trend. estimate: by arm; None if the arm did not break, or nothing is proven."""

    started: str
    folder: str
    estimate: dict[str, float | None]


def as_json(found: Exploration, *, service: str, target: str, started: str, command: str) -> JsonObject:
    """Return the search as a JSON object. Amounts are seconds, or shares in (0, 1]."""
    searched = found.searched
    return {
        "format_version": FORMAT_VERSION,
        "made_by": f"canary-harness {__version__}",
        "started": started,
        "command": command,
        "service": service,
        "target": target,
        "fault": searched.text,
        "searched": searched.what,
        "from": searched.range.low,
        "up_to": searched.range.high,
        "precision": searched.range.precision,
        "objectives": [one.text for one in found.objectives],
        "seconds": round(found.seconds, 1),
        "ended": found.ended,
        "unproven": found.unproven,
        "arms": {
            arm: {"withstood": point.withstood, "broke": point.broke, "estimate": point.estimate}
            for arm in ARMS
            for point in [found.point(arm)]
        },
        "probes": [_probe(one) for one in found.tried],
        "proofs": [
            {"name": one.name, "held": one.held, "expected": one.expected, "observed": one.observed}
            for one in found.proofs
        ],
    }


def _probe(tried: Tried) -> JsonObject:
    arms: JsonObject = {
        arm: {
            "broke": each.broke,
            "requests": each.requests,
            "failed": each.failed,
            "reason": each.worst.reason if each.worst else "",
        }
        for arm, each in tried.outcomes.items()
    }
    return {"amount": tried.amount, "seconds": tried.seconds, "arms": arms}


def written(document: JsonObject) -> bytes:
    """Return the text of the file."""
    return (json.dumps(document, indent=1) + "\n").encode()


def earlier(folders: Sequence[Path], *, service: str, fault: str, target: str) -> Iterator[Night]:
    """Yield the searches in some folders that were about the same, in order; files of other versions are left out."""
    for folder in sorted(folders):
        for file in sorted(folder.glob(f"*/{FILE}")):
            document = parse_json(file.read_bytes())
            if not isinstance(document, dict) or document.get("format_version") != FORMAT_VERSION:
                continue
            if (document.get("service"), document.get("fault"), document.get("target")) != (service, fault, target):
                continue
            unproven = text_at(document, "unproven", default="")
            estimates = {arm: object_at(document, "arms", arm).get("estimate") for arm in ARMS}
            yield Night(
                started=text_at(document, "started", default=""),
                folder=file.parent.name,
                estimate={
                    arm: float(found) if isinstance(found, (int, float)) and not unproven else None
                    for arm, found in estimates.items()
                },
            )
