"""The specification of a run: the harness passes the load plan to its Locust child as one JSON file."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from harness.model.load import Arrivals, LoadPlan, Stage

SPEC_VARIABLE = "HARNESS_LOAD_SPEC"
"""Environment variable that tells the child the path of its specification."""
UPLOAD_VARIABLE = "HARNESS_LOAD_UPLOAD"
"""Environment variable for workers on other machines: they send their samples to the master over Locust's
connection."""
SPEC_FILE = "spec.json"


def encode_spec(plan: LoadPlan) -> str:
    """Return the plan as JSON."""
    return json.dumps(asdict(plan), default=str, indent=1)


def decode_spec(text: str) -> LoadPlan:
    """Return the plan that ``encode_spec`` encoded."""
    fields: dict[str, Any] = json.loads(text)
    stages = tuple(Stage(**stage) for stage in fields.pop("stages"))
    profile, arrivals = Path(fields.pop("profile")), Arrivals(fields.pop("arrivals"))
    ca_file = fields.pop("ca_file", None)
    trusted = None if ca_file is None else Path(ca_file)
    return LoadPlan(profile=profile, stages=stages, arrivals=arrivals, ca_file=trusted, **fields)


def write_spec(plan: LoadPlan, folder: Path) -> Path:
    """Write the specification into the run's folder, with an absolute path of the profile. Returns the file's path.

    Only this user can read it, because headers and URL may carry credentials.
    """
    path = folder / SPEC_FILE
    path.touch(mode=0o600)
    path.write_text(encode_spec(replace(plan, profile=plan.profile.absolute())))
    return path
