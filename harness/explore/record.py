"""Keep a search in ``explore.json``, with the format version that its readers ask for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from harness import __version__
from harness.errors import RecordError
from harness.explore.exploration import Exploration, Tried
from harness.history.searches import FILE, FORMAT_VERSION, Search, read
from harness.model.json import JsonObject
from harness.model.samples import ARMS


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
            "waited_s": each.waited_s,
            "doubt": each.doubt,
        }
        for arm, each in tried.outcomes.items()
    }
    return {"amount": tried.amount, "seconds": tried.seconds, "arms": arms}


def written(document: JsonObject) -> bytes:
    """Return the text of the file."""
    return (json.dumps(document, indent=1) + "\n").encode()


def earlier(folders: Sequence[Path], *, service: str, fault: str, target: str) -> Iterator[Search]:
    """Yield the searches in some folders that were about the same, in order; files of other versions are left out."""
    for folder in sorted(folders):
        for file in sorted(folder.glob(f"*/{FILE}")):
            with suppress(RecordError):  # harness history names such a file; this search still gets its page
                found = read(file, file.parent.name)
                if (found.service, found.fault, found.target) == (service, fault, target):
                    yield found
